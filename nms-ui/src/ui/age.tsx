import { useSyncExternalStore } from "react";
import { useWords } from "@/i18n";
import { age } from "@/lib/time";

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

/** The time in steps: who asks is drawn again when a step is over, not each second. */
export function useNowIn(step: number): number {
  return useSyncExternalStore(subscribe, () => Math.floor(now / step) * step);
}

/** How long ago something was, in words; none where it never was. Who asks is drawn again when they change. */
export function useAge(at: number | null | undefined): string {
  const { t } = useWords();
  return useSyncExternalStore(subscribe, () => (at ? age(at, now, t) : ""));
}

/** How long ago something was; the moment with its zone on pointing at it. Drawn again when its words change. */
export function Age({ at }: { at: number | null | undefined }) {
  const words = useAge(at);
  if (!at) return <span className="soft">–</span>;
  return (
    <time dateTime={new Date(at).toISOString()} data-moment={at}>
      {words}
    </time>
  );
}
