// Where two documents differ, as JSON pointers (RFC 6901).

export interface Difference {
  path: string;
  before?: unknown;
  after?: unknown;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The places where `after` is not what `before` was. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => {
      const pointer = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      return differences(before[key], after[key], pointer);
    });
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  return [{ path, before, after }];
}

/** A copy of a document with a value at a path of keys; `undefined` takes the key away. */
export function withValue(document: Record<string, unknown>, path: string[], value: unknown): Record<string, unknown> {
  const [first, ...rest] = path;
  if (first === undefined) return document;
  const copy = { ...document };
  const inner = isRecord(copy[first]) ? copy[first] : {};
  const next = rest.length > 0 ? withValue(inner, rest, value) : value;
  const empty = next === undefined || (rest.length > 0 && isRecord(next) && Object.keys(next).length === 0);
  if (empty) delete copy[first];
  else copy[first] = next;
  return copy;
}

export function valueAt(document: unknown, path: string[]): unknown {
  return path.reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), document);
}
