import { withValue } from "@/lib/diff";
import { isSecret } from "./masked";

/** The subscribers that the rows of a CSV stand for, without their keys: those are never copied. Columns are paths, such as `keys.k`. */
export function wantedOf([head = [], ...rows]: string[][]): { name: string; body: Record<string, unknown> }[] {
  return rows.map((cells) => {
    const told = head.map((column, at) => [column, cells[at] ?? ""] as const);
    const body = told.filter(([column, cell]) => column !== "name" && cell !== "" && !isSecret(column)).reduce<Record<string, unknown>>((sofar, [column, cell]) => withValue(sofar, column.split("."), cell), {});
    return { name: told.find(([column]) => column === "name")?.[1] ?? "", body };
  });
}
