// The end of a gateway's log, as lines.

export type Level = "error" | "warn" | "info" | "debug";

export interface LogLine {
  text: string;
  level: Level;
}

const LEVELS: [RegExp, Level][] = [
  [/\b(ERROR|error|CRIT|panic)\b/, "error"],
  [/\b(WARN|warning|warn)\b/, "warn"],
  [/\b(DEBUG|TRACE|debug|trace)\b/, "debug"],
];

/** Lines with all of the words, in their order; of how grave each is, the first that its beginning tells. */
export function linesOf(output: string, words: string): LogLine[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const lines = output.split("\n").filter((line) => line !== "" && wanted.every((word) => line.toLowerCase().includes(word)));
  return lines.map((text) => ({ text, level: LEVELS.find(([form]) => form.test(text.slice(0, 80)))?.[1] ?? "info" }));
}
