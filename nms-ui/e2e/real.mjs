// Against the real stack: a demo that stays up (`make demo`, or `testbed demo --lab NAME`), its console at BASALT_CONSOLE.
//
//   BASALT_CONSOLE   http://127.0.0.1:8480
//   BASALT_LAB       name of the lab, for its phones' namespaces: the rate of a phone is measured inside (needs root)
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { findings } from "./accessibility.mjs";
import { launch, open, settled } from "./browser.mjs";
import { adopted, federation, traceBegun, traceRead, upgrades } from "./real-pages.mjs";

const USER = ["operator", "a lab that lives for minutes"];
const IMSI = "001010000000001";
const INTO = new URL("../../target/screenshots/real/", import.meta.url).pathname;
/** Octets, and the server of the lab's internet. */
const DOWNLOAD = 2_000_000;
const SERVER = "203.0.113.1";

function must(good, words) {
  if (!good) throw new Error(words);
}

/** Mbit/s that the first phone gets. */
function rate(lab) {
  const began = Date.now();
  execFileSync("nsenter", [`--net=/run/netns/${lab}-ue1`, "curl", "-sS", "-o", "/dev/null", "-m", "120", `http://${SERVER}/bytes/${DOWNLOAD}`]);
  return (DOWNLOAD * 8) / ((Date.now() - began) * 1000);
}

export async function real(address, { BASALT_LAB: lab }) {
  must(address, "set BASALT_CONSOLE to the address that the demo prints");
  mkdirSync(INTO, { recursive: true });
  const browser = await launch();
  const { page, context, complaints } = await open(browser);
  const shot = (name) => page.screenshot({ path: `${INTO}${name}.png` });
  const step = (words) => console.log(`real: ${words}`);
  try {
    await page.goto(`${address}/`);
    await page.getByLabel("Name").fill(USER[0]);
    await page.locator("input[type=password]").fill(USER[1]);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const [cookie] = await context.cookies();
    must(cookie?.httpOnly && cookie.sameSite === "Strict", `the session's cookie: ${JSON.stringify({ ...cookie, value: "" })}`);
    step("logged in by a cookie that no script can read");
    await page.getByRole("link", { name: /^Gateways 1 \/ 1/ }).waitFor();
    await shot("overview");
    step("the overview counts the gateway");
    await page.getByRole("link", { name: "Live sessions" }).click();
    await page.getByRole("heading", { name: "Live sessions" }).waitFor();
    await page.getByRole("link", { name: IMSI }).waitFor();
    await shot("sessions");
    step("a phone that attached in the lab is on the page");
    await page.getByRole("link", { name: IMSI }).click();
    await page.getByText(/Registered|Active/).first().waitFor();
    await settled(page);
    await shot("subscriber");
    await page.getByRole("link", { name: "Setup checklist" }).click();
    await page.getByText("A phone is registered.").waitFor();
    await shot("checklist");
    step("the checklist saw radio, SIM and phone");
    await token(page, address);
    step("a token becomes the line that a gateway runs");
    await command(page, address);
    await shot("commands");
    step("the gateway answers a command");
    for (const theme of ["gateways", "gateways/hill", "base-stations", "subscribers", "policies?tab=apns", "usage", "events", "audit", "configuration"]) {
      await page.goto(`${address}/n/demo/${theme}`);
      await settled(page);
      await shot(theme.replaceAll(/\W/g, "-"));
      await clean(page, theme);
    }
    await adopted(page, address);
    step("the base station that nobody had configured is adopted, and known then");
    if (lab) await slower(page, address, lab);
    else step("skipped: the rate of a phone (set BASALT_LAB, as root)");
    const trace = await traceBegun(page, address, IMSI);
    await disconnected(page, address);
    step("suspending the subscriber disconnects the phone");
    const messages = await traceRead(page, address, trace);
    await shot("trace");
    await clean(page, "trace");
    step(`a call trace has what was said meanwhile: ${messages} messages in sight`);
    step(`a release is uploaded, its rollout: ${await upgrades(page, address)}`);
    await shot("upgrades");
    await clean(page, "upgrades");
    await federation(page, address);
    await shot("federation");
    await clean(page, "federation");
    step("a home network is configured, what is wrong of it stands at its field");
    must(complaints.length === 0, complaints.join("\n"));
  } catch (error) {
    await shot("failed");
    throw error;
  } finally {
    await browser.close();
  }
}

/** axe finds nothing on a page as it is. */
async function clean(page, name) {
  const found = await findings(page);
  must(found.length === 0, `axe on ${name}: ${found.join("\n")}`);
}

async function token(page, address) {
  await page.goto(`${address}/n/demo/gateways`);
  await page.getByRole("button", { name: "Add a gateway" }).first().click();
  await page.getByRole("button", { name: "Make the token" }).click();
  await page.getByText(/^basalt gateway join bgt1\./).waitFor();
  await page.getByText("Waiting for the gateway").waitFor();
}

async function command(page, address) {
  await page.goto(`${address}/n/demo/gateways/hill?tab=commands`);
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("done", { exact: true }).first().waitFor();
}

/** The access point's rate is changed on its page; the phone's downloads slow down while it stays attached. */
async function slower(page, address, lab) {
  const before = rate(lab);
  await page.goto(`${address}/n/demo/policies?tab=apns&id=internet`);
  const form = page.getByRole("dialog");
  await form.getByLabel("Rate: Downlink").fill("4 Mbit/s");
  await form.getByLabel("Rate: Uplink").fill("4 Mbit/s");
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved").waitFor();
  const deadline = Date.now() + 60_000;
  let after = rate(lab);
  while (after > 6 && Date.now() < deadline) after = rate(lab);
  console.log(`real: the access point at 4 Mbit/s: ${before.toFixed(1)} Mbit/s before, ${after.toFixed(1)} after`);
  must(after <= 6 && before > after, "the access point's rate does not slow the phone down");
}

async function disconnected(page, address) {
  await page.goto(`${address}/n/demo/subscribers/${IMSI}`);
  await page.getByRole("button", { name: "Suspend" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
  await page.getByText("Not registered at any gateway").waitFor();
}
