import { expect, test } from "vitest";
import { counted, rates, verdicts, type Hop } from "./hops";

const line = (at: number, down: number, up: number) => JSON.stringify({ at, state: "connected", sessions: [{ uplink_bytes: up, downlink_bytes: down }] });
const hop = (packets: number): Hop => ({ packets, octets: packets * 100, reasons: {} });

test("lines become rates; a line that is cut off and counters that begin anew make none", () => {
  const text = `${line(1000, 0, 0)}\n${line(2000, 1_250_000, 125_000)}\n${line(4000, 1_250_000, 0)}\n{"at":50`;
  const read = counted(text);
  expect(read.length).toBe(3);
  expect(rates(read)).toEqual([
    [2, 4],
    [10_000_000, 0],
    [1_000_000, 0],
  ]);
});

test("the place where packets stop is named", () => {
  expect(verdicts({})).toEqual(["nothing"]);
  expect(verdicts({ "radio-in": hop(3), "internet-out": hop(3), "internet-in": hop(2), "radio-out": hop(2) })).toEqual(["flows"]);
  expect(verdicts({ "radio-in": hop(3), "internet-out": hop(3) })).toEqual(["noAnswer"]);
  expect(verdicts({ "radio-in": hop(3), "uplink-dropped": hop(3) })).toEqual(["uplinkStops"]);
  expect(verdicts({ "internet-in": hop(3), "radio-out": hop(3) })).toEqual(["noRadio"]);
  expect(verdicts({ "internet-in": hop(3), "downlink-dropped": hop(3) })).toEqual(["downlinkStops"]);
});
