// Staged changes of the made-up network: one is looked at, one was taken back; those that are begun go on by the clock.
import type { ConfigRollout, ConfigRolloutRequest } from "@/api/config-rollouts";
import { stateOf, type Act } from "@/lib/rollout";
import type { World } from "./world";

const MINUTE = 60_000;
/** A gateway takes a change in this time here. */
const TAKE = 1_500;

interface Begun {
  id: string;
  plan: ConfigRolloutRequest;
  before: (Record<string, unknown> | null)[];
  at: number;
  by: string;
  acted: { act: Act; at: number }[];
  /** Why it halted by itself. */
  halted: string;
}

export class Staged {
  private readonly all: Begun[] = [];

  constructor(private readonly world: World) {
    const internet = this.body("apns", "internet");
    const home = this.body("data-plans", "home");
    this.put("s1look", { changes: [{ kind: "apns", name: "internet", body: { ...internet, ambr: { max_dl_bit_rate: 150_000_000, max_ul_bit_rate: 75_000_000 }, dns_servers: ["10.45.0.1", "10.45.0.2"] } }], canary_percent: 25, soak_minutes: 30, at_once: 2, most_failures: 0, roll_back: true }, world.began - 7 * MINUTE, "");
    this.put("s2back", { changes: [{ kind: "data-plans", name: "home", body: { ...home, ambr: { max_dl_bit_rate: 2_000_000, max_ul_bit_rate: 500_000 } } }], tier: "canary", canary_percent: 100, soak_minutes: 60, at_once: 10, most_failures: 0, roll_back: true }, world.began - 1_500 * MINUTE, "gw-0005: alarm packet-drops-high after the change");
  }

  list(): ConfigRollout[] {
    return this.all.map((it) => this.shown(it)).toReversed();
  }

  find(id: string): ConfigRollout | undefined {
    const found = this.all.find((it) => it.id === id);
    return found && this.shown(found);
  }

  /** Begins one; another that is about the same object is told instead. */
  start(plan: ConfigRolloutRequest): ConfigRollout | string {
    const open = this.list().filter((it) => ["running", "paused", "rolling-back"].includes(it.state));
    const taken = plan.changes.find((change) => open.some((it) => it.changes.some((other) => other.kind === change.kind && other.name === change.name)));
    if (taken) return `${taken.kind}/${taken.name}`;
    return this.shown(this.put(`s${this.world.id()}`, plan, Date.now(), ""));
  }

  act(id: string, act: Act): ConfigRollout | undefined {
    const found = this.all.find((it) => it.id === id);
    found?.acted.push({ act, at: Date.now() });
    return found && this.shown(found);
  }

  private body(kind: string, name: string): Record<string, unknown> | null {
    return this.world.collection("demo", kind).get(name)?.body ?? null;
  }

  private put(id: string, plan: ConfigRolloutRequest, at: number, halted: string): Begun {
    const made = { id, plan, before: plan.changes.map((it) => this.body(it.kind, it.name)), at, by: this.world.session ?? "ann", acted: [], halted };
    this.all.push(made);
    return made;
  }

  private shown(it: Begun): ConfigRollout {
    const { changes } = it.plan;
    const { tier = null, canary_percent, soak_minutes, at_once, most_failures, roll_back } = it.plan;
    const plan = { tier, canary_percent: canary_percent ?? 10, soak_minutes: soak_minutes ?? 30, at_once: at_once ?? 10, most_failures: most_failures ?? 0, roll_back: roll_back ?? true };
    const last = it.acted.at(-1);
    const until = last && last.act !== "resume" ? last.at : Date.now();
    const gateways = [...this.world.collection("demo", "gateways").values()].toSorted((a, b) => Number(b.body?.["tier"] === plan.tier) - Number(a.body?.["tier"] === plan.tier));
    const first = Math.max(1, Math.ceil((gateways.length * plan.canary_percent) / 100));
    const looked = it.at + first * TAKE + plan.soak_minutes * MINUTE;
    const passed = until < looked ? Math.min(Math.floor((until - it.at) / TAKE), first) : first + Math.floor((until - looked) / TAKE);
    const isBack = it.halted !== "" || last?.act === "roll-back";
    const isDone = !isBack && passed >= gateways.length;
    const state = isBack ? "rolled-back" : last?.act === "cancel" ? "cancelled" : last?.act === "pause" ? "paused" : isDone ? "done" : "running";
    if (state === "done") this.store(it);
    const isWithout = isBack || state === "cancelled";
    const step = (place: number) => (isWithout ? (place < passed ? "returned" : "waiting") : place < passed ? "done" : place === passed && (place < first || until >= looked) ? "taking" : "waiting");
    return {
      id: it.id,
      plan,
      changes: changes.map((change, at) => ({ kind: change.kind, name: change.name, before: it.before[at] ?? null, after: change.body ?? null })),
      state: stateOf(state),
      stage: passed < first ? "canary" : until < looked ? "soak" : "rest",
      soak_until: passed >= first && until < looked ? looked : null,
      words: it.halted || (last && last.act !== "resume" ? `by ${this.world.session ?? "ann"}` : ""),
      gateways: gateways.map((gateway, place) => ({ gateway: gateway.name, canary: place < first, step: step(place), at: Math.min(it.at + place * TAKE, until), words: "" })),
      created_by: it.by,
      created_at: it.at,
      changed_at: until,
    };
  }

  /** At the end the objects themselves are changed. */
  private store({ plan }: Begun): void {
    for (const { kind, name, body } of plan.changes) {
      const all = this.world.collection("demo", kind);
      const present = all.get(name);
      if (!body) all.delete(name);
      else if (JSON.stringify(present?.body) !== JSON.stringify(body)) all.set(name, { ...present, name, revision: this.world.id() + 10_000, changed_at: Date.now(), changed_by: this.world.session ?? "", body: body as Record<string, unknown> });
    }
  }
}
