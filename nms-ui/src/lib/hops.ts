// What a gateway counts of one phone: lines of JSON, one each second, in the output of `describe-phone`.

export interface Carried {
  ebi: number;
  apn: string;
  address: string;
  uplink_bytes: number;
  uplink_packets: number;
  downlink_bytes: number;
  downlink_packets: number;
}

export interface Hop {
  packets: number;
  octets: number;
  reasons: Record<string, number>;
}

export const HOPS = ["radio-in", "uplink-dropped", "uplink-punted", "internet-out", "internet-in", "downlink-dropped", "downlink-punted", "radio-out"] as const;
export type HopName = (typeof HOPS)[number];

export interface Counted {
  /** Milliseconds since 1970. */
  at: number;
  state: string | null;
  sessions: Carried[];
  hops?: Partial<Record<HopName, Hop>>;
  /** Why packets are not counted hop by hop. */
  no_hops?: string;
}

/** The lines that can be read; one that is cut off is not there yet. */
export function counted(output: string): Counted[] {
  return output.split("\n").flatMap((line) => {
    if (!line.startsWith("{")) return [];
    try {
      return [JSON.parse(line) as Counted];
    } catch {
      return [];
    }
  });
}

const sum = (line: Counted, of: "uplink_bytes" | "downlink_bytes") => line.sessions.reduce((all, it) => all + it[of], 0);

/** Bits in a second between each line and the one before: moments in seconds, to the phone, from it. */
export function rates(lines: Counted[]): [number[], number[], number[]] {
  const all: [number[], number[], number[]] = [[], [], []];
  lines.forEach((line, index) => {
    const before = lines[index - 1];
    if (!before || line.at <= before.at) return;
    // Counters of a session that ended, or began anew, are smaller than before.
    const rate = (of: "uplink_bytes" | "downlink_bytes") => (Math.max(0, sum(line, of) - sum(before, of)) * 8000) / (line.at - before.at);
    all[0].push(line.at / 1000);
    all[1].push(rate("downlink_bytes"));
    all[2].push(rate("uplink_bytes"));
  });
  return all;
}

export type Verdict = "nothing" | "uplinkStops" | "downlinkStops" | "noAnswer" | "noRadio" | "flows";

/** Where packets stop. */
export function verdicts(hops: Partial<Record<HopName, Hop>>): Verdict[] {
  const count = (name: HopName) => hops[name]?.packets ?? 0;
  if (count("radio-in") === 0 && count("internet-in") === 0) return ["nothing"];
  const found: Verdict[] = [];
  if (count("uplink-dropped") > 0) found.push("uplinkStops");
  if (count("downlink-dropped") > 0) found.push("downlinkStops");
  if (count("internet-out") > 0 && count("internet-in") === 0) found.push("noAnswer");
  if (count("radio-out") > 0 && count("radio-in") === 0) found.push("noRadio");
  return found.length > 0 ? found : ["flows"];
}
