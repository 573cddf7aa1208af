// Recorded signalling: of a phone, of a gateway, or of a base station.
import { useQuery } from "@tanstack/react-query";
import { request } from "./client";
import { LIVE } from "./fleet";
import { collectionPath, objectPath, type Schemas } from "./objects";

const JSON_FORM = { "content-type": "application/json" };

/** What is recorded, and how far it is at each gateway; moments in milliseconds since 1970. */
export type Trace = Schemas["Trace"];
export type TraceRequest = Schemas["TraceRequest"];
export type Participant = Schemas["TraceParticipant"];
/** A message; `at` in microseconds since 1970. */
export type TracedMessage = Omit<Schemas["TraceMessage"], "fields"> & { fields: Record<string, unknown> };
/** Messages that belong together; times in microseconds. */
export type Procedure = Schemas["TraceProcedure"];
export type Ladder = Omit<Schemas["TraceLadder"], "messages"> & { messages: TracedMessage[] };

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
