// The time that a page looks at, for questions about it.
import { isRange, type Range } from "@/lib/time";
import { useAddress } from "@/lib/search";
import { useNowIn } from "./age";

const STEP = 60_000;

/** A moment that long ago, rounded to minutes, so that questions about it can be kept. */
export function useSince(span: number): number {
  return useNowIn(STEP) - span;
}

export function useRange(): Range {
  const [{ range }] = useAddress();
  return isRange(range) ? range : "24h";
}
