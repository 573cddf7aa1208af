import { expect, test } from "vitest";
import { ticks } from "./ticks";

const at = (day: number, hour: number, second = 0) => new Date(2026, 10, day, hour, 0, second).getTime() / 1000;

test("the day stands where it begins, the time everywhere", () => {
  expect(ticks([at(21, 20), at(22, 0), at(22, 4)], 4 * 3600, "en")).toEqual(["20:00\nNov 21", "00:00\nNov 22", "04:00"]);
});

test("days alone where a step is a day, seconds where it is less than a minute", () => {
  expect(ticks([at(21, 0), at(22, 0)], 86_400, "es")).toEqual(["21 nov", "22 nov"]);
  expect(ticks([at(21, 9, 30)], 30, "en")).toEqual(["09:00:30\nNov 21"]);
});

test("and there may be none", () => {
  expect(ticks([], 60, "fr")).toEqual([]);
});
