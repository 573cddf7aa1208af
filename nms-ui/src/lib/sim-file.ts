// Files of SIM vendors: a header of `key: value` lines, a line `var_out: NAME/NAME/…`, then one card in each line.
import { toCsv } from "./csv";

export interface SimProfile {
  csv: string;
  problem: string | null;
}

const NAMES: Record<string, string> = {
  imsi: "name",
  ki: "keys.k",
  k: "keys.k",
  opc: "keys.opc",
  msisdn: "msisdn",
  iccid: "title",
  title: "title",
};

const NOTHING = "";

/** The import's CSV that such a file stands for. Columns that say nothing to a core (PIN, PUK, ADM) are left out. */
export function fromSimFile(text: string): SimProfile {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const at = lines.findIndex((line) => /^var_out\s*:/i.test(line));
  if (at < 0) return { csv: NOTHING, problem: "var_out: …/… ?" };
  const columns = (lines[at] ?? "").replace(/^var_out\s*:/i, "").split(/[/,;\s]+/).filter(Boolean);
  const wanted = columns.map((column) => NAMES[column.toLowerCase()]);
  if (!wanted.includes("name") || !wanted.includes("keys.k")) return { csv: NOTHING, problem: "IMSI, Ki ?" };
  const cards = lines.slice(at + 1).filter((line) => line !== "" && !line.startsWith("*"));
  const rows = cards.map((line) => {
    const cells = line.split(/[\s,;]+/);
    return wanted.flatMap((name, place) => (name === undefined ? [] : [cells[place] ?? ""]));
  });
  return { csv: toCsv([wanted.filter((name): name is string => name !== undefined), ...rows]), problem: null };
}
