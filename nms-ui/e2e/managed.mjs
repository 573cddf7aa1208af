// A network from its first user on, all done in the console with the real programs: a gateway is added and drained, a change reaches
// it in stages and is taken back, people and programs come in and are shut out, and everything is copied.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findings } from "./accessibility.mjs";
import { GATEWAY, GRAFANA, NETWORK, ORCHESTRATOR } from "./apart.mjs";
import { becomes } from "./browser.mjs";

const USER = ["root", "correct horse battery"];
const SEER = ["vera", "staples are for paper"];
const INTERFACE = `${ORCHESTRATOR}/api/v1`;

function must(good, words) {
  if (!good) throw new Error(words);
}

export async function managed(world) {
  const { page, at, setup, basalt, step } = world;
  const look = async (words) => {
    const found = await findings(page);
    must(found.length === 0, `${words}: axe: ${found.join("\n")}`);
    step(words);
  };
  await firstUser(page, `${at}/setup#${setup}`);
  await look("the first user is made by the setup link");
  await joined(page, at, (token) => basalt("gateway", "join", token));
  await look("a gateway joined by the line of the page, which saw it come");
  await linked(page, at);
  await look("the metrics lead to the Grafana that the orchestrator was told of");
  await drained(page, at);
  await look("a drain is told on the gateway's page, and ended there");
  await stagedChange(page, at);
  // By now the gateway has reported again.
  await openAgain(page, at);
  await look("a new access point reached the gateway in stages, and is an object of the network at the end");
  await takenBack(page, at);
  await look("a change of it is shown as a difference, and taken back");
  await seen(page, at);
  await look("a user who may only look was let in, could change nothing, and was shut out when deleted");
  await keyed(page, at);
  await look("an API key was shown once, worked, and was refused when it was revoked");
  await copied(page, at, world);
  await look("a copy of everything was downloaded, and the key it is meant for reads it to its end");
}

