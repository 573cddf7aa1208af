// Answers that were asked for before the code was there that wants them.

/** An answer that nobody wanted for so long is too old, milliseconds. */
const FRESH = 10_000;

const asked = new Map<string, { answer: Promise<Response>; at: number }>();

/** Keeps the answer to a GET for the first who wants it; the address with its query. */
export function already(address: string, answer: Promise<Response>): void {
  // Who takes it hears of a failure; until then it is nobody's.
  answer.catch(() => undefined);
  asked.set(address, { answer, at: Date.now() });
}

/** The answer that is under way, once; nothing where it was not asked for. */
export function taken(method: string, address: string): Promise<Response> | undefined {
  if (method !== "GET") return undefined;
  const found = asked.get(address);
  asked.delete(address);
  return found && Date.now() - found.at < FRESH ? found.answer : undefined;
}

/** What was asked for was another's: a session has ended. */
export function dropAll(): void {
  asked.clear();
}
