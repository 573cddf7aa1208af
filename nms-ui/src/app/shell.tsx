// What stands around every page of a network: navigation, network, palette, account.
import { useHotkeys } from "@mantine/hooks";
import { Link, Outlet, useLocation, useNavigate, useParams } from "@tanstack/react-router";
import { Suspense, lazy, useDeferredValue, useState } from "react";
import { useNetworks } from "@/api/fleet";
import { useWatch } from "@/api/watch";
import { useWords } from "@/i18n";
import { Icon } from "@/ui/icon";
import { useOutOfSight } from "@/ui/in-sight";
import { Account } from "./account";
import { NetworkContext, useNetwork } from "./network";
import { GROUPS } from "./pages";

const Palette = lazy(() => import("./palette"));

/** Puts the cursor into the page's search. */
function intoSearch(): void {
  document.querySelector<HTMLInputElement>("[data-search]")?.focus();
}

export function Shell() {
  const { network } = useParams({ strict: false }) as { network?: string };
  return (
    <NetworkContext value={network ?? ""}>
      <Around />
    </NetworkContext>
  );
}

function Around() {
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
          <button type="button" className="icon-button shell-burger" aria-label={t("shell.menu")} aria-expanded={isOpen} onClick={() => setOpen(true)}>
            <Icon name="policy" />
          </button>
          <NetworkChoice />
          <span className="grow" />
          <button type="button" className="shell-search" onClick={() => setPalette(true)} aria-keyshortcuts="Control+K">
            <Icon name="search" size={14} />
            <span>{t("shell.search")}</span>
            <kbd>Ctrl K</kbd>
          </button>
          <Account />
        </section>
        <main className="shell-main" id="content" tabIndex={-1}>
          <Content />
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

/** The page, drawn after what stands around it, and in slices: a slow phone hears its user in between. */
function Content() {
  const isDue = useDeferredValue(true, false);
  return isDue && <Outlet />;
}

function Navigation({ isOpen }: { isOpen: boolean }) {
  const { t } = useWords();
  const network = useNetwork();
  const isDue = useOutOfSight();
  return (
    <nav className={`shell-nav ${isOpen ? "open" : ""}`} aria-label={t("shell.menu")}>
      <Link to="/n/$network" params={{ network }} className="shell-brand">
        <img src="/basalt.svg" alt="" width={26} height={26} />
        Basalt
      </Link>
      {(isDue || isOpen) &&
        GROUPS.map((group) => (
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
  const known = all.some((it) => it.name === network) ? all : [...all, { name: network, body: undefined }];
  return (
    <select className="shell-network" aria-label={t("shell.network")} value={network} onChange={(event) => void navigate({ to: "/n/$network", params: { network: event.currentTarget.value } })}>
      {known.map((it) => (
        <option key={it.name} value={it.name}>
          {it.body?.title || it.name}
        </option>
      ))}
    </select>
  );
}
