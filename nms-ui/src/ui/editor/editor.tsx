// Makes, changes and deletes one object: a form, its document, its history; conflicts as a difference.
import { Button, Drawer, Tabs, TextInput, Textarea } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Suspense, lazy, useState, type FormEvent, type ReactNode } from "react";
import { request } from "@/api/client";
import { forget, learn, objectPath, put, remove, type AnyObject } from "@/api/objects";
import { Refused, toProblem } from "@/api/problem";
import { useWords, type MessageKey } from "@/i18n";
import { differences } from "@/lib/diff";
import { stageable } from "@/lib/reach";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { CopyAs } from "@/ui/copy-as";
import { DiffView } from "@/ui/diff-view";
import { intoSight } from "@/ui/into-sight";
import { Loaded, Loading, Notice, Refusal } from "@/ui/page";
import { useSay } from "@/ui/toast";
import { FieldInput, type Field } from "./fields";
import { History } from "./history";
import { UnderWay } from "./under-way";

const StagePlan = lazy(() => import("./stage"));

/** How a kind of object is edited. */
export interface ObjectForm {
  /** `null`: of the installation, not of a network. */
  network: string | null;
  collection: string;
  /** What one of them is called. */
  what: MessageKey;
  fields: Field[];
  nameHint?: MessageKey;
  /** What a new one begins with. */
  start: Record<string, unknown>;
  /** What deleting one breaks. */
  blast?: (name: string) => ReactNode;
}

interface Props {
  form: ObjectForm;
  /** Which; a new one with `null`. */
  name: string | null;
  onClose: () => void;
  onSaved?: (stored: AnyObject) => void;
}

export default function Editor({ form, name, onClose, onSaved }: Props) {
  const { t } = useWords();
  const existing = useQuery({
    queryKey: ["editing", form.network, form.collection, name],
    queryFn: async () => (await request("GET", objectPath(form.network, form.collection, name ?? ""))).body as AnyObject,
    enabled: name !== null,
    staleTime: 0,
    gcTime: 0,
  });
  const title = name ?? t("editor.new", { what: t(form.what) });
  const after = onSaved ?? (() => undefined);
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={title} closeButtonProps={{ "aria-label": t("action.close") }}>
      {name === null ? (
        <Form form={form} known={null} onClose={onClose} onSaved={after} />
      ) : (
        <Loaded query={existing}>{(known) => <Form key={known.revision} form={form} known={known} onClose={onClose} onSaved={after} />}</Loaded>
      )}
    </Drawer>
  );
}

interface FormProps {
  form: ObjectForm;
  known: AnyObject | null;
  onClose: () => void;
  onSaved: (stored: AnyObject) => void;
}

