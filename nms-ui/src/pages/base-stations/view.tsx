import { Button } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useEvents, useStations } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { stationForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { refusedStations } from "@/lib/refusals";
import { fromSeconds } from "@/lib/time";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { Editor, type ObjectForm } from "@/ui/editor";
import { GatewayLink } from "@/ui/links";
import { Empty, Fresh, Head, Loaded, Notice } from "@/ui/page";
import { useSince } from "@/ui/since";
import { Status } from "@/ui/status";
import { cellOf, stateOf, together, type Row } from "./rows";

export const Route = createLazyRoute("/inside/n/$network/base-stations")({ component: BaseStations });

function useRows(): { query: ReturnType<typeof useStations>; rows: Row[] } {
  const network = useNetwork();
  const query = useStations(network);
  const configured = useObjects(network, "enodebs").data;
  const rows = useMemo(() => together(query.data ?? [], configured ?? []), [query.data, configured]);
  return { query, rows };
}

function BaseStations() {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const { query, rows } = useRows();
  const [editing, setEditing] = useState<{ form: ObjectForm; name: string | null } | null>(null);
  const columns = useMemo<Column<Row>[]>(() => {
    const adopt = (row: Row) => {
      const start = { config_type: "UNMANAGED", cell_id: cellOf(row.id), gateway: row.gateway, title: row.title };
      setEditing({ form: { ...stationForm(network), start }, name: null });
    };
    return [
      { id: "id", title: t("stations.id"), value: (row) => row.id, cell: (row) => <span className="mono">{row.id}</span> },
      { id: "title", title: t("editor.name"), value: (row) => row.title },
      {
        id: "state",
        title: t("gateways.state"),
        value: (row) => t(`stations.${stateOf(row)}`),
        cell: (row) => <Status tone={{ connected: "good", unsure: "warn", away: "quiet" }[stateOf(row)] as "good"}>{t(`stations.${stateOf(row)}`)}</Status>,
      },
      { id: "since", title: t("stations.since"), value: (row) => row.seen?.since, cell: (row) => <Age at={fromSeconds(row.seen?.since)} /> },
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      {
        id: "known",
        title: t("stations.configured"),
        value: (row) => row.enodeb ?? "",
        cell: (row) =>
          row.enodeb ? (
            <button type="button" className="linkish" onClick={() => setEditing({ form: stationForm(network), name: row.enodeb })}>
              {row.enodeb}
            </button>
          ) : mayChange ? (
            <Button size="compact-xs" variant="light" onClick={() => adopt(row)}>
              {t("stations.adopt")}
            </Button>
          ) : (
            <Status tone="info">{t("stations.unknown")}</Status>
          ),
      },
    ];
  }, [t, network, mayChange]);
  const add = mayChange && <Button onClick={() => setEditing({ form: stationForm(network), name: null })}>{t("action.add")}</Button>;
  return (
    <>
      <Head title={t("nav.stations")} note={<Fresh at={query.dataUpdatedAt} />}>
        {add}
      </Head>
      <Refused />
      <Loaded query={query}>
        {() => <DataTable name={t("nav.stations")} rows={rows} columns={columns} idOf={(row) => `${row.gateway}/${row.id}`} empty={<Empty title={t("stations.none")}>{t("stations.noneWords")}</Empty>} />}
      </Loaded>
      {editing && <Editor form={editing.form} name={editing.name} onClose={() => setEditing(null)} />}
    </>
  );
}

const DAY = 86_400_000;
const MOST = 200;

/** Base stations that came and were refused, and what the gateway said to set: another PLMN, another area, an identity twice. */
function Refused() {
  const { t } = useWords();
  const network = useNetwork();
  const since = useSince(DAY);
  const refused = useEvents(network, MOST, { kind: "enb-refused", since }).data;
  const setUp = useEvents(network, MOST, { kind: "enb-connected", since }).data;
  const all = useMemo(() => refusedStations([...(refused ?? []), ...(setUp ?? [])]), [refused, setUp]);
  if (all.length === 0) return null;
  return (
    <Notice tone="warn">
      <strong>{t("stations.refused")}</strong>
      <ul>
        {all.map((it) => (
          <li key={`${it.gateway}/${it.id}`}>
            <span className="mono">{it.id}</span> · <GatewayLink name={it.gateway} />: {it.reason} ({t("stations.times", { count: it.times })}, <Age at={it.at} />)
          </li>
        ))}
      </ul>
    </Notice>
  );
}
