import { describe, expect, it } from "vitest";
import { endTone, left, lifeTone } from "./time";

const DAY = 86_400_000;

describe("lifeTone", () => {
  it("calls a short-lived certificate well until its owner should have renewed it", () => {
    expect(lifeTone(0, 3 * DAY, 0)).toBe("good");
    expect(lifeTone(0, 3 * DAY, 2.2 * DAY)).toBe("good");
    expect(lifeTone(0, 3 * DAY, 2.3 * DAY)).toBe("warn");
    expect(lifeTone(0, 3 * DAY, 3 * DAY)).toBe("bad");
  });
});

describe("endTone", () => {
  it("calls a certificate late that its gateway should have renewed half a day ago", () => {
    expect(endTone(DAY, 0)).toBe("good");
    expect(endTone(DAY / 2 - 1, 0)).toBe("warn");
    expect(endTone(0, 0)).toBe("bad");
  });
});

describe("left", () => {
  it("counts whole days, and within the last one whole hours", () => {
    expect(left(3 * DAY, 0)).toEqual({ unit: "days", count: 3 });
    expect(left(3 * DAY, 1)).toEqual({ unit: "days", count: 2 });
    expect(left(DAY, 1)).toEqual({ unit: "hours", count: 23 });
    expect(left(0, 1)).toEqual({ unit: "hours", count: 0 });
  });
});
