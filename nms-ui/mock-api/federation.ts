// A federation gateway of the made-up network: two HSSs of a partner, one of them down, and an agent for all others.
import type { DiameterPeer, GatewayState } from "@/api/answers";
import type { World } from "./world";

const BOUNDS = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];
const HOUR = 3_600_000;

function peer(host: string, since: number, counts: number[], results: Record<string, number>, realms: string[], more: Partial<DiameterPeer> = {}): DiameterPeer {
  const answers = counts.reduce((sum, it) => sum + it, 0);
  const sum = counts.reduce((all, it, at) => all + it * (BOUNDS[at] ?? 1_000_000) * 0.8, 0);
  return { host, up: true, since: Math.floor(since / 1000), lost: null, losses: 0, answers, requests: 41, results, latency_mean_us: Math.round(sum / Math.max(1, answers)), latency_bounds_us: BOUNDS, latency_counts: counts, realms, ...more };
}

export function federationGateways(world: World): GatewayState[] {
  const now = Date.now();
  const ticks = Math.floor((now - world.began) / 2_000);
  const valley = ["epc.mnc001.mcc262.3gppnetwork.org"];
  const peers = [
    peer("hss1.valley-partner.example", world.began - 70 * HOUR, [12, 340, 4_120 + 3 * ticks, 2_210, 480, 60, 9, 2, 0, 0, 0], { "2001": 7_011 + 3 * ticks, "10415/5001": 186, "10415/5420": 31, "3002": 5 }, valley),
    peer("hss2.valley-partner.example", world.began - 0.7 * HOUR, [2, 61, 800, 402, 71, 11, 2, 0, 0, 0, 0], { "2001": 1_320, "10415/5001": 29 }, valley, { up: false, lost: "Watchdog", losses: 3 }),
    peer("dra.roaming.example", world.began - 210 * HOUR, [0, 0, 22, 510, 1_904 + ticks, 933, 240, 61, 14, 3, 1], { "2001": 3_402 + ticks, "3002": 210, "10415/5004": 76 }, ["*"], { losses: 1, lost: "Transport" }),
  ];
  const state = { at: now, version: "0.1.0", role: "federation", name: "feg1.valley.example", started_at: Math.floor((world.began - 210 * HOUR) / 1000), draining: false, gateways: ["gw-0001", "gw-0002", "gw-0004"], networks: ["262-01", "208-10", "310-410"], peers };
  return [{ gateway: "feg1", connected: true, connected_at: world.began - 30 * HOUR, seen_at: now - (now % 4000), joined_at: world.began - 400 * HOUR, revoked_at: null, sync: { in_sync: true, items: 4, refused: [] }, state }];
}

/** What a federation gateway says of a test request. */
export function pinged(command: Record<string, unknown>): Record<string, unknown> {
  const realm = String((command["arguments"] as { realm?: string } | undefined)?.realm ?? "");
  const isDown = realm.startsWith("hss2");
  const output = isDown ? `no answer from ${realm}: NoPeer` : JSON.stringify({ peer: realm, took_us: 7_412, result: "10415/5001" });
  return { ...command, state: isDown ? "failed" : "done", percent: 100, output };
}
