// A write of the console in the words of others: for a shell, for the `basalt` command, for tools that keep resources in files.

/** An object as it is to be. */
export interface Wanted {
  /** Its collection. */
  kind: string;
  name: string;
  /** Nothing for what is of the whole installation. */
  network: string | null;
  body: Record<string, unknown>;
}

/** A write, as others would make it. */
export interface Write {
  method: string;
  path: string;
  body?: unknown;
  /** What is sent as it is, and its media type. */
  text?: { octets: string; form: string };
  /** A file that is sent as it is: its name and media type. */
  file?: { name: string; form: string };
  /** The words of the `basalt` command, where it has its own for this. */
  basalt?: string;
  /** Objects that it leaves as said here, where that is not told by path and body. */
  leaves?: Wanted[];
  /** What it is, for tools that keep resources. */
  resource?: { kind: string; name: string; network: string | null };
  /** What is written after it. */
  then?: Write[];
}

export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** For a shell; the key stands in the environment, never in the line. */
export function asCurl(write: Write, origin: string): string {
  const parts = [`curl -X ${write.method} ${quoted(origin + write.path)}`, `-H "Authorization: Bearer $BASALT_API_KEY"`];
  const sent = (form: string, data: string) => parts.push(`-H ${quoted(`Content-Type: ${form}`)}`, data);
  if (write.file) sent(write.file.form, `--data-binary @${quoted(write.file.name)}`);
  else if (write.text) sent(write.text.form, `--data-binary ${quoted(write.text.octets)}`);
  else if (write.body !== undefined) sent(write.method === "PATCH" ? "application/merge-patch+json" : "application/json", `-d ${quoted(JSON.stringify(write.body))}`);
  return [parts.join(" \\\n  "), ...(write.then ?? []).map((it) => asCurl(it, origin))].join("\n");
}

/** Kinds that `basalt apply` knows besides those of a network: all others of the installation have no documents. */
const OF_INSTALLATION = ["tenants", "networks"];

/** What objects are like afterwards, where the write is of objects. */
function left(write: Write): Wanted[] {
  if (write.leaves) return write.leaves;
  if (write.method !== "PUT" || !write.resource || !isObject(write.resource)) return [];
  return [{ ...write.resource, body: record(write.body) }];
}

function isObject({ kind, network }: { kind: string; network: string | null }): boolean {
  return network !== null || OF_INSTALLATION.includes(kind);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** `apn` of `apns`: what the command calls a kind. */
export const singular = (kind: string) => kind.replace(/s$/, "");

/** For the `basalt` command: its own words for this, or else those for any request. */
export function asBasalt(write: Write): string {
  if (write.basalt) return write.basalt;
  const { resource } = write;
  if (write.method === "DELETE" && resource && isObject(resource)) return `basalt delete ${singular(resource.kind)} ${quoted(resource.name)}${ofNetwork(resource.network)}`;
  const objects = left(write);
  return objects.length === 0 ? asRequest(write) : `basalt apply -f - <<'END'\n${documents(objects)}\nEND`;
}

function asRequest(write: Write): string {
  const head = `basalt request ${write.method} ${quoted(write.path)}`;
  const sent = () => {
    if (write.file) return ` -f ${quoted(write.file.name)} --type ${quoted(write.file.form)}`;
    if (write.text) return ` -f - --type ${quoted(write.text.form)} <<'END'\n${write.text.octets.replace(/\n$/, "")}\nEND`;
    return write.body === undefined ? "" : ` -f - <<'END'\n${JSON.stringify(write.body, null, 2)}\nEND`;
  };
  return [head + sent(), ...(write.then ?? []).map(asRequest)].join("\n");
}

/** Objects as the command reads them. */
export function documents(objects: Wanted[]): string {
  const all = objects.map(({ kind, name, network, body }) => ({ kind: singular(kind), name, ...(network === null ? {} : { network }), body }));
  return JSON.stringify(all.length === 1 ? all[0] : all, null, 2);
}

/** The network of a command, for a shell. */
export function ofNetwork(network: string | null): string {
  return network === null ? "" : ` --network ${quoted(network)}`;
}

/** As tools that keep infrastructure in files want it. */
export function asResource(write: Write): string {
  const objects = left(write);
  const { kind, name, network } = write.resource ?? { kind: collectionOf(write.path), name: "it", network: null };
  const all = objects.length > 0 ? objects : [{ kind, name, network, body: record(write.body) }];
  const resource: Record<string, Record<string, unknown>> = {};
  for (const it of all) {
    const type = `basalt_${singular(it.kind).replaceAll("-", "_")}`;
    resource[type] = { ...resource[type], [it.name]: { ...(it.network === null ? {} : { network: it.network }), name: it.name, ...it.body } };
  }
  return JSON.stringify({ resource }, null, 2);
}

/** `backups` of `/api/v1/backups`. */
function collectionOf(path: string): string {
  return path.split("/").at(-1) ?? "requests";
}
