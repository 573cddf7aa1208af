import { Suspense, lazy, useState, type ComponentProps } from "react";
import { useWords } from "@/i18n";
import { Icon } from "@/ui/icon";

// The menu comes when it is opened: with it come the parts that place it.
const AccountMenu = lazy(() => import("./account-menu"));

/** The button that the menu hangs on. */
export function AccountButton(props: ComponentProps<"button">) {
  const { t } = useWords();
  return (
    <button type="button" {...props} className="icon-button round shell-account" aria-label={t("shell.account")}>
      <Icon name="person" />
    </button>
  );
}

/** Who is here; language, theme, keys, and the way out. */
export function Account() {
  const [isAsked, setAsked] = useState(false);
  const button = <AccountButton aria-haspopup="menu" aria-expanded={isAsked} onClick={() => setAsked(true)} />;
  if (!isAsked) return button;
  return (
    <Suspense fallback={button}>
      <AccountMenu />
    </Suspense>
  );
}
