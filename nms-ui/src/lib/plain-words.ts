// Plans and rules as an operator would say them.
import type { Schemas } from "@/api/objects";
import type { Translate } from "@/i18n";
import { octets, rate } from "./units";

type Limit = Schemas["RateLimit"] | null | undefined;

/** `10/2 Mbit/s`, down before up; with both units where they differ. */
export function limit(of: Limit, language: string): string {
  if (!of) return "";
  const [down, up] = [rate(of.max_dl_bit_rate, language), rate(of.max_ul_bit_rate, language)];
  const [downNumber, downUnit] = down.split(" ");
  const [upNumber, upUnit] = up.split(" ");
  return downUnit === upUnit ? `${downNumber}/${upNumber} ${upUnit}` : `${down} / ${up}`;
}

/** `10/2 Mbit/s, 50 GB in 30 days, then 1/1 Mbit/s`. */
export function plan(of: Schemas["DataPlan"], t: Translate, language: string): string {
  const speed = of.ambr ? limit(of.ambr, language) : t("plan.unlimited");
  if (!of.quota_octets) return speed;
  const volume = octets(of.quota_octets, language);
  const within = of.period_days ? t("plan.within", { volume, count: of.period_days }) : volume;
  const then = of.after_quota ? t("plan.then", { rate: limit(of.after_quota, language) }) : t("plan.thenNothing");
  return `${speed}, ${within}, ${then}`;
}

/** The rules that a plan makes at a gateway, in order. */
export function rulesOf(of: Schemas["DataPlan"], t: Translate, language: string): string[] {
  const rules = (of.policy_rules ?? []).map((name) => t("plan.rule", { name }));
  rules.push(of.ambr ? t("plan.police", { rate: limit(of.ambr, language) }) : t("plan.apnRate"));
  if (of.quota_octets) {
    rules.push(t("plan.count", { volume: octets(of.quota_octets, language) }));
    rules.push(of.after_quota ? t("plan.policeAfter", { rate: limit(of.after_quota, language) }) : t("plan.blockAfter"));
  }
  return rules;
}

/** A filter of a rule: `down tcp from 10.0.0.0/8 port 80: pass`. */
export function flow(of: Schemas["FlowRule"], t: Translate): string {
  const protocols: Record<number, string> = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6" };
  const parts = [of.direction === "UPLINK" ? t("unit.up") : t("unit.down")];
  if (of.ip_proto) parts.push(protocols[of.ip_proto] ?? `proto ${of.ip_proto}`);
  if (of.ip_src) parts.push(`← ${of.ip_src}`);
  if (of.port_src) parts.push(`:${of.port_src}`);
  if (of.ip_dst) parts.push(`→ ${of.ip_dst}`);
  if (of.port_dst) parts.push(`:${of.port_dst}`);
  return `${parts.join(" ")}: ${of.action === "PERMIT" ? t("plan.pass") : t("plan.drop")}`;
}
