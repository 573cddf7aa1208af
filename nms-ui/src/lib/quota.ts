// How much of a plan's volume is used, in the period that gateways count by: a day, or a month of the calendar (UTC).

export interface Period {
  from: number;
  until: number;
}

/** The period that a moment lies in. Gateways count days, or months for 28 to 31 days; nothing for others. */
export function periodOf(days: number | null | undefined, now: number): Period | undefined {
  const at = new Date(now);
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  if (days === 1) return { from: Date.UTC(year, month, day), until: Date.UTC(year, month, day + 1) };
  if (days && days >= 28 && days <= 31) return { from: Date.UTC(year, month, 1), until: Date.UTC(year, month + 1, 1) };
  return undefined;
}

/** Used of a quota, as a share of 0 to 1, and how grave that is. */
export function share(used: number, quota: number): { part: number; tone: "good" | "warn" | "bad" } {
  const part = quota > 0 ? Math.min(1, used / quota) : 1;
  return { part, tone: part >= 1 ? "bad" : part >= 0.8 ? "warn" : "good" };
}
