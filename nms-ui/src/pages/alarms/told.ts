// How alarms are counted, ordered and told.
import type { Alarm } from "@/api/answers";
import { numbers } from "@/lib/intl";
import type { Tone } from "@/ui/status";

export const SEVERITIES = ["critical", "major", "minor", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];
export const STATES = ["open", "acknowledged", "silenced", "cleared"] as const;
export type State = (typeof STATES)[number];

export const TONES: Record<Severity, Tone> = { critical: "bad", major: "warn", minor: "info", info: "quiet" };

export function severityOf(text: string): Severity {
  return SEVERITIES.find((it) => it === text) ?? "info";
}

/** In one word how an alarm stands for who looks after the network. */
export function stateOf(alarm: Alarm): State {
  if (alarm.cleared_at) return "cleared";
  if (alarm.acknowledged) return "acknowledged";
  return alarm.silenced ? "silenced" : "open";
}

/** Alarms that somebody should look at, by severity. */
export function openBySeverity(alarms: Alarm[]): Record<Severity, number> {
  const counts: Record<Severity, number> = { critical: 0, major: 0, minor: 0, info: 0 };
  for (const alarm of alarms) if (stateOf(alarm) === "open") counts[severityOf(alarm.severity)] += 1;
  return counts;
}

/** Seconds in the largest unit that is whole. */
export function lasting(seconds: number, language: string): string {
  const [value, unit] = seconds % 3600 === 0 && seconds > 0 ? [seconds / 3600, "hour"] : seconds % 60 === 0 && seconds > 0 ? [seconds / 60, "minute"] : [seconds, "second"];
  return numbers(language, { style: "unit", unit, unitDisplay: "short" }).format(value);
}
