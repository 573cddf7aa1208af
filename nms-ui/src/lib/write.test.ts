import { expect, test } from "vitest";
import { asBasalt, asCurl, asResource } from "./write";

const write = { method: "PUT", path: "/api/v1/networks/n/apns/internet", body: { purpose: "it's" }, resource: { kind: "apns", name: "internet", network: "n" } };
const documents = (line: string) => JSON.parse(line.split("\n").slice(1, -1).join("\n")) as unknown;

test("a write becomes a line for a shell, with the key in the environment", () => {
  expect(asCurl(write, "http://core")).toBe(
    `curl -X PUT 'http://core/api/v1/networks/n/apns/internet' \\\n  -H "Authorization: Bearer $BASALT_API_KEY" \\\n  -H 'Content-Type: application/json' \\\n  -d '{"purpose":"it'\\''s"}'`,
  );
});

test("and a resource for tools that keep files", () => {
  expect(JSON.parse(asResource(write))).toEqual({ resource: { basalt_apn: { internet: { network: "n", name: "internet", purpose: "it's" } } } });
  expect(JSON.parse(asResource({ method: "POST", path: "/api/v1/backups", body: { recipients: [] } }))).toEqual({ resource: { basalt_backup: { it: { name: "it", recipients: [] } } } });
});

test("and a document for the command of this project, where it is an object", () => {
  const line = asBasalt(write);
  expect(line.startsWith("basalt apply -f - <<'END'\n")).toBe(true);
  expect(documents(line)).toEqual({ kind: "apn", name: "internet", network: "n", body: { purpose: "it's" } });
  expect(asBasalt({ ...write, method: "DELETE" })).toBe("basalt delete apn 'internet' --network 'n'");
});

test("and any request, where the command has no words of its own", () => {
  expect(asBasalt({ method: "POST", path: "/api/v1/backups", body: {} })).toBe("basalt request POST '/api/v1/backups' -f - <<'END'\n{}\nEND");
  const user = { method: "DELETE", path: "/api/v1/users/ann", resource: { kind: "users", name: "ann", network: null } };
  expect(asBasalt(user)).toBe("basalt request DELETE '/api/v1/users/ann'");
  expect(asBasalt({ method: "POST", path: "/a", file: { name: "sims.csv", form: "text/csv" } })).toBe("basalt request POST '/a' -f 'sims.csv' --type 'text/csv'");
  const lines = { method: "POST", path: "/a", text: { octets: "{}\n{}\n", form: "application/x-ndjson" }, then: [user] };
  expect(asBasalt(lines)).toBe("basalt request POST '/a' -f - --type 'application/x-ndjson' <<'END'\n{}\n{}\nEND\nbasalt request DELETE '/api/v1/users/ann'");
});

test("what a change leaves of several objects stands in one file", () => {
  const leaves = ["1", "2"].map((name) => ({ kind: "subscribers", name, network: "n", body: { state: "INACTIVE" } }));
  const many = { method: "POST", path: "/api/v1/networks/n/subscribers/import", text: { octets: "{}\n{}", form: "application/x-ndjson" }, leaves };
  expect(documents(asBasalt(many))).toEqual(["1", "2"].map((name) => ({ kind: "subscriber", name, network: "n", body: { state: "INACTIVE" } })));
  expect(Object.keys(JSON.parse(asResource(many)).resource.basalt_subscriber as object)).toEqual(["1", "2"]);
  expect(asCurl(many, "")).toContain("--data-binary '{}\n{}'");
});

test("a file is named, not written into the line", () => {
  const line = asCurl({ method: "POST", path: "/api/v1/networks/n/subscribers/import", file: { name: "sims.csv", form: "text/csv" } }, "http://core");
  expect(line).toContain("-H 'Content-Type: text/csv'");
  expect(line.endsWith("--data-binary @'sims.csv'")).toBe(true);
});
