import { expect, test } from "vitest";
import { pathOf } from "./sketch";

test("a line is drawn over its time, from the bottom up", () => {
  expect(pathOf([0, 50, 100], [0, 5, 10], [0, 100], 10)).toBe("M0.0 100.0L500.0 50.0L1000.0 0.0");
});

test("where nothing was measured there is no line", () => {
  expect(pathOf([0, 25, 50, 75], [1, null, 1, 1], [0, 100], 1)).toBe("M0.0 0.0M500.0 0.0L750.0 0.0");
});
