// Filtering and sorting of long lists in slices, so that no frame waits for them.
import { turn } from "./turn";

/** Milliseconds of work at once. */
const SLICE = 8;

/** Lets the browser draw. */
export type Pause = () => Promise<void>;

class Worker {
  private until = performance.now() + SLICE;
  private steps = 0;

  constructor(
    private readonly signal: AbortSignal,
    private readonly pause: Pause,
  ) {}

  /** To be called in inner loops; false most of the time. */
  due(): boolean {
    this.steps += 1;
    return (this.steps & 255) === 0 && performance.now() > this.until;
  }

  async rest(): Promise<void> {
    await this.pause();
    this.signal.throwIfAborted();
    this.until = performance.now() + SLICE;
  }
}

/** Those rows that are wanted, in the order wanted (or as they came). */
export async function arrange<T>(
  rows: readonly T[],
  wanted: ((row: T) => boolean) | undefined,
  order: ((a: T, b: T) => number) | undefined,
  signal: AbortSignal,
  pause: Pause = turn,
): Promise<T[]> {
  const worker = new Worker(signal, pause);
  const kept: T[] = [];
  for (const row of rows) {
    if (!wanted || wanted(row)) kept.push(row);
    if (worker.due()) await worker.rest();
  }
  return order ? await sorted(kept, order, worker) : kept;
}

/** Merge sort from below: stable, and it can rest. */
async function sorted<T>(rows: T[], order: (a: T, b: T) => number, worker: Worker): Promise<T[]> {
  const run = 64;
  for (let start = 0; start < rows.length; start += run) {
    const part = rows.slice(start, start + run).sort(order);
    for (let i = 0; i < part.length; i += 1) rows[start + i] = part[i] as T;
    if (worker.due()) await worker.rest();
  }
  let from = rows;
  let to = new Array<T>(rows.length);
  for (let width = run; width < from.length; width *= 2) {
    for (let low = 0; low < from.length; low += 2 * width) {
      const middle = Math.min(low + width, from.length);
      const high = Math.min(low + 2 * width, from.length);
      let [left, right] = [low, middle];
      for (let at = low; at < high; at += 1) {
        const takeLeft = left < middle && (right >= high || order(from[left] as T, from[right] as T) <= 0);
        to[at] = (takeLeft ? from[left++] : from[right++]) as T;
        if (worker.due()) await worker.rest();
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
