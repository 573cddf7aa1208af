import { Select } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { count } from "@/lib/units";
import { Chart } from "@/ui/chart";
import { Empty, Head, Loaded, Notice, Panel } from "@/ui/page";
import { useSeries, type Samples } from "./series";

export const Route = createLazyRoute("/inside/n/$network/metrics")({ component: Metrics });

/** Charts shown unless others are asked for: those that changed. */
const SHOWN = 8;

function Metrics() {
  const { t } = useWords();
  const network = useNetwork();
  const [{ gateway }, setAddress] = useAddress();
  const gateways = useObjects(network, "gateways");
  const chosen = gateway ?? gateways.data?.[0]?.name;
  return (
    <>
      <Head title={t("nav.metrics")}>
        <Select size="xs" searchable allowDeselect={false} aria-label={t("kind.gateway")} data={(gateways.data ?? []).map((it) => it.name)} value={chosen ?? null} onChange={(it) => setAddress({ gateway: it ?? "" })} />
      </Head>
      <Notice tone="info">{t("metrics.sinceOpen")}</Notice>
      <Loaded query={gateways}>{() => (chosen ? <Charts key={chosen} gateway={chosen} /> : <Empty title={t("gateways.none")}>{t("gateways.noneWords")}</Empty>)}</Loaded>
    </>
  );
}

function Charts({ gateway }: { gateway: string }) {
  const { t, language } = useWords();
  const [{ q }, setAddress] = useAddress();
  const samples = useSeries(gateway);
  const names = useMemo(() => pick(samples, q), [samples, q]);
  const all = useMemo(() => [...new Set(Object.keys(samples.values))].sort(), [samples]);
  return (
    <div className="stack">
      <Select size="xs" w={380} maw="100%" searchable clearable aria-label={t("metrics.which")} placeholder={t("metrics.which")} data={all} value={q ?? null} onChange={(it) => setAddress({ q: it ?? "" })} />
      {names.length === 0 ? (
        <Panel>
          <Empty title={t("metrics.none")}>{t("metrics.noneWords")}</Empty>
        </Panel>
      ) : (
        <div className="grid" style={{ gridTemplateColumns: "repeat(auto-fit, minmax(min(100%, 420px), 1fr))" }}>
          {names.map((name) => (
            <Panel key={name} title={<span className="mono">{name}</span>}>
              <Chart group="metrics" data={[samples.at, samples.values[name] ?? []]} names={[name]} unit={(value) => count(value, language)} height={160} />
            </Panel>
          ))}
        </div>
      )}
    </div>
  );
}

/** The one that is asked for, else those that change, else the first. */
function pick(samples: Samples, wanted: string | undefined): string[] {
  const all = Object.keys(samples.values).sort();
  if (wanted) return all.filter((it) => it === wanted);
  const changing = all.filter((it) => new Set(samples.values[it]).size > 1);
  return (changing.length > 0 ? changing : all).slice(0, SHOWN);
}
