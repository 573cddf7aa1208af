// Every number of one gateway, as long as the page is open.
import { Select } from "@mantine/core";
import { useMemo } from "react";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { count } from "@/lib/units";
import { Chart } from "@/ui/chart";
import { Empty, Notice, Panel } from "@/ui/page";
import { useSeries, type Samples } from "./series";

/** Charts shown unless others are asked for: those that changed. */
const SHOWN = 8;

export function Raw({ gateway }: { gateway: string }) {
  const { t, language } = useWords();
  const [{ q }, setAddress] = useAddress();
  const samples = useSeries(gateway);
  const names = useMemo(() => pick(samples, q), [samples, q]);
  const all = useMemo(() => [...new Set(Object.keys(samples.values))].sort(), [samples]);
  return (
    <div className="stack">
      <Notice tone="info">{t("metrics.sinceOpen")}</Notice>
      <Select size="xs" w={380} maw="100%" searchable clearable aria-label={t("metrics.which")} placeholder={t("metrics.which")} data={all} value={q ?? null} onChange={(it) => setAddress({ q: it ?? "" })} />
      {names.length === 0 ? (
        <Panel>
          <Empty title={t("metrics.none")}>{t("metrics.noneWords")}</Empty>
        </Panel>
      ) : (
        <div className="grid charts">
          {names.map((name) => (
            <Panel key={name} title={<span className="mono">{name}</span>}>
              <Chart group="raw" data={[samples.at, samples.values[name] ?? []]} names={[name]} unit={(value) => count(value, language)} height={160} />
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
