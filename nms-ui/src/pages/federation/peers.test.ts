import { expect, test } from "vitest";
import type { GatewayState } from "@/api/answers";
import { peersOf, quantile, realmOf, results, routes } from "./peers";

const state = (gateway: string, peers: object[]) => ({ gateway, connected: true, state: { role: "federation", peers } }) as unknown as GatewayState;

test("a time is the bound of the bucket that reaches the share", () => {
  const peer = { latency_bounds_us: [1000, 5000, 20_000], latency_counts: [50, 45, 4, 1] };
  expect(quantile(peer, 0.5)).toBe(1000);
  expect(quantile(peer, 0.95)).toBe(5000);
  expect(quantile(peer, 1)).toBeUndefined();
  expect(quantile({ latency_bounds_us: [1], latency_counts: [0, 0] }, 0.5)).toBeUndefined();
});

test("results are ordered, and known by their class", () => {
  expect(results({ results: { "5001": 2, "2001": 90, "10415/5004": 1 } })).toEqual([
    { code: "2001", count: 90, isGood: true },
    { code: "5001", count: 2, isGood: false },
    { code: "10415/5004", count: 1, isGood: false },
  ]);
});

test("a network's way is by its realm, else by who serves all others", () => {
  const peers = peersOf([state("feg1", [{ host: "hss.a", up: true, realms: ["epc.mnc001.mcc001.3gppnetwork.org"] }, { host: "dra", up: false, realms: ["*"] }])]);
  const federations = [{ name: "partner", body: { gateways: [{ gateway: "feg1" }], networks: [{ plmn: "001-01" }, { plmn: "262-001", realm: "b.example" }] } }];
  const found = routes(federations, peers).map((it) => [it.plmn, it.realm, it.peers.map((peer) => peer.host)]);
  expect(found).toEqual([
    ["001-01", "epc.mnc001.mcc001.3gppnetwork.org", ["hss.a"]],
    ["262-001", "b.example", ["dra"]],
  ]);
  expect(realmOf("262-01")).toBe("epc.mnc001.mcc262.3gppnetwork.org");
});
