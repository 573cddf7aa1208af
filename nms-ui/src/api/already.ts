// Answers that were asked for before the code was there that wants them.

const asked = new Map<string, Promise<Response>>();

/** Keeps the answer to a GET for the first who wants it. */
export function already(path: string, answer: Promise<Response>): void {
  // Who takes it hears of a failure; until then it is nobody's.
  answer.catch(() => undefined);
  asked.set(path, answer);
}

/** The answer that is under way, once; nothing where it was not asked for. */
export function taken(method: string, path: string): Promise<Response> | undefined {
  if (method !== "GET") return undefined;
  const found = asked.get(path);
  asked.delete(path);
  return found;
}