async function firstUser(page, link) {
  await page.goto(link);
  await page.getByLabel("Name").fill(USER[0]);
  await page.locator("input[type=password]").fill(USER[1]);
  await page.getByRole("button", { name: "Make the user" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

async function joined(page, at, join) {
  await page.goto(`${at}/n/${NETWORK}/gateways`);
  await page.getByRole("button", { name: "Add a gateway" }).first().click();
  await page.getByLabel("Name").fill(GATEWAY);
  await page.getByRole("button", { name: "Make the token" }).click();
  const line = page.getByText(/^basalt gateway join bgt1\./);
  await line.waitFor();
  const { status, stderr } = join((await line.innerText()).trim().split(" ").at(-1));
  if (status !== 0) throw new Error(`the gateway does not join: ${stderr}`);
  await page.getByRole("dialog").getByRole("link", { name: GATEWAY }).waitFor();
}

async function linked(page, at) {
  await page.goto(`${at}/n/${NETWORK}/metrics?tab=elsewhere`);
  const link = page.getByRole("link", { name: "Open Grafana" });
  await link.waitFor();
  const address = await link.getAttribute("href");
  if (address !== GRAFANA) throw new Error(`the link leads to ${address}`);
}

/** Asks the gateway for something on its page. */
async function asked(page, command) {
  await page.getByRole("combobox", { name: "Command" }).click();
  await page.getByRole("option", { name: command }).click();
  await page.getByRole("button", { name: "Run", exact: true }).click();
}

/** The gateway takes no new phones, which its own report tells the page, and is told to take them again. */
async function drained(page, at) {
  await page.goto(`${at}/n/${NETWORK}/gateways/${GATEWAY}?tab=commands`);
  await asked(page, "Take no new phones");
  await page.getByRole("dialog").getByText("Takes no new phones until told otherwise").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("no phone is connected and no new one is taken").waitFor();
  await page.getByText("drained", { exact: true }).waitFor();
  await asked(page, "Take new phones again");
  await page.getByText("new phones are taken again").waitFor();
}

/** The drain's mark is gone from the gateway's page, which has the gateway's state. */
async function openAgain(page, at) {
  await page.goto(`${at}/n/${NETWORK}/gateways/${GATEWAY}`);
  await page.getByRole("heading", { name: "What it serves" }).waitFor();
  await page.getByText("drained", { exact: true }).waitFor({ state: "detached" });
}

/** An access point that is rolled out: the gateway has it, then the network. */
async function stagedChange(page, at) {
  await page.goto(`${at}/n/${NETWORK}/policies?tab=apns`);
  await page.getByRole("button", { name: "Add", exact: true }).first().click();
  const panel = page.getByRole("dialog");
  await panel.getByRole("textbox", { name: /^Name/ }).fill("field");
  // Without addresses of its own the gateway could not have it, and the change would be taken back.
  await panel.getByRole("textbox", { name: /^Pools by gateway/ }).fill(JSON.stringify({ [GATEWAY]: ["10.99.0.0/24"] }));
  await panel.getByRole("button", { name: "Roll out in stages" }).click();
  await panel.getByText("Reaches 1 gateway: 1 first").waitFor();
  await panel.getByRole("textbox", { name: "Minutes the first are looked at" }).fill("0");
  await panel.getByRole("button", { name: "Begin" }).click();
  await page.waitForURL(/configuration\?tab=staged&id=/);
  await panel.getByRole("row", { name: new RegExp(`${GATEWAY}.*have it`) }).waitFor();
  await panel.getByText("done", { exact: true }).waitFor();
  await page.goto(`${at}/n/${NETWORK}/policies?tab=apns`);
  await page.getByRole("button", { name: "field", exact: true }).waitFor();
}

/** A change of the access point: what it was before is one press away. */
async function takenBack(page, at) {
  const form = page.getByRole("dialog");
  const qci = form.getByLabel("QCI");
  await page.goto(`${at}/n/${NETWORK}/policies?tab=apns&id=field`);
  const former = await qci.inputValue();
  must(former !== "8", "the access point has the class already");
  await qci.fill("8");
  await form.getByRole("button", { name: "Save" }).click();
  await form.waitFor({ state: "detached" });
  await page.goto(`${at}/n/${NETWORK}/configuration`);
  await page.getByRole("button", { name: "field", exact: true }).click();
  const change = form.getByRole("row", { name: /qci/ }).first();
  await becomes("the difference", () => change.innerText(), (told) => told.split(/\s+/).join(" ") === `/qci ${former} 8`);
  await form.getByRole("button", { name: "Go back to this" }).click();
  await form.getByRole("heading", { name: /Revision 3 now/ }).waitFor();
  await page.goto(`${at}/n/${NETWORK}/policies?tab=apns&id=field`);
  await becomes("the class of before", () => qci.inputValue(), (found) => found === former);
}

/** What the interface answers to somebody with a token. */
async function answered(token, path, method = "GET") {
  const { status } = await fetch(`${INTERFACE}/${path}`, { method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: method === "GET" ? undefined : "{}" });
  return status;
}

/** A user whose right is to look: at the interface they come in, and are refused what changes. */
async function seen(page, at) {
  const form = page.getByRole("dialog");
  const [name, password] = SEER;
  await page.goto(`${at}/n/${NETWORK}/access?tab=users`);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await form.getByLabel("Name").fill(name);
  await form.locator("input[type=password]").fill(password);
  await form.getByRole("button", { name: "Add", exact: true }).click();
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByRole("row", { name: /vera.*Viewer everywhere/ }).waitFor();
  const come = await fetch(`${INTERFACE}/sessions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name, password }) });
  const { token } = await come.json();
  must((await answered(token, "networks")) === 200, "the new user may not look");
  must((await answered(token, `networks/${NETWORK}/data-plans/own`, "PUT")) === 403, "the new user may change things");
  await page.getByRole("button", { name, exact: true }).click();
  await form.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByText("Ends the user’s sessions and API keys now.").waitFor();
  await page.getByRole("dialog", { name: /^Delete/ }).getByRole("button", { name: "Delete" }).click();
  await page.getByRole("row", { name: /vera/ }).waitFor({ state: "detached" });
  must((await answered(token, "networks")) === 401, "the session of the deleted user goes on");
}

/** A key for a program: seen once, good until it is revoked. */
async function keyed(page, at) {
  const form = page.getByRole("dialog");
  await page.goto(`${at}/n/${NETWORK}/access?tab=keys`);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await form.getByLabel("Title").fill("reports");
  await form.getByRole("button", { name: "Make the key" }).click();
  await form.getByText("Copy it now: it is not shown again.").waitFor();
  const token = (await form.locator("pre").innerText()).trim();
  await form.getByRole("button", { name: "Close" }).last().click();
  must((await answered(token, "networks")) === 200, "the key does not work");
  must(!(await page.content()).includes(token), "the key stays in the page");
  await page.getByRole("row", { name: /reports/ }).getByRole("button", { name: "Revoke" }).click();
  await form.getByText("Programs with this key are refused at once.").waitFor();
  await form.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("row", { name: /reports/ }).waitFor({ state: "detached" });
  must((await answered(token, "networks")) === 401, "the revoked key works");
}

/** A copy for a key that was made elsewhere: it is that key which reads it. */
async function copied(page, at, { folder, files }) {
  const backup = (...words) => {
    const { status, stdout, stderr } = spawnSync(join(folder, "orchestratord"), ["backup", ...words], { encoding: "utf8" });
    must(status === 0, `backup ${words[0]}: ${stderr}`);
    // Whom it is for is told beside the key, on the standard error.
    return stdout + stderr;
  };
  const [identity, copy] = [join(files, "backup.key"), join(files, "copy.backup.age")];
  const [recipient] = /age1[0-9a-z]{58}/.exec(backup("keygen", "--output", identity)) ?? [];
  await page.goto(`${at}/n/${NETWORK}/backup`);
  await page.getByLabel("For whom").fill(recipient);
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Make and download" }).click()]);
  await file.saveAs(copy);
  backup("verify", copy, "--identity", identity);
}
