import { expect, test } from "vitest";
import catalogue from "./catalogue.json";
import { format } from "./index";

const names = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort();

test("each message is there in four languages, with the same values", () => {
  for (const [key, texts] of Object.entries(catalogue)) {
    expect(texts.length, key).toBe(4);
    for (const text of texts) {
      expect(text.trim(), key).not.toBe("");
      expect(names(text), key).toEqual(names(texts[0] ?? ""));
      expect(text.split("|").length, key).toBe((texts[0] ?? "").split("|").length);
    }
  }
});

test("the form of a count is that of the language", () => {
  const text = "{count} phone|{count} phones";
  expect(format(text, "en", { count: 1 })).toBe("1 phone");
  expect(format(text, "en", { count: 0 })).toBe("0 phones");
  expect(format(text, "en", { count: 12_000 })).toBe("12,000 phones");
  expect(format("{count} téléphone|{count} téléphones", "fr", { count: 0 })).toBe("0 téléphone");
});
