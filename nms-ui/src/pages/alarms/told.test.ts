import { expect, test } from "vitest";
import type { Alarm } from "@/api/answers";
import { lasting, openBySeverity, stateOf } from "./told";

const alarm = (more: Partial<Alarm>): Alarm => ({ id: 1, network: "n", gateway: "g", rule: "r", subject: "", severity: "major", state: "raised", silenced: false, since: 1, raised_at: 1, text: "", ...more });

test("an alarm that is over is over, whoever looked after it", () => {
  expect(stateOf(alarm({}))).toBe("open");
  expect(stateOf(alarm({ silenced: true }))).toBe("silenced");
  expect(stateOf(alarm({ silenced: true, acknowledged: { by: "ann", at: 2 } }))).toBe("acknowledged");
  expect(stateOf(alarm({ cleared_at: 3, acknowledged: { by: "ann", at: 2 } }))).toBe("cleared");
});

test("only what somebody should look at is counted", () => {
  const alarms = [alarm({}), alarm({ severity: "critical" }), alarm({ silenced: true }), alarm({ cleared_at: 5 }), alarm({ severity: "no such" })];
  expect(openBySeverity(alarms)).toEqual({ critical: 1, major: 1, minor: 0, info: 1 });
});

test("a length is said in its largest whole unit", () => {
  expect([0, 45, 60, 90, 300, 7200].map((it) => lasting(it, "en"))).toEqual(["0 sec", "45 sec", "1 min", "90 sec", "5 min", "2 hr"]);
});
