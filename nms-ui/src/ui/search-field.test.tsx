import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import { useTyped } from "./search-field";

/** A field whose text is kept elsewhere, where it arrives when it is told to. */
function field(kept = "") {
  const asked: string[] = [];
  const hook = renderHook(({ kept }) => useTyped(kept, (text) => asked.push(text)), { initialProps: { kept } });
  return {
    asked,
    shown: () => hook.result.current[0],
    // As a keyboard does: a letter comes behind what is shown.
    letter: (it: string) => act(() => hook.result.current[1](hook.result.current[0] + it)),
    keeps: (kept: string) => hook.rerender({ kept }),
  };
}

test("letters that are typed before the former ones are kept are not lost", () => {
  const { asked, shown, letter, keeps } = field();
  for (const it of "clinic") letter(it);
  expect(shown()).toBe("clinic");
  expect(asked.at(-1)).toBe("clinic");
  keeps("c");
  expect(shown()).toBe("clinic");
  letter("s");
  keeps("clini");
  keeps("clinics");
  expect(shown()).toBe("clinics");
});

test("what another keeps is shown: a link, the way back, a filter that is cleared", () => {
  const { shown, letter, keeps } = field("gw");
  letter("-");
  keeps("gw-");
  keeps("gw");
  expect(shown()).toBe("gw");
  letter("1");
  keeps("");
  expect(shown()).toBe("");
});
