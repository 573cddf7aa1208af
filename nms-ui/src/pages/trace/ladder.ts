// What a ladder shows, row by row: procedures where they begin, messages, and long silences between them.
import type { Ladder, Procedure, TracedMessage } from "@/api/traces";
import { moments, numbers } from "@/lib/intl";

export const PROTOCOLS = ["S1AP", "NAS", "GTP-U", "Diameter"] as const;

export interface Shown {
  /** Words that a message has in its name, cause, fields or IMSI. */
  words: string;
  /** Protocols that are left out. */
  hidden: ReadonlySet<string>;
  /** One procedure, with those within it. */
  procedure: number | null;
}

export type Row =
  | { kind: "message"; message: TracedMessage; after: number | null }
  | { kind: "procedure"; procedure: Procedure }
  | { kind: "silence"; length: number; before: number };

/** Silences that are shown, microseconds. */
const SILENCE = 2_000_000;

/** The outermost procedure of each. */
export function outermost(procedures: Procedure[]): Map<number, Procedure> {
  const byNumber = new Map(procedures.map((it) => [it.number, it]));
  return new Map(
    procedures.map((it) => {
      let found = it;
      // A loop in what was told ends here, too.
      for (let depth = 0; depth < 16 && typeof found.parent === "number"; depth += 1) found = byNumber.get(found.parent) ?? { ...found, parent: null };
      return [it.number, found];
    }),
  );
}

/** Whether a message has all of the words. */
export function has(message: TracedMessage, words: string): boolean {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return true;
  const text = `${message.protocol} ${message.name} ${message.cause ?? ""} ${message.imsi ?? ""} ${message.gateway} ${JSON.stringify(message.fields)}`.toLowerCase();
  return wanted.every((word) => text.includes(word));
}

export function rowsOf(ladder: Ladder, shown: Shown): Row[] {
  const outer = outermost(ladder.procedures);
  const begun = new Set<number>();
  const rows: Row[] = [];
  let last: TracedMessage | undefined;
  for (const message of ladder.messages) {
    const own = typeof message.procedure === "number" ? outer.get(message.procedure) : undefined;
    const isOf = shown.procedure === null || own?.number === shown.procedure || message.procedure === shown.procedure;
    if (!isOf || shown.hidden.has(message.protocol) || !has(message, shown.words)) continue;
    const after = last ? message.at - last.at : null;
    if (after !== null && after > SILENCE) rows.push({ kind: "silence", length: after, before: message.number });
    if (own && !begun.has(own.number)) {
      begun.add(own.number);
      rows.push({ kind: "procedure", procedure: own });
    }
    rows.push({ kind: "message", message, after });
    last = message;
  }
  return rows;
}

/** Where an arrow is drawn, in per cent of the width; to the right, to the left, or back to where it came from. */
export function arrow(places: ReadonlyMap<string, number>, count: number, from: string, to: string): { left: number; width: number; way: "right" | "left" | "self" } {
  const centre = (id: string) => ((places.get(id) ?? 0) + 0.5) * (100 / Math.max(1, count));
  const [begin, end] = [centre(from), centre(to)];
  if (begin === end) return { left: begin, width: 0, way: "self" };
  return { left: Math.min(begin, end), width: Math.abs(end - begin), way: end > begin ? "right" : "left" };
}

/** Time of the day with milliseconds, of microseconds since 1970. */
export function clockOf(at: number, language: string): string {
  return moments(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false }).format(at / 1000);
}

/** A length in microseconds, as people say it. */
export function lasting(micros: number, language: string): string {
  const digits = numbers(language, { maximumSignificantDigits: 3 });
  if (micros < 1000) return `${digits.format(micros)} µs`;
  if (micros < 1_000_000) return `${digits.format(micros / 1000)} ms`;
  return micros < 120_000_000 ? `${digits.format(micros / 1_000_000)} s` : `${digits.format(micros / 60_000_000)} min`;
}
