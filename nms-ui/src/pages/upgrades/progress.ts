// How far a rollout is.
import type { Rollout } from "@/api/answers";
import type { Schemas } from "@/api/objects";
import type { Tone } from "@/ui/status";

export const STEPS = ["done", "upgrading", "waiting", "failed", "returning", "returned"] as const;
export type Step = (typeof STEPS)[number];
export const STEP_TONES: Record<Step, Tone> = { done: "good", upgrading: "info", waiting: "quiet", failed: "bad", returning: "warn", returned: "warn" };

export const STATES = ["running", "paused", "rolling-back", "done", "rolled-back", "cancelled"] as const;
export type State = (typeof STATES)[number];
export const STATE_TONES: Record<State, Tone> = { running: "info", paused: "warn", "rolling-back": "warn", done: "good", "rolled-back": "warn", cancelled: "quiet" };

export function stepOf(text: string): Step {
  return STEPS.find((it) => it === text) ?? "waiting";
}

export function stateOf(text: string): State {
  return STATES.find((it) => it === text) ?? "paused";
}

export const STAGES = ["canary", "soak", "rest"] as const;

export function stageOf(text: string): (typeof STAGES)[number] {
  return STAGES.find((it) => it === text) ?? "rest";
}

/** Gateways by step. */
export function counts(rollout: Pick<Rollout, "gateways">): Record<Step, number> {
  const all: Record<Step, number> = { done: 0, upgrading: 0, waiting: 0, failed: 0, returning: 0, returned: 0 };
  for (const gateway of rollout.gateways) all[stepOf(gateway.step)] += 1;
  return all;
}

/** What somebody may have it do now. */
export function actsOf(state: State): Schemas["RolloutAct"][] {
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

/** What is wrong with what was typed; a release's name says the same. */
export function nameOf(release: { product: string; version: string; platform: string }): string {
  return `${release.product}-${release.version}-${release.platform}`;
}

/** Product, version and platform, where a file is called as packages are: `agwd-0.2.0-x86_64-linux`. */
export function fromFileName(name: string): { product?: string; version?: string; platform?: string } {
  const found = /^([A-Za-z][A-Za-z0-9]*)-(\d+\.\d+\.\d+[A-Za-z0-9.]*)-([A-Za-z0-9_]+-[a-z]+)$/.exec(name.replace(/\.(bin|exe)$/, ""));
  if (!found) return {};
  const [, product = "", version = "", platform = ""] = found;
  return { product, version, platform };
}

export function hex(octets: ArrayBuffer): string {
  return [...new Uint8Array(octets)].map((it) => it.toString(16).padStart(2, "0")).join("");
}
