import { expect, test } from "vitest";
import { fileName, recipientsOf, wrongRecipient } from "./recipients";

const GOOD = `age1${"q".repeat(58)}`;

test("recipients stand on lines or beside each other, each once", () => {
  expect(recipientsOf(` ${GOOD}\n${GOOD}, age1x\n`)).toEqual([GOOD, "age1x"]);
  expect(recipientsOf("  ")).toEqual([]);
});

test("what is no recipient is found, and a secret key is not shown", () => {
  expect(wrongRecipient([GOOD])).toBeUndefined();
  expect(wrongRecipient([GOOD, "age1x"])).toBe("age1x");
  expect(wrongRecipient(["AGE-SECRET-KEY-1ABCDEF"])).toBe("AGE-SECRET-KEY-…");
});

test("a copy is called as the command calls it", () => {
  expect(fileName(new Date("2026-11-21T02:17:09.123Z"))).toBe("orchestrator-20261121-021709.backup.age");
});
