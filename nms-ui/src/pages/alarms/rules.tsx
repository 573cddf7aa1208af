import { useMemo } from "react";
import { useAlarmRules } from "@/api/alarms";
import type { AlarmRule } from "@/api/answers";
import type { AnyObject } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { alertRuleForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { DataTable, type Column } from "@/ui/data-table";
import { ObjectTable, field, plain } from "@/ui/object-table";
import { Empty, Loaded, Notice } from "@/ui/page";
import { Status } from "@/ui/status";
import { Condition, promql } from "./condition";
import { Runbook } from "./runbook";
import { TONES, lasting, severityOf } from "./told";

/** Own rules, and those that hold without anybody's doing. */
export function Rules() {
  const { t } = useWords();
  return (
    <div className="stack">
      <Notice tone="info">{t("alarms.rulesWords")}</Notice>
      <Own />
      <BuiltIn />
    </div>
  );
}

function Own() {
  const { t, language } = useWords();
  const network = useNetwork();
  const form = useMemo(() => alertRuleForm(network, (props) => <Condition {...props} />), [network]);
  const columns = useMemo<Column<AnyObject>[]>(
    () => [
      { id: "severity", title: t("alarms.severity"), value: (row) => String(field(row, "severity")), cell: (row) => <Severity of={String(field(row, "severity"))} /> },
      plain("summary", t("form.summary"), "summary"),
      { id: "holds", title: t("alarms.condition"), value: ruleOf, cell: (row) => <span className="mono">{ruleOf(row)}</span> },
      { id: "for", title: t("alarms.for"), right: true, value: (row) => Number(field(row, "for_seconds") ?? 0), cell: (row) => lasting(Number(field(row, "for_seconds") ?? 0), language) },
      plain("receivers", t("alarms.receivers"), "receivers"),
    ],
    [t, language],
  );
  return <ObjectTable name={t("alarms.own")} form={form} columns={columns} none={t("alarms.noRules")} noneWords={t("alarms.noRulesWords")} height="260px" />;
}

function ruleOf(row: AnyObject): string {
  return String(field(row, "expression") ?? "") || promql(field(row, "condition"));
}

function BuiltIn() {
  const { t, language } = useWords();
  const rules = useAlarmRules();
  const columns = useMemo<Column<AlarmRule>[]>(
    () => [
      { id: "severity", title: t("alarms.severity"), value: (row) => row.severity, cell: (row) => <Severity of={row.severity} /> },
      { id: "title", title: t("alarms.means"), value: (row) => row.title },
      { id: "name", title: t("editor.name"), value: (row) => row.name, cell: (row) => <span className="mono">{row.name}</span> },
      { id: "for", title: t("alarms.for"), right: true, value: (row) => row.for_seconds, cell: (row) => lasting(row.for_seconds, language) },
      { id: "clear", title: t("alarms.clearAfter"), right: true, value: (row) => row.clear_after_seconds, cell: (row) => lasting(row.clear_after_seconds, language) },
      { id: "runbook", title: t("alarms.todo"), value: () => "", cell: (row) => <Runbook rule={row.name} /> },
    ],
    [t, language],
  );
  return <Loaded query={rules}>{(all) => <DataTable isFurther name={t("alarms.builtIn")} rows={all} columns={columns} idOf={(row) => row.name} height="60vh" empty={<Empty title={t("alarms.noRules")} />} />}</Loaded>;
}

export function Severity({ of }: { of: string }) {
  const { t } = useWords();
  const severity = severityOf(of);
  return <Status tone={TONES[severity]}>{t(`alarms.severity.${severity}`)}</Status>;
}
