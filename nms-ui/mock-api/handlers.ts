// What the orchestrator would answer. Error paths are reached by what is sent, as with the real one: a name `fails` answers 503,
// an old entity tag 412, a row without IMSI 422.
import type { ConfigRolloutRequest } from "@/api/config-rollouts";
import type { TraceRequest } from "@/api/traces";
import type { AnyObject, Schemas } from "@/api/objects";
import { differences } from "@/lib/diff";
import { fromCsv } from "@/lib/csv";
import { alarmRules, alarmsOf, previewOf, sentTo } from "./alarms";
import { running } from "./commands";
import { federationGateways } from "./federation";
import { historyOf, kpisOf } from "./history";
import { eventsOf, sumsOf, usageOf } from "./telemetry";
import { watched } from "./watch";
import type { World } from "./world";

interface Call {
  world: World;
  method: string;
  parts: string[];
  query: URLSearchParams;
  headers: Headers;
  text: string;
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  const form = status >= 400 ? "application/problem+json" : "application/json";
  return new Response(JSON.stringify(body), { status, headers: { "content-type": form, ...headers } });
}

function problem(status: number, kind: string, detail: string, more: object = {}): Response {
  return json(status, { type: `urn:basalt:problem:${kind}`, status, detail, ...more });
}

const nothing = () => new Response(null, { status: 204 });
const notFound = () => problem(404, "not-found", "there is no such thing, or not for you");
const items = (all: unknown[]) => json(200, { items: all, next_cursor: null });

/** The answer to a request. */
export async function answer(world: World, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const parts = url.pathname.replace("/api/v1/", "").split("/").map(decodeURIComponent);
  const text = request.method === "GET" ? "" : await request.text();
  const call: Call = { world, method: request.method, parts, query: url.searchParams, headers: request.headers, text };
  const open = { sessions: call.method === "POST", setup: true, "openapi.json": true, login: true } as Record<string, boolean>;
  if (!world.session && !open[parts[0] ?? ""]) return problem(401, "unauthenticated", "a valid token is needed");
  const good = await route(call);
  if (call.method !== "GET" && parts[0] === "networks") {
    world.audit.unshift({ id: 2000 + world.id(), at: Date.now(), who: world.session ?? "", network: parts[1] ?? "", action: call.method, target: url.pathname, outcome: good.status });
  }
  return good;
}

function route(call: Call): Response | Promise<Response> {
  const [first, second, third] = call.parts;
  switch (first) {
    case "openapi.json":
      return document();
    case "setup":
      return call.text.includes('"token":"good') ? json(201, { name: "ann" }) : problem(403, "setup-token-used", "the setup token is wrong, was used or has expired");
    case "login":
      return second === "options" ? json(200, { password: true, providers: [{ name: "company", title: "Company", href: "/api/v1/login/oidc/company" }] }) : notFound();
    case "sessions":
      return sessions(call);
    case "me":
      return second ? password(call) : json(200, { name: call.world.session, grants: call.world.users.find((it) => it["name"] === call.world.session)?.["grants"] ?? [{ role: "admin", scope: "everything" }], csrf_token: "made-up", tenant: null, limit: null, grafana: "https://grafana.example.net/d/basalt" });
    case "users":
      return users(call);
    case "api-keys":
      return keys(call);
    case "audit":
      return items(call.world.audit);
    case "releases":
      return releases(call);
    case "backups":
      return new Response(new Blob(["age-encryption.org/v1 made up"]), { headers: { "content-type": "application/octet-stream" } });
    case "alarm-rules":
      return items(alarmRules());
    case "tenants":
      return objects(call, "", "tenants", call.parts.slice(1));
    case "networks":
      return third === undefined || third === "versions" || third === "rollback" ? objects(call, "", "networks", call.parts.slice(1)) : inNetwork(call, second ?? "", third);
    default:
      return notFound();
  }
}

async function document(): Promise<Response> {
  return json(200, (await import("../../openapi/orchestrator.json")).default);
}

