/** Whether a column holds keys. */
export function isSecret(column: string): boolean {
  return /keys|\bk\b|opc|topc/i.test(column);
}

/** Keys are not shown again on a screen that others may see. */
export function masked(column: string | undefined, cell: string): string {
  return isSecret(column ?? "") && cell ? "••••••••" : cell;
}
