import { expect, test } from "vitest";
import { styleOf } from "./basemap";

const colours = { ground: "#fff", land: "#eee", water: "#aef", line: "#999", green: "#cfc" };

test("layers that the file has are drawn, land below water, and others are not asked for", () => {
  const style = styleOf({ url: "/map.pmtiles", isVector: true, layers: ["water", "roads", "earth", "places"], attribution: "©" }, colours);
  expect(style.layers.map((it) => it.id)).toEqual(["background", "earth", "water", "roads"]);
  expect(style.glyphs ?? style.sprite).toBeUndefined();
});

test("pictures are drawn as they are", () => {
  const style = styleOf({ url: "/map.pmtiles", isVector: false, layers: [], attribution: "" }, colours);
  expect(style.layers.map((it) => it.type)).toEqual(["background", "raster"]);
});
