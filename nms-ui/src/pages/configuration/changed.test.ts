import { expect, test } from "vitest";
import type { AuditEntry } from "@/api/answers";
import { changedObjects } from "./changed";

const line = (id: number, action: string, target: string, outcome = 200): AuditEntry => ({ id, at: id * 1000, who: `u${id}`, network: "n", action, target, outcome }) as AuditEntry;
const OF = "/api/v1/networks/n";

test("each object stands once, with who changed it last and how often", () => {
  const all = [line(9, "PUT", `${OF}/apns/internet`), line(7, "PATCH", `${OF}/apns/internet`), line(5, "DELETE", `${OF}/data-plans/old`, 204)];
  expect(changedObjects(all, "n")).toEqual([
    { key: "apns/internet", collection: "apns", name: "internet", at: 9000, who: "u9", changes: 2 },
    { key: "data-plans/old", collection: "data-plans", name: "old", at: 5000, who: "u5", changes: 1 },
  ]);
});

test("what was refused, only read, asked of gateways, or of another network is no change; going back is one", () => {
  const all = [line(1, "PUT", `${OF}/apns/internet`, 412), line(2, "GET", `${OF}/apns/internet`), line(3, "POST", `${OF}/gateways/hill/commands`, 201), line(4, "PUT", "/api/v1/networks/other/apns/internet"), line(5, "POST", `${OF}/apns/internet/rollback`)];
  expect(changedObjects(all, "n").map((it) => [it.key, it.at])).toEqual([["apns/internet", 5000]]);
});
