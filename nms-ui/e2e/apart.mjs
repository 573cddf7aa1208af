// The real programs, an orchestrator and a gateway of its network, in a network of their own (namespaces): nothing but Node and
// Chromium is needed beside them.
//
//   BASALT_PROGRAMS   a folder with agwd, orchestratord and basalt; else the newest of target/{fast,release,debug}
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { serveBefore } from "./behind.mjs";
import { becomes, launch, open } from "./browser.mjs";
import { releaseKey } from "./release.mjs";

const NAMESPACES = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
/** Whoever may not be root outside is root within. */
const WAYS = [["--user", "--map-root-user", ...NAMESPACES], NAMESPACES];
const PROGRAMS = ["agwd", "orchestratord", "basalt"];
export const ORCHESTRATOR = "http://127.0.0.1:8480";
export const NETWORK = "home";
export const GATEWAY = "site";
export const GRAFANA = "https://grafana.example.net/d/basalt";
/** The longest story, milliseconds. */
const MOST = 600_000;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

function programs() {
  const target = process.env.CARGO_TARGET_DIR ?? here("../../target");
  const folders = process.env.BASALT_PROGRAMS ? [process.env.BASALT_PROGRAMS] : ["fast", "release", "debug"].map((it) => join(target, it));
  const complete = folders.filter((folder) => PROGRAMS.every((it) => existsSync(join(folder, it))));
  const newest = complete.toSorted((a, b) => statSync(join(b, "agwd")).mtimeMs - statSync(join(a, "agwd")).mtimeMs)[0];
  if (!newest) throw new Error(`${PROGRAMS.join(", ")} are not built in ${folders.join(", ")}`);
  return newest;
}

/** Runs a task of `run.mjs` within namespaces of its own. */
export function apart(task) {
  const env = { ...process.env, BASALT_PROGRAMS: programs() };
  const way = WAYS.find((it) => spawnSync("unshare", [...it, "true"]).status === 0);
  if (!way) throw new Error("namespaces are forbidden here");
  const { status, signal } = spawnSync("unshare", [...way, process.execPath, here("run.mjs"), task], { env, stdio: "inherit", timeout: MOST, killSignal: "SIGKILL" });
  if (status !== 0) throw new Error(`${task} ended with ${signal ?? status}`);
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

/**
 * Within the namespaces: tells a story with a page of the console. It gets `page`, `at` (the console's address), `setup` (the token
 * of the setup link), `basalt` (the command, to the gateway), `folder` and `files` (of programs, and of what is written), `key` (of
 * releases) and `step` (what was shown).
 */
export async function within(name, story) {
  const folder = process.env.BASALT_PROGRAMS;
  const files = mkdtempSync(join(tmpdir(), `basalt-${name}-`));
  network();
  const key = releaseKey();
  const { setup, basalt } = await started(folder, files, key);
  const server = await serveBefore(ORCHESTRATOR);
  const browser = await launch();
  const { page, complaints } = await open(browser);
  try {
    await story({ page, at: server.address, setup, basalt, folder, files, key, step: (words) => console.log(`${name}: ${words}`) });
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
    rmSync(files, { recursive: true });
  } catch (error) {
    for (const log of ["agwd.log", "orchestrator.log"]) console.error(`${log}:\n${readFileSync(join(files, log), "utf8").split("\n").slice(-30).join("\n")}`);
    await page.screenshot({ path: join(files, "failed.png") });
    console.error(`files: ${files}`);
    throw error;
  } finally {
    await browser.close();
    server.close();
  }
}
