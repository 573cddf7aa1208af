import { expect, test } from "vitest";
import type { Ladder, Procedure, TracedMessage } from "@/api/traces";
import { arrow, has, lasting, outermost, rowsOf } from "./ladder";

const message = (number: number, at: number, more: Partial<TracedMessage> = {}): TracedMessage => ({ number, at, from: "ue", to: "enb", protocol: "NAS", name: "ATTACH REQUEST", fields: {}, cause: null, result: null, imsi: null, gateway: "g", procedure: null, ...more });
const procedure = (number: number, parent: number | null, name = "attach"): Procedure => ({ number, name, imsi: null, began: 0, duration: 1, result: "success", cause: null, messages: [], parent });
const ladder = (messages: TracedMessage[], procedures: Procedure[] = []): Ladder => ({ trace: "t", participants: [], messages, procedures, dropped: 0, left_out: 0, clocks: [] });
const ALL = { words: "", hidden: new Set<string>(), procedure: null };

test("a procedure stands where its first message is, and once", () => {
  const of = ladder([message(1, 0, { procedure: 1 }), message(2, 10, { procedure: 2 }), message(3, 20, { procedure: 1 })], [procedure(1, null), procedure(2, 1, "authentication")]);
  expect(rowsOf(of, ALL).map((row) => (row.kind === "message" ? row.message.number : row.kind))).toEqual(["procedure", 1, 2, 3]);
});

test("a long silence is told, of what is shown", () => {
  const of = ladder([message(1, 0), message(2, 1_000_000, { protocol: "S1AP" }), message(3, 2_500_000)]);
  expect(rowsOf(of, ALL).map((row) => row.kind)).toEqual(["message", "message", "message"]);
  const without = rowsOf(of, { ...ALL, hidden: new Set(["S1AP"]) });
  expect(without.map((row) => row.kind)).toEqual(["message", "silence", "message"]);
});

test("one procedure is shown with those within it", () => {
  const of = ladder([message(1, 0, { procedure: 1 }), message(2, 1, { procedure: 2 }), message(3, 2, { procedure: 3 })], [procedure(1, null), procedure(2, 1), procedure(3, null)]);
  expect(rowsOf(of, { ...ALL, procedure: 1 }).flatMap((row) => (row.kind === "message" ? [row.message.number] : []))).toEqual([1, 2]);
});

test("words are looked for in names, causes and fields", () => {
  const one = message(1, 0, { cause: "PLMN not allowed", fields: { emm_cause: 11 } });
  expect([has(one, "attach plmn"), has(one, "emm_cause"), has(one, "attach detach"), has(one, " ")]).toEqual([true, true, false, true]);
});

test("procedures that are within each other for ever end nevertheless", () => {
  const all = outermost([procedure(1, 2), procedure(2, 1), procedure(3, 9)]);
  expect(all.size).toBe(3);
  expect(all.get(3)?.parent).toBeNull();
});

test("arrows go from middle to middle", () => {
  const places = new Map([["ue", 0], ["enb", 1], ["agw", 2], ["hss", 3]]);
  expect(arrow(places, 4, "ue", "agw")).toEqual({ left: 12.5, width: 50, way: "right" });
  expect(arrow(places, 4, "hss", "agw")).toEqual({ left: 62.5, width: 25, way: "left" });
  expect(arrow(places, 4, "agw", "agw").way).toBe("self");
});

test("lengths are said in a unit that fits", () => {
  expect([40, 12_340, 3_200_000, 300_000_000].map((it) => lasting(it, "en"))).toEqual(["40 µs", "12.3 ms", "3.2 s", "5 min"]);
});
