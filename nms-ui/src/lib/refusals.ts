// Base stations that gateways refused, out of events: each once, with what the gateway said to do about it.
import type { GatewayEvent } from "@/api/answers";

const REFUSED = "enb-refused";
const SET_UP = "enb-connected";

export interface RefusedStation {
  /** Identity, or the address where it told none. */
  id: string;
  gateway: string;
  /** Why, and what to set: the gateway's own words. */
  reason: string;
  /** The last time, and how often. */
  at: number;
  times: number;
}

/** The station that an event is about, which its words begin with. */
function stationOf(event: GatewayEvent): string {
  return /^base station (?:from )?(\S+)/.exec(event.text)?.[1] ?? event.text;
}

/** Stations whose last word is a refusal, the newest first; one that was set up since is none any more. */
export function refusedStations(events: readonly GatewayEvent[]): RefusedStation[] {
  const found = new Map<string, RefusedStation | null>();
  for (const event of [...events].sort((a, b) => b.at - a.at)) {
    if (event.kind !== REFUSED && event.kind !== SET_UP) continue;
    const id = stationOf(event);
    const key = `${event.gateway}/${id}`;
    const known = found.get(key);
    if (known) {
      if (event.kind === REFUSED) known.times += 1;
      continue;
    }
    if (known === null) continue;
    const reason = event.text.replace(/^base station .*? refused: /, "");
    found.set(key, event.kind === REFUSED ? { id, gateway: event.gateway, reason, at: event.at, times: 1 } : null);
  }
  return [...found.values()].filter((it) => it !== null);
}
