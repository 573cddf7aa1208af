import { createLazyRoute, useNavigate } from "@tanstack/react-router";
import { Suspense, lazy, useCallback, useMemo } from "react";
import { useQuery } from "@tanstack/react-query";
import { useGatewayStates } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { joined } from "@/lib/fleet";
import { useAddress } from "@/lib/search";
import { Empty, Fresh, Head, Loaded, Notice, Panel } from "@/ui/page";
import { Drawing } from "./drawing";

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
