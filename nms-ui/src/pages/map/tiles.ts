// The file of tiles that the orchestrator may have.
import { PMTiles } from "pmtiles";

export const TILES = new URL("/map.pmtiles", location.origin).href;
export const archive = new PMTiles(TILES);
