import { expect, test } from "vitest";
import { arrange } from "./sliced";

const signal = new AbortController().signal;
const numbers = (count: number) => Array.from({ length: count }, (_, at) => ({ key: (at * 7919) % 1000, at }));

test("long lists are sorted stably, as a short sort would", async () => {
  for (const count of [0, 1, 63, 64, 65, 5_000]) {
    const rows = numbers(count);
    const order = (a: { key: number }, b: { key: number }) => a.key - b.key;
    expect(await arrange(rows, undefined, order, signal)).toEqual(rows.toSorted(order));
  }
});

test("only what is wanted stays, and the rows that were given stay as they were", async () => {
  const rows = numbers(3_000);
  const kept = await arrange(rows, (row) => row.key < 10, undefined, signal);
  expect(kept.every((row) => row.key < 10)).toBe(true);
  expect(kept.length).toBe(30);
  expect(rows[1]?.at).toBe(1);
});

test("a search that is no longer wanted ends", async () => {
  const stop = new AbortController();
  let pauses = 0;
  const pause = async () => {
    pauses += 1;
    stop.abort();
  };
  const slow = (a: { key: number }, b: { key: number }) => {
    for (let i = 0; i < 300; i += 1) Math.sqrt(i);
    return a.key - b.key;
  };
  await expect(arrange(numbers(200_000), undefined, slow, stop.signal, pause)).rejects.toThrow();
  expect(pauses).toBe(1);
});
