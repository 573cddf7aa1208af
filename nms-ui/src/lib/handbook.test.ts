import { expect, test } from "vitest";
import { runbook } from "@/pages/alarms/runbooks";
import { blocks, pieces } from "./handbook";

test("a page has a title, headings, texts, lists and commands", () => {
  const page = blocks("# rule\n\nSeverity: major.\n\n## What it means\n\nOne line\nand another.\n\n- first\n  goes on\n- second\n\n```sh\nbasalt status\n\nbasalt doctor\n```\n");
  expect(page).toEqual([
    { kind: "title", text: "rule" },
    { kind: "text", text: "Severity: major." },
    { kind: "heading", text: "What it means" },
    { kind: "text", text: "One line and another." },
    { kind: "list", items: ["first goes on", "second"] },
    { kind: "code", text: "basalt status\n\nbasalt doctor" },
  ]);
});

test("commands in a line are apart, of links the text stays", () => {
  expect(pieces("run `basalt up`, see [backup](backup.md)")).toEqual([
    { text: "run ", isCode: false },
    { text: "basalt up", isCode: true },
    { text: ", see backup", isCode: false },
  ]);
});

test("the handbook's pages are carried", () => {
  expect(runbook("gateway-offline")).toContain("What it means");
  expect(runbook("no-such-rule")).toBeNull();
});
