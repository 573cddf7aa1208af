import { expect, test } from "vitest";
import { actsOf, counts, fromFileName, hex, nameOf, stageOf, stateOf } from "./progress";

const gateway = (step: string) => ({ gateway: "g", step, canary: false, upgraded: step === "done", at: 0, words: "" });

test("gateways are counted by step", () => {
  const found = counts({ gateways: ["done", "done", "upgrading", "failed", "waiting"].map(gateway) });
  expect(found).toEqual({ done: 2, upgrading: 1, waiting: 1, failed: 1, returning: 0, returned: 0 });
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
  expect(stageOf("something-new")).toBe("rest");
});

test("a file's name says what it is", () => {
  expect(fromFileName("agwd-0.2.0-x86_64-linux")).toEqual({ product: "agwd", version: "0.2.0", platform: "x86_64-linux" });
  expect(fromFileName("agwd")).toEqual({});
  expect(nameOf({ product: "agwd", version: "0.2.0", platform: "x86_64-linux" })).toBe("agwd-0.2.0-x86_64-linux");
  expect(hex(new Uint8Array([0, 171, 255]).buffer)).toBe("00abff");
});
