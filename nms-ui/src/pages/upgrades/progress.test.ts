import { expect, test } from "vitest";
import { fromFileName, hex, nameOf, stageOf } from "./progress";

test("a stage that a later orchestrator has is the last one", () => {
  expect(stageOf("soak")).toBe("soak");
  expect(stageOf("something-new")).toBe("rest");
});

test("a file's name says what it is", () => {
  expect(fromFileName("agwd-0.2.0-x86_64-linux")).toEqual({ product: "agwd", version: "0.2.0", platform: "x86_64-linux" });
  expect(fromFileName("agwd")).toEqual({});
  expect(nameOf({ product: "agwd", version: "0.2.0", platform: "x86_64-linux" })).toBe("agwd-0.2.0-x86_64-linux");
  expect(hex(new Uint8Array([0, 171, 255]).buffer)).toBe("00abff");
});
