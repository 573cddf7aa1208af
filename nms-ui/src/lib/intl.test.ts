import { expect, test } from "vitest";
import { numbers, plurals } from "./intl";

test("a form is made once for each language and its options", () => {
  expect(numbers("en")).toBe(numbers("en"));
  expect(numbers("en", { maximumSignificantDigits: 3 })).toBe(numbers("en", { maximumSignificantDigits: 3 }));
  expect(plurals("fr")).toBe(plurals("fr"));
});

test("and each writes as it was asked to", () => {
  expect(numbers("en").format(1234.5678)).toBe("1,234.568");
  expect(numbers("en", { maximumSignificantDigits: 3 }).format(1234.5678)).toBe("1,230");
  expect(numbers("fr").format(0.5)).toBe("0,5");
  expect([plurals("en").select(0), plurals("fr").select(0)]).toEqual(["other", "one"]);
});
