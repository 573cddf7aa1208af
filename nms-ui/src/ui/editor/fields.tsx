// Fields of forms: each knows how its value stands in the document.
import { MultiSelect, Select, Switch, TextInput, Textarea } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { useObjects, type Collection } from "@/api/objects";
import type { FieldError } from "@/api/problem";
import { useNetwork } from "@/app/network";
import { useWords, type MessageKey } from "@/i18n";
import { Password } from "@/ui/password";
import { valueAt, withValue } from "@/lib/diff";
import { quantity, short } from "@/lib/units";

interface Common {
  /** Keys from the document's root. */
  path: string[];
  label: MessageKey;
  hint?: MessageKey;
  required?: boolean;
}

export type Field = Common &
  (
    | { kind: "text" | "number" | "switch" | "lines" | "json" | "secret" | "octets" | "rates" }
    | { kind: "choice"; choices: { value: string; label: MessageKey | { text: string } }[] }
    | { kind: "ref" | "refs"; collection: Collection }
    | { kind: "own"; draw: (props: OwnProps) => ReactNode }
  );

/** What a part of a form that draws itself is given: the whole document, and what is wrong with its part. */
export interface OwnProps {
  body: Record<string, unknown>;
  change: (body: Record<string, unknown>) => void;
  error: string | undefined;
}

type Body = Record<string, unknown>;

interface Props {
  field: Field;
  body: Body;
  errors: FieldError[];
  change: (body: Body) => void;
}

/** The message for a field: what the orchestrator said about it or what is below it. */
function useError(errors: FieldError[], path: string[]): string | undefined {
  const { t } = useWords();
  const pointer = `/${path.join("/")}`;
  const found = errors.find((it) => it.path === pointer || it.path.startsWith(`${pointer}/`));
  return found && t("editor.mustBe", { what: found.what, allowed: found.allowed });
}

export function FieldInput(props: Props) {
  const { t } = useWords();
  const { field, body, change } = props;
  const error = useError(props.errors, field.path);
  const value = valueAt(body, field.path);
  const set = (next: unknown) => change(withValue(body, field.path, next));
  const common = { label: t(field.label), description: field.hint && t(field.hint), error, required: field.required ?? false };
  switch (field.kind) {
    case "text":
      return <TextInput {...common} value={asText(value)} onChange={(event) => set(event.currentTarget.value || undefined)} />;
    case "secret":
      return <Password {...common} autoComplete="off" className="mono" value={asText(value)} onChange={(event) => set(event.currentTarget.value || undefined)} />;
    case "number":
      return <NumberText {...common} value={value} set={set} read={readNumber} write={String} />;
    case "octets":
      return <NumberText {...common} placeholder="50 GB" value={value} set={set} read={quantity} write={short} />;
    case "rates":
      return <Rates {...common} value={value} set={set} />;
    case "switch":
      return <Switch {...common} checked={value === true} onChange={(event) => set(event.currentTarget.checked)} />;
    case "lines":
      return <Lines {...common} value={value} set={set} />;
    case "json":
      return <Json {...common} value={value} set={set} />;
    case "choice": {
      const data = field.choices.map(({ value, label }) => ({ value, label: typeof label === "string" ? t(label) : label.text }));
      return <Select {...common} data={data} value={asText(value) || null} clearable={!field.required} onChange={(chosen) => set(chosen ?? undefined)} />;
    }
    case "own":
      return <>{field.draw({ body, change, error })}</>;
    case "ref":
      return <Reference {...common} collection={field.collection} value={asText(value)} set={set} />;
    case "refs":
      return <References {...common} collection={field.collection} value={value} set={set} />;
  }
}

interface Inner {
  label: string;
  description: string | undefined;
  error: string | undefined;
  required: boolean;
  value: unknown;
  set: (value: unknown) => void;
}

