import { expect, test } from "vitest";
import { differences, withValue } from "./diff";

test("only what differs is told, with its place", () => {
  const before = { a: 1, b: { c: [1, 2], "d/e": true } };
  const after = { a: 1, b: { c: [1, 3], "d/e": true }, f: "new" };
  expect(differences(before, after)).toEqual([
    { path: "/b/c", before: [1, 2], after: [1, 3] },
    { path: "/f", before: undefined, after: "new" },
  ]);
  expect(differences(before, structuredClone(before))).toEqual([]);
});

test("a value is set without touching the document that was given", () => {
  const body = { a: { b: 1, c: 2 } };
  expect(withValue(body, ["a", "b"], 3)).toEqual({ a: { b: 3, c: 2 } });
  expect(withValue(body, ["x", "y"], 1)).toEqual({ a: { b: 1, c: 2 }, x: { y: 1 } });
  expect(withValue({ a: { b: 1 } }, ["a", "b"], undefined)).toEqual({});
  expect(body).toEqual({ a: { b: 1, c: 2 } });
});
