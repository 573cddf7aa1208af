import type { UsageRecord } from "@/api/answers";

/** Records in so many steps of time: seconds since 1970, downlink, uplink. Parts of sessions are in the sessions' already. */
export function bucketed(records: UsageRecord[], since: number, until: number, steps: number): [number[], number[], number[]] {
  const step = Math.max((until - since) / steps, 1);
  const times = Array.from({ length: steps }, (_, at) => (since + (at + 0.5) * step) / 1000);
  const down = new Array<number>(steps).fill(0);
  const up = new Array<number>(steps).fill(0);
  for (const it of records) {
    if (it.session.includes("/")) continue;
    const at = Math.min(Math.floor((it.to - since) / step), steps - 1);
    if (at < 0) continue;
    down[at] = (down[at] ?? 0) + it.downlink_bytes;
    up[at] = (up[at] ?? 0) + it.uplink_bytes;
  }
  return [times, down, up];
}
