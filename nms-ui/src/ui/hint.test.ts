import { afterEach, expect, test } from "vitest";
import { showHints } from "./hint";

let end = () => undefined as void;
afterEach(() => {
  end();
  document.body.replaceChildren();
});

const shown = () => [...document.querySelectorAll<HTMLElement>(".hint")].filter((it) => !it.hidden).map((it) => it.textContent);
const over = (selector: string) => document.querySelector(selector)?.dispatchEvent(new Event("pointerover", { bubbles: true }));

test("what is pointed at is told, what is beside it is not, and Escape ends it", () => {
  document.documentElement.lang = "en";
  document.body.innerHTML = `<p><time data-moment="${Date.UTC(2026, 10, 22, 12)}">now</time><button data-hint="Saves it">CSV</button><i>other</i></p>`;
  end = showHints(document);
  over("button");
  expect(shown()).toEqual(["Saves it"]);
  over("time");
  expect(shown()[0]).toContain("2026");
  over(".hint");
  expect(shown().length).toBe(1);
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  expect(shown()).toEqual([]);
  over("time");
  over("i");
  expect(shown()).toEqual([]);
});
