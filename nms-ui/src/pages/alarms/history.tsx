// Events that somebody should look at: who does, and which are silenced.
import { Button, Drawer, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import { useEvents } from "@/api/fleet";
import { learn, objectPath, put, useObjects } from "@/api/objects";
import { toProblem } from "@/api/problem";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { told, type Alarm } from "@/lib/alarms";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { CopyAs } from "@/ui/copy-as";
import { DataTable, type Column } from "@/ui/data-table";
import { useEventColumns } from "@/ui/event-columns";
import { Empty, Fresh, Loaded, Refusal } from "@/ui/page";
import { Status } from "@/ui/status";
import { useSay } from "@/ui/toast";

const HOUR = 3_600_000;
const STATES = ["open", "acknowledged", "silenced"] as const;

const stateOf = (alarm: Alarm): (typeof STATES)[number] => (alarm.acknowledged ? "acknowledged" : alarm.silence ? "silenced" : "open");

export function History() {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const [{ state }, setAddress] = useAddress();
  const [silencing, setSilencing] = useState<Alarm | null>(null);
  const alarms = useEvents(network, 1000, { alarms: true });
  const seen = useObjects(network, "acknowledgements").data;
  const silences = useObjects(network, "silences").data;
  const rows = useMemo(() => told(alarms.data ?? [], seen ?? [], silences ?? []), [alarms.data, seen, silences]);
  const events = useEventColumns();
  const columns = useMemo<Column<Alarm>[]>(
    () => [
      { id: "state", title: t("gateways.state"), value: (row) => t(`alarms.state.${stateOf(row)}`), cell: (row) => <State of={row} /> },
      ...events.map((column): Column<Alarm> => column),
      ...(mayChange
        ? [{ id: "act", title: t("alarms.act"), value: () => "", cell: (row: Alarm) => <Act of={row} silence={() => setSilencing(row)} /> }]
        : []),
    ],
    [t, events, mayChange],
  );
  const filter = useMemo(() => (state ? (row: Alarm) => stateOf(row) === state : undefined), [state]);
  const choice = (
    <Select size="xs" w={150} aria-label={t("gateways.state")} placeholder={t("gateways.state")} clearable data={STATES.map((it) => ({ value: it, label: t(`alarms.state.${it}`) }))} value={state ?? null} onChange={(it) => setAddress({ state: it ?? "" })} />
  );
  return (
    <>
      <p>
        <Fresh at={alarms.dataUpdatedAt} />
      </p>
      <Loaded query={alarms}>
        {() => <DataTable name={t("alarms.history")} rows={rows} columns={columns} idOf={(row) => String(row.id)} filters={choice} filter={filter} empty={<Empty title={t("alarms.none")}>{t("alarms.noneWords")}</Empty>} />}
      </Loaded>
      {silencing && <SilenceForm alarm={silencing} onClose={() => setSilencing(null)} />}
    </>
  );
}

function State({ of }: { of: Alarm }) {
  const { t } = useWords();
  const state = stateOf(of);
  return (
    <span className="row" style={{ flexWrap: "nowrap" }}>
      <Status tone={state === "open" ? "bad" : state === "silenced" ? "quiet" : "good"}>{t(`alarms.state.${state}`)}</Status>
      {of.acknowledged && (
        <span className="soft">
          {of.acknowledged.changed_by}, <Age at={of.acknowledged.changed_at} />
        </span>
      )}
    </span>
  );
}

function Act({ of, silence }: { of: Alarm; silence: () => void }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const client = useQueryClient();
  const taking = useMutation({
    mutationFn: () => put(objectPath(network, "acknowledgements", String(of.id)), { note: "" }),
    onSuccess: (stored) => learn(client, network, "acknowledgements", stored),
    onError: (error) => say(toProblem(error).detail),
  });
  if (of.acknowledged) return null;
  return (
    <span className="row" style={{ flexWrap: "nowrap" }}>
      <Button size="compact-xs" variant="default" loading={taking.isPending} onClick={() => taking.mutate()}>
        {t("alarms.acknowledge")}
      </Button>
      {!of.silence && (
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
  const from = Math.min(alarm.at, now);
  const body = { gateway: scope === "kind" ? "" : alarm.gateway, kind: scope === "gateway" ? "" : alarm.kind, from, until: now + Number(hours) * HOUR, comment };
  const name = `alarm-${alarm.id}-${now}`;
  const path = objectPath(network, "silences", name);
  const saving = useMutation({
    mutationFn: () => put(path, body),
    onSuccess: (stored) => {
      learn(client, network, "silences", stored);
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
            { value: "this", label: t("alarms.scope.this", { kind: alarm.kind, gateway: alarm.gateway }) },
            { value: "gateway", label: t("alarms.scope.gateway", { gateway: alarm.gateway }) },
            { value: "kind", label: t("alarms.scope.kind", { kind: alarm.kind }) },
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