function sessions(call: Call): Response {
  const { world, method, parts } = call;
  if (method === "GET") return items([{ id: "s1", title: "Chromium on Linux", created_at: world.began, expires_at: world.began + 43_200_000, current: true }, ...world.elsewhere]);
  if (method === "DELETE") {
    const at = world.elsewhere.findIndex((it) => it.id === parts[1]);
    if (at >= 0) world.elsewhere.splice(at, 1);
    else world.session = null;
    return nothing();
  }
  const told = JSON.parse(call.text) as { name: string; password: string };
  if (told.password !== "correct horse battery") return problem(401, "login-failed", "name or password is wrong");
  world.session = told.name;
  return json(201, { csrf_token: "made-up", expires_at: Date.now() + 43_200_000, name: told.name });
}

/** A new password of one's own ends the other sessions. */
function password({ world, text }: Call): Response {
  if (!text.includes('"current":"correct horse battery"')) return problem(401, "login-failed", "name or password is wrong");
  world.elsewhere.length = 0;
  return nothing();
}

function users({ world, method, parts, text }: Call): Response {
  if (method === "GET") return items(world.users);
  const at = world.users.findIndex((it) => it["name"] === parts[1]);
  if (method === "DELETE") {
    world.users.splice(at, 1);
    return nothing();
  }
  const { grants } = JSON.parse(text) as { grants: unknown };
  const user = { name: parts[1], grants, locked_until: 0, created_at: Date.now() };
  if (at < 0) world.users.push(user);
  else world.users[at] = user;
  return json(at < 0 ? 201 : 200, user);
}

function keys({ world, method, parts, text }: Call): Response {
  if (method === "GET") return items(world.keys);
  if (method === "DELETE") {
    world.keys.splice(0, world.keys.length, ...world.keys.filter((it) => it["id"] !== parts[1]));
    return nothing();
  }
  const told = JSON.parse(text) as { title: string; grants: unknown; days: number };
  if (!(told.days >= 1 && told.days <= 366)) return problem(422, "invalid-document", "1 field(s) are wrong", { errors: [{ path: "/days", what: "is out of range", allowed: "1 to 366" }] });
  const key = { id: `k${world.id()}`, title: told.title, grants: told.grants, created_at: Date.now(), expires_at: Date.now() + told.days * 86_400_000 };
  world.keys.push(key);
  return json(201, { ...key, token: "bst_made-up-token-shown-once" });
}

function inNetwork(call: Call, network: string, what: string): Response {
  const { world, method, parts, query } = call;
  const [, , , name, more] = parts;
  if (!world.collection("", "networks").has(network)) return notFound();
  if (name === "fails") return problem(503, "database-unavailable", "the database cannot be used now; nothing was changed");
  switch (what) {
    case "overview":
      return overview(world);
    case "watch":
      return watched(world);
    case "alarms":
      return items(alarmsOf(world));
    case "alert-rules":
      if (name !== "preview") break;
      return call.text.includes('"expression":""') ? problem(422, "invalid-document", "1 field(s) are wrong", { errors: [{ path: "/expression", what: "is no expression", allowed: "PromQL over what gateways told last" }] }) : json(200, previewOf(JSON.parse(call.text) as Record<string, unknown>));
    case "alert-receivers":
      if (more === "deliveries") return items(sentTo(world, name ?? ""));
      if (more !== "test") break;
      world.tests.push({ receiver: name ?? "", at: Date.now() });
      return json(202, sentTo(world, name ?? "")[0]);
    case "rollouts":
      return rollouts(call);
    case "config-rollouts":
      return staged(call);
    case "traces":
      return traces(call);
    case "kpis":
      return json(200, kpisOf(world, query));
    case "history":
      return json(200, historyOf(world, query));
    case "phones": {
      const imsi = query.get("imsi") ?? "";
      const address = query.get("address");
      return listed(call, world.phones().filter((it) => it.imsi.startsWith(imsi) && (!address || it.addresses.includes(address))));
    }
    case "base-stations":
      return listed(call, stationsOf(world));
    case "events":
      return items(eventsOf(world, query));
    case "usage":
      return items(name === "sums" ? sumsOf(world, query) : usageOf(query));
    case "audit":
      return items(world.audit.filter((it) => it.network === network));
    case "gateway-states":
      return listed(call, [...world.states(), ...federationGateways(world)]);
    case "gateway-tokens":
      return tokens(call);
    case "commands": {
      const found = world.commands.find((it) => it["id"] === name);
      return found ? json(200, running(found)) : notFound();
    }
  }
  if (what === "gateways" && more && !["versions", "rollback"].includes(more)) return ofGateway(call, name ?? "", more);
  if (what === "subscribers" || method) return objects(call, network, what, parts.slice(3));
  return notFound();
}

