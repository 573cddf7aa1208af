import { expect, test } from "vitest";
import { periodOf, share } from "./quota";

const now = Date.parse("2026-11-21T22:15:00Z");

test("a period is a day or a month of the calendar", () => {
  expect(periodOf(1, now)).toEqual({ from: Date.parse("2026-11-21T00:00:00Z"), until: Date.parse("2026-11-22T00:00:00Z") });
  expect(periodOf(30, now)).toEqual({ from: Date.parse("2026-11-01T00:00:00Z"), until: Date.parse("2026-12-01T00:00:00Z") });
  expect(periodOf(30, Date.parse("2026-12-31T23:00:00Z"))?.until).toBe(Date.parse("2027-01-01T00:00:00Z"));
  expect([periodOf(7, now), periodOf(undefined, now)]).toEqual([undefined, undefined]);
});

test("nearly used is told before used up", () => {
  expect([share(10, 100), share(80, 100), share(140, 100), share(0, 0)]).toEqual([
    { part: 0.1, tone: "good" },
    { part: 0.8, tone: "warn" },
    { part: 1, tone: "bad" },
    { part: 1, tone: "bad" },
  ]);
});
