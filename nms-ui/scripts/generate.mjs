// Types of the API from the committed document. They are made at each build, so that they cannot drift.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const document = new URL("../../openapi/orchestrator.json", import.meta.url);
const into = new URL("../src/api/generated/", import.meta.url);
// A field with a default may be left out of what is sent.
const types = astToString(await openapiTS(JSON.parse(readFileSync(document, "utf8")), { defaultNonNullable: false }));
mkdirSync(into, { recursive: true });
const file = new URL("schema.d.ts", into);
const text = `// Made by \`npm run generate\` from openapi/orchestrator.json.\n${types}`;
let before = "";
try {
  before = readFileSync(file, "utf8");
} catch {
  // The first time.
}
if (before !== text) writeFileSync(file, text);
