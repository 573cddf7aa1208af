import { useEffect, useState } from "react";
import { arrange } from "@/lib/sliced";
import type { Column } from "./data-table";

/** Rows up to here are arranged at once: it takes less than a frame. */
const AT_ONCE = 2_000;

function folded(text: string): string {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase();
}

function compare(a: string | number | null | undefined, b: string | number | null | undefined): number {
  if (a === b) return 0;
  if (a === null || a === undefined || a === "") return 1;
  if (b === null || b === undefined || b === "") return -1;
  return a < b ? -1 : 1;
}

/** Texts to search in, made once for each row and set of columns: rows are values that are replaced, not changed. */
const haystacks = new WeakMap<object, WeakMap<object, string>>();

function haystack<T>(row: T, columns: Column<T>[]): string {
  const known = haystacks.get(columns) ?? new WeakMap<object, string>();
  haystacks.set(columns, known);
  const made = known.get(row as object);
  if (made !== undefined) return made;
  const text = folded(columns.map((column) => column.value(row) ?? "").join("\n"));
  known.set(row as object, text);
  return text;
}

function rules<T>(columns: Column<T>[], text: string, sort: string | undefined, filter: ((row: T) => boolean) | undefined) {
  const words = folded(text).split(/\s+/).filter(Boolean);
  const wanted =
    words.length === 0 && !filter
      ? undefined
      : (row: T) => (!filter || filter(row)) && words.every((word) => haystack(row, columns).includes(word));
  const down = sort?.startsWith("-") ? -1 : 1;
  const column = columns.find((it) => it.id === sort?.replace(/^-/, ""));
  const order = column && ((a: T, b: T) => down * compare(column.value(a), column.value(b)));
  return { wanted, order };
}

/** The rows that a search and a filter leave, in order. Long lists are arranged in slices and follow a moment later. */
export function useArranged<T>(
  rows: readonly T[],
  columns: Column<T>[],
  text: string,
  sort: string | undefined,
  filter: ((row: T) => boolean) | undefined,
): readonly T[] {
  const [later, setLater] = useState<readonly T[]>(rows);
  const long = rows.length > AT_ONCE;
  useEffect(() => {
    if (!long) return;
    const stop = new AbortController();
    const { wanted, order } = rules(columns, text, sort, filter);
    arrange(rows, wanted, order, stop.signal).then(setLater, () => undefined);
    return () => stop.abort();
  }, [rows, columns, text, sort, filter, long]);
  if (long) return later;
  const { wanted, order } = rules(columns, text, sort, filter);
  const kept = wanted ? rows.filter(wanted) : rows.slice();
  return order ? kept.sort(order) : kept;
}
