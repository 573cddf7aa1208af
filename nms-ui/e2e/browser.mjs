// Chromium as Debian ships it, quiet and offline.
import { chromium } from "playwright-core";

export const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** A loaded machine may take its time; what never comes is an error all the same. */
export const PATIENCE = 60_000;

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, headless: true, timeout: PATIENCE });
}

export const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };

/** A page that collects what browsers complain about: errors, and breaches of the policy. */
export async function open(browser, { size = "desktop", theme = "light", language = "en", network } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: theme, locale: language, hasTouch: size === "phone", reducedMotion: "reduce" });
  await context.addInitScript((told) => {
    localStorage.setItem("basalt-language", told.language);
    for (const [key, value] of Object.entries(told.network ?? {})) localStorage.setItem(key, value);
  }, { language, network });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !/Failed to load resource/.test(text)) complaints.push(`${page.url()}: ${text}`);
  });
  return { page, context, complaints };
}

/** Reads until what was read is good: a page may be drawn a moment after what was done to it. What never becomes so is an error. */
export async function becomes(words, read, good) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = await read();
    if (good(found)) return found;
    if (Date.now() > deadline) throw new Error(`${words}: still ${JSON.stringify(found)}`);
    await new Promise((drawn) => setTimeout(drawn, 50));
  }
}

/** What opened above a page stands still: all that moved has arrived. What never does is an error. */
export async function still(page) {
  const opened = page.locator("[role=dialog], [role=menu]").first();
  await opened.waitFor();
  await page.waitForFunction(() => {
    const node = document.querySelector("[role=dialog], [role=menu]");
    for (let it = node; it; it = it.parentElement) if (getComputedStyle(it).opacity !== "1") return false;
    return node !== null && node.getAnimations({ subtree: true }).every((it) => it.playState !== "running" || it.effect?.getTiming().iterations === Infinity);
  });
}

/** The palette by its keys. They are pressed until it opens: a page is drawn a moment before it listens. */
export async function palette(page) {
  const opened = page.getByRole("combobox", { name: "Command palette" });
  await becomes("the palette opens", async () => {
    await page.keyboard.press("Control+k");
    return opened.isVisible();
  }, (isOpen) => isOpen);
  return opened;
}

/** A page is there when it has its title and waits for nothing. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector(".waiting, .mantine-Loader-root"));
}
