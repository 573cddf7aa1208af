// What gateways report, and what they are asked to do.
import { useQuery } from "@tanstack/react-query";
import type {
  AuditEntry,
  Certificate,
  Command,
  GatewayEvent,
  GatewayState,
  GatewayToken,
  Numbers,
  Phone,
  SeenStation,
  UsageRecord,
  UsageSum,
} from "./answers";
import { api, request, unwrap } from "./client";
import { collectionPath } from "./objects";
import { sharedRows } from "./sharing";
import { useEvery, useIsTold } from "./watch";

/** How often pages look again at what changes by itself, milliseconds. */
export const LIVE = 2_000;
const CALM = 10_000;

interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

/** One page of an address that is only known at run time. */
async function page<T>(path: string, query: Record<string, string | number | undefined>): Promise<Page<T>> {
  const told = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(told.map(([key, value]) => [key, String(value)]));
  return (await request("GET", `${path}?${search}`)).body as Page<T>;
}

async function pages<T>(path: string, query: Record<string, string | number | undefined>, most: number): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null | undefined;
  do {
    const next: Page<T> = await page<T>(path, { ...query, limit: 1000, cursor: cursor ?? undefined });
    for (const item of next.items) all.push(item);
    cursor = next.next_cursor;
  } while (cursor && all.length < most);
  return all;
}

export function useNetworks(enabled = true) {
  return useQuery({
    queryKey: ["networks"],
    queryFn: async () => {
      // The same address also gives CSV, to who asks for it.
      const answer = await unwrap(api.GET("/api/v1/networks", { params: { query: { limit: 1000 } } }));
      return typeof answer === "string" ? [] : answer.items;
    },
    enabled,
    staleTime: 30_000,
  });
}

/** Gateways beyond which their states are read less often. */
const MANY = 1_000;

export function useGatewayStates(network: string) {
  const isTold = useIsTold(network);
  return useQuery({
    queryKey: ["gateway-states", network],
    queryFn: () => pages<GatewayState>(collectionPath(network, "gateway-states"), {}, 20_000),
    structuralSharing: sharedRows,
    refetchInterval: (query) => {
      // That a gateway falls silent is told by nobody.
      const isLong = (query.state.data?.length ?? 0) > MANY;
      if (isTold) return isLong ? 60_000 : CALM;
      return isLong ? CALM : LIVE;
    },
  });
}

export function useGatewayStatus(network: string, name: string) {
  const every = useIsTold(network) ? CALM : LIVE;
  const path = { network, name };
  return useQuery({
    queryKey: ["gateway-status", network, name],
    queryFn: async () =>
      (await unwrap(api.GET("/api/v1/networks/{network}/gateways/{name}/status", { params: { path } }))) as unknown as GatewayState,
    refetchInterval: every,
  });
}

export function useGatewayMetrics(network: string, name: string, every = LIVE) {
  const path = { network, name };
  return useQuery({
    queryKey: ["gateway-metrics", network, name],
    queryFn: async () =>
      (await unwrap(api.GET("/api/v1/networks/{network}/gateways/{name}/metrics", { params: { path } }))) as unknown as {
        at: number;
        values: Record<string, number>;
      },
    enabled: name !== "",
    refetchInterval: every,
  });
}

export function useCertificates(network: string, name: string) {
  return useQuery({
    queryKey: ["certificates", network, name],
    queryFn: async () => (await page<Certificate>(`${collectionPath(network, "gateways")}/${name}/certificates`, {})).items,
  });
}

/** Tokens by which gateways join; looked at often while one is waited for. */
export function useGatewayTokens(network: string, isWaiting = false) {
  return useQuery({
    queryKey: ["gateway-tokens", network],
    queryFn: async () => (await page<GatewayToken>(collectionPath(network, "gateway-tokens"), {})).items,
    refetchInterval: isWaiting ? LIVE : CALM,
  });
}

export interface EventsWanted {
  gateway?: string | undefined;
  imsi?: string | undefined;
  since?: number | undefined;
  alarms?: boolean;
  /** Of this kind alone. */
  kind?: string;
}