/** Base stations that gateways see, with the configured one whose cell is theirs. */
function stationsOf(world: World): unknown[] {
  const configured = [...world.collection("demo", "enodebs").values()];
  return world.states().flatMap((state) =>
    (state.state?.enbs ?? []).map((enb) => {
      const id = Number.parseInt(String(enb.id).split("/")[1] ?? "", 16);
      const known = configured.find((it) => it.body?.["gateway"] === state.gateway && Number(it.body["cell_id"]) >> 8 === id);
      return { ...enb, gateway: state.gateway, gateway_connected: state.connected, enodeb: known?.name ?? null, title: null };
    }),
  );
}

function rollouts({ world, method, parts, text }: Call): Response {
  if (method === "GET") return items(world.upgrades.rollouts());
  const told = JSON.parse(text) as Schemas["RolloutPlan"] & Schemas["RolloutActRequest"];
  if (parts[4] !== "act") return json(201, world.upgrades.start(told));
  const found = world.upgrades.act(parts[3] ?? "", told.act);
  return found ? json(200, found) : notFound();
}

function staged({ world, method, parts, text }: Call): Response {
  const [, , , id, more] = parts;
  if (method === "GET") return id === undefined ? items(world.staged.list()) : json(200, world.staged.find(id) ?? null);
  if (more === "act") {
    const found = world.staged.act(id ?? "", (JSON.parse(text) as Schemas["RolloutActRequest"]).act);
    return found ? json(200, found) : notFound();
  }
  const wanted = JSON.parse(text) as ConfigRolloutRequest;
  const faults = wanted.changes.flatMap((it, at) => check(it.kind, (it.body ?? {}) as Record<string, unknown>).map((fault) => ({ ...fault, path: `/changes/${at}/body${fault.path}` })));
  if (faults.length > 0) return problem(422, "invalid-document", `${faults.length} field(s) are wrong`, { errors: faults });
  const made = world.staged.start(wanted);
  return typeof made === "string" ? problem(409, "conflict", `a staged change of ${made} goes on`) : json(201, made);
}

function traces({ world, method, parts, text }: Call): Response {
  const [, , , id, more] = parts;
  if (id === undefined) return method === "GET" ? items(world.traces.list()) : json(201, world.traces.start(JSON.parse(text) as TraceRequest));
  const found = world.traces.find(id);
  if (!found) return notFound();
  if (method === "DELETE") {
    world.traces.remove(id);
    return nothing();
  }
  if (more === "ladder") return json(200, world.traces.ladder(found));
  return more === "pcapng" ? new Response(new Blob(["\n\r\r\n"]), { headers: { "content-type": "application/x-pcapng" } }) : json(200, found);
}

function releases({ world, method, parts, text, query }: Call): Response {
  const all = world.upgrades.releases;
  if (method === "GET") return items(all);
  if (method === "POST") return json(201, world.upgrades.add(JSON.parse(text) as Schemas["ReleaseRequest"]));
  const at = all.findIndex((it) => it.name === parts[1]);
  const found = all[at];
  if (!found) return notFound();
  if (method === "DELETE") {
    all.splice(at, 1);
    return nothing();
  }
  found.received = Math.min(Number(query.get("place")) + text.length, found.size);
  found.complete = found.received >= found.size;
  return json(200, found);
}

function overview(world: World): Response {
  const states = world.states();
  const live = states.filter((it) => it.connected);
  const phones = world.phones();
  return json(200, {
    at: Date.now(),
    gateways: { total: world.size.gateways, connected: live.length },
    base_stations: { configured: 1, connected: live.reduce((sum, it) => sum + (it.state?.enbs?.length ?? 0), 0) },
    subscribers: world.collection("demo", "subscribers").size,
    registered_phones: phones.length,
    connected_phones: phones.filter((it) => it.state === "connected").length,
    sessions: phones.length,
    alarms_24h: 2,
    changes_24h: 5,
    usage_last_hour: { key: "demo", uplink_bytes: 1_840_000_000, downlink_bytes: 21_700_000_000, uplink_packets: 3_000_000, downlink_packets: 17_000_000 },
  });
}

