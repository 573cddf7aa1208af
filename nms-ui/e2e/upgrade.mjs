// A gateway is added, upgraded by a staged rollout and brought back, all from the console, with the real programs in a network of
// their own (user namespaces): nothing but Node and Chromium is needed beside them.
//
//   BASALT_PROGRAMS   a folder with agwd, orchestratord and basalt; else the newest of target/{fast,release,debug}
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findings } from "./accessibility.mjs";
import { serveBefore } from "./behind.mjs";
import { becomes, launch, open, settled } from "./browser.mjs";
import { otherVersion, releaseKey } from "./release.mjs";

const NAMESPACES = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
const PROGRAMS = ["agwd", "orchestratord", "basalt"];
const ORCHESTRATOR = "http://127.0.0.1:8480";
const USER = ["root", "correct horse battery"];
const NETWORK = "home";
const GATEWAY = "site";
const NEW = "90.0.0";
const GRAFANA = "https://grafana.example.net/d/basalt";
/** An upgrade is fetched, tried and found well. */
const UPGRADE = { timeout: 180_000 };
/** The whole of it, milliseconds. */
const MOST = 600_000;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

function programs() {
  const target = process.env.CARGO_TARGET_DIR ?? here("../../target");
  const folders = process.env.BASALT_PROGRAMS ? [process.env.BASALT_PROGRAMS] : ["fast", "release", "debug"].map((it) => join(target, it));
  const complete = folders.filter((folder) => PROGRAMS.every((it) => existsSync(join(folder, it))));
  return complete.toSorted((a, b) => statSync(join(b, "agwd")).mtimeMs - statSync(join(a, "agwd")).mtimeMs)[0];
}

/** Runs the story within namespaces of its own; where these are forbidden, or nothing was built, it says so. */
export function upgrade() {
  const folder = programs();
  if (!folder) return console.log("upgrade: skipped: agwd, orchestratord and basalt are not built");
  if (spawnSync("unshare", [...NAMESPACES, "true"]).status !== 0) return console.log("upgrade: skipped: user namespaces are forbidden here");
  const env = { ...process.env, BASALT_PROGRAMS: folder };
  const { status, signal } = spawnSync("unshare", [...NAMESPACES, process.execPath, here("run.mjs"), "upgrade-inside"], { env, stdio: "inherit", timeout: MOST, killSignal: "SIGKILL" });
  if (status !== 0) throw new Error(`the upgrade ended with ${signal ?? status}`);
}

/** A default route and a way to the loopback: what a gateway looks for when it starts. */
function network() {
  for (const words of ["link set lo up", "link add site0 type veth peer name site1", "link set site1 up", "addr add 198.51.100.1/24 dev site0", "link set site0 up", "route add default dev site0"]) execFileSync("ip", words.split(" "));
}

/** The orchestrator and a gateway that trusts a key of releases. */
async function started(folder, files, key) {
  const log = (name) => openSync(join(files, name), "a");
  writeFileSync(join(files, "orchestratord.toml"), `grafana_url = "${GRAFANA}"\n`);
  spawn(join(folder, "orchestratord"), ["--config", join(files, "orchestratord.toml"), "--data-dir", join(files, "orchestrator"), "--first-network", NETWORK], { stdio: ["ignore", log("orchestrator.out"), log("orchestrator.log")] });
  const said = await becomes("the orchestrator", () => readFileSync(join(files, "orchestrator.out"), "utf8"), (text) => text.includes("joins with"));
  const config = `name = "${GATEWAY}"\nstate_dir = "${files}/state"\nrun_dir = "${files}/run"\n[network]\nplmns = ["001-01"]\n[upgrade]\nkeys = ["${key.public}"]\n`;
  writeFileSync(join(files, "agwd.toml"), config);
  copyFileSync(join(folder, "agwd"), join(files, "agwd"));
  spawn(join(files, "agwd"), ["--config", join(files, "agwd.toml")], { stdio: ["ignore", "ignore", log("agwd.log")] });
  const basalt = (...words) => spawnSync(join(folder, "basalt"), ["--socket", join(files, "run/agwd.sock"), ...words], { encoding: "utf8" });
  await becomes("the gateway", () => basalt("status").status, (status) => status === 0);
  return { setup: /setup#(\S+)/.exec(said)?.[1], basalt };
}

export async function upgradeInside() {
  const folder = process.env.BASALT_PROGRAMS;
  const files = mkdtempSync(join(tmpdir(), "basalt-upgrade-"));
  const step = (words) => console.log(`upgrade: ${words}`);
  network();
  const key = releaseKey();
  const program = join(files, "new");
  const release = otherVersion(join(folder, "agwd"), program, NEW);
  const { setup, basalt } = await started(folder, files, key);
  const server = await serveBefore(ORCHESTRATOR);
  const browser = await launch();
  const { page, complaints } = await open(browser);
  const runs = () => JSON.parse(basalt("-o", "json", "status").stdout || "{}").version;
  try {
    await firstUser(page, `${server.address}/setup#${setup}`);
    step("the first user is made by the setup link");
    await joined(page, server.address, (token) => basalt("gateway", "join", token));
    step("a gateway joined by the line of the page, which saw it come");
    await linked(page, server.address);
    step("the metrics lead to the Grafana that the orchestrator was told of");
    await drained(page, server.address);
    step("a drain is told on the gateway's page, and ended there");
    await stagedChange(page, server.address);
    step("a new access point reached the gateway in stages, and is an object of the network at the end");
    await uploaded(page, server.address, program, release, key.sign(release, program));
    step(`${release.product} ${NEW} is uploaded with its signature`);
    await rolledOut(page, server.address);
    await becomes("the gateway runs it", runs, (version) => version === NEW);
    step(`a rollout to its tier: the gateway runs ${NEW}`);
    const found = await findings(page);
    if (found.length > 0) throw new Error(`axe: ${found.join("\n")}`);
    await broughtBack(page, server.address);
    await becomes("the gateway runs what it did before", runs, (version) => version === release.former);
    step(`a command brought it back to ${release.former}`);
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
    rmSync(files, { recursive: true });
  } catch (error) {
    for (const name of ["agwd.log", "orchestrator.log"]) console.error(`${name}:\n${readFileSync(join(files, name), "utf8").split("\n").slice(-30).join("\n")}`);
    await page.screenshot({ path: join(files, "failed.png") });
    console.error(`files: ${files}`);
    throw error;
  } finally {
    await browser.close();
    server.close();
  }
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

/** The gateway takes no new phones, which its own report tells the page, and takes them again. */
async function drained(page, at) {
  await page.goto(`${at}/n/${NETWORK}/gateways/${GATEWAY}?tab=commands`);
  await asked(page, "Take no new phones");
  await page.getByRole("dialog").getByText("Takes no new phones until told otherwise").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("no phone is connected and no new one is taken").waitFor();
  const mark = page.getByText("drained", { exact: true });
  await mark.waitFor();
  await asked(page, "Take new phones again");
  await page.getByText("new phones are taken again").waitFor();
  await mark.waitFor({ state: "detached" });
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
