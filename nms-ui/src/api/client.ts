// The one way to the orchestrator: typed by its committed document, refusals as `Refused`.
import createClient from "openapi-fetch";
import { taken } from "./already";
import { authorise, ended } from "./credentials";
import type { paths } from "./generated/schema";
import { Refused, type Problem } from "./problem";

let through: typeof fetch = (input, init) => fetch(input, init);

/** Sends requests elsewhere than over the network: to `mock-api`, or to a test. */
export function sendThrough(other: typeof fetch): void {
  through = other;
}

const TIMEOUT = 30_000;
/** Files may be large, and lines to sites slow. */
const FILE_TIMEOUT = 600_000;

async function send(input: RequestInfo | URL, init?: RequestInit, timeout = TIMEOUT): Promise<Response> {
  const request = new Request(input, init);
  authorise(request.headers, request.method);
  try {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]);
    const { pathname, search } = new URL(request.url);
    const before = await taken(request.method, pathname + search)?.catch(() => undefined);
    return before ?? (await through(request, { signal, credentials: "same-origin" }));
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new Refused({ type: "urn:basalt:problem:unreachable", status: 0, detail: String(error) });
  }
}

/** Every route of the document, with its types. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: (input) => send(input) });

interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's body, or the refusal thrown. */
export async function unwrap<T>(pending: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await pending;
  if (!response.ok) throw refusal(response, error);
  return data as T;
}

/** A request whose address is only known at run time: objects of any kind. */
export async function request(
  method: string,
  path: string,
  body?: string | Blob,
  headers: Record<string, string> = {},
): Promise<{ body: unknown; tag: string | null }> {
  const response = await send(new URL(path, location.origin), { method, headers, ...(body === undefined ? {} : { body }) });
  const text = await response.text();
  const read: unknown = text === "" ? undefined : parsed(text);
  if (!response.ok) throw refusal(response, read);
  return { body: read, tag: response.headers.get("etag") };
}

/** An answer that is a file. */
export async function download(method: string, path: string, body?: string): Promise<Blob> {
  const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const response = await send(new URL(path, location.origin), { method, headers, ...(body === undefined ? {} : { body }) }, FILE_TIMEOUT);
  if (!response.ok) throw refusal(response, parsed(await response.text()));
  return response.blob();
}

/** The octets of an answer that goes on until somebody ends it. `last` is the message after which it goes on. */
export async function stream(path: string, signal: AbortSignal, last: string | undefined): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const headers: Record<string, string> = { accept: "text/event-stream", ...(last === undefined ? {} : { "last-event-id": last }) };
  const response = await through(new Request(new URL(path, location.origin), { headers, signal, credentials: "same-origin" }));
  if (!response.ok || !response.body) throw refusal(response, undefined);
  return response.body.getReader();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function refusal(response: Response, body: unknown): Refused {
  const isProblem = typeof body === "object" && body !== null && "detail" in body;
  const problem = isProblem ? (body as Problem) : undefined;
  // A wrong password, at the door or of one's own account, ends no session.
  if (response.status === 401 && !problem?.type.endsWith(":login-failed")) ended();
  return new Refused(problem ?? { type: "about:blank", status: response.status, detail: response.statusText });
}
