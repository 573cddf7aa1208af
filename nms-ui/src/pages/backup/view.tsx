// Copies of the orchestrator: one now, encrypted for a key that is kept elsewhere; and what is run where the orchestrator is.
import { Button, Textarea } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { createLazyRoute } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { download } from "@/api/client";
import { may, useMe } from "@/api/session";
import { useWords } from "@/i18n";
import { octets } from "@/lib/units";
import { saveBlob } from "@/lib/csv";
import { quoted } from "@/lib/write";
import { CopyAs } from "@/ui/copy-as";
import { CopyLine } from "@/ui/copy-line";
import { Head, Notice, Panel, Refusal } from "@/ui/page";
import { useSay } from "@/ui/toast";
import { fileName, recipientsOf, wrongRecipient } from "./recipients";

export const Route = createLazyRoute("/inside/n/$network/backup")({ component: Backup });

const PATH = "/api/v1/backups";

const COMMANDS = [
  { title: "backup.keygen", words: "backup.keygenWords", lines: "basalt backup keygen --output backup.key" },
  { title: "backup.create", words: "backup.createWords", lines: "sudo basalt backup create --to copies --keep 14" },
  { title: "backup.verify", words: "backup.verifyWords", lines: "basalt backup verify copies/orchestrator-*.backup.age --identity backup.key" },
  { title: "backup.drill", words: "backup.drillWords", lines: "sudo basalt backup drill copies/orchestrator-*.backup.age --identity backup.key" },
  { title: "backup.restore", words: "backup.restoreWords", lines: "sudo basalt backup restore copies/orchestrator-*.backup.age --identity backup.key --replace\nsudo systemctl start basalt-orchestratord\nsudo basalt doctor --of orchestrator" },
] as const;

function Backup() {
  const { t } = useWords();
  return (
    <>
      <Head title={t("nav.backup")} note={t("backup.words")} />
      <div className="grid charts">
        <Now />
        {COMMANDS.map((it) => (
          <Panel key={it.title} title={t(it.title)}>
            <p className="soft">{t(it.words)}</p>
            <CopyLine label={t(it.title)} text={it.lines} />
          </Panel>
        ))}
      </div>
    </>
  );
}

/** A copy of everything but the sealing key, for whom it names. */
function Now() {
  const { t, language } = useWords();
  const say = useSay();
  const [text, setText] = useState("");
  const mayMake = may(useMe().data, "admin", null);
  const recipients = recipientsOf(text);
  const wrong = wrongRecipient(recipients);
  const body = { recipients };
  const making = useMutation({
    mutationFn: () => download("POST", PATH, JSON.stringify(body)),
    onSuccess: (copy) => {
      saveBlob(fileName(new Date()), copy);
      say(t("backup.made", { size: octets(copy.size, language) }));
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  return (
    <Panel title={t("backup.now")}>
      <form className="stack" onSubmit={submit}>
        <p className="soft" style={{ margin: 0 }}>
          {t("backup.nowWords")}
        </p>
        {!mayMake && <Notice tone="info">{t("backup.adminOnly")}</Notice>}
        <Textarea label={t("backup.recipients")} description={t("backup.recipientsHint")} required rows={3} classNames={{ input: "mono" }} placeholder="age1…" spellCheck={false} error={wrong && t("backup.wrongRecipient", { text: wrong })} value={text} onChange={(event) => setText(event.currentTarget.value)} />
        {making.error && <Refusal error={making.error} />}
        <div className="row">
          <Button type="submit" size="sm" disabled={!mayMake || recipients.length === 0 || wrong !== undefined} loading={making.isPending}>
            {t("backup.make")}
          </Button>
          <CopyAs write={() => ({ method: "POST", path: PATH, body, basalt: `sudo basalt backup create --to copies${recipients.map((it) => ` --recipient ${quoted(it)}`).join("")}` })} />
        </div>
      </form>
    </Panel>
  );
}