function Form({ form, known, onClose, onSaved }: FormProps) {
  const { t } = useWords();
  const say = useSay();
  const client = useQueryClient();
  const [name, setName] = useState(known?.name ?? "");
  const [body, setBody] = useState(known?.body ?? form.start);
  const [theirs, setTheirs] = useState<AnyObject | null>(null);
  const [staged, setStaged] = useState<"change" | "delete" | null>(null);
  const path = objectPath(form.network, form.collection, name);
  const done = (stored: AnyObject, words: string) => {
    learn(client, form.network, form.collection, stored);
    say(words);
    onSaved(stored);
    onClose();
  };
  const saving = useMutation({
    mutationFn: (revision: number | undefined) => put(path, body, revision),
    onSuccess: (stored) => done(stored, t("editor.saved")),
    onError: async (error) => {
      if (!(error instanceof Refused) || !error.isConflict || !known) return;
      setTheirs((await request("GET", path)).body as AnyObject);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate(known?.revision);
  };
  const errors = saving.error ? (toProblem(saving.error).errors ?? []) : [];
  if (theirs) {
    const choose = (mine: boolean) => {
      setTheirs(null);
      if (mine) saving.mutate(theirs.revision);
      else done(theirs, t("editor.keepTheirs"));
    };
    return <Conflict base={known?.body} theirs={theirs} mine={body} choose={choose} />;
  }
  // A network is staged among its own gateways.
  const network = form.collection === "networks" ? name : form.network;
  const canStage = network !== null && stageable(form.collection, known !== null);
  if (staged && network !== null) {
    return (
      <Suspense fallback={<Loading />}>
        <StagePlan network={network} collection={form.collection} name={name} before={known?.body ?? null} after={staged === "delete" ? null : body} onBack={() => setStaged(null)} />
      </Suspense>
    );
  }
  const resource = { kind: form.collection, name, network: form.network };
  return (
    <form onSubmit={submit} className="stack">
      {known && canStage && <UnderWay network={network} collection={form.collection} name={name} />}
      <Tabs defaultValue="form" keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          <Tabs.Tab value="form">{t("editor.form")}</Tabs.Tab>
          <Tabs.Tab value="json">{t("editor.json")}</Tabs.Tab>
          {known && <Tabs.Tab value="history">{t("editor.history")}</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="form">
          <div className="stack">
            {!known && (
              <TextInput required label={t("editor.name")} description={form.nameHint && t(form.nameHint)} value={name} data-autofocus onChange={(event) => setName(event.currentTarget.value.trim())} />
            )}
            {form.fields.map((field) => (
              <FieldInput key={field.path.join(".")} field={field} body={body} errors={errors} change={setBody} />
            ))}
          </div>
        </Tabs.Panel>
        <Tabs.Panel value="json">
          <Document body={body} change={setBody} />
        </Tabs.Panel>
        <Tabs.Panel value="history">
          {known && <History network={form.network} collection={form.collection} known={known} onDone={(stored) => done(stored, t("editor.saved"))} />}
        </Tabs.Panel>
      </Tabs>
      {saving.error && <Refusal error={saving.error} />}
      <div className="row">
        <Button type="submit" size="sm" loading={saving.isPending}>
          {t("action.save")}
        </Button>
        {canStage && (
          <Button size="sm" variant="default" disabled={name === ""} onClick={() => setStaged("change")}>
            {t("staged.start")}
          </Button>
        )}
        <CopyAs write={() => ({ method: "PUT", path, body, resource })} />
        <span style={{ flex: 1 }} />
        {known && <Delete form={form} known={known} onDone={onClose} onStage={canStage && stageable(form.collection, false) ? () => setStaged("delete") : undefined} />}
      </div>
    </form>
  );
}

function Document({ body, change }: { body: Record<string, unknown>; change: (body: Record<string, unknown>) => void }) {
  const { t } = useWords();
  const [text, setText] = useState(() => JSON.stringify(body, null, 2));
  const [isBad, setBad] = useState(false);
  const type = (typed: string) => {
    setText(typed);
    try {
      const read: unknown = JSON.parse(typed);
      const good = typeof read === "object" && read !== null && !Array.isArray(read);
      setBad(!good);
      if (good) change(read as Record<string, unknown>);
    } catch {
      setBad(true);
    }
  };
  return (
    <Textarea
      aria-label={t("editor.json")}
      classNames={{ input: "mono" }}
      autosize
      minRows={12}
      maxRows={30}
      spellCheck={false}
      error={isBad && t("editor.badJson")}
      value={text}
      onChange={(event) => type(event.currentTarget.value)}
    />
  );
}

interface ConflictProps {
  base: Record<string, unknown> | undefined;
  theirs: AnyObject;
  mine: Record<string, unknown>;
  choose: (mine: boolean) => void;
}

/** Somebody was faster: what they changed, and what would be changed back. */
function Conflict({ theirs, mine, choose }: ConflictProps) {
  const { t } = useWords();
  const [before, after] = t("editor.conflictBy", { who: theirs.changed_by ?? "", revision: theirs.revision ?? 0, age: "\u0000" }).split("\u0000");
  return (
    <div className="stack" role="alertdialog" aria-label={t("editor.conflict")}>
      <Notice tone="warn">
        <strong>{t("editor.conflict")}</strong>
        <br />
        {before}
        <Age at={theirs.changed_at} />
        {after}
      </Notice>
      <DiffView of={differences(theirs.body, mine)} before={t("editor.theirs")} after={t("editor.mine")} />
      <div className="row">
        <Button onClick={() => choose(false)}>{t("editor.keepTheirs")}</Button>
        <Button variant="default" onClick={() => choose(true)}>
          {t("editor.keepMine")}
        </Button>
      </div>
    </div>
  );
}

interface DeleteProps {
  form: ObjectForm;
  known: AnyObject;
  onDone: () => void;
  onStage: (() => void) | undefined;
}

function Delete({ form, known, onDone, onStage }: DeleteProps) {
  const { t } = useWords();
  const say = useSay();
  const client = useQueryClient();
  const [isAsked, setAsked] = useState(false);
  const act = async () => {
    await remove(objectPath(form.network, form.collection, known.name), known.revision);
    forget(client, form.network, form.collection, known.name);
    say(t("editor.deleted"));
    onDone();
  };
  return (
    <>
      <Button variant="subtle" color="red" c="var(--b-bad)" onClick={() => setAsked(true)}>
        {t("action.delete")}
      </Button>
      {isAsked && (
        <Confirm title={`${t("action.delete")}: ${known.name}`} blast={form.blast?.(known.name) ?? t("confirm.type")} verb={t("action.delete")} write={() => ({ method: "DELETE", path: objectPath(form.network, form.collection, known.name), resource: { kind: form.collection, name: known.name, network: form.network } })} act={act} onClose={() => setAsked(false)}>
          {onStage && (
            <button type="button" className="linkish" onClick={onStage}>
              {t("staged.deleteInstead")}
            </button>
          )}
        </Confirm>
      )}
    </>
  );
}
