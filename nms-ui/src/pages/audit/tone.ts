import type { Tone } from "@/ui/status";

/** How an answer of the interface is to be taken: done, refused to who asked, or wrong in itself. */
export function tone(outcome: number): Tone {
  if (outcome < 400) return "good";
  return outcome === 401 || outcome === 403 || outcome === 404 ? "bad" : "warn";
}
