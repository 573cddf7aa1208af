// The condition of an own rule: in simple form or as PromQL, and where it would hold now.
import { Autocomplete, Button, SegmentedControl, Select, Switch, TextInput, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useMemo } from "react";
import { previewRule } from "@/api/alarms";
import type { RulePreviewed } from "@/api/answers";
import { useGatewayMetrics } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { valueAt, withValue } from "@/lib/diff";
import type { OwnProps } from "@/ui/editor/fields";
import { Notice, Refusal } from "@/ui/page";

const COMPARISONS = ["above", "below", "equal"] as const;

export function Condition({ body, change, error }: OwnProps) {
  const { t } = useWords();
  const isPromql = body["expression"] !== undefined && body["condition"] === undefined;
  const turn = (to: string) => {
    const { expression, condition, ...rest } = body;
    if (to === "promql") change({ ...rest, expression: expression ?? promql(condition) });
    else change({ ...rest, condition: condition ?? { metric: "basalt_agw_enbs", is: "below", value: 1 } });
  };
  const data = [
    { value: "simple", label: t("alarms.simple") },
    { value: "promql", label: "PromQL" },
  ];
  return (
    <fieldset className="part">
      <legend>{t("alarms.condition")}</legend>
      <div className="stack">
        <SegmentedControl size="xs" aria-label={t("alarms.condition")} data={data} value={isPromql ? "promql" : "simple"} onChange={turn} />
        {isPromql ? <Expression body={body} change={change} /> : <Simple body={body} change={change} />}
        {error && <Notice tone="bad">{error}</Notice>}
        <Preview body={body} />
      </div>
    </fieldset>
  );
}

type Part = Pick<OwnProps, "body" | "change">;

function Expression({ body, change }: Part) {
  const { t } = useWords();
  return <Textarea label={t("form.expression")} description={t("form.expressionHint")} required autosize minRows={2} classNames={{ input: "mono" }} spellCheck={false} value={String(body["expression"] ?? "")} onChange={(event) => change({ ...body, expression: event.currentTarget.value })} />;
}

/** Names of metrics that gateways of this network tell. */
function useMetricNames(): string[] {
  const network = useNetwork();
  const first = useObjects(network, "gateways").data?.[0]?.name ?? "";
  const values = useGatewayMetrics(network, first, 60_000).data?.values;
  return useMemo(() => [...new Set(Object.keys(values ?? {}).map((it) => it.replace(/\{.*$/, "")))].sort(), [values]);
}

function Simple({ body, change }: Part) {
  const { t } = useWords();
  const gateways = useObjects(useNetwork(), "gateways").data ?? [];
  const names = useMetricNames();
  const at = (...path: string[]) => valueAt(body, ["condition", ...path]);
  const set = (path: string[], value: unknown) => change(withValue(body, ["condition", ...path], value));
  const value = at("value");
  return (
    <>
      <Autocomplete label={t("alarms.metric")} required data={names} limit={50} classNames={{ input: "mono" }} value={String(at("metric") ?? "")} onChange={(it) => set(["metric"], it)} />
      <div className="row" style={{ alignItems: "flex-end" }}>
        <Select label={t("alarms.is")} w={140} allowDeselect={false} data={COMPARISONS.map((it) => ({ value: it, label: t(`alarms.is.${it}`) }))} value={String(at("is") ?? "above")} onChange={(it) => it && set(["is"], it)} />
        <TextInput key={String(at("metric"))} label={t("field.value")} w={120} required inputMode="decimal" defaultValue={value === undefined ? "" : String(value)} onChange={(event) => set(["value"], numeric(event.currentTarget.value))} />
        <Select label={t("kind.gateway")} w={200} searchable clearable placeholder={t("metrics.allGateways")} data={gateways.map((it) => it.name)} value={(at("labels", "gateway") as string | undefined) ?? null} onChange={(it) => set(["labels", "gateway"], it ?? undefined)} />
      </div>
      <Switch label={t("alarms.increase")} checked={at("increase") === true} onChange={(event) => set(["increase"], event.currentTarget.checked || undefined)} />
    </>
  );
}

/** A number; what is none goes to the orchestrator as it is, which says what it wants. */
function numeric(text: string): number | string {
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

const SIGNS: Record<string, string> = { above: ">", below: "<", equal: "==" };

/** A simple condition as PromQL, to begin with. */
export function promql(condition: unknown): string {
  const at = (...path: string[]) => valueAt(condition, path);
  if (at("metric") === undefined) return "";
  const labels = Object.entries((at("labels") as Record<string, string> | undefined) ?? {}).map(([name, value]) => `${name}="${value}"`);
  const selector = `${String(at("metric"))}${labels.length > 0 ? `{${labels.join(",")}}` : ""}`;
  return `${at("increase") === true ? `increase(${selector}[5m])` : selector} ${SIGNS[String(at("is"))] ?? ">"} ${String(at("value"))}`;
}

/** Asks the orchestrator where the rule holds with what gateways told last. */
function Preview({ body }: { body: Record<string, unknown> }) {
  const { t } = useWords();
  const network = useNetwork();
  const looking = useMutation({ mutationFn: () => previewRule(network, body) });
  return (
    <>
      <div>
        <Button size="xs" variant="default" loading={looking.isPending} onClick={() => looking.mutate()}>
          {t("alarms.preview")}
        </Button>
      </div>
      <div aria-live="polite">
        {looking.error && <Refusal error={looking.error} />}
        {looking.data && <Previewed of={looking.data} />}
      </div>
    </>
  );
}

function Previewed({ of }: { of: RulePreviewed }) {
  const { t, language } = useWords();
  return (
    <Notice tone={of.holds > 0 ? "warn" : "info"}>
      {t("alarms.holds", { count: of.holds })} <code>{of.expression}</code>
      {of.needs_past && <> {t("alarms.needsPast")}</>}
      {of.items.length > 0 && (
        <ul>
          {of.items.slice(0, 10).map((it) => (
            <li key={JSON.stringify(it.labels)}>
              {Object.entries(it.labels).map(([name, value]) => `${name}=${value}`).join(", ")}: {it.value.toLocaleString(language)}
            </li>
          ))}
        </ul>
      )}
    </Notice>
  );
}
