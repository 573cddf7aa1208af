import { useMemo } from "react";
import { Link } from "@tanstack/react-router";
import { useTraces, type Trace } from "@/api/traces";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { octets } from "@/lib/units";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty, Loaded } from "@/ui/page";
import { Status } from "@/ui/status";

/** What a trace is of, in a word. */
export function aboutOf(trace: Trace): string {
  return trace.imsi ?? trace.base_station ?? trace.gateway ?? trace.id;
}

/** What was recorded, the newest first; of one phone with `imsi`. */
export function List({ imsi }: { imsi?: string }) {
  const { t, language } = useWords();
  const network = useNetwork();
  const traces = useTraces(network);
  const columns = useMemo<Column<Trace>[]>(
    () => [
      {
        id: "about",
        title: t("trace.of"),
        value: aboutOf,
        cell: (row) => (
          <Link className="mono" to="/n/$network/trace" params={{ network }} search={{ id: row.id } as never}>
            {aboutOf(row)}
          </Link>
        ),
      },
      { id: "state", title: t("gateways.state"), value: (row) => row.state, cell: (row) => <Going of={row} /> },
      { id: "gateways", title: t("nav.gateways"), value: (row) => row.gateways.map((it) => it.gateway).join(", ") },
      { id: "octets", title: t("trace.octets"), right: true, value: recorded, cell: (row) => octets(recorded(row), language) },
      { id: "began", title: t("trace.began"), value: (row) => row.created_at, cell: (row) => <Age at={row.created_at} /> },
      { id: "until", title: t("alarms.until"), value: (row) => row.until, cell: (row) => <Age at={row.until} /> },
      { id: "who", title: t("audit.who"), value: (row) => row.created_by },
    ],
    [t, language, network],
  );
  return (
    <Loaded query={traces}>
      {(all) => <DataTable name={t("nav.trace")} rows={imsi ? all.filter((it) => it.imsi === imsi) : all} columns={columns} idOf={(row) => row.id} height="calc(100dvh - 460px)" empty={<Empty title={t("trace.none")}>{t("trace.noneWords")}</Empty>} />}
    </Loaded>
  );
}

function recorded(trace: Trace): number {
  return trace.gateways.reduce((sum, it) => sum + it.octets, 0);
}

export function Going({ of }: { of: Trace }) {
  const { t } = useWords();
  return of.state === "running" ? <Status tone="info">{t("trace.running")}</Status> : <Status tone="quiet">{t("trace.ended")}</Status>;
}