function tokens({ world, method, parts, text }: Call): Response {
  if (method === "GET") return items(world.tokens);
  if (method === "DELETE") {
    world.tokens.splice(0, world.tokens.length, ...world.tokens.filter((it) => it["id"] !== parts[3]));
    return nothing();
  }
  const told = JSON.parse(text) as { tier: string; gateway: string | null };
  const token = { id: `t${world.id()}`, tier: told.tier, gateway: told.gateway, created_by: world.session, created_at: Date.now(), expires_at: Date.now() + 86_400_000, used: null };
  world.tokens.push(token);
  const secret = "bgt1.core.valley.example:8481.4b5f0c21d7a94e6fb1f0f3a5f2f64f0e9f1b8a3c5d7e9f1a3b5c7d9e1f3a5b7c.made-up";
  return json(201, { ...token, token: secret, command: `basalt gateway join ${secret}` });
}

function ofGateway(call: Call, name: string, what: string): Response {
  const { world, method, text } = call;
  const state = world.states().find((it) => it.gateway === name);
  switch (what) {
    case "status":
      return world.collection("demo", "gateways").has(name) ? json(200, state ?? { gateway: name, connected: false }) : notFound();
    case "metrics": {
      const seconds = Math.floor(Date.now() / 2000) * 2;
      const wave = (size: number, length: number) => Math.round(size * (1.2 + Math.sin(seconds / length)));
      return json(200, { at: seconds * 1000, values: { "basalt_ues{state=\"connected\"}": wave(8, 21), "basalt_ues{state=\"idle\"}": wave(14, 34), basalt_uplink_packets_total: seconds % 100_000, "basalt_attach_seconds_sum": wave(3, 13), "basalt_drops_total{reason=\"rate\"}": wave(120, 55), basalt_sessions: wave(20, 47), basalt_enbs: 1 } });
    }
    case "certificates":
      return items([{ fingerprint: "9f1b8a3c5d7e9f1a3b5c7d9e1f3a5b7c4b5f0c21d7a94e6fb1f0f3a5f2f64f0e", issued_at: world.began - 86_400_000, expires_at: world.began + 2 * 86_400_000, revoked_at: null }]);
    case "revoke":
      return nothing();
    case "events":
      return items(eventsOf(world, new URLSearchParams({ gateway: name })));
    case "commands": {
      if (method === "GET") return items(world.commands.filter((it) => it["gateway"] === name).map(running));
      const told = JSON.parse(text) as { kind: string; arguments: { off?: boolean } };
      if (told.kind === "drain") world.drained[told.arguments.off ? "delete" : "add"](name);
      const command = { id: `c${world.id()}`, gateway: name, kind: told.kind, arguments: told.arguments, created_by: world.session, created_at: Date.now(), expires_at: Date.now() + 600_000, state: "queued", percent: 0, output: "", changed_at: Date.now() };
      world.commands.unshift(command);
      return json(201, command);
    }
    default:
      return notFound();
  }
}

