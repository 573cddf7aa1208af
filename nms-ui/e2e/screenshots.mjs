// Pictures of every page, desktop and phone, both themes, into target/screenshots.
import { mkdirSync } from "node:fs";
import { launch, open, settled, still } from "./browser.mjs";
import { PAGES } from "./pages.mjs";

/** Pages before there is somebody, or a network. */
const DOORS = [
  ["login", "login", { "mock-session": "none" }],
  ["setup", "setup#good", { "mock-session": "none" }],
  ["first-network", "", { "mock-networks": "none" }],
];
const INTO = new URL("../../target/screenshots/", import.meta.url).pathname;

export async function screenshots(address, only) {
  mkdirSync(INTO, { recursive: true });
  const browser = await launch();
  try {
    for (const [size, theme] of [["desktop", "light"], ["desktop", "dark"], ["phone", "light"], ["phone", "dark"]]) {
      const { page, complaints } = await open(browser, { size, theme });
      for (const [name, path, isAbove] of PAGES.filter(([name]) => !only || only.includes(name))) {
        await page.goto(`${address}/n/demo/${path}`);
        if (isAbove) await still(page);
        await settled(page);
        if (name === "subscriber") {
          await page.getByRole("button", { name: /^Measure/ }).click();
          await page.locator(".way").waitFor();
        }
        if (name === "gateway-logs") {
          await page.getByRole("button", { name: "Read the last lines" }).click();
          await page.getByText("no address is left").waitFor();
        }
        if (name === "map") await page.waitForTimeout(2_000);
        await page.screenshot({ path: `${INTO}${name}-${size}-${theme}.png` });
      }
      if (complaints.length > 0) throw new Error(complaints.join("\n"));
    }
    for (const size of ["desktop", "phone"]) {
      for (const [name, path, network] of DOORS) {
        const { page } = await open(browser, { size, network });
        await page.goto(`${address}/${path}`);
        await settled(page);
        await page.screenshot({ path: `${INTO}${name}-${size}-light.png` });
      }
    }
  } finally {
    await browser.close();
  }
  console.log(`pictures: ${INTO}`);
}
