// Events and usage of the made-up network.
import type { GatewayEvent, UsageRecord, UsageSum } from "@/api/answers";
import { seeded, type World } from "./world";

const MINUTE = 60_000;

const KINDS: { kind: string; text: string; alarm: boolean; phone: boolean }[] = [
  { kind: "attached", text: "attached, address given, internet", alarm: false, phone: true },
  { kind: "attach-rejected", text: "attach rejected: cause 11, PLMN not allowed", alarm: false, phone: true },
  { kind: "enb-connected", text: "S1 set up with Hill north", alarm: false, phone: false },
  { kind: "detached", text: "switched off", alarm: false, phone: true },
  { kind: "security", text: "an integrity check failed three times from one cell", alarm: true, phone: true },
  { kind: "gateway-connected", text: "the gateway connected", alarm: false, phone: false },
];

export function eventsOf(world: World, query: URLSearchParams): GatewayEvent[] {
  const random = seeded(7);
  const most = Number(query.get("limit") ?? 100);
  const all = Array.from({ length: 240 }, (_, i): GatewayEvent => {
    const it = KINDS[i % 40 === 14 ? 4 : [0, 0, 3, 1, 0, 2, 5][i % 7] ?? 0] ?? KINDS[0]!;
    const gateway = `gw-${String(1 + Math.floor(random() * Math.min(8, world.size.gateways))).padStart(4, "0")}`;
    const imsi = it.phone ? `00101${String(1 + Math.floor(random() * 40)).padStart(10, "0")}` : "";
    return { id: 5000 - i, gateway, at: world.began - i * 11 * MINUTE - 40_000, kind: it.kind, alarm: it.alarm, imsi, text: it.text, facts: {} };
  });
  for (const hours of [2, 5]) all.push({ id: 5000 - 40 * hours, gateway: "gw-0002", at: world.began - hours * 60 * MINUTE, kind: "enb-refused", alarm: false, imsi: "", text: "base station 001-02/0x19b from 10.20.0.9:36412 refused: it broadcasts 001-02, this gateway serves 001-01: set the same network on both", facts: {} });
  all.sort((a, b) => b.at - a.at);
  const [gateway, imsi, since] = [query.get("gateway"), query.get("imsi"), Number(query.get("since") ?? 0)];
  const kind = query.get("kind");
  const fits = (it: GatewayEvent) => (!kind || it.kind === kind) && (!gateway || it.gateway === gateway) && (!imsi || it.imsi === imsi) && it.at >= since && (query.get("alarms") !== "true" || it.alarm);
  return all.filter(fits).slice(0, most);
}

export function usageOf(query: URLSearchParams): UsageRecord[] {
  const since = Number(query.get("since") ?? 0);
  const wanted = query.get("imsi");
  const random = seeded(3);
  const steps = 300;
  const now = Date.now();
  const step = (now - since) / steps;
  return Array.from({ length: steps }, (_, i) => {
    const imsi = wanted ?? `00101${String(1 + (i % 40)).padStart(10, "0")}`;
    const day = 1.3 + Math.sin((since + i * step) / 13_750_987);
    const down = Math.round(day * (20 + random() * 60) * 1e6);
    return { gateway: `gw-000${1 + (i % 8)}`, session: String(i), epoch: 1, sequence: i, imsi, apn: "internet", cell: "001-01/0x19b01", from: Math.round(since + i * step), to: Math.round(since + (i + 1) * step), uplink_bytes: Math.round(down * 0.12), downlink_bytes: down, uplink_packets: 900, downlink_packets: 4000, last: false, of: "session" };
  });
}

export function sumsOf(world: World, query: URLSearchParams): UsageSum[] {
  const by = query.get("by") ?? "imsi";
  const random = seeded(11);
  const keys = {
    imsi: Array.from({ length: 40 }, (_, i) => `00101${String(i + 1).padStart(10, "0")}`),
    apn: ["internet", "ims"],
    cell: ["001-01/0x19b01", "001-01/0x19b02", "001-01/0x19c01", ""],
    gateway: Array.from({ length: Math.min(8, world.size.gateways) }, (_, i) => `gw-${String(i + 1).padStart(4, "0")}`),
    network: ["demo"],
  }[by] ?? [];
  const all = keys.map((key, at) => {
    const down = Math.round((9e9 / (at + 1)) * (0.8 + random() * 0.4));
    return { key, uplink_bytes: Math.round(down * 0.11), downlink_bytes: down, uplink_packets: Math.round(down / 9000), downlink_packets: Math.round(down / 1200) };
  });
  return all.sort((a, b) => b.downlink_bytes - a.downlink_bytes);
}
