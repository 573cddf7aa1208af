// What stands around every page of a network: navigation, network, palette, account.
import { ActionIcon, Kbd, Select } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { Suspense, lazy, useState } from "react";
import { useNetworks } from "@/api/fleet";
import { useWatch } from "@/api/watch";
import { useWords } from "@/i18n";
import { Icon } from "@/ui/icon";
import { Account } from "./account";
import { useNetwork } from "./network";
import { GROUPS } from "./pages";

const Palette = lazy(() => import("./palette"));

/** Puts the cursor into the page's search. */
function intoSearch(): void {
  document.querySelector<HTMLInputElement>("[data-search]")?.focus();
}

export function Shell() {
  const { t } = useWords();
  const [isOpen, setOpen] = useState(false);
  const [isPalette, setPalette] = useState(false);
  useWatch(useNetwork());
  useHotkeys([["/", intoSearch]]);
  useHotkeys([["mod+K", () => setPalette(true)]], []);
  const { pathname } = useLocation();
  const [shownAt, setShownAt] = useState(pathname);
  if (shownAt !== pathname) {
    setShownAt(pathname);
    setOpen(false);
  }
  return (
    <div className="shell">
      <a className="skip" href="#content">
        {t("shell.skip")}
      </a>
      <Navigation isOpen={isOpen} />
      {isOpen && <button type="button" className="shell-shade" aria-label={t("action.close")} onClick={() => setOpen(false)} />}
      <div className="shell-body">
        <section className="shell-head" aria-label={t("shell.bar")}>
          <ActionIcon className="shell-burger" variant="subtle" color="gray" aria-label={t("shell.menu")} aria-expanded={isOpen} onClick={() => setOpen(true)}>
            <Icon name="policy" />
          </ActionIcon>
          <NetworkChoice />
          <span className="grow" />
          <button type="button" className="shell-search" onClick={() => setPalette(true)} aria-keyshortcuts="Control+K">
            <Icon name="search" size={14} />
            <span>{t("shell.search")}</span>
            <Kbd size="xs">Ctrl K</Kbd>
          </button>
          <Account />
        </section>
        <main className="shell-main" id="content" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      {isPalette && (
        <Suspense>
          <Palette onClose={() => setPalette(false)} />
        </Suspense>
      )}
    </div>
  );
}

function Navigation({ isOpen }: { isOpen: boolean }) {
  const { t } = useWords();
  const network = useNetwork();
  return (
    <nav className={`shell-nav ${isOpen ? "open" : ""}`} aria-label={t("shell.menu")}>
      <Link to="/n/$network" params={{ network }} className="shell-brand">
        <img src="/basalt.svg" alt="" width={26} height={26} />
        Basalt
      </Link>
      {GROUPS.map((group) => (
        <div key={group.title}>
          <h2>{t(group.title)}</h2>
          <ul>
            {group.pages.map((page) => (
              <li key={page.path}>
                <Link to={`/n/$network/${page.path}` as "/n/$network"} params={{ network }} activeOptions={{ exact: page.path === "", includeSearch: false }}>
                  <Icon name={page.icon} />
                  {t(page.title)}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function NetworkChoice() {
  const { t } = useWords();
  const network = useNetwork();
  const navigate = useNavigate();
  const all = useNetworks().data ?? [];
  const choices = all.map((it) => ({ value: it.name, label: it.body?.title || it.name }));
  return (
    <Select
      size="xs"
      w={170}
      aria-label={t("shell.network")}
      data={choices.length > 0 ? choices : [network]}
      value={network}
      allowDeselect={false}
      searchable={choices.length > 8}
      onChange={(chosen) => chosen && void navigate({ to: "/n/$network", params: { network: chosen } })}
    />
  );
}
