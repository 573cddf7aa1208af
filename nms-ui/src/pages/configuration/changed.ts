import type { AuditEntry } from "@/api/answers";

/** An object that was written, with its newest change. */
export interface Changed {
  key: string;
  collection: string;
  name: string;
  at: number;
  who: string;
  changes: number;
}

/** Objects of a network that were written, the newest change of each first, out of the audit log. */
export function changedObjects(audit: readonly AuditEntry[], network: string): Changed[] {
  const all = new Map<string, Changed>();
  const form = new RegExp(`^/api/v1/networks/${network}/([a-z-]+)/([^/]+)(?:/rollback)?$`);
  for (const it of audit) {
    const found = form.exec(it.target);
    const isWrite = it.outcome < 300 && ["PUT", "PATCH", "DELETE"].includes(it.action);
    const isRollback = it.outcome < 300 && it.target.endsWith("/rollback");
    if (!found || !(isWrite || isRollback)) continue;
    const [, collection = "", name = ""] = found;
    const key = `${collection}/${name}`;
    const known = all.get(key);
    if (known) known.changes += 1;
    else all.set(key, { key, collection, name, at: it.at, who: it.who, changes: 1 });
  }
  return [...all.values()];
}
