import { createLazyRoute } from "@tanstack/react-router";
import { useWords } from "@/i18n";
import { Head, Missing, Panel } from "@/ui/page";

export const Route = createLazyRoute("/inside/n/$network/backup")({ component: Backup });

function Backup() {
  const { t } = useWords();
  return (
    <>
      <Head title={t("nav.backup")} />
      <Panel>
        <Missing>{t("backup.missing")}</Missing>
      </Panel>
    </>
  );
}
