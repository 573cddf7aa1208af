// KPIs and lines of the last 48 hours, of the network or of one gateway: one time for all charts, enlarged by dragging.
import { Button, Select, Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import type { HistoryAnswer } from "@/api/answers";
import { useHistory, useKpis, type Span } from "@/api/history";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { aligned } from "@/lib/series";
import { RANGES, clock, isRange, type Range } from "@/lib/time";
import { Chart } from "@/ui/chart";
import { Icon } from "@/ui/icon";
import { intoSight } from "@/ui/into-sight";
import { Empty, Fresh, Head, Loaded, Panel } from "@/ui/page";
import { RangeChoice } from "@/ui/range";
import { ALL, CHARTS, TILES, said, type ChartOf } from "./charts";
import { Elsewhere } from "./elsewhere";
import { Places } from "./places";
import { Raw } from "./raw";

export const Route = createLazyRoute("/inside/n/$network/metrics")({ component: Metrics });

const TABS = ["time", "places", "raw", "elsewhere"] as const;
const OFFERED: Range[] = ["15m", "1h", "6h", "24h", "48h"];

/** What is looked at: the chosen range until now, or what was chosen by dragging. */
function useSpan(): Span {
  const [{ range, from, to }] = useAddress();
  return useMemo(() => {
    const [first, last] = [Number(from), Number(to)];
    if (from && to && last > first) return { from: first, to: last };
    return { length: RANGES[isRange(range) && OFFERED.includes(range) ? range : "24h"] };
  }, [range, from, to]);
}

function Metrics() {
  const { t } = useWords();
  const network = useNetwork();
  const [{ gateway = "", tab }, setAddress] = useAddress();
  const gateways = useObjects(network, "gateways").data ?? [];
  const shown = TABS.find((it) => it === tab) ?? "time";
  const span = useSpan();
  const kpis = useKpis(network, gateway, span);
  const data = gateways.map((it) => ({ value: it.name, label: it.body?.title ? `${it.name} · ${it.body.title}` : it.name }));
  return (
    <>
      <Head title={t("nav.metrics")} note={<Fresh at={kpis.dataUpdatedAt} />}>
        <Select size="xs" w={210} searchable clearable aria-label={t("kind.gateway")} placeholder={t("metrics.allGateways")} data={data} value={gateway || null} onChange={(it) => setAddress({ gateway: it ?? "", q: "" })} />
        {shown !== "raw" && shown !== "elsewhere" && <RangeChoice of={OFFERED} />}
        <Chosen span={span} />
      </Head>
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {TABS.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`metrics.tab.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="time">
          <Numbers of={kpis.data} />
          <Lines gateway={gateway} span={span} />
        </Tabs.Panel>
        <Tabs.Panel value="places">
          <Loaded query={kpis}>{(answer) => <Places of={answer} />}</Loaded>
        </Tabs.Panel>
        <Tabs.Panel value="raw">{gateway || gateways[0] ? <Raw key={gateway} gateway={gateway || (gateways[0]?.name ?? "")} /> : <Empty title={t("gateways.none")}>{t("gateways.noneWords")}</Empty>}</Tabs.Panel>
        <Tabs.Panel value="elsewhere">
          <Elsewhere />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

/** That a time was chosen by dragging, and the way back to now. */
function Chosen({ span }: { span: Span }) {
  const { t, language } = useWords();
  const [, setAddress] = useAddress();
  if (!("from" in span)) return null;
  return (
    <Button size="xs" variant="light" leftSection={<Icon name="close" size={12} />} onClick={() => setAddress({ from: "", to: "" })}>
      {t("metrics.zoomed", { from: clock(span.from, language), to: clock(span.to, language) })}
    </Button>
  );
}

/** The span in numbers; each leads to its line alone. */
function Numbers({ of }: { of: { kpis: { name: string; value?: number | null }[] } | undefined }) {
  const { t, language } = useWords();
  const [{ q }, setAddress] = useAddress();
  return (
    <div className="tiles wide">
      {TILES.map(({ name, unit, least, most }) => {
        const value = of?.kpis.find((it) => it.name === name)?.value ?? null;
        const isBad = value !== null && ((least !== undefined && value < least) || (most !== undefined && value > most));
        return (
          <button key={name} type="button" className="tile" aria-pressed={q === name} onClick={() => setAddress({ q: q === name ? "" : name })}>
            <span className="label">
              {isBad && <Icon name="warn" size={12} />}
              {t(`metrics.${name}`)}
            </span>
            <span className="value" style={isBad ? { color: "var(--b-bad)" } : undefined}>
              {value === null ? "–" : said(value, unit, language)}
            </span>
          </button>
        );
      })}
    </div>
  );
}

function Lines({ gateway, span }: { gateway: string; span: Span }) {
  const { t } = useWords();
  const [{ q }] = useAddress();
  const history = useHistory(useNetwork(), gateway, span, ALL);
  const charts: readonly ChartOf[] = CHARTS;
  const shown = q ? charts.flatMap((it) => (it.series.includes(q) ? [{ ...it, series: [q] }] : [])) : charts;
  return (
    <>
      <p className="soft">{t("metrics.drag")}</p>
      <Loaded query={history}>
        {(answer) => (
          <div className="grid charts">
            {shown.map((chart) => (
              <OneChart key={`${chart.id}/${chart.series.join()}`} chart={chart} answer={answer} height={q ? 340 : 170} />
            ))}
          </div>
        )}
      </Loaded>
    </>
  );
}

function OneChart({ chart, answer, height }: { chart: ChartOf; answer: HistoryAnswer; height: number }) {
  const { t, language } = useWords();
  const [, setAddress] = useAddress();
  const data = useMemo(() => aligned(answer, chart.series), [answer, chart]);
  // Lines without any value are left out: what cannot be, such as federation where there is none.
  const places = chart.series.map((_, index) => index + 1).filter((index) => data[index]?.some((it) => it !== null));
  const names = places.map((index) => t(`metrics.${chart.series[index - 1] as (typeof ALL)[number]}`));
  return (
    <Panel title={t(chart.title)}>
      {places.length === 0 ? (
        <p className="soft" style={{ height, margin: 0 }}>
          {t("metrics.nothing")}
        </p>
      ) : (
        <Chart
          group="metrics"
          data={[data[0] ?? [], ...places.map((index) => data[index] ?? [])]}
          names={names}
          unit={(value) => said(value, chart.unit, language)}
          isShare={chart.unit === "share"}
          span={[answer.since / 1000, answer.until / 1000]}
          onZoom={(from, to) => setAddress({ from: String(Math.round(from * 1000)), to: String(Math.round(to * 1000)) })}
          height={height}
        />
      )}
    </Panel>
  );
}
