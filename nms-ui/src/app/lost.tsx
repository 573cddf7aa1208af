import { Link } from "@tanstack/react-router";
import { useWords } from "@/i18n";
import { Empty, Refusal } from "@/ui/page";

export function Lost() {
  const { t } = useWords();
  const home = (
    <Link className="plain-button" to="/">
      {t("page.home")}
    </Link>
  );
  return (
    <main>
      <Empty title={t("page.lost")} action={home} />
    </main>
  );
}

/** A page that failed, or an orchestrator that does not answer before there is one. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  const { t } = useWords();
  return (
    <main className="door">
      <h1>{t("state.failed")}</h1>
      <Refusal error={error} />
      <button
        type="button"
        className="plain-button"
        onClick={() => {
          reset();
          location.reload();
        }}
      >
        {t("state.retry")}
      </button>
    </main>
  );
}
