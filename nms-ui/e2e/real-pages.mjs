// Pages of the real stack that need more than a look: releases and their rollout, federation, call traces.
import { becomes, settled } from "./browser.mjs";

const PROGRAM = { name: "agwd-9.9.9-x86_64-linux", mimeType: "application/octet-stream", buffer: Buffer.from("no program: a gateway would refuse its signature\n".repeat(30_000)) };

/** A program is uploaded in pieces with its digest, and a rollout to a tier of no gateways is started, told, and ended; then both go. */
export async function upgrades(page, at) {
  await page.goto(`${at}/n/demo/configuration?tab=tiers`);
  await page.getByRole("button", { name: "Add", exact: true }).first().click();
  const tier = page.getByRole("dialog");
  await tier.getByRole("textbox", { name: /^Name/ }).fill("spare");
  await tier.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved").first().waitFor();
  await page.goto(`${at}/n/demo/upgrades?tab=releases`);
  await page.getByRole("button", { name: "Upload a release" }).first().click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Program", { exact: true }).setInputFiles(PROGRAM);
  await form.getByLabel("Signature").fill("ab".repeat(64));
  await becomes("the program is digested by the page", () => form.getByLabel("SHA-256 of the program").inputValue(), (digest) => digest.length === 64);
  await form.getByRole("button", { name: "Upload a release" }).click();
  await page.getByRole("row", { name: /agwd-9.9.9-x86_64-linux.*complete/ }).waitFor();
  await page.goto(`${at}/n/demo/upgrades`);
  await page.getByRole("button", { name: "Start a rollout" }).first().click();
  const plan = page.getByRole("dialog");
  await plan.getByRole("combobox", { name: "Release" }).click();
  await page.getByRole("option", { name: PROGRAM.name }).click();
  await plan.getByRole("combobox", { name: "Tier" }).click();
  await page.getByRole("option", { name: "spare" }).click();
  await plan.getByText(/Upgrades 0 gateways/).waitFor();
  await plan.getByRole("button", { name: "Start a rollout" }).click();
  // No gateway is of that tier: the orchestrator says so, or the rollout is done at once.
  const refused = plan.getByRole("alert");
  const told = page.getByText("9.9.9").first();
  await refused.or(told).first().waitFor();
  return (await refused.isVisible()) ? refused.innerText() : "started";
}

/** A base station that came without being configured is adopted: the orchestrator knows it by its cell then. */
export async function adopted(page, at) {
  const serial = "120200009999";
  await page.goto(`${at}/n/demo/base-stations`);
  const row = page.getByRole("row", { name: /0x[0-9a-f]+/ }).first();
  await row.getByRole("button", { name: "Adopt" }).click();
  const form = page.getByRole("dialog");
  await form.getByRole("textbox", { name: /^Name/ }).fill(serial);
  await form.getByRole("button", { name: "Save" }).click();
  await row.getByRole("button", { name: serial }).waitFor();
}

/** A home network is configured in the form, what the orchestrator refuses of it stands at its field, and it stands in the table. */
export async function federation(page, at) {
  await page.goto(`${at}/n/demo/federation?tab=configured`);
  await page.getByRole("button", { name: "Add", exact: true }).first().click();
  const form = page.getByRole("dialog");
  await form.getByRole("textbox", { name: /^Name/ }).fill("partner");
  const home = form.getByRole("textbox", { name: "S6a", exact: true });
  await home.fill('{"address":"203.0.113.9:3868","host":"hss.partner.example","realm":"partner.example"}');
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByText(/is no Diameter identity/).first().waitFor();
  await home.fill('{"address":"203.0.113.9:3868","host":"feg.valley.example","realm":"valley.example","dest_host":"hss.partner.example","dest_realm":"partner.example"}');
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "partner", exact: true }).waitFor();
  await page.goto(`${at}/n/demo/federation`);
  await settled(page);
}

/** What was said is a ladder: messages in full with their fields, of NAS and of S1AP, and the file for Wireshark. */
export async function traceRead(page, at, id) {
  await page.goto(`${at}/n/demo/trace?id=${id}`);
  const message = (name) => page.locator("button.message").filter({ hasText: name }).first();
  const full = (name) => page.getByRole("region", { name, exact: true });
  await message("DETACH REQUEST").click();
  await full("DETACH REQUEST").locator(".fields").getByText("detach_type").waitFor();
  await message("UE CONTEXT RELEASE COMMAND").click();
  await full("UE CONTEXT RELEASE COMMAND").locator(".fields").getByText("cause").first().waitFor();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "pcapng" }).click()]);
  const octets = Buffer.concat(await (await file.createReadStream()).toArray());
  if (octets.readUInt32LE(0) !== 0x0a0d0d0a) throw new Error("the file does not begin as pcapng does");
  return page.locator("button.message").count();
}

/** A look at one phone is begun from its own page. */
export async function traceBegun(page, at, imsi) {
  await page.goto(`${at}/n/demo/subscribers/${imsi}?tab=trace`);
  await page.getByRole("button", { name: "Begin" }).click();
  await page.waitForURL(/\/trace\?id=/);
  await settled(page);
  return new URL(page.url()).searchParams.get("id");
}
