// What changes in a network, told by the orchestrator as it happens (server-sent events) and written into what pages have read.
// Where nothing can be told, pages go on asking: `useEvery` says how often.
import { useQueryClient, type QueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import type { GatewayEvent, GatewayState, Phone } from "./answers";
import { stream } from "./client";
import { collectionPath, learnAll, type AnyObject } from "./objects";
import { SseReader, type SseMessage } from "./sse";

/** Messages are written into the pages so often, milliseconds: many phones change at once. */
const BATCH = 500;
/** Without anything, not even a comment, the line is taken for dead. */
const DEAD = 45_000;
const AGAIN = [1_000, 2_000, 5_000, 15_000, 30_000];
/** What sums up others is asked for anew at most so often. */
const SUMS = 4_000;

let live: string | null = null;
const listeners = new Set<() => void>();

function tell(network: string | null): void {
  if (live === network) return;
  live = network;
  for (const listener of listeners) listener();
}

/** Whether changes of a network are told now. */
export function useIsTold(network: string): boolean {
  const told = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => live,
  );
  return told === network;
}

/** How often something is asked for: rarely where changes are told, else as often as said. */
export function useEvery(network: string, often: number): number {
  return useIsTold(network) ? 60_000 : often;
}

/** Hears of a network as long as it is shown. */
export function useWatch(network: string): void {
  const client = useQueryClient();
  useEffect(() => {
    const stop = new AbortController();
    void watch(client, network, stop.signal);
    return () => {
      stop.abort();
      tell(null);
    };
  }, [client, network]);
}

/** A page's own questions go first: this long at most, milliseconds. */
const FIRST = 5_000;
const LOOK = 250;

/** Waits until the page has what it asked for. */
async function settled(client: QueryClient, signal: AbortSignal): Promise<void> {
  for (let waited = 0; waited < FIRST && !signal.aborted; waited += LOOK) {
    await pause(LOOK, signal);
    if (client.isFetching() === 0) return;
  }
}

async function watch(client: QueryClient, network: string, signal: AbortSignal): Promise<void> {
  let last: string | undefined;
  await settled(client, signal);
  for (let failures = 0; !signal.aborted; failures += 1) {
    const batch = new Batch(client, network);
    try {
      await hear(client, network, last, signal, (message) => {
        last = message.id || last;
        failures = 0;
        batch.take(message);
      });
    } catch {
      // Refused, cut off, or silent: it is tried again, and pages ask meanwhile. A place that the orchestrator does not know any
      // more is given up.
      if (failures > 0) last = undefined;
    }
    batch.end();
    tell(null);
    await pause(AGAIN[Math.min(failures, AGAIN.length - 1)] ?? 30_000, signal);
  }
}

