// Words beside what is pointed at: moments with their zone, what a button does. One for the whole page, made when it is needed, so that
// a table of a thousand ages costs nothing. It can be pointed at itself, and Escape takes it away (WCAG 1.4.13).
import { moment } from "@/lib/time";

const WANTED = "[data-moment], [data-hint]";
const GAP = 6;

function wordsOf(element: HTMLElement): string {
  const at = Number(element.dataset["moment"]);
  return element.dataset["hint"] ?? (at ? moment(at, document.documentElement.lang) : "");
}

/** Puts it above what it is about, or below where there is no room. */
function place(box: HTMLElement, about: DOMRect): void {
  const { width, height } = box.getBoundingClientRect();
  const left = Math.max(GAP, Math.min(about.left + about.width / 2 - width / 2, window.innerWidth - width - GAP));
  const top = about.top - height - GAP < 0 ? about.bottom + GAP : about.top - height - GAP;
  box.style.left = `${left}px`;
  box.style.top = `${top}px`;
}

/** Begins to show hints on a page; the function ends it. */
export function showHints(page: Document): () => void {
  const box = page.createElement("div");
  box.className = "hint";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  const stop = new AbortController();
  const hide = () => {
    box.hidden = true;
  };
  const look = (event: Event) => {
    const on = event.target instanceof Element ? event.target : null;
    if (on && box.contains(on)) return;
    const found = on?.closest<HTMLElement>(WANTED);
    const words = found ? wordsOf(found) : "";
    if (!found || words === "") {
      hide();
      return;
    }
    if (!box.isConnected) page.body.append(box);
    box.textContent = words;
    box.hidden = false;
    place(box, found.getBoundingClientRect());
  };
  const { signal } = stop;
  page.addEventListener("pointerover", look, { signal, passive: true });
  page.addEventListener("focusin", look, { signal });
  page.addEventListener("scroll", hide, { signal, passive: true, capture: true });
  page.addEventListener("keydown", (event) => event.key === "Escape" && hide(), { signal });
  return () => {
    stop.abort();
    box.remove();
  };
}
