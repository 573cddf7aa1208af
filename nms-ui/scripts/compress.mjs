// Writes FILE.br and FILE.gz beside what a browser loads, so that the orchestrator compresses nothing.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TEXT = /\.(js|css|svg|json)$/;

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

for (const path of [...files("dist")]) {
  if (!TEXT.test(path) || path.includes("/.vite/")) continue;
  const plain = readFileSync(path);
  const parameters = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
  writeFileSync(`${path}.br`, brotliCompressSync(plain, { params: parameters }));
  writeFileSync(`${path}.gz`, gzipSync(plain, { level: 9 }));
}