async function pause(length: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((done) => {
    const timer = setTimeout(done, length);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
}

/** Reads until the stream ends. */
async function hear(client: QueryClient, network: string, last: string | undefined, signal: AbortSignal, take: (message: SseMessage) => void): Promise<void> {
  const line = new AbortController();
  const end = () => line.abort();
  signal.addEventListener("abort", end);
  let silence = setTimeout(end, DEAD);
  try {
    const reader = await stream(collectionPath(network, "watch"), line.signal, last);
    // A stream that is pretended does not end by the signal of its request.
    line.signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
    tell(network);
    // What changed between reading and hearing is read again.
    if (last === undefined) for (const what of ["phones", "gateway-states", "events"]) void client.invalidateQueries({ queryKey: [what, network] });
    const parser = new SseReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(end, DEAD);
      for (const message of parser.read(value)) take(message);
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", end);
    line.abort();
  }
}

/** Collects what is told and writes it into the pages, some at a time. */
export class Batch {
  private phones = new Map<string, Phone>();
  private gateways = new Map<string, GatewayState>();
  private events: GatewayEvent[] = [];
  private objects: { kind: string; name: string; object: AnyObject | null }[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private summed = 0;

  constructor(
    private readonly client: QueryClient,
    private readonly network: string,
  ) {}

  take({ event, data }: SseMessage): void {
    const told: unknown = JSON.parse(data);
    if (event === "phone") this.phones.set(keyOfPhone(told as Phone), told as Phone);
    else if (event === "gateway") this.gateways.set((told as GatewayState).gateway, told as GatewayState);
    else if (event === "event") this.events.push(told as GatewayEvent);
    else if (event === "object") this.objects.push(told as { kind: string; name: string; object: AnyObject | null });
    else if (event === "reset") void this.client.invalidateQueries();
    this.timer ??= setTimeout(() => this.write(), BATCH);
  }

  end(): void {
    clearTimeout(this.timer);
    this.write();
  }

  private write(): void {
    this.timer = undefined;
    const { client, network } = this;
    const changed = this.phones.size + this.gateways.size + this.events.length + this.objects.length;
    if (this.phones.size > 0) each<Phone[]>(client, ["phones", network], (all, key) => mergedPhones(all, this.phones, key[2] as string | undefined));
    if (this.gateways.size > 0) {
      each<GatewayState[]>(client, ["gateway-states", network], (all) => merged(all, this.gateways, (it) => it.gateway));
      each<GatewayState>(client, ["gateway-status", network], (one) => {
        const news = this.gateways.get(one.gateway);
        return news ? { ...one, ...news } : one;
      });
      void client.invalidateQueries({ queryKey: ["base-stations", network] });
    }
    if (this.events.length > 0) each<GatewayEvent[]>(client, ["events", network], (all, key) => mergedEvents(all, this.events, key[2] as Wanted, key[3] as number));
    for (const kind of new Set(this.objects.map((it) => it.kind))) {
      const scope = kind === "networks" ? null : network;
      learnAll(client, scope, kind, this.objects.filter((it) => it.kind === kind));
      if (kind === "networks") void client.invalidateQueries({ queryKey: ["networks"] });
    }
    this.phones = new Map();
    this.gateways = new Map();
    this.events = [];
    this.objects = [];
    if (changed > 0 && Date.now() - this.summed > SUMS) {
      this.summed = Date.now();
      void client.invalidateQueries({ queryKey: ["overview", network] });
    }
  }
}

function each<T>(client: QueryClient, key: readonly unknown[], change: (known: T, key: readonly unknown[]) => T): void {
  for (const query of client.getQueryCache().findAll({ queryKey: key })) {
    const known = query.state.data as T | undefined;
    if (known === undefined) continue;
    const after = change(known, query.queryKey);
    client.setQueryData(query.queryKey, after);
  }
}

const keyOfPhone = (phone: Phone) => `${phone.imsi}/${phone.gateway}`;

/** A list with what is new in it, in the order of keys; the same list where nothing of it changed. */
function merged<T>(all: T[], news: ReadonlyMap<string, T>, keyOf: (row: T) => string): T[] {
  const left = new Map(news);
  const after = all.map((row) => {
    const key = keyOf(row);
    const found = left.get(key);
    if (!found) return row;
    left.delete(key);
    return { ...row, ...found };
  });
  if (left.size === 0) return after;
  after.push(...left.values());
  return after.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Phones with what was told of them; those that are gone are taken out. A stream tells no titles: those that are known stay. */
export function mergedPhones(all: Phone[], news: ReadonlyMap<string, Phone>, imsi: string | undefined): Phone[] {
  const known = new Map(all.map((it) => [it.imsi, it]));
  const fits = [...news].filter(([, phone]) => !imsi || phone.imsi.startsWith(imsi));
  if (fits.length === 0) return all;
  const titled = new Map(
    fits.map(([key, phone]) => {
      const before = known.get(phone.imsi);
      return [key, { ...phone, title: before?.title ?? phone.title ?? null, known: before?.known ?? phone.known }];
    }),
  );
  const after = merged(all, titled as ReadonlyMap<string, Phone>, keyOfPhone);
  return after.filter((it) => it.state !== "gone");
}

interface Wanted {
  gateway?: string;
  imsi?: string;
  since?: number;
  alarms?: boolean;
  kind?: string;
}

/** Events with new ones before them, the newest first. */
export function mergedEvents(all: GatewayEvent[], news: GatewayEvent[], wanted: Wanted, most: number): GatewayEvent[] {
  const known = new Set(all.map((it) => it.id));
  const fits = news.filter(
    (it) =>
      !known.has(it.id) &&
      (!wanted.gateway || it.gateway === wanted.gateway) &&
      (!wanted.imsi || it.imsi === wanted.imsi) &&
      (!wanted.alarms || it.alarm) &&
      (!wanted.kind || it.kind === wanted.kind) &&
      it.at >= (wanted.since ?? 0),
  );
  if (fits.length === 0) return all;
  return [...fits, ...all].sort((a, b) => b.id - a.id).slice(0, most);
}
