// How requests say who asks: a cookie that no script can read, and for writes the proof that this page may use it.

import { dropAll } from "./already";

let proof: string | undefined;
const listeners = new Set<() => void>();

/** Writes into a request's headers what shows that it comes from this page. */
export function authorise(headers: Headers, method: string): void {
  if (proof !== undefined && method !== "GET") headers.set("x-csrf-token", proof);
}

/** A session began, or was found again. */
export function began(told: string | null | undefined): void {
  proof = told ?? undefined;
}

/** The session is over, by us or by the orchestrator. */
export function ended(): void {
  proof = undefined;
  dropAll();
  for (const listener of listeners) listener();
}

/** Tells when a session ends. */
export function onEnded(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
