// Alarms that hold and those that are over: who looks after them, which are silenced, and what to do.
import { Button, Drawer, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import { useAlarms } from "@/api/alarms";
import type { Alarm } from "@/api/answers";
import { learn, objectPath, put } from "@/api/objects";
import { toProblem } from "@/api/problem";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { CopyAs } from "@/ui/copy-as";
import { DataTable, type Column } from "@/ui/data-table";
import { Filter } from "@/ui/filter";
import { GatewayLink } from "@/ui/links";
import { Empty, Fresh, Loaded, Refusal } from "@/ui/page";
import { Status, type Tone } from "@/ui/status";
import { useSay } from "@/ui/toast";
import { Severity } from "./rules";
import { Runbook } from "./runbook";
import { SEVERITIES, STATES, openBySeverity, severityOf, stateOf, type State } from "./told";

const HOUR = 3_600_000;
const STATE_TONES: Record<State, Tone> = { open: "bad", acknowledged: "info", silenced: "quiet", cleared: "good" };

function useColumns(silence: (alarm: Alarm) => void): Column<Alarm>[] {
  const { t } = useWords();
  const mayChange = useMayChange();
  return useMemo<Column<Alarm>[]>(
    () => [
      { id: "severity", title: t("alarms.severity"), value: (row) => SEVERITIES.indexOf(severityOf(row.severity)), cell: (row) => <Severity of={row.severity} /> },
      { id: "state", title: t("gateways.state"), value: (row) => t(`alarms.state.${stateOf(row)}`), cell: (row) => <Standing of={row} /> },
      { id: "text", title: t("events.text"), value: (row) => `${row.title ?? ""} ${row.text} ${row.rule}`, cell: (row) => <What of={row} /> },
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "subject", title: t("alarms.subject"), extra: true, value: (row) => row.subject },
      { id: "since", title: t("alarms.since"), value: (row) => row.since, cell: (row) => <Age at={row.since} /> },
      { id: "cleared", title: t("alarms.over"), extra: true, value: (row) => row.cleared_at, cell: (row) => <Age at={row.cleared_at} /> },
      { id: "rule", title: t("alarms.rule"), extra: true, value: (row) => row.rule },
      { id: "act", title: t("alarms.act"), value: () => "", cell: (row) => <Act of={row} mayChange={mayChange} silence={() => silence(row)} /> },
    ],
    [t, mayChange, silence],
  );
}

export function History() {
  const { t } = useWords();
  const [{ state, by }, setAddress] = useAddress();
  const [silencing, setSilencing] = useState<Alarm | null>(null);
  const alarms = useAlarms(useNetwork());
  const columns = useColumns(setSilencing);
  const filter = useMemo(() => (state || by ? (row: Alarm) => (!state || stateOf(row) === state) && (!by || severityOf(row.severity) === by) : undefined), [state, by]);
  const choices = (
    <>
      <Filter label={t("gateways.state")} data={STATES.map((it) => ({ value: it, label: t(`alarms.state.${it}`) }))} value={state} choose={(it) => setAddress({ state: it })} />
      <Filter label={t("alarms.severity")} data={SEVERITIES.map((it) => ({ value: it, label: t(`alarms.severity.${it}`) }))} value={by} choose={(it) => setAddress({ by: it })} />
    </>
  );
  return (
    <>
      <p>
        <Fresh at={alarms.dataUpdatedAt} />
      </p>
      <Loaded query={alarms}>
        {(rows) => (
          <>
            <Counts of={rows} />
            <DataTable name={t("alarms.history")} rows={rows} columns={columns} idOf={(row) => String(row.id)} filters={choices} filter={filter} height="calc(100dvh - 400px)" empty={<Empty title={t("alarms.none")}>{t("alarms.noneWords")}</Empty>} />
          </>
        )}
      </Loaded>
      {silencing && <SilenceForm alarm={silencing} onClose={() => setSilencing(null)} />}
    </>
  );
}

/** What somebody should look at, by severity: each leads to those. */
function Counts({ of }: { of: Alarm[] }) {
  const { t } = useWords();
  const [{ state, by }, setAddress] = useAddress();
  const counts = openBySeverity(of);
  return (
    <div className="tiles">
      {SEVERITIES.map((severity) => {
        const isChosen = state === "open" && by === severity;
        return (
          <button key={severity} type="button" className={`tile severity ${severity}`} aria-pressed={isChosen} onClick={() => setAddress(isChosen ? { state: "", by: "" } : { state: "open", by: severity })}>
            <span className="label">{t(`alarms.severity.${severity}`)}</span>
            <span className="value">{counts[severity]}</span>
            <span className="note">{t("alarms.state.open")}</span>
          </button>
        );
      })}
    </div>
  );
}

