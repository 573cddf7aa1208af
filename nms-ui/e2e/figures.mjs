// What the console promises, measured by one command and written to bench/results/<date>-console.json.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { launch, open, settled } from "./browser.mjs";
import { serveWithData } from "./console-with-data.mjs";
import { lighthouseOf } from "./lighthouse.mjs";
import { performance } from "./performance.mjs";

const RESULTS = new URL("../../bench/results/", import.meta.url).pathname;
const LOADS = 5;

function git(...words) {
  return execFileSync("git", words, { encoding: "utf8" }).trim();
}

/** Milliseconds from asking for the overview to its numbers, over the loopback, each time with nothing kept; all of the tries. */
async function firstLoads(address) {
  const browser = await launch();
  const took = [];
  try {
    for (let time = 0; time < LOADS; time += 1) {
      const { page, context } = await open(browser);
      const began = Date.now();
      await page.goto(`${address}/n/demo`, { waitUntil: "commit" });
      await page.locator(".tile .value").first().waitFor();
      await settled(page);
      took.push(Date.now() - began);
      await context.close();
    }
  } finally {
    await browser.close();
  }
  return took.toSorted((a, b) => a - b);
}

/** Octets of JavaScript of the first page, as the build counts them. */
function firstOctets() {
  const told = execFileSync("node", ["scripts/first-load.mjs"], { encoding: "utf8" });
  const [, files, gzip, brotli] = /(\d+) files of JavaScript, (\d+) octets by gzip, (\d+) by brotli/.exec(told) ?? [];
  return { first_load_files: Number(files), first_load_javascript_gzip_octets: Number(gzip), first_load_javascript_brotli_octets: Number(brotli) };
}

function flat(lighthouse) {
  return Object.fromEntries(Object.entries(lighthouse).flatMap(([page, { scores, ms, runs, benchmark, calibrated = {} }]) => [
    ...Object.entries(scores).map(([category, score]) => [`lighthouse_${page}_${category}`, score]),
    [`lighthouse_${page}_performance_runs`, runs],
    [`lighthouse_${page}_benchmark_of_machine`, benchmark],
    ...Object.entries(calibrated).map(([name, value]) => [`lighthouse_${page}_calibrated_${name}`, value]),
    ...Object.entries(ms).map(([name, value]) => [`lighthouse_${page}_${name}_ms`, value]),
  ].map(([key, value]) => [key.replaceAll("-", "_"), value])));
}

/** Measures everything. */
export async function figures() {
  const long = await performance();
  const server = await serveWithData();
  let loads;
  let lighthouse;
  try {
    loads = await firstLoads(server.address);
    lighthouse = await lighthouseOf(server.address, {});
  } finally {
    await server.close();
  }
  const found = {
    bench: "console",
    command: "npm run figures (built console with a made-up network; Lighthouse's simulated throttling)",
    commit: git("rev-parse", "--short=12", "HEAD"),
    commit_dirty: git("status", "--porcelain", "--untracked-files=no") !== "",
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model ?? "?"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    load_of_machine: loadavg().map((it) => Number(it.toFixed(1))),
    chromium: execFileSync(process.env.CHROMIUM ?? "/usr/bin/chromium", ["--version"], { encoding: "utf8" }).trim(),
    ...firstOctets(),
    first_load_ms_median: loads[Math.floor(LOADS / 2)],
    first_load_ms_worst: loads.at(-1),
    ...long,
    ...flat(lighthouse),
  };
  const path = `${RESULTS}${found.date}-console.json`;
  writeFileSync(path, `${JSON.stringify(found, null, 2)}\n`);
  console.log(`${path}: first load ${found.first_load_ms_median} ms, ${found.first_load_javascript_gzip_octets} octets of JavaScript by gzip`);
}
