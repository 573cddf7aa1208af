import { expect, test } from "vitest";
import { asBasalt, asCurl, asResource } from "./copy-as";

const write = { method: "PUT", path: "/api/v1/networks/n/apns/internet", body: { purpose: "it's" }, resource: { kind: "apns", name: "internet", network: "n" } };

test("a write becomes a line for a shell, with the key in the environment", () => {
  expect(asCurl(write, "http://core")).toBe(
    `curl -X PUT 'http://core/api/v1/networks/n/apns/internet' \\\n  -H "Authorization: Bearer $BASALT_API_KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d '{"purpose":"it'\\''s"}'`,
  );
});

test("and a resource for tools that keep files", () => {
  expect(JSON.parse(asResource(write))).toEqual({ resource: { basalt_apn: { internet: { network: "n", name: "internet", purpose: "it's" } } } });
});

test("and a document for the command of this project, where it is an object", () => {
  const line = asBasalt(write) ?? "";
  expect(line.startsWith("basalt apply -f - <<'END'\n")).toBe(true);
  expect(JSON.parse(line.split("\n").slice(1, -1).join("\n"))).toEqual({ kind: "apn", name: "internet", network: "n", body: { purpose: "it's" } });
  expect(asBasalt({ ...write, method: "DELETE" })).toBe("basalt delete apn 'internet' --network 'n'");
  expect(asBasalt({ method: "POST", path: "/x", body: {} })).toBeUndefined();
});

test("a file is named, not written into the line", () => {
  const line = asCurl({ method: "POST", path: "/api/v1/networks/n/subscribers/import", file: { name: "sims.csv", form: "text/csv" } }, "http://core");
  expect(line).toContain("-H 'Content-Type: text/csv'");
  expect(line.endsWith("--data-binary @'sims.csv'")).toBe(true);
});
