// The built console before an orchestrator that runs alone, without gateways: pages that need none of them.
//
//   BASALT_CONSOLE, BASALT_USER, BASALT_PASSWORD   as for Lighthouse; a network `demo` with a subscriber 001010000000001
import { findings } from "./accessibility.mjs";
import { serveBefore } from "./behind.mjs";
import { launch, open } from "./browser.mjs";
import { federation, traceBegun, upgrades } from "./real-pages.mjs";

const IMSI = "001010000000001";

export async function alone({ BASALT_CONSOLE: orchestrator, BASALT_USER: name = "operator", BASALT_PASSWORD: password = "" }) {
  const server = await serveBefore(orchestrator);
  const browser = await launch();
  const { page, complaints } = await open(browser);
  const failures = [];
  const look = async (what, work) => {
    await work();
    failures.push(...(await findings(page)).map((it) => `${what}: ${it}`));
    console.log(`alone: ${what}`);
  };
  try {
    await page.goto(`${server.address}/`);
    await page.getByLabel("Name").fill(name);
    await page.locator("input[type=password]").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await look("a release and its rollout", () => upgrades(page, server.address));
    await look("a home network", () => federation(page, server.address));
    await look("a call trace begins", () => traceBegun(page, server.address, IMSI));
  } finally {
    await browser.close();
    server.close();
  }
  failures.push(...complaints);
  if (failures.length > 0) throw new Error(failures.join("\n"));
}
