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

/** Texts that are the same as in English on purpose: names, abbreviations, and words that the languages share. */
const SHARED: Record<string, string[]> = {
  es: ["APN", "CSV", "Grafana, Prometheus", "Gx", "Gy", "JSON", "P-CSCF (IMS)", "Ping", "PromQL", "QCI", "Roles", "S6a", "SWx", "Traceroute", "VLAN", "Webhook"],
  fr: ["APN", "Action", "CSV", "Condition", "Configuration", "Contact", "Description", "Expression", "Format", "Grafana, Prometheus", "Gx", "Gy", "JSON", "Latitude", "Longitude", "Menu", "Minutes", "Mode", "P-CSCF (IMS)", "Pause", "Ping", "PromQL", "QCI", "Quota", "Retransmissions", "S6a", "SWx", "Secret", "Service", "Session", "Sessions", "Signature", "Simple", "Tables", "Trace", "Traceroute", "VLAN", "Version", "Volume", "Webhook", "{count} message|{count} messages", "{count} minute|{count} minutes"],
  pt: ["APN", "APNs", "Backup", "CSV", "Gateway", "Gateways", "Grafana, Prometheus", "Gx", "Gy", "Handover", "Host", "JSON", "Latitude", "Longitude", "Menu", "P-CSCF (IMS)", "Ping", "PromQL", "QCI", "S6a", "SWx", "Traceroute", "VLAN", "Volume", "Webhook", "{count} gateway|{count} gateways"],
};

test("no text was left in English by accident, and no text is shared in the list alone", () => {
  ["es", "fr", "pt"].forEach((language, at) => {
    const same = Object.values(catalogue).filter((texts) => texts[at + 1] === texts[0]).map((texts) => texts[0] ?? "");
    expect([...new Set(same)].sort(), language).toEqual([...(SHARED[language] ?? [])].sort());
  });
});

test("every key is used; that each which pages name is there, the compiler sees", () => {
  const sources = Object.entries(import.meta.glob("/{src,mock-api}/**/*.{ts,tsx}", { eager: true, query: "?raw", import: "default" })) as [string, string][];
  const text = sources.filter(([path]) => !/\.test\.tsx?$|catalogue/.test(path)).map(([, source]) => source).join("\n");
  const quoted = new Set(text.match(/["`][a-z][\w-]*(?:\.[\w-]+)+["`]/gi)?.map((it) => it.slice(1, -1)));
  // `gateway.tab.${it}`: what stands before the value, and after it.
  const made = [...text.matchAll(/[`]([a-z][\w.-]*)\$\{[^}]+\}([\w.-]*)[`]/gi)].map(([, before = "", after = ""]) => [before, after] as const);
  const unused = Object.keys(catalogue).filter((key) => !quoted.has(key) && !made.some(([before, after]) => key.startsWith(before) && key.endsWith(after) && key.length > before.length + after.length));
  expect(unused).toEqual([]);
});

test("the form of a count is that of the language", () => {
  const text = "{count} phone|{count} phones";
  expect(format(text, "en", { count: 1 })).toBe("1 phone");
  expect(format(text, "en", { count: 0 })).toBe("0 phones");
  expect(format(text, "en", { count: 12_000 })).toBe("12,000 phones");
  expect(format("{count} téléphone|{count} téléphones", "fr", { count: 0 })).toBe("0 téléphone");
});
