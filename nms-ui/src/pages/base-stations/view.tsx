import { Button } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { SeenStation } from "@/api/answers";
import { useStations } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { stationForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { fromSeconds } from "@/lib/time";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { Editor, type ObjectForm } from "@/ui/editor/editor";
import { GatewayLink } from "@/ui/links";
import { Empty, Fresh, Head, Loaded } from "@/ui/page";
import { Status } from "@/ui/status";

export const Route = createLazyRoute("/inside/n/$network/base-stations")({ component: BaseStations });

/** A base station that is configured, or seen, or both. */
interface Row {
  id: string;
  title: string;
  gateway: string;
  enodeb: string | null;
  seen: SeenStation | undefined;
}

/** The cell of a macro eNB's identity `PLMN/0x19b`, as its first cell (TS 36.413 §9.2.1.38). */
function cellOf(id: string): number {
  const digits = /0x([0-9a-f]+)$/i.exec(id)?.[1];
  const number = digits ? Number.parseInt(digits, 16) : 0;
  return number < 1 << 20 ? (number << 8) + 1 : number;
}

function useRows(): { query: ReturnType<typeof useStations>; rows: Row[] } {
  const network = useNetwork();
  const query = useStations(network);
  const configured = useObjects(network, "enodebs").data;
  const rows = useMemo(() => {
    const seen: Row[] = (query.data ?? []).map((it) => ({
      id: it.id ?? it.name ?? "",
      title: it.title || it.name || "",
      gateway: it.gateway,
      enodeb: it.enodeb ?? null,
      seen: it,
    }));
    const known = new Set(seen.map((it) => it.enodeb));
    const away = (configured ?? []).filter((it) => !known.has(it.name));
    return seen.concat(away.map((it) => ({ id: it.name, title: it.body?.title ?? "", gateway: it.body?.gateway ?? "", enodeb: it.name, seen: undefined })));
  }, [query.data, configured]);
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
    const state = (row: Row) => (row.seen ? (row.seen.gateway_connected ? "connected" : "unsure") : "away");
    return [
      { id: "id", title: t("stations.id"), value: (row) => row.id, cell: (row) => <span className="mono">{row.id}</span> },
      { id: "title", title: t("editor.name"), value: (row) => row.title },
      {
        id: "state",
        title: t("gateways.state"),
        value: (row) => t(`stations.${state(row)}`),
        cell: (row) => <Status tone={{ connected: "good", unsure: "warn", away: "quiet" }[state(row)] as "good"}>{t(`stations.${state(row)}`)}</Status>,
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
      <Loaded query={query}>
        {() => <DataTable name={t("nav.stations")} rows={rows} columns={columns} idOf={(row) => `${row.gateway}/${row.id}`} empty={<Empty title={t("stations.none")}>{t("stations.noneWords")}</Empty>} />}
      </Loaded>
      {editing && <Editor form={editing.form} name={editing.name} onClose={() => setEditing(null)} />}
    </>
  );
}
