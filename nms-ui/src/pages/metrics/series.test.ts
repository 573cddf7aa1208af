import { expect, test } from "vitest";
import { extended } from "./series";

test("a metric that comes later has nothing before, and one that goes has nothing after", () => {
  let samples = extended({ at: [], values: {} }, 1, { a: 1 });
  samples = extended(samples, 2, { a: 2, b: 5 });
  samples = extended(samples, 3, { b: 6 });
  expect(samples).toEqual({ at: [1, 2, 3], values: { a: [1, 2, null], b: [null, 5, 6] } });
});

test("only so many are kept", () => {
  let samples = extended({ at: [], values: {} }, 0, { a: 0 });
  for (let at = 1; at < 1000; at += 1) samples = extended(samples, at, { a: at });
  expect(samples.at.length).toBe(900);
  expect(samples.values["a"]?.at(-1)).toBe(999);
});
