import { expect, test } from "vitest";
import type { GatewayEvent } from "@/api/answers";
import { refusedStations } from "./refusals";

const event = (id: number, kind: string, text: string, gateway = "hill"): GatewayEvent => ({ id, at: id * 1000, gateway, kind, text, imsi: "", alarm: false, facts: {} }) as GatewayEvent;
const WHY = "it broadcasts 001-02, this gateway serves 001-01: set the same network on both";

test("a refused base station stands once, with the last time, how often, and the gateway's words", () => {
  const all = [event(1, "enb-refused", `base station 001-02/0x19b from 10.0.0.9:36412 refused: ${WHY}`), event(5, "enb-refused", `base station 001-02/0x19b from 10.0.0.9:36412 refused: ${WHY}`), event(3, "attached", "attached")];
  expect(refusedStations(all)).toEqual([{ id: "001-02/0x19b", gateway: "hill", reason: WHY, at: 5000, times: 2 }]);
});

test("one that was set up since is none any more; at another gateway it still is", () => {
  const refused = (id: number, gateway: string) => event(id, "enb-refused", `base station 001-01/0x65 refused: ${WHY}`, gateway);
  const all = [refused(1, "hill"), event(2, "enb-connected", "base station 001-01/0x65 (Hill north) set up S1"), refused(3, "mill")];
  expect(refusedStations(all).map((it) => it.gateway)).toEqual(["mill"]);
});
