import { expect, test } from "vitest";
import { cellOf, stateOf, together } from "./rows";

const seen = { gateway: "hill", gateway_connected: true, id: "001-01/0x65", name: "Hill north", since: 1 };

test("an unknown station stands beside the configured ones, and one that is away is told", () => {
  const rows = together([seen, { ...seen, id: "001-01/0x66", enodeb: "A1", gateway_connected: false }], [{ name: "A1", body: { cell_id: 1, config_type: "UNMANAGED" } }, { name: "A2", body: { cell_id: 2, config_type: "UNMANAGED", title: "Mill" } }]);
  expect(rows.map((row) => [row.id, row.enodeb, stateOf(row)])).toEqual([["001-01/0x65", null, "connected"], ["001-01/0x66", "A1", "unsure"], ["A2", "A2", "away"]]);
});

test("the first cell of a macro base station is adopted with it, a home base station is a cell itself", () => {
  expect(cellOf("001-01/0x65")).toBe((0x65 << 8) + 1);
  expect(cellOf("001-01/0xffffff1")).toBe(0xffffff1);
  expect(cellOf("somebody")).toBe(1);
});
