import { createLazyRoute } from "@tanstack/react-router";
import { useWords } from "@/i18n";
import { Head, Missing, Panel } from "@/ui/page";

export const Route = createLazyRoute("/inside/n/$network/trace")({ component: Trace });

function Trace() {
  const { t } = useWords();
  return (
    <>
      <Head title={t("nav.trace")} />
      <Panel>
        <Missing>{t("trace.missing")}</Missing>
      </Panel>
    </>
  );
}
