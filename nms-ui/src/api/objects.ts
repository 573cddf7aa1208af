// Configured objects: read whole collections, write one with the revision that it was read at.
import { useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { request } from "./client";
import type { components, paths } from "./generated/schema";
import { sharedObjects } from "./sharing";

type Path<C extends string> = `/api/v1/networks/{network}/${C}/{name}`;
type CollectionOf<P> = P extends Path<infer C> ? (paths[P & keyof paths] extends { put: object } ? C : never) : never;

/** Collections of a network that have names, versions and entity tags. */
export type Collection = CollectionOf<keyof paths>;
export type Schemas = components["schemas"];

type ReadOf<C extends Collection> = paths[Path<C>] extends {
  get: { responses: { 200: { content: { "application/json": infer Body } } } };
}
  ? Body
  : never;

/** An object as the orchestrator shows it. */
export type Stored<C extends Collection> = ReadOf<C>;

/** An object of whatever kind, for editors. */
export interface AnyObject {
  name: string;
  revision?: number;
  changed_at?: number;
  changed_by?: string;
  has_secrets?: boolean;
  body?: Record<string, unknown>;
}

export type Version = Omit<Schemas["Version"], "before" | "after"> & {
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
};

/** The address of a collection: of a network, or of the installation. */
export function collectionPath(network: string | null, collection: string): string {
  return network === null ? `/api/v1/${collection}` : `/api/v1/networks/${encodeURIComponent(network)}/${collection}`;
}

/** The address of an object. */
export function objectPath(network: string | null, collection: string, name: string): string {
  return `${collectionPath(network, collection)}/${encodeURIComponent(name)}`;
}

export const keyOf = (network: string | null, collection: string) => ["objects", network, collection] as const;

interface PageOf {
  items: AnyObject[];
  next_cursor?: string | null;
}

const PAGE = 1000;
/** Objects that the console takes at most; more are not for eyes. */
const MOST = 250_000;

/** Reads page after page, and tells what is there after each. */
async function readAll(
  network: string | null,
  collection: string,
  signal: AbortSignal,
  told: (sofar: AnyObject[]) => void,
): Promise<AnyObject[]> {
  const all: AnyObject[] = [];
  let cursor: string | null | undefined;
  do {
    signal.throwIfAborted();
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (cursor) query.set("cursor", cursor);
    const page = (await request("GET", `${collectionPath(network, collection)}?${query}`)).body as PageOf;
    for (const item of page.items) all.push(item);
    cursor = page.next_cursor;
    if (cursor) told(all.slice());
  } while (cursor && all.length < MOST);
  return all;
}

/** A whole collection; pages show as they come. */
export function useObjects<C extends Collection>(network: string, collection: C) {
  const client = useQueryClient();
  const key = keyOf(network, collection);
  return useQuery({
    queryKey: key,
    queryFn: async ({ signal }) => {
      const first = client.getQueryData(key) === undefined;
      const told = (sofar: AnyObject[]) => first && client.setQueryData(key, sofar);
      return (await readAll(network, collection, signal, told)) as Stored<C>[];
    },
    structuralSharing: sharedObjects,
    staleTime: 30_000,
  });
}

/** Objects of the installation: tenants. */
export function useGlobals(collection: string) {
  return useQuery({
    queryKey: keyOf(null, collection),
    queryFn: ({ signal }) => readAll(null, collection, signal, () => undefined),
    structuralSharing: sharedObjects,
    staleTime: 30_000,
  });
}

export function useObject<C extends Collection>(network: string, collection: C, name: string) {
  return useQuery({
    queryKey: [...keyOf(network, collection), name],
    queryFn: async () => (await request("GET", objectPath(network, collection, name))).body as Stored<C>,
  });
}

/** Puts an object; with `revision` only over that one, without only where there is none. */
export async function put(path: string, body: unknown, revision?: number): Promise<AnyObject> {
  const condition: Record<string, string> = revision === undefined ? { "if-none-match": "*" } : { "if-match": `"${revision}"` };
  const headers = { "content-type": "application/json", ...condition };
  return (await request("PUT", path, JSON.stringify(body), headers)).body as AnyObject;
}

/** Changes fields (RFC 7396). */
export async function patch(path: string, change: unknown, revision?: number): Promise<AnyObject> {
  const condition: Record<string, string> = revision === undefined ? {} : { "if-match": `"${revision}"` };
  const headers = { "content-type": "application/merge-patch+json", ...condition };
  return (await request("PATCH", path, JSON.stringify(change), headers)).body as AnyObject;
}

export async function remove(path: string, revision?: number): Promise<void> {
  await request("DELETE", path, undefined, revision === undefined ? {} : { "if-match": `"${revision}"` });
}

export async function rollBack(path: string, to: number, revision?: number): Promise<AnyObject> {
  const condition: Record<string, string> = revision === undefined ? {} : { "if-match": `"${revision}"` };
  const headers = { "content-type": "application/json", ...condition };
  return (await request("POST", `${path}/rollback`, JSON.stringify({ revision: to }), headers)).body as AnyObject;
}

/** Writes what was stored into the collection that is shown, without reading 100,000 others again. */
export function learn(client: QueryClient, network: string | null, collection: string, stored: AnyObject): void {
  client.setQueryData<AnyObject[]>(keyOf(network, collection), (all) => {
    if (!all) return all;
    const place = all.findIndex((it) => it.name === stored.name);
    return place < 0 ? [...all, stored].sort((a, b) => (a.name < b.name ? -1 : 1)) : all.with(place, stored);
  });
  client.setQueryData([...keyOf(network, collection), stored.name], stored);
  void client.invalidateQueries({ queryKey: ["versions", network, collection, stored.name] });
}

/** Takes what was deleted out of the collection that is shown. */
export function forget(client: QueryClient, network: string | null, collection: string, name: string): void {
  client.setQueryData<AnyObject[]>(keyOf(network, collection), (all) => all?.filter((it) => it.name !== name));
  client.removeQueries({ queryKey: [...keyOf(network, collection), name] });
}

/** Writes what was told of objects of a kind into what was read of them. */
export function learnAll(client: QueryClient, network: string | null, collection: string, told: { name: string; object: AnyObject | null }[]): void {
  const news = new Map(told.map((it) => [it.name, it.object]));
  client.setQueryData<AnyObject[]>(keyOf(network, collection), (all) => {
    if (!all) return all;
    const left = new Map(news);
    const after = all.flatMap((it) => {
      const found = left.get(it.name);
      if (found === undefined) return [it];
      left.delete(it.name);
      return found === null || (found.revision ?? 0) < (it.revision ?? 0) ? (found === null ? [] : [it]) : [found];
    });
    const fresh = [...left.values()].filter((it) => it !== null);
    return fresh.length === 0 ? after : [...after, ...fresh].sort((a, b) => (a.name < b.name ? -1 : 1));
  });
  for (const [name, object] of news) {
    const key = [...keyOf(network, collection), name];
    if (object !== null && client.getQueryData(key) !== undefined) client.setQueryData(key, object);
  }
}
