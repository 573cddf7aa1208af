import { useMemo } from "react";
import { useUsage } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { plan as planWords } from "@/lib/plain-words";
import { RANGES, isRange } from "@/lib/time";
import { useAddress } from "@/lib/search";
import { octets } from "@/lib/units";
import { Age } from "@/ui/age";
import { Chart } from "@/ui/chart";
import { RangeChoice } from "@/ui/range";
import { useSince } from "@/ui/since";
import { Quota } from "./quota";
import { Empty, Facts, Loaded, Panel } from "@/ui/page";

/** What this subscriber used, and what of the plan is left. */
export function Used({ imsi, plan }: { imsi: string; plan: string | null }) {
  const { t, language } = useWords();
  const network = useNetwork();
  const [{ range }] = useAddress();
  const span = isRange(range) ? range : "24h";
  const since = useSince(RANGES[span]);
  const usage = useUsage(network, since, imsi);
  const plans = useObjects(network, "data-plans").data ?? [];
  const bought = plans.find((it) => it.name === plan)?.body;
  const records = useMemo(() => (usage.data ?? []).filter((it) => !it.session.includes("/")).toSorted((a, b) => a.to - b.to), [usage.data]);
  const sum = (pick: "uplink_bytes" | "downlink_bytes") => records.reduce((all, it) => all + it[pick], 0);
  const [down, up] = [sum("downlink_bytes"), sum("uplink_bytes")];
  const data = useMemo<[number[], number[], number[]]>(
    () => [records.map((it) => it.to / 1000), records.map((it) => it.downlink_bytes), records.map((it) => it.uplink_bytes)],
    [records],
  );
  return (
    <Loaded query={usage}>
      {() => (
        <div className="stack">
          <Quota imsi={imsi} plan={plan} />
          <div><RangeChoice /></div>
          <div className="grid">
            <Panel title={t("usage.sum")}>
              <Facts
                of={[
                  [t("unit.down"), octets(down, language)],
                  [t("unit.up"), octets(up, language)],
                  [t("subscribers.plan"), bought && planWords(bought, t, language)],
                  [t("usage.last"), <Age key="last" at={records.at(-1)?.to} />],
                ]}
              />
            </Panel>
            <Panel title={t("usage.records")}>
              {records.length === 0 ? <Empty title={t("usage.none")} /> : <Chart data={data} names={[t("unit.down"), t("unit.up")]} unit={(value) => octets(value, language)} />}
            </Panel>
          </div>
        </div>
      )}
    </Loaded>
  );
}
