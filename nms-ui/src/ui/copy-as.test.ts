import { expect, test } from "vitest";
import { asCurl, asResource } from "./copy-as";

const write = { method: "PUT", path: "/api/v1/networks/n/apns/internet", body: { purpose: "it's" }, resource: { kind: "apns", name: "internet", network: "n" } };

test("a write becomes a line for a shell, with the key in the environment", () => {
  expect(asCurl(write, "http://core")).toBe(
    `curl -X PUT 'http://core/api/v1/networks/n/apns/internet' \\\n  -H "Authorization: Bearer $BASALT_API_KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d '{"purpose":"it'\\''s"}'`,
  );
});

test("and a resource for tools that keep files", () => {
  expect(JSON.parse(asResource(write))).toEqual({ resource: { basalt_apn: { internet: { network: "n", name: "internet", purpose: "it's" } } } });
});
