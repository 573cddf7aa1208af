const PAGES = import.meta.glob<string>("../../../../docs/book/src/runbooks/*.md", { query: "?raw", import: "default", eager: true });

/** The page about a rule; nothing where there is none. */
export function runbook(rule: string): string | null {
  const found = Object.entries(PAGES).find(([path]) => path.endsWith(`/${rule}.md`));
  return found?.[1] ?? null;
}
