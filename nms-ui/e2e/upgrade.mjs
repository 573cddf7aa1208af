// A gateway that `managed` added is upgraded by a staged rollout and brought back, all from the console, with the real programs.
import { join } from "node:path";
import { findings } from "./accessibility.mjs";
import { GATEWAY, NETWORK } from "./apart.mjs";
import { becomes, settled } from "./browser.mjs";
import { managed } from "./managed.mjs";
import { otherVersion } from "./release.mjs";

const NEW = "90.0.0";
/** An upgrade is fetched, tried and found well. */
const UPGRADE = { timeout: 180_000 };

export async function upgraded(world) {
  const { page, at, basalt, folder, files, key, step } = world;
  const program = join(files, "new");
  const release = otherVersion(join(folder, "agwd"), program, NEW);
  const runs = () => JSON.parse(basalt("-o", "json", "status").stdout || "{}").version;
  await managed(world);
  await uploaded(page, at, program, release, key.sign(release, program));
  step(`${release.product} ${NEW} is uploaded with its signature`);
  await rolledOut(page, at);
  await becomes("the gateway runs it", runs, (version) => version === NEW);
  step(`a rollout to its tier: the gateway runs ${NEW}`);
  const found = await findings(page);
  if (found.length > 0) throw new Error(`axe: ${found.join("\n")}`);
  await broughtBack(page, at);
  await becomes("the gateway runs what it did before", runs, (version) => version === release.former);
  step(`a command brought it back to ${release.former}`);
}

async function uploaded(page, at, program, release, signature) {
  await page.goto(`${at}/n/${NETWORK}/upgrades?tab=releases`);
  await page.getByRole("button", { name: "Upload a release" }).first().click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Program", { exact: true }).setInputFiles(program);
  await form.getByLabel("Version").fill(release.version);
  await form.getByLabel("Platform").fill(release.platform);
  await form.getByLabel("Signature").fill(signature);
  await becomes("the program is digested", () => form.getByLabel("SHA-256 of the program").inputValue(), (digest) => digest.length === 64);
  await form.getByRole("button", { name: "Upload a release" }).click();
  await page.getByRole("row", { name: new RegExp(`${NEW}.*complete`) }).waitFor(UPGRADE);
}

async function rolledOut(page, at) {
  await page.goto(`${at}/n/${NETWORK}/upgrades`);
  await page.getByRole("button", { name: "Start a rollout" }).first().click();
  const plan = page.getByRole("dialog");
  await plan.getByRole("combobox", { name: "Release" }).click();
  await page.getByRole("option", { name: new RegExp(NEW) }).click();
  await plan.getByRole("combobox", { name: "Tier" }).click();
  await page.getByRole("option").filter({ visible: true }).first().click();
  await plan.getByText(/Upgrades 1 gateway of this tier/).waitFor();
  await plan.getByRole("textbox", { name: "Minutes the first are looked at" }).fill("0");
  await plan.getByRole("button", { name: "Start a rollout" }).click();
  await page.getByRole("dialog").getByRole("row", { name: new RegExp(`${GATEWAY}.*upgraded`) }).waitFor(UPGRADE);
  await page.goto(`${at}/n/${NETWORK}/gateways/${GATEWAY}`);
  await page.getByText(NEW).first().waitFor();
  await settled(page);
}

async function broughtBack(page, at) {
  await page.goto(`${at}/n/${NETWORK}/gateways/${GATEWAY}?tab=commands`);
  await page.getByRole("combobox", { name: "Command" }).click();
  await page.getByRole("option", { name: "Upgrade" }).click();
  await page.getByRole("combobox", { name: "Release" }).click();
  await page.getByRole("option", { name: "Back to what ran before" }).click();
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
  await page.locator("section.panel", { hasText: "back" }).getByText("done", { exact: true }).first().waitFor(UPGRADE);
}
