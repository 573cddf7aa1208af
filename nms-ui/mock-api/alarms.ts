// Alarms of the made-up network: some hold, most are over.
import type { Alarm, AlarmRule, ReceiverDelivery, RulePreviewed } from "@/api/answers";
import type { World } from "./world";

const MINUTE = 60_000;

const RULES: [name: string, severity: string, title: string, after: number, clear: number][] = [
  ["gateway-offline", "critical", "A gateway does not talk to the orchestrator.", 3, 10],
  ["base-station-gone", "major", "A base station that was connected is not any more.", 2, 10],
  ["all-base-stations-gone", "critical", "A gateway has lost all of its base stations.", 2, 10],
  ["user-plane-path-down", "major", "A base station does not answer GTP-U Echo Requests.", 0, 30],
  ["address-pool-nearly-full", "minor", "A pool has few addresses left.", 0, 60],
  ["address-pool-exhausted", "critical", "A pool has no address left.", 0, 30],
  ["disk-nearly-full", "major", "A gateway's disk is nearly full.", 0, 60],
  ["clock-wrong", "major", "A gateway's clock differs from the orchestrator's.", 0, 60],
  ["configuration-refused", "major", "A gateway cannot put into force what it has.", 0, 10],
  ["version-skew", "info", "Gateways of one tier run different versions.", 600, 60],
  ["attach-success-low", "major", "Many phones cannot attach.", 0, 120],
  ["authentication-failures", "major", "Many phones cannot be authenticated.", 0, 120],
  ["packet-drops-high", "minor", "Many user packets are dropped.", 0, 120],
  ["federation-peer-down", "critical", "A Diameter peer is not connected.", 5, 10],
  ["certificate-expiring", "major", "A gateway did not renew its certificate.", 0, 3600],
  ["gateway-cloned", "critical", "Two gateways show one identity.", 0, 3600],
];

export function alarmRules(): AlarmRule[] {
  return RULES.map(([name, severity, title, for_seconds, clear_after_seconds]) => ({ name, severity, title, source: "gateway", for_seconds, clear_after_seconds, runbook: `runbooks/${name}.html` }));
}

/** Rule, gateway, about what, in words, minutes since it began, minutes that it lasted (0: it holds). */
const HAPPENED: [rule: string, gateway: number, subject: string, text: string, ago: number, lasted: number][] = [
  ["gateway-offline", 3, "", "gw-0003 has not talked for 5 hours: Quarry", 300, 0],
  ["configuration-refused", 6, "policy-rules/no-smtp", "policy-rules/no-smtp: rules with IPv6 far ends are not forwarded yet", 72, 0],
  ["base-station-gone", 8, "001-01/0x6c", "Market north is gone: the SCTP association was lost", 41, 0],
  ["address-pool-nearly-full", 2, "internet", "internet: 3 % of 65,533 addresses are free", 18, 0],
  ["attach-success-low", 5, "", "71 % of 214 attaches within 5 minutes succeeded; most often cause 15", 9, 0],
  ["version-skew", 5, "", "0.2.0 where the tier has 0.1.0", 2880, 0],
  ["packet-drops-high", 1, "rate-limit", "4.1 % of packets dropped: rate-limit", 520, 34],
  ["attach-success-low", 1, "", "76 % of 431 attaches within 5 minutes succeeded", 530, 58],
  ["clock-wrong", 4, "", "2.4 s behind", 1380, 12],
  ["base-station-gone", 2, "001-01/0x66", "Harbour north is gone: it sent a shutdown", 1610, 3],
  ["user-plane-path-down", 7, "10.0.7.2", "10.0.7.2 does not answer", 1900, 6],
  ["gateway-offline", 7, "", "gw-0007 did not talk", 2600, 2],
];

export function alarmsOf(world: World): Alarm[] {
  const rules = new Map(RULES.map((rule) => [rule[0], rule]));
  const seen = world.collection("demo", "acknowledgements");
  const silences = [...world.collection("demo", "silences").values()].map((it) => it.body as { gateway?: string; kind?: string; from: number; until: number });
  const now = Date.now();
  return HAPPENED.filter(([, gateway]) => gateway <= world.size.gateways).map(([rule, number, subject, text, ago, lasted], at) => {
    const id = 900 - at;
    const gateway = `gw-${String(number).padStart(4, "0")}`;
    const since = world.began - ago * MINUTE;
    const known = seen.get(String(id));
    return {
      id,
      network: "demo",
      gateway,
      rule,
      subject,
      text,
      severity: rules.get(rule)?.[1] ?? "info",
      title: rules.get(rule)?.[2] ?? null,
      state: lasted > 0 ? "cleared" : known ? "acknowledged" : "raised",
      silenced: silences.some((it) => now >= it.from && now < it.until && (!it.gateway || it.gateway === gateway) && (!it.kind || it.kind === rule)),
      since,
      raised_at: since + 5_000,
      cleared_at: lasted > 0 ? since + lasted * MINUTE : null,
      acknowledged: known ? { by: known.changed_by ?? "", at: known.changed_at ?? 0, note: null } : null,
      runbook: `runbooks/${rule}.html`,
    };
  });
}

/** A rule holds at two gateways; what is no expression is refused by who calls. */
export function previewOf(rule: Record<string, unknown>): RulePreviewed {
  const condition = rule["condition"] as { metric: string; is: string; value: number } | undefined;
  const expression = condition ? `${condition.metric} ${condition.is === "above" ? ">" : "<"} ${condition.value}` : String(rule["expression"]);
  const items = ["gw-0003", "gw-0008"].map((gateway) => ({ labels: { gateway }, value: 0 }));
  return { expression, holds: items.length, items, needs_past: expression.includes("[5m]") };
}

/** What was sent to a receiver; a test arrives after a moment. */
export function sentTo(world: World, receiver: string): ReceiverDelivery[] {
  const tests = world.tests.filter((it) => it.receiver === receiver).map((it): ReceiverDelivery => {
    const isThere = Date.now() - it.at > 1_500;
    return { id: `t${it.at}`, event: `test/${it.at}`, kind: "test", state: isThere ? "delivered" : "pending", attempts: isThere ? 1 : 0, due_at: it.at, created_at: it.at, changed_at: it.at, trouble: "" };
  });
  const before = world.began - 300 * MINUTE;
  const past: ReceiverDelivery = { id: "d1", event: "alarm/900", kind: "gateway-offline", state: receiver === "pager" ? "dead" : "delivered", attempts: receiver === "pager" ? 8 : 1, due_at: before, created_at: before, changed_at: before, trouble: receiver === "pager" ? "answered 403 Forbidden" : "" };
  return [...tests.reverse(), past];
}
