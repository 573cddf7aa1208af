// Diameter peers as federation gateways tell them, and the way of each network to them.
import type { DiameterPeer, GatewayState } from "@/api/answers";
import type { AnyObject } from "@/api/objects";

export interface PeerRow extends DiameterPeer {
  gateway: string;
  /** Whether its gateway talks now: else this is what it last said. */
  isHeard: boolean;
  seenAt: number | null;
}

/** Every peer of every federation gateway. */
export function peersOf(states: GatewayState[]): PeerRow[] {
  return states.flatMap((state) => (state.state?.peers ?? []).map((peer) => ({ ...peer, gateway: state.gateway, isHeard: state.connected, seenAt: state.seen_at ?? null })));
}

/** The time below which a share of answers came, microseconds: the bound of a bucket; nothing beyond the last one. */
export function quantile(peer: Pick<DiameterPeer, "latency_bounds_us" | "latency_counts">, share: number): number | undefined {
  const bounds = peer.latency_bounds_us ?? [];
  const counts = peer.latency_counts ?? [];
  const all = counts.reduce((sum, it) => sum + it, 0);
  if (all === 0) return undefined;
  let sofar = 0;
  const place = counts.findIndex((it) => (sofar += it) >= all * share);
  return bounds[place];
}

/** Result codes, the most frequent first; whether each is a success (RFC 6733 §7.1: 2xxx). */
export function results(peer: Pick<DiameterPeer, "results">): { code: string; count: number; isGood: boolean }[] {
  const all = Object.entries(peer.results ?? {}).map(([code, count]) => ({ code, count, isGood: /(^|\/)2\d{3}$/.test(code) }));
  return all.sort((a, b) => b.count - a.count);
}

export interface Route {
  federation: string;
  plmn: string;
  realm: string;
  imsis: string[];
  peers: PeerRow[];
}

/** The realm of a network (TS 23.003 §19.2). */
export function realmOf(plmn: string): string {
  const [mcc = "", mnc = ""] = plmn.split("-");
  return `epc.mnc${mnc.padStart(3, "0")}.mcc${mcc}.3gppnetwork.org`;
}

/** Which peers serve each home network: those of its realm, else those that serve all others. */
export function routes(federations: AnyObject[], peers: PeerRow[]): Route[] {
  return federations.flatMap((federation) => {
    const networks = (federation.body?.["networks"] ?? []) as { plmn: string; realm?: string | null; imsis?: string[] }[];
    const carriers = ((federation.body?.["gateways"] ?? []) as { gateway: string }[]).map((it) => it.gateway);
    const own = peers.filter((it) => carriers.length === 0 || carriers.includes(it.gateway));
    return networks.map((network) => {
      const realm = network.realm || realmOf(network.plmn);
      const exact = own.filter((it) => (it.realms ?? []).some((served) => served.toLowerCase() === realm.toLowerCase()));
      const found = exact.length > 0 ? exact : own.filter((it) => (it.realms ?? []).includes("*"));
      return { federation: federation.name, plmn: network.plmn, realm, imsis: network.imsis ?? [], peers: found };
    });
  });
}
