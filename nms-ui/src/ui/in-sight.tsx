import { startTransition, useEffect, useRef, useState, type ReactNode } from "react";

/** How far below the window something is drawn already. */
const AHEAD = "100px";

/** Whether the navigation stands beside the page; on narrower screens it is opened. */
export function isWide(): boolean {
  return window.matchMedia("(min-width: 861px)").matches;
}

/** False on a narrow screen until the page has been drawn once: what is out of sight there is drawn after it. */
export function useOutOfSight(): boolean {
  const [isDue, setDue] = useState(isWide);
  useEffect(() => startTransition(() => setDue(true)), []);
  return isDue;
}

/**
 * Draws what it holds, and so asks for its data, when it is about to be seen: a phone in the field begins with what fits its screen.
 * `height` is the room that is kept until then, in pixels. On a wide screen all of it is drawn at once.
 */
export function InSight({ height, children }: { height: number; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  const [isNear, setNear] = useState(() => typeof IntersectionObserver === "undefined" || isWide());
  useEffect(() => {
    if (isNear || !place.current) return;
    const looking = new IntersectionObserver((seen) => seen.some((it) => it.isIntersecting) && startTransition(() => setNear(true)), { rootMargin: AHEAD });
    looking.observe(place.current);
    return () => looking.disconnect();
  }, [isNear]);
  return (
    <div ref={place} style={isNear ? undefined : { minHeight: height }}>
      {isNear && children}
    </div>
  );
}
