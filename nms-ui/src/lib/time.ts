// Moments with zone and age.

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

const relative = new Map<string, Intl.RelativeTimeFormat>();

/** Forms are kept: making one takes longer than a hundred uses of it. */
function relativeOf(language: string): Intl.RelativeTimeFormat {
  const known = relative.get(language) ?? new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  relative.set(language, known);
  return known;
}

/** How long ago, or in how long, in words of the language. */
export function age(at: number, now: number, language: string): string {
  const apart = at - now;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(apart) >= size) ?? ["second", 1_000];
  return relativeOf(language).format(Math.trunc(apart / length), unit);
}

/** Date, time and zone. */
export function moment(at: number, language: string): string {
  const form = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long" });
  return form.format(at);
}

/** Time of the day with seconds. */
export function clock(at: number, language: string): string {
  return new Intl.DateTimeFormat(language, { timeStyle: "medium" }).format(at);
}

/** Whole days until a moment; below 0 when it is over. */
export function daysUntil(at: number, now: number): number {
  return Math.floor((at - now) / 86_400_000);
}

/**
 * How a certificate's age is to be taken. Its owner renews it by itself when a third of its life is left: less than a quarter tells that
 * it could not.
 */
export function lifeTone(from: number, until: number, now: number): "bad" | "warn" | "good" {
  if (now >= until) return "bad";
  return until - now < (until - from) / 4 ? "warn" : "good";
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
