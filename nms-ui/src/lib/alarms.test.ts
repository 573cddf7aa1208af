import { expect, test } from "vitest";
import type { GatewayEvent } from "@/api/answers";
import type { Stored } from "@/api/objects";
import { told } from "./alarms";

const event = (id: number, gateway: string, at: number) => ({ id, gateway, at, kind: "security", alarm: true, imsi: "", text: "", facts: {} }) as unknown as GatewayEvent;
const silence = (body: object) => ({ name: "s", revision: 1, body }) as unknown as Stored<"silences">;

test("an alarm knows who looks after it and what silences it", () => {
  const seen = { name: "2", changed_by: "ann" } as unknown as Stored<"acknowledgements">;
  const alarms = told([event(1, "a", 15), event(2, "b", 15), event(3, "a", 20)], [seen], [silence({ gateway: "a", kind: "", from: 10, until: 20, comment: "" })]);
  expect(alarms.map((it) => [Boolean(it.acknowledged), Boolean(it.silence)])).toEqual([
    [false, true],
    [true, false],
    [false, false],
  ]);
});
