// Alarms as the orchestrator keeps them, its own rules, and who was told.
import { useQuery } from "@tanstack/react-query";
import type { Alarm, AlarmRule, ReceiverDelivery, RulePreviewed } from "./answers";
import { request } from "./client";
import { LIVE } from "./fleet";
import { collectionPath, objectPath } from "./objects";

interface Page<T> {
  items: T[];
  next_cursor?: string | null;
}

const PAGE = 1000;
const MOST = 5_000;

/** Alarms, the newest first: those that hold and those that are over. */
export function useAlarms(network: string) {
  return useQuery({
    queryKey: ["alarms", network],
    queryFn: async () => {
      const all: Alarm[] = [];
      let cursor: string | null | undefined;
      do {
        const query = new URLSearchParams({ limit: String(PAGE), ...(cursor ? { cursor } : {}) });
        const page = (await request("GET", `${collectionPath(network, "alarms")}?${query}`)).body as Page<Alarm>;
        all.push(...page.items);
        cursor = page.next_cursor;
      } while (cursor && all.length < MOST);
      return all;
    },
    refetchInterval: 2 * LIVE,
  });
}

/** Rules that hold from the first minute. */
export function useAlarmRules() {
  return useQuery({
    queryKey: ["alarm-rules"],
    queryFn: async () => ((await request("GET", "/api/v1/alarm-rules")).body as Page<AlarmRule>).items,
    staleTime: Infinity,
  });
}

/** What was or is sent to a receiver. */
export function useReceiverDeliveries(network: string, receiver: string) {
  return useQuery({
    queryKey: ["receiver-deliveries", network, receiver],
    queryFn: async () => ((await request("GET", `${objectPath(network, "alert-receivers", receiver)}/deliveries?limit=50`)).body as Page<ReceiverDelivery>).items,
    refetchInterval: LIVE,
  });
}

/** Where a rule that is not there yet would hold now. */
export async function previewRule(network: string, rule: Record<string, unknown>): Promise<RulePreviewed> {
  const path = `${collectionPath(network, "alert-rules")}/preview`;
  return (await request("POST", path, JSON.stringify(rule), { "content-type": "application/json" })).body as RulePreviewed;
}
