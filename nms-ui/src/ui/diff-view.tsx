import { useWords } from "@/i18n";
import type { Difference } from "@/lib/diff";

function shown(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 1);
}

/** Differences, field by field. */
export function DiffView({ of, before, after }: { of: Difference[]; before?: string; after?: string }) {
  const { t } = useWords();
  if (of.length === 0) return <p className="soft">{t("diff.none")}</p>;
  return (
    <table className="diff">
      <thead>
        <tr>
          <th scope="col">{t("diff.path")}</th>
          <th scope="col">{before ?? t("diff.before")}</th>
          <th scope="col">{after ?? t("diff.after")}</th>
        </tr>
      </thead>
      <tbody>
        {of.map((it) => (
          <tr key={it.path}>
            <td>{it.path || "/"}</td>
            <td className={shown(it.before) ? "was" : ""}>{shown(it.before)}</td>
            <td className={shown(it.after) ? "is" : ""}>{shown(it.after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
