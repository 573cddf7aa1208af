// axe finds nothing: every page, both themes; and the parts that open above pages.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { launch, open, palette, settled, still } from "./browser.mjs";
import { PAGES } from "./pages.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] };

/** What opened above a page has its name a moment after it; one that never comes is an error. */
async function named(page) {
  await page.waitForFunction(() => {
    const nameOf = (node) => node.getAttribute("aria-label") || document.getElementById(node.getAttribute("aria-labelledby") ?? "")?.textContent;
    return [...document.querySelectorAll("[role=dialog]")].every(nameOf);
  });
}

/** What axe finds on a page as it is; the policy of the page does not hold for the debugger that puts axe in. */
export async function findings(page) {
  await named(page);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((rules) => globalThis.axe.run(document, rules), RULES);
  return violations.map((it) => `${it.id} (${it.impact}): ${it.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.failureSummary?.split("\n").slice(1, 3).join(" ")}`).join(" | ")}`);
}

const ABOVE = [
  ["palette", "", palette],
  ["add gateway", "gateways", (page) => page.getByRole("button", { name: "Add a gateway" }).first().click()],
  ["account", "", (page) => page.getByRole("button", { name: "Account" }).click()],
  ["plan of a staged change", "policies?id=home", (page) => page.getByRole("button", { name: "Roll out in stages" }).click()],
  ["change many", "subscribers", (page) => page.getByRole("button", { name: "Change many" }).click()],
];

export async function accessibility(address, only = "") {
  const browser = await launch();
  const all = [];
  const pages = PAGES.filter(([name]) => name.includes(only));
  const note = async (page, name) => {
    for (const found of await findings(page)) all.push(`${name}: ${found}`);
  };
  try {
    for (const theme of ["light", "dark"]) {
      const { page, complaints } = await open(browser, { theme });
      for (const [name, path, isAbove] of pages) {
        await page.goto(`${address}/n/demo/${path}`);
        if (isAbove) await still(page);
        await settled(page);
        await note(page, `${name} ${theme}`);
      }
      for (const [name, path, act] of ABOVE) {
        await page.goto(`${address}/n/demo/${path}`);
        await settled(page);
        await act(page);
        await still(page);
        await note(page, `${name} ${theme}`);
      }
      const door = await open(browser, { theme, network: { "mock-session": "none" } });
      for (const path of ["login", "setup#good"]) {
        await door.page.goto(`${address}/${path}`);
        await settled(door.page);
        await note(door.page, `${path} ${theme}`);
      }
      const begin = await open(browser, { theme, network: { "mock-networks": "none" } });
      await begin.page.goto(`${address}/`);
      await settled(begin.page);
      await note(begin.page, `first network ${theme}`);
      all.push(...complaints, ...door.complaints, ...begin.complaints);
    }
  } finally {
    await browser.close();
  }
  if (all.length > 0) throw new Error(`${all.length} findings of axe:\n${all.join("\n")}`);
  console.log(`axe: ${2 * (pages.length + ABOVE.length + 3)} pages, no findings`);
}
