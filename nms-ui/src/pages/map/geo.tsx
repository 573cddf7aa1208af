// The map: gateways where they stand, over tiles that the orchestrator has. Loaded only where there are tiles and places.
import { useMantineColorScheme } from "@mantine/core";
import { Map as Drawn, NavigationControl, addProtocol, setWorkerUrl, type GeoJSONSource, type GeoJSONSourceSpecification, type StyleSpecification } from "maplibre-gl";
import worker from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import "maplibre-gl/dist/maplibre-gl.css";
import { Protocol, TileType } from "pmtiles";
import { useEffect, useRef } from "react";
import { styleOf, type Tiles } from "@/lib/basemap";
import type { GatewayRow } from "@/lib/fleet";
import { TILES, archive } from "./tiles";

export interface Site extends GatewayRow {
  place: { latitude: number; longitude: number };
}

let isReady = false;

function prepare(): void {
  if (isReady) return;
  isReady = true;
  setWorkerUrl(worker);
  const protocol = new Protocol();
  protocol.add(archive);
  addProtocol("pmtiles", protocol.tile);
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

async function style(): Promise<StyleSpecification> {
  const [header, metadata] = await Promise.all([archive.getHeader(), archive.getMetadata()]);
  const told = metadata as { vector_layers?: { id: string }[]; attribution?: string };
  const tiles: Tiles = { url: TILES, isVector: header.tileType === TileType.Mvt, layers: (told.vector_layers ?? []).map((it) => it.id), attribution: told.attribution ?? "" };
  return styleOf(tiles, { ground: token("--b-ground"), land: token("--b-surface"), water: token("--b-info-ground"), line: token("--b-line-strong"), green: token("--b-good-ground") });
}

function points(sites: Site[]): Exclude<GeoJSONSourceSpecification["data"], string> {
  return {
    type: "FeatureCollection",
    features: sites.map((site) => ({
      type: "Feature",
      geometry: { type: "Point", coordinates: [site.place.longitude, site.place.latitude] },
      properties: { name: site.name, health: site.health, phones: site.state?.state?.registered_ues ?? 0 },
    })),
  };
}

/** The smallest box around all sites, with some room. */
function around(sites: Site[]): [number, number, number, number] {
  const [east, north] = [sites.map((it) => it.place.longitude), sites.map((it) => it.place.latitude)];
  return [Math.min(...east) - 0.02, Math.min(...north) - 0.02, Math.max(...east) + 0.02, Math.max(...north) + 0.02];
}

interface Props {
  sites: Site[];
  label: string;
  open: (gateway: string) => void;
}

export default function Geo({ sites, label, open }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const map = useRef<Drawn | null>(null);
  const latest = useRef({ sites, open });
  const { colorScheme } = useMantineColorScheme();
  useEffect(() => {
    latest.current = { sites, open };
    (map.current?.getSource("sites") as GeoJSONSource | undefined)?.setData(points(sites));
  }, [sites, open]);
  useEffect(() => {
    let isHere = true;
    let drawn: Drawn | null = null;
    prepare();
    void style().then((drawing) => {
      if (!isHere || !box.current) return;
      const made = new Drawn({ container: box.current, style: drawing, bounds: around(latest.current.sites), fitBoundsOptions: { maxZoom: 12 }, attributionControl: { compact: true }, dragRotate: false });
      made.addControl(new NavigationControl({ showCompass: false }), "top-right");
      made.on("load", () => shown(made));
      drawn = made;
      map.current = made;
    });
    const shown = (on: Drawn) => {
      on.addSource("sites", { type: "geojson", data: points(latest.current.sites) });
      on.addLayer({
        id: "sites",
        type: "circle",
        source: "sites",
        paint: {
          "circle-radius": ["interpolate", ["linear"], ["get", "phones"], 0, 7, 100, 12, 1000, 18],
          "circle-color": ["match", ["get", "health"], "connected", token("--b-good"), "silent", token("--b-bad"), "never", token("--b-quiet"), token("--b-warn")],
          "circle-stroke-color": token("--b-surface"),
          "circle-stroke-width": 2,
        },
      });
      on.on("click", "sites", (event) => {
        const name: unknown = event.features?.[0]?.properties["name"];
        if (typeof name === "string") latest.current.open(name);
      });
      on.on("mouseenter", "sites", () => (on.getCanvas().style.cursor = "pointer"));
      on.on("mouseleave", "sites", () => (on.getCanvas().style.cursor = ""));
    };
    return () => {
      isHere = false;
      drawn?.remove();
      map.current = null;
    };
  }, [colorScheme]);
  return <div className="geo" ref={box} role="group" aria-label={label} />;
}
