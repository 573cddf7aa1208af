import { useMemo } from "react";
import type { KpisAnswer } from "@/api/answers";
import { useWords } from "@/i18n";
import { count } from "@/lib/units";
import { DataTable, type Column } from "@/ui/data-table";
import { GatewayLink } from "@/ui/links";
import { Empty, Panel } from "@/ui/page";

type Cell = KpisAnswer["base_stations"][number];

/** Phones by base station, and why packets were dropped. */
export function Places({ of }: { of: KpisAnswer }) {
  const { t } = useWords();
  const columns = useMemo<Column<Cell>[]>(
    () => [
      { id: "enb", title: t("metrics.station"), value: (row) => row.enb, cell: (row) => <span className="mono">{row.enb || "–"}</span> },
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "connected", title: t("metrics.connected_phones"), right: true, value: (row) => row.connected },
      { id: "idle", title: t("metrics.idle"), right: true, value: (row) => row.idle },
      { id: "all", title: t("metrics.registered_phones"), right: true, value: (row) => row.connected + row.idle },
    ],
    [t],
  );
  return (
    <div className="stack">
      <Drops of={of.drops} />
      <DataTable name={t("metrics.tab.places")} rows={of.base_stations} columns={columns} idOf={(row) => `${row.gateway}/${row.enb}`} sort="-all" height="calc(100dvh - 420px)" empty={<Empty title={t("stations.none")}>{t("metrics.noPhones")}</Empty>} />
    </div>
  );
}

function Drops({ of }: { of: KpisAnswer["drops"] }) {
  const { t, language } = useWords();
  const most = Math.max(1, ...of.map((it) => it.packets));
  return (
    <Panel title={t("metrics.drops")}>
      {of.length === 0 ? (
        <p className="soft" style={{ margin: 0 }}>
          {t("metrics.noDrops")}
        </p>
      ) : (
        <ul className="shares">
          {of.map((it) => (
            <li key={it.reason}>
              <span className="mono">{it.reason}</span>
              <span className="bar" aria-hidden="true">
                <span style={{ width: `${(100 * it.packets) / most}%` }} />
              </span>
              <span>{count(it.packets, language)}</span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
