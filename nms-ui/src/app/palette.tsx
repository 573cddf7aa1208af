// Ctrl-K: every page, gateway and subscriber by a few letters.
import { Modal, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useMemo, useState, type KeyboardEvent } from "react";
import { useObjects, keyOf, type AnyObject } from "@/api/objects";
import { useWords } from "@/i18n";
import { Icon, type IconName } from "@/ui/icon";
import { useNetwork } from "./network";
import { PAGES } from "./pages";

interface Goal {
  id: string;
  text: string;
  more: string;
  kind: string;
  icon: IconName;
  to: string;
}

const MOST = 12;

function matching(all: Iterable<AnyObject>, words: string, make: (it: AnyObject) => Goal, into: Goal[]): void {
  for (const it of all) {
    if (into.length >= MOST) return;
    const body = it.body ?? {};
    const text = `${it.name} ${String(body["title"] ?? "")} ${String(body["msisdn"] ?? "")}`.toLowerCase();
    if (text.includes(words)) into.push(make(it));
  }
}

function useGoals(words: string): Goal[] {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const gateways = useObjects(network, "gateways").data;
  const subscribers = client.getQueryData<AnyObject[]>(keyOf(network, "subscribers"));
  return useMemo(() => {
    const wanted = words.trim().toLowerCase();
    const base = `/n/${network}`;
    const pages = PAGES.map((page): Goal => ({ id: page.path, text: t(page.title), more: "", kind: "", icon: page.icon, to: `${base}/${page.path}` }));
    const found = pages.filter((page) => page.text.toLowerCase().includes(wanted)).slice(0, wanted === "" ? pages.length : MOST);
    if (wanted.length < 2) return found;
    const named = (kind: string, icon: IconName, path: string) => (it: AnyObject): Goal => ({
      id: `${path}/${it.name}`,
      text: it.name,
      more: String(it.body?.["title"] ?? ""),
      kind,
      icon,
      to: `${base}/${path}/${it.name}`,
    });
    matching((gateways ?? []) as AnyObject[], wanted, named(t("nav.gateways"), "gateway", "gateways"), found);
    matching(subscribers ?? [], wanted, named(t("nav.subscribers"), "person", "subscribers"), found);
    if (/^\d{6,15}$/.test(wanted) && !found.some((it) => it.text === wanted)) {
      found.push({ id: "imsi", text: wanted, more: "IMSI", kind: t("nav.subscribers"), icon: "person", to: `${base}/subscribers/${wanted}` });
    } else if (!subscribers) {
      const to = `${base}/subscribers?q=${encodeURIComponent(words)}`;
      found.push({ id: "search", text: `${t("table.search")}: ${words}`, more: "", kind: t("nav.subscribers"), icon: "search", to });
    }
    return found;
  }, [words, network, t, gateways, subscribers]);
}

export default function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useWords();
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const navigate = useNavigate();
  const goals = useGoals(useDeferredValue(words));
  const chosen = Math.min(at, goals.length - 1);
  const go = (goal: Goal | undefined) => {
    if (!goal) return;
    onClose();
    void navigate({ href: goal.to });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, goals.length - 1));
    else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
    else if (event.key === "Enter") go(goals[chosen]);
    else return;
    event.preventDefault();
  };
  return (
    <Modal opened onClose={onClose} withCloseButton={false} yOffset="12vh" centered={false} size="lg" title={<span className="hidden-label">{t("shell.palette")}</span>} styles={{ header: { minHeight: 0, padding: 0 } }}>
      <TextInput
        data-autofocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={goals[chosen] && `palette-${chosen}`}
        aria-label={t("shell.palette")}
        placeholder={t("shell.paletteHint")}
        leftSection={<Icon name="search" />}
        value={words}
        onChange={(event) => {
          setWords(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      {goals.length === 0 && <p className="soft">{t("shell.nothing")}</p>}
      <ul className="palette-list" id="palette-list" role="listbox" aria-label={t("shell.palette")}>
        {goals.map((goal, index) => (
          // The combobox above has the keys.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events
          <li key={goal.id} id={`palette-${index}`} role="option" aria-selected={index === chosen} tabIndex={-1} onClick={() => go(goal)}>
            <Icon name={goal.icon} />
            <span>{goal.text}</span>
            <span className="soft">{goal.more}</span>
            <span className="kind">{goal.kind}</span>
          </li>
        ))}
      </ul>
    </Modal>
  );
}
