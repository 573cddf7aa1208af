import { expect, test } from "vitest";
import { actsOf, countdown, counts, stateOf } from "./rollout";

test("gateways are counted by step", () => {
  const found = counts(["done", "done", "upgrading", "taking", "failed", "waiting"].map((step) => ({ step })));
  expect(found).toEqual({ done: 2, upgrading: 1, taking: 1, waiting: 1, failed: 1, returning: 0, returned: 0 });
});

test("only what can be done now is offered", () => {
  expect(actsOf("running")).toContain("pause");
  expect(actsOf("paused")).toContain("resume");
  expect(actsOf("paused")).not.toContain("pause");
  expect(actsOf("done")).toEqual([]);
  expect(actsOf("rolled-back")).toEqual([]);
});

test("a state that a later orchestrator has is none that goes on", () => {
  expect(stateOf("running")).toBe("running");
  expect(stateOf("something-new")).toBe("paused");
});

test("what is left of a look is counted down to nothing", () => {
  expect(countdown(3_725_000, 0)).toBe("1:02:05");
  expect(countdown(125_000, 60_000)).toBe("1:05");
  expect(countdown(60_400, 60_000)).toBe("0:01");
  expect(countdown(60_000, 60_000)).toBe("");
});
