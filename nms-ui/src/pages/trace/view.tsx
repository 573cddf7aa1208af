// Call traces: what is recorded, and one of them as a ladder.
import { createLazyRoute } from "@tanstack/react-router";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Head } from "@/ui/page";
import { List } from "./list";
import { One } from "./one";
import { Start } from "./start";

export const Route = createLazyRoute("/inside/n/$network/trace")({ component: Traces });

function Traces() {
  const { t } = useWords();
  const [{ id, imsi = "", gateway = "" }] = useAddress();
  if (id) return <One key={id} id={id} />;
  return (
    <>
      <Head title={t("nav.trace")} />
      <div className="stack">
        <Start key={imsi + gateway} />
        <List />
      </div>
    </>
  );
}
