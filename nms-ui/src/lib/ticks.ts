// What stands below the axis of time.
import { moments } from "./intl";

const DAY = 86_400;
const MINUTE = 60;

/** Moments in seconds since 1970, `step` seconds apart: the time of each, and the day below where it begins. */
export function ticks(at: readonly number[], step: number, language: string): string[] {
  const day = moments(language, { day: "numeric", month: "short" });
  const time = moments(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(step < MINUTE ? { second: "2-digit" } : {}) });
  const days = at.map((it) => day.format(it * 1000));
  if (step >= DAY) return days;
  return at.map((it, index) => `${time.format(it * 1000)}${days[index] === days[index - 1] ? "" : `\n${days[index]}`}`);
}
