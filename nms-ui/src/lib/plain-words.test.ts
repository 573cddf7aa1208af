import { expect, test } from "vitest";
import catalogue from "@/i18n/catalogue.json";
import { format, type Translate } from "@/i18n";
import { plan, rulesOf } from "./plain-words";

const t: Translate = (key, values) => format(catalogue[key][0] ?? "", "en", values);
const rate = (down: number, up: number) => ({ max_dl_bit_rate: down, max_ul_bit_rate: up });

test("a plan is said in plain words", () => {
  const home = { ambr: rate(10e6, 2e6), quota_octets: 50e9, period_days: 30, after_quota: rate(1e6, 1e6) };
  expect(plan(home, t, "en")).toBe("10/2 Mbit/s, 50 GB in 30 days, then 1/1 Mbit/s");
  expect(plan({ ambr: rate(1e9, 5e6) }, t, "en")).toBe("1 Gbit/s / 5 Mbit/s");
  expect(plan({ quota_octets: 1e9 }, t, "en")).toBe("The APN’s rate, 1 GB, then nothing");
});

test("the rules of a plan come in the order in which they hold", () => {
  const rules = rulesOf({ policy_rules: ["no-smtp"], ambr: rate(10e6, 2e6), quota_octets: 5e9 }, t, "en");
  expect(rules).toEqual(["rule no-smtp", "police all traffic to 10/2 Mbit/s", "count up to 5 GB", "then drop"]);
});
