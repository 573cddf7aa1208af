import { describe, expect, it } from "vitest";
import { daysUntil, lifeTone } from "./time";

const DAY = 86_400_000;

describe("lifeTone", () => {
  it("calls a short-lived certificate well until its owner should have renewed it", () => {
    expect(lifeTone(0, 3 * DAY, 0)).toBe("good");
    expect(lifeTone(0, 3 * DAY, 2.2 * DAY)).toBe("good");
    expect(lifeTone(0, 3 * DAY, 2.3 * DAY)).toBe("warn");
    expect(lifeTone(0, 3 * DAY, 3 * DAY)).toBe("bad");
  });
});

describe("daysUntil", () => {
  it("counts whole days that are left", () => {
    expect(daysUntil(3 * DAY, 0)).toBe(3);
    expect(daysUntil(3 * DAY, 1)).toBe(2);
    expect(daysUntil(0, 1)).toBe(-1);
  });
});