function objects(call: Call, network: string, collection: string, rest: string[]): Response {
  const { world, method, headers, text } = call;
  const all = world.collection(network, collection);
  const [name, more] = rest;
  if (name === undefined) return listed(call, [...all.values()]);
  if (name === "import") return imported(call, all);
  const present = all.get(name);
  if (more === "versions") return items(versions(world, network, collection, present));
  if (method === "GET") return present ? json(200, present, { etag: `"${present.revision}"` }) : notFound();
  const wanted = headers.get("if-match");
  if (wanted && present && wanted !== `"${present.revision}"`) return problem(412, "changed-meanwhile", "somebody changed it meanwhile");
  if (headers.get("if-none-match") && present) return problem(412, "exists", `${name} exists`);
  if (method === "DELETE") {
    if (!present) return notFound();
    all.delete(name);
    return nothing();
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._:-]*$/.test(name)) return problem(422, "invalid-document", "1 field(s) are wrong", { errors: [{ path: "/name", what: "cannot be a name", allowed: "letters, digits, `.`, `_`, `:`, `-`" }] });
  const told = text ? (JSON.parse(text) as Record<string, unknown>) : {};
  const key = `${network}/${collection}/${name}`;
  const past = world.versions.get(key) ?? [];
  const body = more === "rollback" ? (past.find((it) => it.revision === told["revision"])?.after as Record<string, unknown>) : method === "PATCH" ? { ...present?.body, ...told } : told;
  if (!body) return notFound();
  const faults = check(collection, body);
  if (faults.length > 0) return problem(422, "invalid-document", `${faults.length} field(s) are wrong`, { errors: faults });
  const { keys: secret, ...shown } = body;
  const stored: AnyObject = { name, revision: world.id() + 10_000, changed_at: Date.now(), changed_by: world.session ?? "", has_secrets: Boolean(secret ?? present?.has_secrets), body: shown };
  all.set(name, stored);
  world.versions.set(key, [{ revision: stored.revision ?? 0, at: Date.now(), who: stored.changed_by ?? "", before: present?.body ?? null, after: shown }, ...past]);
  return json(present ? 200 : 201, stored, { etag: `"${stored.revision}"` });
}

function check(collection: string, body: Record<string, unknown>): { path: string; what: string; allowed: string }[] {
  const numbers = { apns: "qci", "tracking-areas": "tac", enodebs: "cell_id" } as Record<string, string>;
  const field = numbers[collection];
  const wrong = field !== undefined && typeof body[field] !== "number";
  return wrong ? [{ path: `/${field}`, what: "is no number", allowed: "a whole number" }] : [];
}

const PAGE = 1000;

/** A page of a list, as the orchestrator gives it. */
function listed({ query }: Call, all: unknown[]): Response {
  const from = Number(query.get("cursor") ?? 0);
  const limit = Math.min(Number(query.get("limit") ?? 100), PAGE);
  const next = from + limit < all.length ? String(from + limit) : null;
  return json(200, { items: all.slice(from, from + limit), next_cursor: next });
}

function versions(world: World, network: string, collection: string, present: AnyObject | undefined): unknown[] {
  const known = world.versions.get(`${network}/${collection}/${present?.name}`);
  const first = { revision: present?.revision ?? 1, at: present?.changed_at ?? 0, who: present?.changed_by ?? "", before: null, after: present?.body };
  return (known ?? [first]).map((it) => ({ ...it, secrets_changed: false, difference: differences(it.before ?? undefined, it.after) }));
}

function imported(call: Call, all: Map<string, AnyObject>): Response {
  const isCsv = call.headers.get("content-type")?.startsWith("text/csv");
  const rows = isCsv ? ofCsv(call.text) : call.text.split("\n").map((line, at) => ({ line: at + 1, ...(JSON.parse(line) as { name: string; body: Record<string, unknown> }) }));
  const wrong = rows.filter((row) => !/^\d{6,15}$/.test(row.name));
  if (wrong.length > 0) {
    const told = wrong.map((row) => ({ line: row.line, errors: [{ path: "/name", what: "is no IMSI", allowed: "6 to 15 digits" }] }));
    return problem(422, "invalid-rows", `${wrong.length} row(s) are wrong; nothing was imported`, { rows: told });
  }
  const created = rows.filter((row) => !all.has(row.name)).length;
  const dry = call.query.get("dry_run") === "true";
  if (!dry) {
    for (const { name, body } of rows) all.set(name, { name, revision: call.world.id() + 10_000, changed_at: Date.now(), changed_by: call.world.session ?? "", has_secrets: true, body });
  }
  return json(200, { rows: rows.length, created, replaced: rows.length - created, dry_run: dry });
}

function ofCsv(text: string): { line: number; name: string; body: Record<string, unknown> }[] {
  const [head = [], ...rows] = fromCsv(text);
  return rows.map((cells, at) => {
    const fields = Object.fromEntries(head.map((column, place) => [column, cells[place] ?? ""]));
    const { name = "", ...body } = fields;
    const shown = Object.entries(body).filter(([key, value]) => value !== "" && !key.startsWith("keys."));
    return { line: at + 2, name, body: Object.fromEntries(shown) };
  });
}
