import { expect, test } from "vitest";
import { octets, quantity, rate, short } from "./units";

test("numbers are said as operators say them", () => {
  expect(rate(10_000_000, "en")).toBe("10 Mbit/s");
  expect(octets(23_540_000_000, "en")).toBe("23.5 GB");
  expect(octets(0, "en")).toBe("0 B");
});

test("what people type is read, and what is none is not", () => {
  const cases: [string, number | undefined][] = [
    ["10M", 10_000_000],
    ["1.5 Gbit/s", 1_500_000_000],
    ["1,5 G", 1_500_000_000],
    ["50 GB", 50_000_000_000],
    ["256000", 256_000],
    ["fast", undefined],
    ["", undefined],
    ["-1", undefined],
  ];
  for (const [text, value] of cases) expect(quantity(text), text).toBe(value);
});

test("what is shown in a field is read back as it was", () => {
  for (const value of [1, 999, 1_000, 1_234_567, 50_000_000_000]) expect(quantity(short(value))).toBe(value);
});