function What({ of }: { of: Alarm }) {
  return (
    <span title={of.title ?? undefined}>
      {of.text || of.title}
    </span>
  );
}

function Standing({ of }: { of: Alarm }) {
  const { t } = useWords();
  const state = stateOf(of);
  return (
    <span className="row" style={{ flexWrap: "nowrap" }}>
      <Status tone={STATE_TONES[state]}>{t(`alarms.state.${state}`)}</Status>
      {state === "cleared" && (
        <span className="soft">
          <Age at={of.cleared_at} />
        </span>
      )}
      {state === "acknowledged" && (
        <span className="soft">
          {of.acknowledged?.by}, <Age at={of.acknowledged?.at} />
        </span>
      )}
    </span>
  );
}

function Act({ of, mayChange, silence }: { of: Alarm; mayChange: boolean; silence: () => void }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const client = useQueryClient();
  const taking = useMutation({
    mutationFn: () => put(objectPath(network, "acknowledgements", String(of.id)), { note: "" }),
    onSuccess: (stored) => {
      learn(client, network, "acknowledgements", stored);
      return client.invalidateQueries({ queryKey: ["alarms", network] });
    },
    onError: (error) => say(toProblem(error).detail),
  });
  const state = stateOf(of);
  return (
    <span className="row" style={{ flexWrap: "nowrap" }}>
      {of.runbook && <Runbook isSmall rule={of.rule} />}
      {mayChange && (state === "open" || state === "silenced") && (
      <Button size="compact-xs" variant="default" loading={taking.isPending} onClick={() => taking.mutate()}>
        {t("alarms.acknowledge")}
      </Button>
      )}
      {mayChange && state === "open" && (
        <Button size="compact-xs" variant="subtle" color="gray" c="var(--b-ink-soft)" onClick={silence}>
          {t("alarms.silence")}
        </Button>
      )}
    </span>
  );
}

/** Alarms like this one are told to nobody for a while. */
function SilenceForm({ alarm, onClose }: { alarm: Alarm; onClose: () => void }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const client = useQueryClient();
  const [hours, setHours] = useState("4");
  const [scope, setScope] = useState("this");
  const [comment, setComment] = useState("");
  // From the alarm on, so that it is silent itself.
  const [now] = useState(() => Date.now());
  const from = Math.min(alarm.since, now);
  const body = { gateway: scope === "kind" ? "" : alarm.gateway, kind: scope === "gateway" ? "" : alarm.rule, from, until: now + Number(hours) * HOUR, comment };
  const name = `alarm-${alarm.id}-${now}`;
  const path = objectPath(network, "silences", name);
  const saving = useMutation({
    mutationFn: () => put(path, body),
    onSuccess: (stored) => {
      learn(client, network, "silences", stored);
      void client.invalidateQueries({ queryKey: ["alarms", network] });
      say(t("editor.saved"));
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <Drawer opened onClose={onClose} position="right" title={t("alarms.silence")} closeButtonProps={{ "aria-label": t("action.close") }}>
      <form className="stack" onSubmit={submit}>
        <p className="soft">{t("alarms.silenceWords")}</p>
        <Select
          label={t("alarms.silenceWhich")}
          allowDeselect={false}
          data={[
            { value: "this", label: t("alarms.scope.this", { kind: alarm.rule, gateway: alarm.gateway }) },
            { value: "gateway", label: t("alarms.scope.gateway", { gateway: alarm.gateway }) },
            { value: "kind", label: t("alarms.scope.kind", { kind: alarm.rule }) },
          ]}
          value={scope}
          onChange={(it) => it && setScope(it)}
        />
        <Select label={t("alarms.silenceFor")} allowDeselect={false} data={["1", "4", "24", "168"].map((it) => ({ value: it, label: t("alarms.hours", { count: Number(it) }) }))} value={hours} onChange={(it) => it && setHours(it)} />
        <TextInput label={t("alarms.why")} value={comment} maxLength={1000} onChange={(event) => setComment(event.currentTarget.value)} />
        {saving.error && <Refusal error={saving.error} />}
        <div className="row">
          <Button type="submit" size="sm" loading={saving.isPending}>
            {t("alarms.silence")}
          </Button>
          <CopyAs write={() => ({ method: "PUT", path, body, resource: { kind: "silences", name, network } })} />
        </div>
      </form>
    </Drawer>
  );
}
