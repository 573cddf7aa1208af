import { expect, test } from "vitest";
import { sharedObjects, sharedRows } from "./sharing";

const object = (name: string, revision: number) => ({ name, revision, body: {} });

test("a list of objects of the same revisions stays the same one", () => {
  const before = [object("a", 1), object("b", 2)];
  expect(sharedObjects(before, [object("a", 1), object("b", 2)])).toBe(before);
});

test("objects that did not change stay, around what was changed, added and deleted", () => {
  const before = [object("a", 1), object("b", 2), object("c", 3), object("e", 5)];
  const read = [object("a", 1), object("b", 7), object("d", 4), object("e", 5)];
  const after = sharedObjects(before, read) as typeof read;
  expect(after).toEqual(read);
  expect(after[0]).toBe(before[0]);
  expect(after[1]).toBe(read[1]);
  expect(after[3]).toBe(before[3]);
});

test("the end of a list that was deleted is gone", () => {
  const before = [object("a", 1), object("b", 2)];
  const after = sharedObjects(before, [object("a", 1)]) as typeof before;
  expect(after).toEqual([object("a", 1)]);
  expect(after[0]).toBe(before[0]);
});

test("what has no revision is taken as it was read", () => {
  const read = [{ name: "a", body: { title: "new" } }];
  expect(sharedObjects([{ name: "a", body: { title: "old" } }], read)).toEqual(read);
});

test("rows of a short list stay where they are equal, a long list is taken as it is", () => {
  const short = [{ id: 1 }, { id: 2 }];
  const after = sharedRows(short, [{ id: 1 }, { id: 3 }]) as typeof short;
  expect(after[0]).toBe(short[0]);
  const long = Array.from({ length: 1_000 }, (_, id) => ({ id }));
  const again = long.map((it) => ({ ...it }));
  expect(sharedRows(long, again)).toBe(again);
});
