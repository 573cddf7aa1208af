import { expect, test } from "vitest";
import { wantedOf } from "./wanted";

test("rows become subscribers, and their keys stay where they are", () => {
  const rows = [["name", "title", "place.latitude", "keys.k"], ["001010000000001", "Pump house", "46.5", "465B5CE8"], ["001010000000002", "", "", ""]];
  expect(wantedOf(rows)).toEqual([
    { name: "001010000000001", body: { title: "Pump house", place: { latitude: "46.5" } } },
    { name: "001010000000002", body: {} },
  ]);
  expect(wantedOf([])).toEqual([]);
});