function asText(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function readNumber(text: string): number | undefined {
  return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
}

interface NumberProps extends Inner {
  placeholder?: string;
  read: (text: string) => number | undefined;
  write: (value: number) => string;
}

/** A number as it is typed; what is none goes to the orchestrator as it is, which says what it wants. */
function NumberText({ value, set, read, write, ...rest }: NumberProps) {
  const [text, setText] = useState(typeof value === "number" ? write(value) : asText(value));
  const known = typeof value === "number" ? value : undefined;
  const shown = read(text) === known || known === undefined ? text : write(known);
  const type = (typed: string) => {
    setText(typed);
    set(typed.trim() === "" ? undefined : (read(typed) ?? typed));
  };
  return <TextInput {...rest} inputMode="decimal" value={shown} onChange={(event) => type(event.currentTarget.value)} />;
}

/** Downlink and uplink in bit/s. */
function Rates({ value, set, ...rest }: Inner) {
  const { t } = useWords();
  const of = (key: string) => valueAt(value, [key]);
  const change = (key: string) => (next: unknown) => {
    const other = typeof value === "object" && value !== null ? (value as Body) : {};
    const after = withValue(other, [key], next);
    set(Object.keys(after).length === 0 ? undefined : after);
  };
  const one = (key: string, label: MessageKey) => (
    <NumberText
      label={`${rest.label}: ${t(label)}`}
      description={undefined}
      error={undefined}
      required={rest.required}
      placeholder="10 Mbit/s"
      value={of(key)}
      set={change(key)}
      read={quantity}
      write={short}
    />
  );
  return (
    <div className="row" style={{ alignItems: "flex-start" }}>
      {one("max_dl_bit_rate", "unit.down")}
      {one("max_ul_bit_rate", "unit.up")}
      {rest.error && <span style={{ color: "var(--b-bad)", fontSize: 12 }}>{rest.error}</span>}
    </div>
  );
}

function Lines({ value, set, ...rest }: Inner) {
  const { t } = useWords();
  const given = Array.isArray(value) ? value.map(String) : [];
  const [text, setText] = useState(given.join("\n"));
  const read = (typed: string) => typed.split("\n").map((line) => line.trim()).filter(Boolean);
  const shown = read(text).join("\n") === given.join("\n") ? text : given.join("\n");
  const type = (typed: string) => {
    setText(typed);
    const lines = read(typed);
    set(lines.length === 0 ? undefined : lines);
  };
  return <Textarea {...rest} description={rest.description ?? t("editor.listHint")} autosize minRows={1} value={shown} onChange={(event) => type(event.currentTarget.value)} />;
}

/** A part of a document that has no fields of its own. */
function Json({ value, set, ...rest }: Inner) {
  const { t } = useWords();
  const [text, setText] = useState(value === undefined ? "" : JSON.stringify(value, null, 2));
  const [isBad, setBad] = useState(false);
  const type = (typed: string) => {
    setText(typed);
    try {
      set(typed.trim() === "" ? undefined : JSON.parse(typed));
      setBad(false);
    } catch {
      setBad(true);
    }
  };
  return <Textarea {...rest} error={isBad ? t("editor.badJson") : rest.error} autosize minRows={2} maxRows={14} classNames={{ input: "mono" }} value={text} onChange={(event) => type(event.currentTarget.value)} />;
}

function useNames(collection: Collection): { value: string; label: string }[] {
  const all = useObjects(useNetwork(), collection).data ?? [];
  return all.map((it) => {
    const title = (it.body as { title?: string } | undefined)?.title;
    return { value: it.name, label: title ? `${it.name} · ${title}` : it.name };
  });
}

function Reference({ collection, value, set, ...rest }: Inner & { collection: Collection }) {
  const data = useNames(collection);
  const text = asText(value);
  const all = text && !data.some((it) => it.value === text) ? [...data, { value: text, label: text }] : data;
  return <Select {...rest} searchable clearable={!rest.required} data={all} value={text || null} onChange={(chosen) => set(chosen ?? undefined)} />;
}

function References({ collection, value, set, ...rest }: Inner & { collection: Collection }) {
  const data = useNames(collection);
  const chosen = Array.isArray(value) ? value.map(String) : [];
  return <MultiSelect {...rest} searchable data={data} value={chosen} onChange={(next) => set(next.length === 0 ? undefined : next)} />;
}
