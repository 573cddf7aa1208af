import { Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { useWords } from "@/i18n";
import { age, moment } from "@/lib/time";

let now = Date.now();
const listeners = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (ticking === undefined) now = Date.now();
  ticking ??= setInterval(() => {
    now = Date.now();
    for (const one of listeners) one();
  }, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(ticking);
    ticking = undefined;
  };
}

/** The time, each second: one clock for the whole page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}

/** How long ago something was; the moment with its zone on pointing at it. */
export function Age({ at }: { at: number | null | undefined }) {
  const { language } = useWords();
  const present = useNow();
  if (!at) return <span className="soft">–</span>;
  return (
    <Tooltip label={moment(at, language)}>
      <time dateTime={new Date(at).toISOString()}>{age(at, present, language)}</time>
    </Tooltip>
  );
}
