// What rollouts of programs and of configuration have in common: first some gateways, a look at them, then the others.
import type { Schemas } from "@/api/objects";
import type { Tone } from "@/ui/status";

export const STATES = ["running", "paused", "rolling-back", "done", "rolled-back", "cancelled"] as const;
export type State = (typeof STATES)[number];
export const STATE_TONES: Record<State, Tone> = { running: "info", paused: "warn", "rolling-back": "warn", done: "good", "rolled-back": "warn", cancelled: "quiet" };

/** What a later orchestrator may have besides does not go on. */
export function stateOf(text: string): State {
  return STATES.find((it) => it === text) ?? "paused";
}

export type Act = Schemas["RolloutAct"];

/** What somebody may have it do now. */
export function actsOf(state: State): Act[] {
  switch (state) {
    case "running":
      return ["pause", "roll-back", "cancel"];
    case "paused":
      return ["resume", "roll-back", "cancel"];
    case "rolling-back":
      return ["cancel"];
    default:
      return [];
  }
}

/** How a gateway is in a rollout; those of programs are `upgrading`, those of configuration `taking`. */
export const STEPS = ["done", "upgrading", "taking", "waiting", "failed", "returning", "returned"] as const;
export type Step = (typeof STEPS)[number];
export const STEP_TONES: Record<Step, Tone> = { done: "good", upgrading: "info", taking: "info", waiting: "quiet", failed: "bad", returning: "warn", returned: "warn" };

export function stepOf(text: string): Step {
  return STEPS.find((it) => it === text) ?? "waiting";
}

/** Gateways by step. */
export function counts(gateways: { step: string }[]): Record<Step, number> {
  const all = Object.fromEntries(STEPS.map((step) => [step, 0])) as Record<Step, number>;
  for (const gateway of gateways) all[stepOf(gateway.step)] += 1;
  return all;
}

/** What is left of a look at the first ones, as clocks count down: `1:02:05`, `23:05`; nothing when it is over. */
export function countdown(until: number, now: number): string {
  const seconds = Math.ceil((until - now) / 1000);
  if (seconds <= 0) return "";
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
