// Fails when what the first page loads is more than 300 kB of compressed JavaScript: the entry, what it imports, the
// language, and the overview, which is the first page after a login.
import { readFileSync, statSync } from "node:fs";

const MOST = 300_000;
const manifest = JSON.parse(readFileSync("dist/.vite/manifest.json", "utf8"));
const wanted = new Set();

function add(key) {
  if (wanted.has(key) || !manifest[key]) return;
  wanted.add(key);
  for (const imported of manifest[key].imports ?? []) add(imported);
}

for (const [key, chunk] of Object.entries(manifest)) {
  if (chunk.isEntry || /pages\/overview\/view/.test(key) || /messages\/en/.test(key) || /app\/start/.test(key)) add(key);
}
const size = (ending) =>
  [...wanted].reduce((sum, key) => sum + statSync(`dist/${manifest[key].file}${ending}`).size, 0);
const [gzip, brotli] = [size(".gz"), size(".br")];
console.log(`first load: ${wanted.size} files of JavaScript, ${gzip} octets by gzip, ${brotli} by brotli, at most ${MOST}`);
if (gzip > MOST) {
  console.error("the first load is too large: make a route or a library lazy");
  process.exit(1);
}
