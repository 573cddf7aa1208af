import { useState } from "react";
import { useGatewayMetrics } from "@/api/fleet";
import { useNetwork } from "@/app/network";

export interface Samples {
  /** Seconds since 1970. */
  at: number[];
  values: Record<string, (number | null)[]>;
}

const KEPT = 900;

/** What the page saw of a gateway's metrics since it was opened: the orchestrator keeps the last values only. */
export function useSeries(gateway: string): Samples {
  const read = useGatewayMetrics(useNetwork(), gateway).data;
  const [samples, setSamples] = useState<Samples>({ at: [], values: {} });
  const at = read ? read.at / 1000 : 0;
  if (read && at > (samples.at.at(-1) ?? 0)) setSamples(extended(samples, at, read.values ?? {}));
  return samples;
}

export function extended(before: Samples, at: number, told: Record<string, number>): Samples {
  const names = new Set([...Object.keys(before.values), ...Object.keys(told)]);
  const length = before.at.length;
  const values = [...names].map((name) => {
    const former = before.values[name] ?? new Array<null>(length).fill(null);
    return [name, [...former, told[name] ?? null].slice(-KEPT)] as const;
  });
  return { at: [...before.at, at].slice(-KEPT), values: Object.fromEntries(values) };
}
