import { useMemo } from "react";
import type { GatewayState } from "@/api/answers";
import { useObjects, type AnyObject } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty, Loaded } from "@/ui/page";
import { Status } from "@/ui/status";
import { peersOf, routes, type Route } from "./peers";

/** Each home network, its realm, and the peers that serve it now. */
export function Routing({ states }: { states: GatewayState[] }) {
  const { t } = useWords();
  const federations = useObjects(useNetwork(), "federations");
  const columns = useMemo<Column<Route>[]>(
    () => [
      { id: "plmn", title: "PLMN", value: (row) => row.plmn, cell: (row) => <span className="mono">{row.plmn}</span> },
      { id: "way", title: t("gateways.state"), value: (row) => row.peers.filter((it) => it.up && it.isHeard).length, cell: (row) => <Way of={row} /> },
      { id: "realm", title: t("federation.realm"), value: (row) => row.realm, cell: (row) => <span className="mono">{row.realm}</span> },
      { id: "peers", title: t("federation.by"), value: (row) => row.peers.map((it) => `${it.host} (${it.gateway})`).join(", ") },
      { id: "imsis", title: t("federation.imsis"), value: (row) => row.imsis.join(", ") },
      { id: "federation", title: t("kind.federation"), value: (row) => row.federation },
    ],
    [t],
  );
  return (
    <Loaded query={federations}>
      {(all) => <DataTable name={t("federation.tab.routing")} rows={routes(all as AnyObject[], peersOf(states))} columns={columns} idOf={(row) => `${row.federation}/${row.plmn}/${row.imsis.join()}`} empty={<Empty title={t("federation.noNetworks")}>{t("federation.noNetworksWords")}</Empty>} />}
    </Loaded>
  );
}

function Way({ of }: { of: Route }) {
  const { t } = useWords();
  const up = of.peers.filter((it) => it.up && it.isHeard).length;
  if (of.peers.length === 0) return <Status tone="bad">{t("federation.noWay")}</Status>;
  return <Status tone={up === 0 ? "bad" : up < of.peers.length ? "warn" : "good"}>{t("federation.ways", { up, count: of.peers.length })}</Status>;
}
