// Recorded signalling: of a phone, of a gateway, or of a base station.
import { useQuery } from "@tanstack/react-query";
import { request } from "./client";
import { LIVE } from "./fleet";
import { collectionPath, objectPath } from "./objects";

const JSON_FORM = { "content-type": "application/json" };

/** What is recorded, and how far it is at each gateway; moments in milliseconds since 1970. */
export interface Trace {
  id: string;
  imsi: string | null;
  gateway: string | null;
  base_station: string | null;
  created_by: string;
  created_at: number;
  until: number;
  octets: number;
  state: string;
  gateways: { gateway: string; command?: string | null; state: string; octets: number; said: string }[];
}

export interface TraceRequest {
  imsi?: string;
  gateway?: string;
  base_station?: string;
  minutes?: number;
  octets?: number;
}

export interface Participant {
  id: string;
  kind: string;
  name: string;
}

/** A message; `at` in microseconds since 1970. */
export interface TracedMessage {
  number: number;
  at: number;
  from: string;
  to: string;
  protocol: string;
  name: string;
  fields: Record<string, unknown>;
  cause: string | null;
  result: string | null;
  imsi: string | null;
  gateway: string;
  procedure: number | null;
}

/** Messages that belong together; times in microseconds. */
export interface Procedure {
  number: number;
  name: string;
  imsi: string | null;
  began: number;
  duration: number;
  result: string;
  cause: string | null;
  messages: number[];
  parent: number | null;
}

export interface Ladder {
  trace: string;
  participants: Participant[];
  messages: TracedMessage[];
  procedures: Procedure[];
  dropped: number;
  left_out: number;
  clocks: { gateway: string; offset_ms: number | null }[];
}

export function tracesPath(network: string): string {
  return collectionPath(network, "traces");
}

const isRunning = (trace: Trace | undefined) => trace?.state === "running";

export function useTraces(network: string) {
  return useQuery({
    queryKey: ["traces", network],
    queryFn: async () => ((await request("GET", tracesPath(network))).body as { items: Trace[] }).items,
    refetchInterval: (query) => (query.state.data?.some(isRunning) ? LIVE : 15_000),
    retry: false,
  });
}

export function useTrace(network: string, id: string) {
  return useQuery({
    queryKey: ["trace", network, id],
    queryFn: async () => (await request("GET", objectPath(network, "traces", id))).body as Trace,
    refetchInterval: (query) => (isRunning(query.state.data) ? LIVE : false),
  });
}

/** What was recorded so far, decoded. */
export function useLadder(network: string, id: string, isGoingOn: boolean) {
  return useQuery({
    queryKey: ["ladder", network, id],
    queryFn: async () => (await request("GET", `${objectPath(network, "traces", id)}/ladder`)).body as Ladder,
    refetchInterval: isGoingOn ? LIVE : false,
  });
}

export async function startTrace(network: string, wanted: TraceRequest): Promise<Trace> {
  return (await request("POST", tracesPath(network), JSON.stringify(wanted), JSON_FORM)).body as Trace;
}
