import { ActionIcon } from "@mantine/core";
import type { ReactNode } from "react";
import type { Participant, TracedMessage } from "@/api/traces";
import { useWords } from "@/i18n";
import { moment } from "@/lib/time";
import { Icon } from "@/ui/icon";
import { Facts, Notice } from "@/ui/page";
import { clockOf } from "./ladder";

/** A message in full, with its cause in words and its fields as they were decoded. */
export function Message({ of, participants, onClose }: { of: TracedMessage; participants: Participant[]; onClose: () => void }) {
  const { t, language } = useWords();
  const name = (id: string) => participants.find((it) => it.id === id)?.name ?? id;
  const fields = Object.entries(of.fields);
  return (
    <section className="panel message-detail" aria-label={of.name}>
      <header>
        <span className={`protocol ${of.protocol}`}>{of.protocol}</span>
        <h2>{of.name}</h2>
        <ActionIcon variant="subtle" color="gray" c="var(--b-ink-soft)" aria-label={t("action.close")} onClick={onClose}>
          <Icon name="close" />
        </ActionIcon>
      </header>
      <div className="body stack">
        {of.cause && <Notice tone="bad">{of.cause}</Notice>}
        <Facts
          of={[
            [t("trace.way"), `${name(of.from)} → ${name(of.to)}`],
            [t("field.when"), <span key="at" title={moment(of.at / 1000, language)}>{clockOf(of.at, language)}</span>],
            ["IMSI", of.imsi && <span className="mono" key="imsi">{of.imsi}</span>],
            [t("kind.gateway"), of.gateway],
          ]}
        />
        {fields.length > 0 ? <dl className="fields">{fields.map(([key, value]) => field(key, value, key))}</dl> : <p className="soft">{t("trace.noFields")}</p>}
      </div>
    </section>
  );
}

/** A field, and those within it. */
function field(name: string, value: unknown, key: string): ReactNode {
  const isGroup = typeof value === "object" && value !== null && Object.keys(value).length > 0;
  if (isGroup && Array.isArray(value) && value.every((it) => typeof it !== "object")) return field(name, value.join(", "), key);
  return (
    <div key={key}>
      <dt>{name}</dt>
      <dd>{isGroup ? <dl className="fields">{Object.entries(value).map(([inner, it]) => field(inner, it, `${key}.${inner}`))}</dl> : said(value)}</dd>
    </div>
  );
}

function said(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "object" ? "–" : String(value);
}
