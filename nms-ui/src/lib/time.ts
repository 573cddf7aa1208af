// Moments with zone and age.
import type { MessageKey } from "@/i18n/language";
import { moments } from "./intl";

const UNITS: ["day" | "hour" | "minute" | "second", number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

/** How long ago, or in how long, in words of the catalogue: what browsers have for it takes longer to begin than a page to be drawn. */
export function age(at: number, now: number, t: (key: MessageKey, values?: Record<string, number>) => string): string {
  const apart = now - at;
  const found = UNITS.find(([, size]) => Math.abs(apart) >= size);
  if (!found) return t("age.now");
  const [unit, length] = found;
  const n = Math.floor(Math.abs(apart) / length);
  if (unit === "day" && n === 1) return t(apart > 0 ? "age.yesterday" : "age.tomorrow");
  return t(apart > 0 ? `age.past.${unit}` : `age.in.${unit}`, { n });
}

/** Date, time and zone. */
export function moment(at: number, language: string): string {
  return moments(language, { dateStyle: "medium", timeStyle: "long" }).format(at);
}

/** Time of the day with seconds. */
export function clock(at: number, language: string): string {
  return moments(language, { timeStyle: "medium" }).format(at);
}

/**
 * How a certificate's age is to be taken. Its owner renews it by itself when a third of its life is left: less than a quarter tells that
 * it could not.
 */
export function lifeTone(from: number, until: number, now: number): "bad" | "warn" | "good" {
  if (now >= until) return "bad";
  return until - now < (until - from) / 4 ? "warn" : "good";
}

const HOUR = 3_600_000;
/** A gateway renews its certificate with a third of its life left, which is a day: with less than this it could not. */
const LATE = 12 * HOUR;

/** How the end of a gateway's certificate is to be taken, where its beginning is not known. */
export function endTone(until: number, now: number): "bad" | "warn" | "good" {
  if (now >= until) return "bad";
  return until - now < LATE ? "warn" : "good";
}

/** What is left until a moment: whole days, or within the last day whole hours. */
export function left(until: number, now: number): { unit: "days" | "hours"; count: number } {
  const hours = Math.max(0, Math.floor((until - now) / HOUR));
  return hours >= 24 ? { unit: "days", count: Math.floor(hours / 24) } : { unit: "hours", count: hours };
}

/** Ranges that pages offer, in milliseconds. */
export const RANGES = { "15m": 900_000, "1h": 3_600_000, "6h": 21_600_000, "24h": 86_400_000, "48h": 172_800_000, "7d": 604_800_000, "30d": 2_592_000_000 } as const;
export type Range = keyof typeof RANGES;

export function isRange(text: string | undefined): text is Range {
  return text !== undefined && text in RANGES;
}

/** A moment that a gateway tells, in seconds since 1970, as all others are, in milliseconds. */
export function fromSeconds(at: number | null | undefined): number | undefined {
  return at ? at * 1000 : undefined;
}
