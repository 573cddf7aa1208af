// Serves a built console as the orchestrator does: index for pages, the same policy, a nonce for each page.
import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { tiles } from "./tiles.mjs";

const FORMS = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };

function isFile(path) {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const MAP = tiles();

/** A range of the map's tiles. */
function part(request, response) {
  const [, from = "0", to = "0"] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  const octets = MAP.subarray(Number(from), Number(to) + 1);
  response.writeHead(206, { "content-type": "application/vnd.pmtiles", "content-range": `bytes ${from}-${Number(from) + octets.length - 1}/${MAP.length}` });
  response.end(octets);
}

/** A file as it is, or as it was compressed beside it for browsers that take that. */
function file(path, request, response) {
  const isSmall = /\bbr\b/.test(request.headers["accept-encoding"] ?? "") && isFile(`${path}.br`);
  const encoding = isSmall ? { "content-encoding": "br", vary: "accept-encoding" } : {};
  response.writeHead(200, { "content-type": FORMS[extname(path)] ?? "application/octet-stream", "cache-control": "public, max-age=31536000, immutable", ...encoding });
  response.end(readFileSync(isSmall ? `${path}.br` : path));
}

/**
 * Begins to serve a folder on the loopback; the address, and how to end it. With `answer`, that answers what stands below /api/v1;
 * without, the page pretends by itself.
 */
export async function serve(folder, answer) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = join(folder, normalize(pathname));
    if (answer && pathname.startsWith("/api/v1/")) {
      void answer(request, response);
      return;
    }
    if (pathname !== "/" && isFile(path)) {
      file(path, request, response);
      return;
    }
    if (pathname === "/map.pmtiles") {
      part(request, response);
      return;
    }
    if (pathname.startsWith("/assets/") || pathname.startsWith("/api/v1")) {
      response.writeHead(404).end();
      return;
    }
    const nonce = randomBytes(16).toString("hex");
    const policy = `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`;
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy, "cache-control": "no-store" });
    response.end(readFileSync(join(folder, "index.html"), "utf8").replaceAll("__CSP_NONCE__", nonce));
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address();
  return { address: `http://127.0.0.1:${port}`, close: () => {
    server.close();
    server.closeAllConnections();
  } };
}
