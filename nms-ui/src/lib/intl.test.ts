import { expect, test } from "vitest";
import { isOne, numbers, threeDigits, integer } from "./intl";

test("a form is made once for each language and its options", () => {
  expect(numbers("en")).toBe(numbers("en"));
  expect(numbers("en", { maximumSignificantDigits: 3 })).toBe(numbers("en", { maximumSignificantDigits: 3 }));
});

test("and each writes as it was asked to", () => {
  expect(numbers("en").format(1234.5678)).toBe("1,234.568");
  expect(numbers("en", { maximumSignificantDigits: 3 }).format(1234.5678)).toBe("1,230");
  expect(numbers("fr").format(0.5)).toBe("0,5");
});

const LANGUAGES = ["en", "es", "fr", "pt"];

test("forms of counts are those of the browser's tables", () => {
  for (const language of LANGUAGES) {
    const rules = new Intl.PluralRules(language);
    for (const count of [0, 1, 2, 3, 5, 11, 21, 100, 101, 999]) expect(isOne(language, count), `${language} ${count}`).toBe(rules.select(count) === "one");
  }
});

test("numbers are written as the browser's tables do", () => {
  for (const language of LANGUAGES) {
    const three = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
    for (const value of [0, 0.05, 1, 1.5, 9.999, 12.34, 99.95, 123.4, 999.4, 999.9, 1_234_567]) expect(threeDigits(value, language), `${language} ${value}`).toBe(three.format(value));
    const all = new Intl.NumberFormat(language);
    for (const value of [0, 7, 999, 1_000, 12_345, 1_234_567]) expect(integer(value, language), `${language} ${value}`).toBe(all.format(value));
  }
});
