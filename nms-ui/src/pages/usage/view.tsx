import { SegmentedControl } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import type { UsageSum } from "@/api/answers";
import { useUsage, useUsageSums } from "@/api/fleet";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { RANGES } from "@/lib/time";
import { useAddress } from "@/lib/search";
import { count, octets } from "@/lib/units";
import { bucketed } from "@/lib/buckets";
import { Chart } from "@/ui/chart";
import { DataTable, type Column } from "@/ui/data-table";
import { GatewayLink, SubscriberLink } from "@/ui/links";
import { Empty, Fresh, Head, Loaded, Panel } from "@/ui/page";
import { RangeChoice } from "@/ui/range";
import { useRange, useSince } from "@/ui/since";

export const Route = createLazyRoute("/inside/n/$network/usage")({ component: Usage });

const BY = ["imsi", "apn", "cell", "gateway"] as const;

function Usage() {
  const { t, language } = useWords();
  const network = useNetwork();
  const [address, setAddress] = useAddress();
  const by = BY.find((it) => it === address.by) ?? "imsi";
  const since = useSince(RANGES[useRange()]);
  const sums = useUsageSums(network, by, since);
  const columns = useMemo<Column<UsageSum>[]>(
    () => [
      {
        id: "key",
        title: t(`usage.by.${by}`),
        value: (row) => row.key,
        cell: (row) => (by === "imsi" ? <SubscriberLink imsi={row.key} /> : by === "gateway" ? <GatewayLink name={row.key} /> : row.key || "–"),
      },
      { id: "all", title: t("usage.sum"), right: true, value: (row) => row.downlink_bytes + row.uplink_bytes, cell: (row) => octets(row.downlink_bytes + row.uplink_bytes, language) },
      { id: "down", title: t("unit.down"), right: true, value: (row) => row.downlink_bytes, cell: (row) => octets(row.downlink_bytes, language) },
      { id: "up", title: t("unit.up"), right: true, value: (row) => row.uplink_bytes, cell: (row) => octets(row.uplink_bytes, language) },
      { id: "packets", title: t("usage.packets"), right: true, extra: true, value: (row) => row.downlink_packets + row.uplink_packets, cell: (row) => count(row.downlink_packets + row.uplink_packets, language) },
    ],
    [t, language, by],
  );
  const choice = (
    <SegmentedControl size="xs" aria-label={t("usage.by")} data={BY.map((it) => ({ value: it, label: t(`usage.by.${it}`) }))} value={by} onChange={(it) => setAddress({ by: it, q: "" })} />
  );
  return (
    <>
      <Head title={t("nav.usage")} note={<Fresh at={sums.dataUpdatedAt} />}>
        <RangeChoice />
      </Head>
      <div className="stack">
        <OverTime since={since} />
        <Loaded query={sums}>
          {(rows) => <DataTable name={t("usage.top")} rows={rows} columns={columns} idOf={(row) => row.key} sort="-all" filters={choice} height="calc(100dvh - 470px)" empty={<Empty title={t("usage.none")}>{t("usage.noneWords")}</Empty>} />}
        </Loaded>
      </div>
    </>
  );
}

const STEPS = 60;

/** What was used over the time that is looked at, of the records that the orchestrator gives at once. */
function OverTime({ since }: { since: number }) {
  const { t, language } = useWords();
  const usage = useUsage(useNetwork(), since);
  const data = useMemo(() => bucketed(usage.data ?? [], since, usage.dataUpdatedAt, STEPS), [usage.data, usage.dataUpdatedAt, since]);
  if (!usage.data || usage.data.length === 0) return null;
  return (
    <Panel title={t("usage.overTime")} aside={usage.data.length >= 1000 ? <span className="soft">{t("usage.firstThousand")}</span> : undefined}>
      <Chart data={data} names={[t("unit.down"), t("unit.up")]} unit={(value) => octets(value, language)} />
    </Panel>
  );
}
