// The console as it is shipped, and a made-up network that answers below /api/v1 outside of the browser: what is measured of the
// page is the page's alone.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { createServer } from "vite";
import { serve } from "./serve.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Octets from which on the orchestrator packs what is read (orchestrator/api/src/packing.rs), and what it never does: secrets. */
const LEAST = 1024;
const NEVER = /^\/api\/v1\/(me|login|sessions|api-keys|users)\b|\/gateway-tokens$/;

/** Whether the orchestrator would pack an answer. */
function isPacked(request, pathname, told) {
  const takes = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  return takes && request.method === "GET" && !NEVER.test(pathname) && !told.headers.has("etag") && told.headers.get("content-type") === "application/json";
}

/** The whole of a request's body. */
async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

/** Serves `dist`, which is built where it is not there, with the made-up network; its address, and how to end it. */
export async function serveWithData(size) {
  if (!existsSync(here("../dist/index.html"))) execFileSync("npm", ["run", "build"], { cwd: here(".."), stdio: "inherit" });
  // Vite reads the TypeScript of `mock-api`; it serves nothing itself.
  const vite = await createServer({ configFile: here("../vite.config.ts"), root: here(".."), server: { middlewareMode: true, hmr: false, ws: false, watch: null }, appType: "custom", logLevel: "error", optimizeDeps: { noDiscovery: true } });
  const [{ answer }, { World }] = await Promise.all([vite.ssrLoadModule("/mock-api/handlers.ts"), vite.ssrLoadModule("/mock-api/world.ts")]);
  const world = new World(size);
  world.session = "ann";
  const reply = async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    const body = ["GET", "HEAD"].includes(request.method) ? undefined : await bodyOf(request);
    const told = await answer(world, new Request(url, { method: request.method, headers: request.headers, body }));
    const headers = { ...Object.fromEntries(told.headers), "cache-control": "no-store" };
    if (isPacked(request, url.pathname, told)) {
      const octets = Buffer.from(await told.arrayBuffer());
      const isLarge = octets.length >= LEAST;
      response.writeHead(told.status, { ...headers, vary: "accept-encoding", ...(isLarge ? { "content-encoding": "gzip" } : {}) });
      response.end(isLarge ? gzipSync(octets, { level: 1 }) : octets);
      return;
    }
    response.writeHead(told.status, headers);
    if (!told.body) {
      response.end();
      return;
    }
    response.on("close", () => void told.body.cancel?.().catch(() => undefined));
    for await (const part of told.body) if (!response.write(part)) await new Promise((drained) => response.once("drain", drained));
    response.end();
  };
  const server = await serve(here("../dist"), reply);
  return {
    address: server.address,
    world,
    close: async () => {
      server.close();
      await vite.close();
    },
  };
}
