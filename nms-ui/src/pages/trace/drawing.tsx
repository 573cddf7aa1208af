// The ladder itself: participants as columns, messages as arrows between them, drawn only where they are in sight.
import { VisuallyHidden } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, type KeyboardEvent } from "react";
import type { Ladder, Participant, TracedMessage } from "@/api/traces";
import { useWords } from "@/i18n";
import { Icon, type IconName } from "@/ui/icon";
import { Status } from "@/ui/status";
import { arrow, clockOf, lasting, type Row } from "./ladder";

const HEIGHTS: Record<Row["kind"], number> = { message: 46, procedure: 40, silence: 28 };

const ICONS: Record<string, IconName> = { phone: "session", "base-station": "station", gateway: "gateway", "federation-gateway": "federation", "home-network": "network", peer: "network" };

interface Props {
  of: Ladder;
  rows: Row[];
  chosen: string | undefined;
  choose: (number: number) => void;
}

export function Drawing({ of, rows, chosen, choose }: Props) {
  const { t } = useWords();
  const box = useRef<HTMLDivElement>(null);
  const names = useMemo(() => new Map(of.participants.map((it) => [it.id, it.name])), [of.participants]);
  const places = useMemo(() => new Map(of.participants.map((it, at) => [it.id, at])), [of.participants]);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => box.current, estimateSize: (at) => HEIGHTS[rows[at]?.kind ?? "message"], overscan: 10, initialRect: { width: 800, height: 800 } });
  // Rows of other heights stand elsewhere.
  useEffect(() => virtual.measure(), [rows, virtual]);
  const count = of.participants.length;
  const walk = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
    if (!step) return;
    const all = [...event.currentTarget.querySelectorAll<HTMLElement>("button.message")];
    const next = all[all.indexOf(document.activeElement as HTMLElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  return (
    <section className="panel ladder" aria-label={t("trace.ladder")}>
      {/* A region that scrolls is reachable by keyboard (WCAG 2.1.1); arrow keys go from message to message. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex, jsx-a11y/no-noninteractive-element-interactions */}
      <div className="ladder-scroll" ref={box} tabIndex={0} role="group" aria-label={t("trace.ladder")} onKeyDown={walk}>
        <div className="ladder-wide" style={{ minWidth: 106 + count * 130 }}>
          <Heads of={of.participants} />
          <div className="ladder-rows" style={{ height: virtual.getTotalSize() }}>
            <Lifelines count={count} />
            {virtual.getVirtualItems().map(({ index, start }) => {
              const row = rows[index];
              if (!row) return null;
              const style = { transform: `translateY(${start}px)`, height: HEIGHTS[row.kind] };
              return (
                <div key={keyOf(row)} className="ladder-row" style={style}>
                  {row.kind === "message" && <OneMessage of={row.message} after={row.after} names={names} places={places} count={count} isChosen={String(row.message.number) === chosen} choose={choose} />}
                  {row.kind === "procedure" && <Begins of={row.procedure} />}
                  {row.kind === "silence" && <Silence length={row.length} />}
                </div>
              );
            })}
          </div>
        </div>
        {rows.length === 0 && <p className="empty">{t("table.nothing")}</p>}
      </div>
    </section>
  );
}

function keyOf(row: Row): string {
  if (row.kind === "message") return `m${row.message.number}`;
  return row.kind === "procedure" ? `p${row.procedure.number}` : `s${row.before}`;
}

function Heads({ of }: { of: Participant[] }) {
  return (
    <div className="ladder-heads">
      <span />
      <div style={{ display: "grid", gridTemplateColumns: `repeat(${of.length}, minmax(0, 1fr))` }}>
        {of.map((it) => (
          <span key={it.id} title={it.name}>
            <Icon name={ICONS[it.kind] ?? "dot"} size={14} />
            <span>{it.name}</span>
          </span>
        ))}
      </div>
    </div>
  );
}

/** A line down from each participant. */
function Lifelines({ count }: { count: number }) {
  return (
    <div className="lifelines" aria-hidden="true">
      {Array.from({ length: count }, (_, at) => (
        <span key={at} style={{ left: `${((at + 0.5) * 100) / count}%` }} />
      ))}
    </div>
  );
}

interface MessageProps {
  of: TracedMessage;
  after: number | null;
  names: ReadonlyMap<string, string>;
  places: ReadonlyMap<string, number>;
  count: number;
  isChosen: boolean;
  choose: (number: number) => void;
}

function OneMessage({ of, after, names, places, count, isChosen, choose }: MessageProps) {
  const { language } = useWords();
  const { left, width, way } = arrow(places, count, of.from, of.to);
  const isBad = of.result === "failure" || Boolean(of.cause);
  const clock = clockOf(of.at, language);
  // A text is as wide as two columns at least, and stays within the drawing.
  const room = Math.max(width, way === "self" ? 0 : width, 200 / count);
  const middle = Math.min(Math.max(left + width / 2, room / 2), 100 - room / 2);
  return (
    <button type="button" className="message" aria-pressed={isChosen} onClick={() => choose(of.number)}>
      <span className="time">
        {clock}
        {after !== null && after > 0 && <small>+{lasting(after, language)}</small>}
      </span>
      <VisuallyHidden>{` ${names.get(of.from) ?? of.from} → ${names.get(of.to) ?? of.to}: `}</VisuallyHidden>
      <span className={`lane ${of.protocol}${isBad ? " bad" : ""}`}>
        <span className="label" style={{ left: `${middle}%`, maxWidth: `${room}%` }}>
          <span className="chip">{of.protocol}</span> {of.name}
          {of.cause && <em> · {of.cause}</em>}
        </span>
        <span className={`arrow ${way}`} style={{ left: `${left}%`, width: way === "self" ? 24 : `${width}%` }} />
      </span>
    </button>
  );
}

function Begins({ of }: { of: Extract<Row, { kind: "procedure" }>["procedure"] }) {
  const { t, language } = useWords();
  const isOpen = of.result === "open";
  return (
    <div className="begins">
      <strong>{of.name}</strong>
      {of.imsi && <span className="mono soft">{of.imsi}</span>}
      <Status tone={isOpen ? "info" : of.result === "failure" ? "bad" : "good"}>{isOpen ? t("trace.open") : t(of.result === "failure" ? "trace.failure" : "trace.success")}</Status>
      {!isOpen && <span className="soft">{lasting(of.duration, language)}</span>}
      {of.cause && <span className="why">{of.cause}</span>}
    </div>
  );
}

function Silence({ length }: { length: number }) {
  const { t, language } = useWords();
  return <div className="silence">{t("trace.silence", { length: lasting(length, language) })}</div>;
}
