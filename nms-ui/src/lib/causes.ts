// Why phones are refused (TS 24.301 §9.9.3.9), with the likely reason and what to do.
import type { MessageKey } from "@/i18n";

const ADVICE: Record<number, MessageKey> = {
  2: "cause.2",
  3: "cause.3",
  6: "cause.3",
  7: "cause.7",
  8: "cause.2",
  11: "cause.11",
  12: "cause.12",
  13: "cause.12",
  14: "cause.11",
  15: "cause.12",
  17: "cause.17",
  19: "cause.19",
  20: "cause.20",
  21: "cause.21",
  22: "cause.22",
};

/** What a cause means for who runs the network. */
export function adviceOf(cause: number | undefined): MessageKey | undefined {
  return cause === undefined ? undefined : ADVICE[cause];
}
