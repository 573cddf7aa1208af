import { expect, test } from "vitest";
import { tone } from "./tone";

test("who was not let in stands out from who was mistaken", () => {
  expect([200, 204, 302].map(tone)).toEqual(["good", "good", "good"]);
  expect([401, 403, 404].map(tone)).toEqual(["bad", "bad", "bad"]);
  expect([409, 412, 422, 503].map(tone)).toEqual(["warn", "warn", "warn", "warn"]);
});
