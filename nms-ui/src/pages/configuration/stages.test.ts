import { expect, test } from "vitest";
import { stageOf, titleOf, withIt } from "./stages";

test("it is called by what it changes", () => {
  const of = (...names: string[]) => titleOf({ changes: names.map((name) => ({ kind: "apns", name })) });
  expect([of("internet"), of("internet", "ims", "iot"), of()]).toEqual(["apns/internet", "apns/internet + 2", ""]);
});

test("those that have it, or are given it, lose it when it is taken back", () => {
  expect(withIt(["done", "taking", "failed", "waiting", "returned"].map((step) => ({ step })))).toBe(3);
});

test("a stage that a later orchestrator has is the one for all", () => {
  expect(stageOf("change")).toBe("change");
  expect(stageOf("something-new")).toBe("rest");
});
