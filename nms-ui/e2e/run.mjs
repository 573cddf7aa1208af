// `node e2e/run.mjs mock|only|real|managed|upgrade|screenshots|performance|lighthouse|figures|alone`: the browser's tests, and what is measured.
import { accessibility } from "./accessibility.mjs";
import { alone } from "./alone.mjs";
import { apart, within } from "./apart.mjs";
import { figures } from "./figures.mjs";
import { measured } from "./lighthouse.mjs";
import { managed } from "./managed.mjs";
import { mock } from "./mock.mjs";
import { performance } from "./performance.mjs";
import { real } from "./real.mjs";
import { screenshots } from "./screenshots.mjs";
import { serve } from "./serve.mjs";
import { upgraded } from "./upgrade.mjs";

const [what, ...rest] = process.argv.slice(2);

/** The longest of them takes a tenth of it; what stands still for so long never ends. */
const MOST = 45 * 60_000;
setTimeout(() => {
  console.error(`${what} did not come to an end`);
  process.exit(1);
}, MOST).unref();

const built = new URL("../dist-mock/", import.meta.url).pathname;

async function withMock(work) {
  const server = await serve(built);
  try {
    await work(server.address);
  } finally {
    server.close();
  }
}

const TASKS = {
  mock: () => withMock(async (address) => {
    await mock(address);
    await accessibility(address);
  }),
  // One thing that is being worked on: tests and pages with these words in their names.
  only: () => withMock(async (address) => {
    await mock(address, rest[0] ?? "");
    await accessibility(address, rest[1] ?? rest[0] ?? "");
  }),
  performance: () => performance(),
  lighthouse: () => measured(rest[0] ?? ""),
  figures: () => figures(),
  screenshots: () => withMock((address) => screenshots(address, rest.length > 0 ? rest : undefined)),
  alone: () => alone(process.env),
  real: () => real(process.env.BASALT_CONSOLE ?? "", process.env),
  managed: () => apart("managed-within"),
  upgrade: () => apart("upgrade-within"),
  // What these run within the namespaces that they make.
  "managed-within": () => within("managed", managed),
  "upgrade-within": () => within("upgrade", upgraded),
};

const task = TASKS[what];
if (!task) {
  console.error(`one of: ${Object.keys(TASKS).join(", ")}`);
  process.exit(2);
}
try {
  await task();
} catch (error) {
  console.error(error);
  process.exit(1);
}
// Vite, which reads the made-up network for what is measured, keeps a worker.
process.exit(0);
