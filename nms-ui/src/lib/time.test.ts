import { describe, expect, it } from "vitest";
import { loadMessages } from "@/i18n/language";
import { format } from "@/i18n";
import { age, endTone, left, lifeTone } from "./time";

const DAY = 86_400_000;

describe("age", () => {
  const NOW = 100 * DAY;
  const PAST: [number, string][] = [[0, "now"], [999, "now"], [5_000, "5 s ago"], [59_999, "59 s ago"], [60_000, "1 min ago"], [5.2 * 3_600_000, "5 h ago"], [DAY, "yesterday"], [2 * DAY, "2 days ago"]];
  const FUTURE: [number, string][] = [[5_000, "in 5 s"], [90_000, "in 1 min"], [3 * 3_600_000, "in 3 h"], [DAY, "tomorrow"], [12 * DAY, "in 12 days"]];

  it("says how long ago something was, and in how long it will be", async () => {
    const messages = await loadMessages("en");
    const t = (key: keyof typeof messages, values?: Record<string, number>) => format(messages[key], "en", values);
    for (const [apart, words] of PAST) expect(age(NOW - apart, NOW, t)).toBe(words);
    for (const [apart, words] of FUTURE) expect(age(NOW + apart, NOW, t)).toBe(words);
  });

  it("says it in the language of the page", async () => {
    const messages = await loadMessages("fr");
    const t = (key: keyof typeof messages, values?: Record<string, number>) => format(messages[key], "fr", values);
    expect(age(NOW - 5 * 60_000, NOW, t)).toBe("il y a 5 min");
    expect(age(NOW - DAY, NOW, t)).toBe("hier");
  });
});

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
