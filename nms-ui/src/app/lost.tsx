import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useWords } from "@/i18n";
import { Empty, Refusal } from "@/ui/page";

export function Lost() {
  const { t } = useWords();
  const home = (
    <Button component={Link} to="/">
      {t("page.home")}
    </Button>
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
      <Button
        onClick={() => {
          reset();
          location.reload();
        }}
      >
        {t("state.retry")}
      </Button>
    </main>
  );
}
