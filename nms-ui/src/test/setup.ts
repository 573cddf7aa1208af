import { cleanup, configure } from "@testing-library/react";
import { afterEach, beforeEach } from "vitest";

// What the drawing of pages needs and jsdom does not have.
class Nothing {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}
Object.assign(globalThis, { ResizeObserver: Nothing });
// Everything has a size: a table in a box without height has no row in sight, once it has measured it.
Object.defineProperty(Element.prototype, "clientWidth", { get: () => 1280 });
Object.defineProperty(Element.prototype, "clientHeight", { get: () => 800 });
Object.defineProperty(document, "fonts", { value: { addEventListener: () => undefined, removeEventListener: () => undefined } });
window.matchMedia = (query) =>
  ({ matches: false, media: query, addEventListener: () => undefined, removeEventListener: () => undefined, addListener: () => undefined, removeListener: () => undefined }) as unknown as MediaQueryList;
window.scrollTo = () => undefined;
HTMLElement.prototype.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;

// A slow machine may take its time: what is looked for is waited for, below the time of a test.
configure({ asyncUtilTimeout: 50_000 });

beforeEach(() => localStorage.setItem("basalt-language", "en"));
afterEach(cleanup);
