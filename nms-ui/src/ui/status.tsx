import type { ReactNode } from "react";
import { Icon, type IconName } from "./icon";

export type Tone = "good" | "warn" | "bad" | "quiet" | "info";

const SHAPES: Record<Tone, IconName> = { good: "check", warn: "warn", bad: "bad", quiet: "dot", info: "dot" };

/** A state in a word: colour, shape and text, so that none of them is needed alone. */
export function Status({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className={`status ${tone}`}>
      <Icon name={SHAPES[tone]} size={12} />
      {children}
    </span>
  );
}
