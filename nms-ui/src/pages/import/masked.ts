/** Keys are not shown again on a screen that others may see. */
export function masked(column: string | undefined, cell: string): string {
  return /keys|\bk\b|opc|topc/i.test(column ?? "") && cell ? "••••••••" : cell;
}
