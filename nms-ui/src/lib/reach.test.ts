import { expect, test } from "vitest";
import { firstOf, reach, stageable } from "./reach";

const gateways = ["a", "b", "c"].map((name, at) => ({ name, body: { tier: at === 0 ? "canary" : "default" } }));
const names = (...told: Parameters<typeof reach> extends [unknown, ...infer Rest] ? Rest : never) => reach(gateways, ...told).map((it) => it.name);

test("an object reaches the gateways that need it, before or after", () => {
  expect(names("apns", "internet", [{}, {}])).toEqual(["a", "b", "c"]);
  expect(names("gateways", "b", [{}])).toEqual(["b"]);
  expect(names("enodebs", "1", [{ gateway: "a" }, { gateway: "c" }])).toEqual(["a", "c"]);
  expect(names("tracking-areas", "t", [null, { gateways: ["b"] }])).toEqual(["b"]);
  expect(names("tracking-areas", "t", [{ gateways: ["b"] }, {}])).toEqual(["a", "b", "c"]);
});

test("what no gateway needs cannot be staged, nor what changes are staged to be made or deleted so", () => {
  expect(["apns", "gateways", "networks", "webhooks"].map((it) => [stageable(it, true), stageable(it, false)])).toEqual([[true, true], [true, false], [true, false], [false, false]]);
});

test("some go first, at least one, of the tier where it has any", () => {
  expect(firstOf(gateways, null, 10)).toBe(1);
  expect(firstOf(gateways, "default", 100)).toBe(2);
  expect(firstOf(gateways, "none-has-it", 100)).toBe(3);
  expect(firstOf([], null, 10)).toBe(0);
});
