// What stays of a list that was read again, so that only what is another is drawn again. The library compares every field of every row:
// in a long list that takes longer than a frame.
import { replaceEqualDeep } from "@tanstack/react-query";
import type { AnyObject } from "./objects";

/** Rows from which on a list is not compared by fields. */
const LONG = 500;

/** What was read, with what is equal to before kept; a long list as it was read. */
export function sharedRows(before: unknown, after: unknown): unknown {
  return Array.isArray(after) && after.length > LONG ? after : replaceEqualDeep(before, after);
}

/** Objects that were read, those of the same revision kept; the same list where none changed. */
export function sharedObjects(before: unknown, after: unknown): unknown {
  if (!Array.isArray(before) || !Array.isArray(after)) return after;
  const [old, read] = [before as AnyObject[], after as AnyObject[]];
  let isSame = old.length === read.length;
  let at = 0;
  const kept = read.map((it) => {
    // Both are in the order of names.
    while (at < old.length && (old[at]?.name ?? "") < it.name) at += 1;
    const known = old[at];
    const isKnown = known !== undefined && known.name === it.name && known.revision !== undefined && known.revision === it.revision;
    isSame &&= isKnown;
    return isKnown ? known : it;
  });
  return isSame ? before : kept;
}
