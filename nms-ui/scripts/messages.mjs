// One catalogue, one module for each language: the browser loads the language that it shows and no other.
import { readFileSync } from "node:fs";

const LANGUAGES = ["en", "es", "fr", "pt"];
const PREFIX = "virtual:messages/";

/** A plugin of Vite that answers `virtual:messages/LANGUAGE` from the catalogue. */
export function messages(catalogue) {
  return {
    name: "basalt-messages",
    resolveId: (id) => (id.startsWith(PREFIX) ? `\0${id}` : undefined),
    load(id) {
      if (!id.startsWith(`\0${PREFIX}`)) return undefined;
      this.addWatchFile(catalogue);
      const place = LANGUAGES.indexOf(id.slice(PREFIX.length + 1));
      const all = Object.entries(JSON.parse(readFileSync(catalogue, "utf8")));
      const one = Object.fromEntries(all.map(([key, texts]) => [key, texts[place]]));
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(one))});`;
    },
  };
}
