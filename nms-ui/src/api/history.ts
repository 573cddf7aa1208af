// What the orchestrator keeps of the last 48 hours, minute by minute: KPIs and series of a network or of one gateway.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { HistoryAnswer, KpisAnswer } from "./answers";
import { request } from "./client";
import { collectionPath } from "./objects";

/** A minute is the finest that is kept: asked a few times within it. */
const EVERY = 15_000;
/** Points of a line at most: more than a chart has room for. */
const POINTS = 300;
/** Steps of time that people count in, seconds. */
const STEPS = [60, 120, 300, 600, 900, 1800, 3600];

/** A time that is looked at: the last `length` milliseconds until now, or between two moments. */
export type Span = { length: number } | { from: number; to: number };

export function bounds(span: Span, now: number): [number, number] {
  return "length" in span ? [now - span.length, now] : [span.from, span.to];
}

/** Seconds of a point. */
export function stepOf(length: number): number {
  return STEPS.find((it) => length / (it * 1000) <= POINTS) ?? 3600;
}

function asked(gateway: string, since: number, until: number): URLSearchParams {
  const query = new URLSearchParams({ since: String(Math.round(since)), until: String(Math.round(until)) });
  if (gateway) query.set("gateway", gateway);
  return query;
}

/** KPIs of a span of time; of the whole network without `gateway`. */
export function useKpis(network: string, gateway: string, span: Span) {
  return useQuery({
    queryKey: ["kpis", network, gateway, span],
    queryFn: async () => {
      const query = asked(gateway, ...bounds(span, Date.now()));
      return (await request("GET", `${collectionPath(network, "kpis")}?${query}`)).body as KpisAnswer;
    },
    refetchInterval: "length" in span ? EVERY : false,
    placeholderData: keepPreviousData,
  });
}

/** Series over a span of time. */
export function useHistory(network: string, gateway: string, span: Span, series: readonly string[]) {
  return useQuery({
    queryKey: ["history", network, gateway, span, series],
    queryFn: async () => {
      const [since, until] = bounds(span, Date.now());
      const query = asked(gateway, since, until);
      query.set("series", series.join(","));
      query.set("step", String(stepOf(until - since)));
      return (await request("GET", `${collectionPath(network, "history")}?${query}`)).body as HistoryAnswer;
    },
    refetchInterval: "length" in span ? EVERY : false,
    placeholderData: keepPreviousData,
  });
}
