// How far a staged change is, and what it is called.

export const STAGES = ["canary", "soak", "rest", "change"] as const;

export function stageOf(text: string): (typeof STAGES)[number] {
  return STAGES.find((it) => it === text) ?? "rest";
}

/** Gateways that have the change, or are given it: those that lose it when it is taken back. */
export function withIt(gateways: { step: string }[]): number {
  return gateways.filter((it) => ["done", "taking", "failed"].includes(it.step)).length;
}

/** The objects that it changes: `apns/internet`, `apns/internet + 2`. */
export function titleOf({ changes }: { changes: { kind: string; name: string }[] }): string {
  const [first, ...others] = changes;
  if (!first) return "";
  return `${first.kind}/${first.name}${others.length > 0 ? ` + ${others.length}` : ""}`;
}
