// Lighthouse over the pages that people open first, on a desktop and as on a phone of the middle class over a slow line. Its lantern
// model computes what a slow line and processor would make of what was loaded, and is the same on a busy machine and a quiet one but
// for the processor's time, of which the median of some runs is taken.
//
//   BASALT_CONSOLE   a console that runs; without it, the built one with a made-up network
//   BASALT_USER, BASALT_PASSWORD   whom to log in there
import { setPriority } from "node:os";
import lighthouse from "lighthouse";
import desktop from "lighthouse/core/config/desktop-config.js";
import { throttling } from "lighthouse/core/config/constants.js";
import { chromium } from "playwright-core";
import { FLAGS, PATIENCE } from "./browser.mjs";
import { serveWithData } from "./console-with-data.mjs";

const PORT = 9333;
const PHONE = throttling.mobileSlow4G;
const PAGES = [["login", "login"], ["overview", "n/demo"], ["subscribers", "n/demo/subscribers"], ["gateways", "n/demo/gateways"]];
const CATEGORIES = ["performance", "accessibility", "best-practices"];
/** What a quiet desktop's benchmark is at least: Lighthouse's slowing of the processor by four is meant for one. */
const DESKTOP = 1_500;
const SLOWING = 4;
/** Runs of a page; the median counts. */
const RUNS = Number(process.env.RUNS ?? 3);

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** The cookie of a session of a console that runs. */
async function loggedIn(address) {
  const body = JSON.stringify({ name: process.env.BASALT_USER ?? "operator", password: process.env.BASALT_PASSWORD ?? "", cookie: true });
  const answer = await fetch(`${address}/api/v1/sessions`, { method: "POST", headers: { "content-type": "application/json" }, body });
  if (!answer.ok) throw new Error(`no session: ${answer.status}`);
  return { Cookie: answer.headers.getSetCookie().map((it) => it.split(";")[0]).join("; ") };
}

/** The scores of one look, and the times behind that of the performance in milliseconds. */
async function look(url, config, extraHeaders, slowing) {
  const own = slowing ? { throttlingMethod: "simulate", throttling: { ...PHONE, cpuSlowdownMultiplier: slowing } } : {};
  const found = await lighthouse(url, { port: PORT, logLevel: "silent", onlyCategories: CATEGORIES, extraHeaders, output: "json", maxWaitForLoad: 12_000, ...own }, config);
  const { categories, audits } = found.lhr;
  const time = (id) => Math.round(audits[id].numericValue ?? 0);
  const failed = Object.values(audits).filter((it) => it.score !== null && it.score < 0.9).map((it) => it.id);
  return {
    scores: Object.fromEntries(CATEGORIES.map((it) => [it, Math.round(categories[it].score * 100)])),
    ms: { first_paint: time("first-contentful-paint"), largest_paint: time("largest-contentful-paint"), blocked: time("total-blocking-time"), speed_index: time("speed-index") },
    shift: Number((audits["cumulative-layout-shift"].numericValue ?? 0).toFixed(3)),
    octets: Math.round(audits["total-byte-weight"].numericValue ?? 0),
    failed,
    // What this machine does in a second, as Lighthouse counts: 1,000 and more is a quiet desktop.
    benchmark: Math.round(found.lhr.environment.benchmarkIndex),
  };
}

/** Other programs of this machine wait for the browser, where we may say so: a page is measured, not what else is built here. */
function goFirst() {
  try {
    setPriority(-15);
  } catch {
    // Not root: the machine has to be quiet.
  }
}

async function page(url, config, headers) {
  const looks = [];
  for (let run = 0; run < RUNS; run += 1) looks.push(await look(url, config, headers));
  const score = (it) => it.scores.performance;
  const middle = median(looks.map(score));
  const { benchmark } = looks[0];
  if (config === undefined && benchmark < DESKTOP) {
    // A busy or small machine is slow already: it is slowed by what is missing to a phone, as Lighthouse's authors advise.
    const slowing = Number(Math.max(1, (SLOWING * benchmark) / DESKTOP).toFixed(1));
    const { scores, ms } = await look(url, config, headers, slowing);
    const calibrated = { slowing, performance: scores.performance, largest_paint_ms: ms.largest_paint, blocked_ms: ms.blocked };
    return { ...looks.find((it) => score(it) === middle), runs: looks.map(score), calibrated };
  }
  return { ...looks.find((it) => score(it) === middle), runs: looks.map(score) };
}

/** Scores of every page, by form and name of the page. */
export async function lighthouseOf(address, headers, only = "") {
  goFirst();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...FLAGS, `--remote-debugging-port=${PORT}`], headless: true, timeout: PATIENCE });
  const told = {};
  try {
    for (const [form, config] of [["phone", undefined], ["desktop", desktop]]) {
      for (const [name, path] of PAGES.filter(([name]) => name.includes(only))) {
        const found = await page(`${address}/${path}`, config, name === "login" ? {} : headers);
        told[`${name}-${form}`] = found;
        const { scores, ms, shift, octets, runs, failed, calibrated } = found;
        const slowed = calibrated ? `; slowed by ${calibrated.slowing} instead of ${SLOWING}: ${calibrated.performance}` : "";
        console.log(`${name} ${form}: ${CATEGORIES.map((it) => `${it} ${scores[it]}`).join(", ")}; paint ${ms.first_paint} and ${ms.largest_paint} ms, blocked ${ms.blocked} ms, speed index ${ms.speed_index}, shift ${shift}, ${octets} octets; benchmark ${found.benchmark}; runs ${runs.join(" ")}${slowed}; ${failed.join(" ")}`);
      }
    }
  } finally {
    await browser.close();
  }
  return told;
}

/** Lighthouse of a console that runs, or of the built one. */
export async function measured(only) {
  const running = process.env.BASALT_CONSOLE;
  if (running) return lighthouseOf(running, await loggedIn(running), only);
  const server = await serveWithData();
  try {
    return await lighthouseOf(server.address, {}, only);
  } finally {
    await server.close();
  }
}