/** The newest events of a network, or of one gateway or subscriber in it. */
/** Events, the newest first. With `isOneList`, those that were wanted before stay until others are there: its fields stay, too. */
export function useEvents(network: string, most: number, options: EventsWanted = {}, isOneList = false) {
  const path = collectionPath(network, "events");
  const every = useEvery(network, LIVE);
  const query = { limit: Math.min(most, 1000), ...options, alarms: options.alarms ? "true" : undefined };
  return useQuery({
    queryKey: ["events", network, options, most],
    queryFn: async () => (await page<GatewayEvent>(path, query)).items,
    refetchInterval: every,
    placeholderData: (former, query) => (isOneList && query?.queryKey[1] === network ? former : undefined),
  });
}

export function useUsage(network: string, since: number, imsi?: string) {
  return useQuery({
    queryKey: ["usage", network, since, imsi],
    queryFn: async () => (await page<UsageRecord>(collectionPath(network, "usage"), { since, imsi, limit: 1000 })).items,
    refetchInterval: CALM,
  });
}

export function useCommands(network: string, gateway: string) {
  return useQuery({
    queryKey: ["commands", network, gateway],
    queryFn: async () => (await page<Command>(`${collectionPath(network, "gateways")}/${gateway}/commands`, {})).items,
    refetchInterval: LIVE,
  });
}

/** The audit log of a network; of the whole installation with `null`. */
export function useAudit(network: string | null, most: number, enabled = true) {
  return useQuery({
    queryKey: ["audit", network, most],
    queryFn: () => pages<AuditEntry>(collectionPath(network, "audit"), {}, most),
    structuralSharing: sharedRows,
    refetchInterval: CALM,
    enabled,
  });
}

/** A network in numbers, as the orchestrator counts. */
export function useNumbers(network: string) {
  const every = useIsTold(network) ? CALM : LIVE;
  return useQuery({
    queryKey: ["overview", network],
    queryFn: async () => (await request("GET", collectionPath(network, "overview"))).body as Numbers,
    refetchInterval: every,
    retry: false,
  });
}

/** Phones as they are now; of one subscriber with `imsi`. */
export function usePhones(network: string, imsi?: string, every: number | false = LIVE) {
  const often = useEvery(network, every || LIVE);
  return useQuery({
    queryKey: ["phones", network, imsi],
    queryFn: () => pages<Phone>(collectionPath(network, "phones"), { imsi }, 100_000),
    structuralSharing: sharedRows,
    refetchInterval: every === false ? false : often,
    retry: false,
  });
}

/** Who has an address now; nothing is asked while there is none. */
export function usePhonesAt(network: string, address: string) {
  return useQuery({
    queryKey: ["phones-at", network, address],
    queryFn: async () => (await page<Phone>(collectionPath(network, "phones"), { address, limit: 10 })).items,
    enabled: address !== "",
    refetchInterval: CALM,
    retry: false,
  });
}

/** Base stations that gateways see, configured or not. */
export function useStations(network: string) {
  const every = useEvery(network, LIVE);
  return useQuery({
    queryKey: ["base-stations", network],
    queryFn: () => pages<SeenStation>(collectionPath(network, "base-stations"), {}, 20_000),
    structuralSharing: sharedRows,
    refetchInterval: every,
    retry: false,
  });
}

/** Who used most since a moment. */
export function useUsageSums(network: string, by: "imsi" | "apn" | "gateway" | "cell" | "network", since: number) {
  return useQuery({
    queryKey: ["usage-sums", network, by, since],
    queryFn: async () => (await page<UsageSum>(collectionPath(network, "usage/sums"), { by, since, limit: 1000 })).items,
    refetchInterval: CALM,
    retry: false,
  });
}

/** What one subscriber used since a moment, octets. */
export function useUsedSince(network: string, imsi: string, since: number) {
  return useQuery({
    queryKey: ["used-since", network, imsi, since],
    queryFn: async () => {
      const sums = (await page<UsageSum>(collectionPath(network, "usage/sums"), { by: "network", imsi, since, limit: 1 })).items;
      return sums.reduce((all, it) => all + it.uplink_bytes + it.downlink_bytes, 0);
    },
    refetchInterval: CALM,
  });
}
