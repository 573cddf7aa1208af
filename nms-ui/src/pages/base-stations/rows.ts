// Base stations as they are configured, beside those that gateways see.
import type { SeenStation } from "@/api/answers";
import type { Stored } from "@/api/objects";

/** A base station that is configured, or seen, or both. */
export interface Row {
  id: string;
  title: string;
  gateway: string;
  enodeb: string | null;
  seen: SeenStation | undefined;
}

/** The cell of a macro eNB's identity `PLMN/0x19b`, as its first cell (TS 36.413 §9.2.1.38). */
export function cellOf(id: string): number {
  const digits = /0x([0-9a-f]+)$/i.exec(id)?.[1];
  const number = digits ? Number.parseInt(digits, 16) : 0;
  return number < 1 << 20 ? (number << 8) + 1 : number;
}

/** How S1 is with it. */
export function stateOf(row: Row): "connected" | "unsure" | "away" {
  if (!row.seen) return "away";
  return row.seen.gateway_connected ? "connected" : "unsure";
}

/** Those that are seen, known or not, then those that are configured and not seen. */
export function together(stations: readonly SeenStation[], configured: readonly Stored<"enodebs">[]): Row[] {
  const seen: Row[] = (stations).map((it) => ({
    id: it.id ?? it.name ?? "",
    title: it.title || it.name || "",
    gateway: it.gateway,
    enodeb: it.enodeb ?? null,
    seen: it,
  }));
  const known = new Set(seen.map((it) => it.enodeb));
  const away = (configured).filter((it) => !known.has(it.name));
  return seen.concat(away.map((it) => ({ id: it.name, title: it.body?.title ?? "", gateway: it.body?.gateway ?? "", enodeb: it.name, seen: undefined })));
}
