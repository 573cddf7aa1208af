// How tiles of a map are drawn: whichever of the usual layers are in the file, in the console's colours. No text: that would need
// fonts, and names are beside the map.
import type { LayerSpecification, StyleSpecification } from "maplibre-gl";

export interface Tiles {
  url: string;
  isVector: boolean;
  /** Names of the file's layers. */
  layers: string[];
  attribution: string;
}

export interface Colours {
  ground: string;
  land: string;
  water: string;
  line: string;
  green: string;
}

/** Layers of Protomaps and OpenMapTiles by what they show. */
const FILLS: [name: string, colour: keyof Colours][] = [
  ["earth", "land"],
  ["landcover", "green"],
  ["landuse", "green"],
  ["park", "green"],
  ["water", "water"],
];
const LINES: [name: string, width: number][] = [
  ["waterway", 1],
  ["roads", 0.8],
  ["transportation", 0.8],
  ["boundaries", 1],
  ["boundary", 1],
];

export function styleOf(tiles: Tiles, colours: Colours): StyleSpecification {
  const background: LayerSpecification = { id: "background", type: "background", paint: { "background-color": tiles.layers.includes("earth") ? colours.water : colours.ground } };
  const source = { url: `pmtiles://${tiles.url}`, attribution: tiles.attribution };
  if (!tiles.isVector) {
    return { version: 8, sources: { base: { type: "raster", tileSize: 256, ...source } }, layers: [background, { id: "base", type: "raster", source: "base" }] };
  }
  const fills = FILLS.filter(([name]) => tiles.layers.includes(name)).map(([name, colour]): LayerSpecification => ({
    id: name,
    type: "fill",
    source: "base",
    "source-layer": name,
    filter: ["==", ["geometry-type"], "Polygon"],
    paint: { "fill-color": colours[colour] },
  }));
  const lines = LINES.filter(([name]) => tiles.layers.includes(name)).map(([name, width]): LayerSpecification => ({
    id: name,
    type: "line",
    source: "base",
    "source-layer": name,
    paint: { "line-color": name === "waterway" ? colours.water : colours.line, "line-width": width },
  }));
  return { version: 8, sources: { base: { type: "vector", ...source } }, layers: [background, ...fills, ...lines] };
}
