import { expect, test } from "vitest";
import type { HistoryAnswer } from "@/api/answers";
import { bounds, stepOf } from "@/api/history";
import { aligned } from "@/lib/series";
import { ALL, TILES, said } from "./charts";

const answer = (series: Record<string, [number, number][]>): HistoryAnswer => ({ since: 0, until: 600_000, step: 60, series: Object.entries(series).map(([name, points]) => ({ name, unit: "", points })) });

test("lines stand beside each other, and a hole in them is one", () => {
  const data = aligned(answer({ a: [[0, 1], [60_000, 2], [240_000, 3]], b: [[60_000, 9]] }), ["a", "b", "c"]);
  expect(data).toEqual([
    [0, 60, 120, 240],
    [1, 2, null, 3],
    [null, 9, null, null],
    [null, null, null, null],
  ]);
});

test("one question asks for all charts, each series once", () => {
  expect(ALL.length).toBeLessThanOrEqual(32);
  expect(new Set(ALL).size).toBe(ALL.length);
  expect(TILES.every((tile) => ALL.includes(tile.name))).toBe(true);
});

test("a step is a length that people count in, with a bound on points", () => {
  expect([900_000, 3_600_000, 86_400_000, 172_800_000].map(stepOf)).toEqual([60, 60, 300, 600]);
  expect(bounds({ length: 1000 }, 5000)).toEqual([4000, 5000]);
  expect(bounds({ from: 1, to: 2 }, 5000)).toEqual([1, 2]);
});

test("numbers are said with their units", () => {
  expect([said(0.9871, "share", "en"), said(0.0824, "seconds", "en"), said(2.345, "seconds", "en"), said(12_300_000, "rate", "en"), said(74, "count", "en")]).toEqual(["98.7%", "82 ms", "2.35 s", "12.3 Mbit/s", "74"]);
});
