/** Whom a copy is for: a line each, or parted by spaces and commas. */
export function recipientsOf(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter(Boolean))];
}

/** The first that is no recipient of the `age` format, if there is one; a secret key pasted by mistake is not repeated. */
export function wrongRecipient(recipients: string[]): string | undefined {
  const found = recipients.find((it) => !/^age1[02-9ac-hj-np-z]{58}$/.test(it));
  return found?.toUpperCase().startsWith("AGE-SECRET-KEY") ? "AGE-SECRET-KEY-…" : found;
}

/** As the command calls its copies. */
export function fileName(at: Date): string {
  return `orchestrator-${at.toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-")}.backup.age`;
}
