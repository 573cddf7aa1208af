// Numbers as operators say them: 10 Mbit/s, 50 GB. Decimal steps throughout.
import { threeDigits, integer } from "./intl";

const STEPS = ["", "k", "M", "G", "T", "P"];

function scaled(value: number): [number, string] {
  let step = 0;
  let rest = value;
  while (Math.abs(rest) >= 1000 && step < STEPS.length - 1) {
    rest /= 1000;
    step += 1;
  }
  return [rest, STEPS[step] ?? ""];
}

/** Octets. */
export function octets(value: number, language: string): string {
  const [rest, step] = scaled(value);
  return `${threeDigits(rest, language)} ${step}B`;
}

/** Bits in a second. */
export function rate(value: number, language: string): string {
  const [rest, step] = scaled(value);
  return `${threeDigits(rest, language)} ${step}bit/s`;
}

export function count(value: number, language: string): string {
  return integer(value, language);
}

const FACTORS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** Reads `10M`, `1.5 Gbit/s`, `50 GB`: the number in bits in a second or octets; nothing when it is none. */
export function quantity(text: string): number | undefined {
  const found = /^\s*(\d+(?:[.,]\d+)?)\s*([kmgt]?)(?:bit\/s|bps|b|o)?\s*$/i.exec(text);
  if (!found) return undefined;
  const value = Number((found[1] ?? "").replace(",", "."));
  return Math.round(value * (FACTORS[(found[2] ?? "").toLowerCase()] ?? 1));
}

/** What `quantity` reads back: `10M`. */
export function short(value: number): string {
  const [rest, step] = scaled(value);
  return `${Number(rest.toPrecision(12))}${step}`;
}
