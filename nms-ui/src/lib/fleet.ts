// Gateways: what is configured beside what they say.
import type { GatewayState } from "@/api/answers";
import type { Stored } from "@/api/objects";

export interface GatewayRow {
  name: string;
  title: string;
  tier: string;
  /** The version that its tier wants; none where the tier leaves it. */
  wanted: string;
  state: GatewayState | undefined;
  health: Health;
}

export type Health = "connected" | "refusing" | "behind" | "silent" | "never";

/** In one word how a gateway is. */
export function healthOf(state: GatewayState | undefined): Health {
  if (!state || (!state.connected && !state.seen_at)) return "never";
  if (!state.connected) return "silent";
  if ((state.sync?.refused?.length ?? 0) > 0) return "refusing";
  return state.sync?.in_sync === false ? "behind" : "connected";
}

/** Every configured gateway with its state, and those that came without being configured. */
export function joined(gateways: Stored<"gateways">[], states: GatewayState[], tiers: Stored<"tiers">[] = []): GatewayRow[] {
  const byName = new Map(states.map((state) => [state.gateway, state]));
  const wanted = new Map(tiers.map((it) => [it.name, it.body?.version ?? ""]));
  return gateways.map((it) => {
    const state = byName.get(it.name);
    return { name: it.name, title: it.body?.title ?? "", tier: it.body?.tier ?? "", wanted: wanted.get(it.body?.tier ?? "") ?? "", state, health: healthOf(state) };
  });
}

/** Sums over the access gateways that are connected: federation gateways serve no phones themselves. */
export function sums(states: GatewayState[]) {
  const live = states.filter((state) => state.connected && state.state?.role !== "federation");
  const sum = (pick: (state: GatewayState) => number | undefined) => live.reduce((all, state) => all + (pick(state) ?? 0), 0);
  return {
    connected: live.length,
    stations: sum((it) => it.state?.enbs?.length),
    registered: sum((it) => it.state?.registered_ues),
    active: sum((it) => it.state?.connected_ues),
    sessions: sum((it) => it.state?.sessions),
  };
}
