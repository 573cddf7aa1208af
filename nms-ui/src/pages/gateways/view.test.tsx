import { expect, test } from "vitest";
import { healthOf, joined, sums } from "@/lib/fleet";

const connected = { gateway: "a", connected: true, seen_at: 1 };

test("a gateway's health is one word", () => {
  expect(healthOf(undefined)).toBe("never");
  expect(healthOf({ gateway: "a", connected: false })).toBe("never");
  expect(healthOf({ gateway: "a", connected: false, seen_at: 5 })).toBe("silent");
  expect(healthOf({ ...connected, sync: { in_sync: false } })).toBe("behind");
  expect(healthOf({ ...connected, sync: { in_sync: true } })).toBe("connected");
  const refusals = [{ collection: "apns", name: "ims", reason: "no pool" }];
  expect(healthOf({ ...connected, sync: { in_sync: true, refused: refusals } })).toBe("refusing");
});

test("what silent gateways last said counts no more", () => {
  const silent = { gateway: "b", connected: false, seen_at: 1, state: { registered_ues: 9 } };
  expect(sums([{ ...connected, state: { registered_ues: 2, enbs: [] } }, silent]).registered).toBe(2);
});

test("a gateway has the version that its tier wants, or another", () => {
  const tiers = [{ name: "t", body: { version: "0.2.0" } }, { name: "free", body: {} }];
  const rows = joined([{ name: "a", body: { tier: "t" } }, { name: "b", body: { tier: "free" } }], [{ ...connected, state: { version: "0.1.0" } }], tiers);
  expect(rows.map((row) => row.wanted)).toEqual(["0.2.0", ""]);
});

test("a gateway that never came is in the list", () => {
  const rows = joined([{ name: "a", body: { tier: "t" } }, { name: "b", body: { tier: "t" } }], [connected]);
  expect(rows.map((row) => [row.name, row.health])).toEqual([["a", "connected"], ["b", "never"]]);
});
