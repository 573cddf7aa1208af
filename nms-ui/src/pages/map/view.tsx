import { createLazyRoute, useNavigate } from "@tanstack/react-router";
import { Suspense, lazy, useCallback, useMemo } from "react";
import { useQuery } from "@tanstack/react-query";
import { useGatewayStates } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { joined, type GatewayRow } from "@/lib/fleet";
import { useAddress } from "@/lib/search";
import { useAge } from "@/ui/age";
import { Empty, Fresh, Head, Loaded, Notice, Panel } from "@/ui/page";

export const Route = createLazyRoute("/inside/n/$network/map")({ component: Topology });

// MapLibre is larger than the rest of the console: only who has a map loads it.
const Geo = lazy(() => import("./geo"));

/** Whether the orchestrator has tiles, and this browser can draw them. */
function useHasTiles(): boolean {
  const asked = useQuery({
    queryKey: ["map-tiles"],
    queryFn: async () => {
      const canDraw = document.createElement("canvas").getContext("webgl2") !== null;
      if (!canDraw) return false;
      const answer = await fetch("/map.pmtiles", { headers: { range: "bytes=0-6" } });
      return answer.ok && (await answer.text()).startsWith("PMTiles");
    },
    staleTime: Infinity,
    retry: false,
  });
  return asked.data === true;
}

/** Gateways drawn at most; the table has all of them. */
const MOST = 120;
const ROW = 56;

function Topology() {
  const { t } = useWords();
  const network = useNetwork();
  const gateways = useObjects(network, "gateways");
  const states = useGatewayStates(network);
  const [{ q }] = useAddress();
  const rows = useMemo(() => {
    const all = joined(gateways.data ?? [], states.data ?? []);
    return all.filter((row) => !q || `${row.name} ${row.title}`.toLowerCase().includes(q.toLowerCase()));
  }, [gateways.data, states.data, q]);
  const hasTiles = useHasTiles();
  const navigate = useNavigate();
  const open = useCallback((name: string) => void navigate({ to: "/n/$network/gateways/$name", params: { network, name } }), [navigate, network]);
  const sites = useMemo(() => {
    const places = new Map((gateways.data ?? []).map((it) => [it.name, it.body?.place]));
    return rows.flatMap((row) => {
      const place = places.get(row.name);
      return place ? [{ ...row, place }] : [];
    });
  }, [gateways.data, rows]);
  const isMap = hasTiles && sites.length > 0;
  return (
    <>
      <Head title={t("nav.map")} note={<Fresh at={states.dataUpdatedAt} />} />
      <div className="stack">
        {isMap ? (
          <Panel flush>
            <Suspense fallback={<div className="geo" />}>
              <Geo sites={sites} label={t("map.sites", { count: sites.length })} open={open} />
            </Suspense>
          </Panel>
        ) : (
          states.data && <Notice tone="info">{hasTiles ? t("map.noPlaces") : t("map.noTiles")}</Notice>
        )}
        <Loaded query={gateways}>
          {() => (
            <Panel title={isMap ? t("map.hangs") : undefined}>
              {rows.length === 0 ? <Empty title={t("gateways.none")}>{t("gateways.noneWords")}</Empty> : <Drawing rows={rows.slice(0, MOST)} />}
              {rows.length > MOST && <p className="soft">{t("table.of", { count: MOST, all: rows.length })}</p>}
            </Panel>
          )}
        </Loaded>
      </div>
    </>
  );
}

/** The orchestrator, its gateways, and the base stations of each, with how many phones are there. */
function Drawing({ rows }: { rows: GatewayRow[] }) {
  const { t } = useWords();
  const height = Math.max(rows.length * ROW + 16, 120);
  const middle = height / 2;
  return (
    <div className="topology-box">
      <svg className="topology" viewBox={`0 0 900 ${height}`} role="group" aria-label={t("nav.map")}>
        <g>
          <rect className="box" x={8} y={middle - 24} width={140} height={48} rx={8} />
          <text x={78} y={middle - 2} textAnchor="middle">
            {t("map.orchestrator")}
          </text>
          <text className="sub" x={78} y={middle + 14} textAnchor="middle">
            {t("map.gateways", { count: rows.length })}
          </text>
        </g>
        {rows.map((row, at) => (
          <Branch key={row.name} row={row} from={middle} y={8 + at * ROW + ROW / 2} />
        ))}
      </svg>
    </div>
  );
}

function Branch({ row, from, y }: { row: GatewayRow; from: number; y: number }) {
  const { t } = useWords();
  const network = useNetwork();
  const navigate = useNavigate();
  const isUp = row.health !== "silent" && row.health !== "never";
  const stations = row.state?.state?.enbs ?? [];
  const phones = row.state?.state?.registered_ues ?? 0;
  const seen = row.state?.seen_at;
  const age = useAge(seen);
  const open = () => void navigate({ to: "/n/$network/gateways/$name", params: { network, name: row.name } });
  return (
    <>
      <path className={`link ${isUp ? "good" : "bad"}`} d={`M148 ${from} C 220 ${from}, 230 ${y}, 300 ${y}`} />
      <text className="age" x={294} y={y - 6} textAnchor="end" data-moment={seen ?? undefined}>
        {age}
      </text>
      <g role="link" tabIndex={0} style={{ cursor: "pointer" }} onClick={open} onKeyDown={(event) => event.key === "Enter" && open()}>
        <rect className="box" x={300} y={y - 21} width={230} height={42} rx={8} />
        <text x={314} y={y - 3}>
          {(row.title || row.name).slice(0, 28)}
        </text>
        <text className="sub" x={314} y={y + 13}>
          {t(`health.${row.health}`)} · {t("map.phones", { count: phones })}
        </text>
      </g>
      {stations.length > 0 && (
        <>
          <path className={`link ${isUp ? "good" : "bad"}`} d={`M530 ${y} H 620`} />
          <rect className="box" x={620} y={y - 21} width={270} height={42} rx={8} />
          <text x={634} y={y - 3}>
            {stations
              .slice(0, 2)
              .map((it) => it.name || it.id)
              .join(", ")
              .slice(0, 34)}
          </text>
          <text className="sub" x={634} y={y + 13}>
            {t("map.stations", { count: stations.length })}
          </text>
        </>
      )}
    </>
  );
}
