import { expect, test } from "vitest";
import { linesOf } from "./log";

const OUTPUT = "2026-11-22T01:00:00Z  INFO agwd: S1 set up with Hill north\n2026-11-22T01:00:01Z  WARN agwd: phone refused: cause 11\n2026-11-22T01:00:02Z ERROR agwd: no route\n\n";

test("lines have their level, empty ones are none", () => {
  expect(linesOf(OUTPUT, "").map((it) => it.level)).toEqual(["info", "warn", "error"]);
});

test("only lines with all words stay", () => {
  expect(linesOf(OUTPUT, "agwd REFUSED").map((it) => it.text)).toEqual(["2026-11-22T01:00:01Z  WARN agwd: phone refused: cause 11"]);
  expect(linesOf(OUTPUT, "nowhere")).toEqual([]);
});

test("a word far within a line is no level", () => {
  expect(linesOf(`INFO ${"x".repeat(100)} error`, "")[0]?.level).toBe("info");
});
