// 48 hours of a made-up network: days with an evening, and an hour in which attaches failed.
import { ALL } from "@/pages/metrics/charts";
import { seeded, type World } from "./world";

const HOUR = 3_600_000;

function noise(name: string, at: number): number {
  let seed = Math.floor(at / 60_000);
  for (const letter of name) seed = (seed * 31 + letter.charCodeAt(0)) % 4_294_967_296;
  return seeded(seed)();
}

/** The value of a series at a moment; nothing where it is not measured. */
function value(world: World, name: string, at: number, step: number, share: number): number | null {
  const day = 0.55 + 0.45 * Math.sin((at - 15 * HOUR) / (24 * HOUR) * 2 * Math.PI);
  const random = noise(name, at);
  const isBad = at > world.began - 9 * HOUR && at < world.began - 8 * HOUR;
  const phones = world.size.phones * share * (0.6 + 0.4 * day);
  const events = (each: number) => Math.round(each * day * share * (step / 60) * (0.7 + 0.6 * random));
  switch (name) {
    case "attach_success_ratio":
      return isBad ? 0.71 + 0.1 * random : 0.982 + 0.018 * random;
    case "handover_success_ratio":
    case "federation_success_ratio":
      return null;
    case "availability_ratio":
      return isBad ? 0.88 : 1;
    case "address_use_ratio":
      return 0.21 + 0.3 * day;
    case "attach_time_seconds":
      return 0.18 + 0.05 * random + (isBad ? 0.6 : 0);
    case "service_request_time_seconds":
      return 0.06 + 0.02 * random;
    case "downlink_throughput":
      return 48e6 * share * day * (0.8 + 0.4 * random);
    case "uplink_throughput":
      return 6e6 * share * day * (0.8 + 0.4 * random);
    case "registered_phones":
    case "sessions":
      return Math.round(phones + 2 * random);
    case "connected_phones":
      return Math.round(phones * (0.25 + 0.1 * random));
    case "up":
      return Math.round((world.size.gateways - 2) * share) - (isBad ? 1 : 0);
    case "enbs":
      return Math.round((world.size.gateways - 2) * share) - (isBad ? 2 : 0);
    case "drop_rate":
      return (isBad ? 30 : 2) * share * random;
    case "attach_attempts":
      return events(isBad ? 30 : 6);
    case "service_request_attempts":
      return events(40);
    case "tracking_area_update_attempts":
      return events(12);
    case "paging_attempts":
      return events(22);
    default:
      return name.endsWith("_ratio") ? 0.985 + 0.015 * random : Math.round(random * (isBad ? 9 : 1) * 0.6);
  }
}

interface Asked {
  since: number;
  until: number;
  share: number;
}

function asked(query: URLSearchParams): Asked {
  const until = Number(query.get("until") ?? Date.now());
  return { until, since: Number(query.get("since") ?? until - HOUR), share: query.get("gateway") ? 0.16 : 1 };
}

export function historyOf(world: World, query: URLSearchParams): object {
  const { since, until, share } = asked(query);
  const step = Number(query.get("step") ?? 60);
  const moments: number[] = [];
  for (let at = Math.floor(since / (step * 1000)) * step * 1000; at < until; at += step * 1000) moments.push(at);
  const series = (query.get("series") ?? "").split(",").map((name) => ({
    name,
    unit: "",
    points: moments.flatMap((at) => {
      const found = value(world, name, at, step, share);
      return found === null ? [] : [[at, found]];
    }),
  }));
  return { since, until, step, series };
}

export function kpisOf(world: World, query: URLSearchParams): object {
  const { since, until, share } = asked(query);
  const step = Math.max((until - since) / 100, 60_000);
  const kpis = ALL.map((name) => {
    const found = Array.from({ length: 100 }, (_, i) => value(world, name, since + i * step, 60, share)).filter((it) => it !== null);
    return { name, unit: "", value: found.length === 0 ? null : found.reduce((sum, it) => sum + it, 0) / found.length };
  });
  const gateway = query.get("gateway");
  const cells = new Map<string, { gateway: string; enb: string; connected: number; idle: number }>();
  for (const phone of world.phones().filter((it) => !gateway || it.gateway === gateway)) {
    const cell = cells.get(phone.enb ?? "") ?? { gateway: phone.gateway, enb: phone.enb ?? "", connected: 0, idle: 0 };
    if (phone.state === "connected") cell.connected += 1;
    else cell.idle += 1;
    cells.set(cell.enb, cell);
  }
  const drops = [["rate-limit", 48_112], ["no-session", 1_204], ["spoofed-source", 311], ["denied-by-rule", 87]] as const;
  return { since, until, kpis, drops: drops.map(([reason, packets]) => ({ reason, packets: Math.round(packets * share) })), base_stations: [...cells.values()] };
}
