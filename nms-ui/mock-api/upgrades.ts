// Releases and rollouts of the made-up network: one that goes on by the clock, one that was taken back.
import type { Release, Rollout } from "@/api/answers";
import type { Schemas } from "@/api/objects";
import type { World } from "./world";

const HOUR = 3_600_000;
/** A gateway's upgrade takes this long here. */
const STEP = 6_000;

function release(world: World, version: string, ago: number, channel: string): Release {
  return { name: `agwd-${version}-x86_64-linux`, product: "agwd", version, platform: "x86_64-linux", channel, size: 41_223_680, received: 41_223_680, complete: true, sha256: "9f1b8a3c5d7e9f1a3b5c7d9e1f3a5b7c4b5f0c21d7a94e6fb1f0f3a5f2f64f0e", signature: "00".repeat(64), created_by: "ann", created_at: world.began - ago * HOUR };
}

export class Upgrades {
  readonly releases: Release[];
  private readonly plans: { id: string; plan: Schemas["RolloutPlan"]; at: number; acted: { act: Schemas["RolloutAct"]; at: number }[] }[] = [];

  constructor(private readonly world: World) {
    this.releases = [release(world, "0.2.0", 30, "stable"), release(world, "0.3.0-beta", 4, "beta"), release(world, "0.1.0", 800, "stable")];
    this.plans.push({ id: "r2past", plan: { tier: "canary", release: "agwd-0.3.0-beta-x86_64-linux", canary_percent: 100, roll_back: true }, at: world.began - 3 * HOUR, acted: [{ act: "roll-back", at: world.began - 2.8 * HOUR }] });
    this.plans.unshift({ id: "r1now", plan: { tier: "default", release: "agwd-0.2.0-x86_64-linux", canary_percent: 25, soak_minutes: 30, at_once: 2, most_failures: 0, roll_back: true, rate: 0 }, at: world.began - 9_000, acted: [] });
  }

  rollouts(): Rollout[] {
    return this.plans.map((it) => this.shown(it));
  }

  start(plan: Schemas["RolloutPlan"]): Rollout {
    const made = { id: `r${this.world.id()}`, plan, at: Date.now(), acted: [] };
    this.plans.unshift(made);
    return this.shown(made);
  }

  act(id: string, act: Schemas["RolloutAct"]): Rollout | undefined {
    const found = this.plans.find((it) => it.id === id);
    found?.acted.push({ act, at: Date.now() });
    return found && this.shown(found);
  }

  add(wanted: Schemas["ReleaseRequest"]): Release {
    const name = `${wanted.product}-${wanted.version}-${wanted.platform}`;
    const known = this.releases.find((it) => it.name === name);
    if (known) return known;
    const made: Release = { ...wanted, channel: wanted.channel ?? "stable", name, received: 0, complete: false, created_by: "ann", created_at: Date.now() };
    this.releases.unshift(made);
    return made;
  }

  private shown({ id, plan, at, acted }: Upgrades["plans"][number]): Rollout {
    const last = acted.at(-1);
    const until = last && last.act !== "resume" ? last.at : Date.now();
    const names = [...this.world.collection("demo", "gateways").values()].filter((it) => it.body?.["tier"] === plan.tier).map((it) => it.name);
    const passed = Math.min(Math.floor((until - at) / STEP), names.length);
    const first = Math.max(1, Math.ceil((names.length * (plan.canary_percent ?? 10)) / 100));
    const isBack = last?.act === "roll-back";
    const version = this.releases.find((it) => it.name === plan.release)?.version ?? "";
    const gateways = names.map((gateway, place) => {
      const step = isBack ? (place < passed ? "returned" : "waiting") : place < passed ? "done" : place === passed ? "upgrading" : "waiting";
      const words = { returned: "runs 0.1.0 again", done: `runs ${version}`, upgrading: "downloading: 14.2 of 41.2 MB", waiting: "" }[step] ?? "";
      return { gateway, step, canary: place < first, upgraded: step === "done", at: Math.min(at + place * STEP, until), words, command: null };
    });
    const isDone = passed >= names.length && !isBack;
    const state = isBack ? "rolled-back" : last?.act === "cancel" ? "cancelled" : last?.act === "pause" ? "paused" : isDone ? "done" : "running";
    const words = isBack ? "gw-0005: alarm attach-success-low after the upgrade" : last?.act === "pause" ? `${this.world.session ?? "ann"} paused it` : "";
    const stage = passed < first ? "canary" : "rest";
    return { id, plan, version, state, stage, soak_until: null, words, gateways, created_by: "ann", created_at: at, changed_at: until };
  }
}
