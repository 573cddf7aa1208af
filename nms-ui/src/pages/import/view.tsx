import { Button, FileButton, Select, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { importRows } from "@/api/jobs";
import { keyOf } from "@/api/objects";
import { toProblem, type RowError } from "@/api/problem";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { fromCsv } from "@/lib/csv";
import { fromSimFile, type SimProfile } from "@/lib/sim-file";
import { CopyAs } from "@/ui/copy-as";
import { Head, Notice, Panel, Refusal } from "@/ui/page";
import { Status } from "@/ui/status";
import { useSay } from "@/ui/toast";
import { masked } from "./masked";
import { wantedOf } from "./wanted";

export const Route = createLazyRoute("/inside/n/$network/import")({ component: Import });

const SHOWN = 200;
const EXAMPLE = "name,title,msisdn,state,keys.k,keys.opc\n001010000000001,Pump house,15550001,ACTIVE,465B5CE8B199B49FAA5F0A2EE238A6BC,E8ED289DEBA952E4283B54E88E6183CA\n";

/** What is sent: a CSV as it is, a SIM vendor's file as the CSV that it stands for. */
function useDocument(text: string, form: string): { csv: string; problem: string | null } {
  return useMemo(() => {
    if (form === "csv") return { csv: text, problem: null };
    const read: SimProfile = fromSimFile(text);
    return { csv: read.csv, problem: read.problem };
  }, [text, form]);
}

function Import() {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const say = useSay();
  const [text, setText] = useState("");
  const [form, setForm] = useState("csv");
  const { csv, problem } = useDocument(text, form);
  const rows = useMemo(() => fromCsv(csv), [csv]);
  const [percent, setPercent] = useState<number | null>(null);
  const send = (dry: boolean) => importRows(network, "subscribers", csv, "text/csv", dry, setPercent).finally(() => setPercent(null));
  const checking = useMutation({ mutationFn: () => send(true) });
  const importing = useMutation({
    mutationFn: () => send(false),
    onSuccess: async (done) => {
      say(t("import.done", { count: done.rows }));
      setText("");
      checking.reset();
      await client.invalidateQueries({ queryKey: keyOf(network, "subscribers") });
    },
  });
  const type = (next: string) => {
    setText(next);
    checking.reset();
    importing.reset();
  };
  const failed = checking.error ?? importing.error;
  const wrong = failed ? (toProblem(failed).rows ?? []) : [];
  return (
    <>
      <Head title={t("nav.import")} note={t("import.words")} />
      <div className="stack">
        <Panel>
          <div className="stack">
            <div className="row" style={{ alignItems: "flex-end" }}>
              <Select
                label={t("import.form")}
                allowDeselect={false}
                data={[
                  { value: "csv", label: "CSV" },
                  { value: "sim", label: t("import.sim") },
                ]}
                value={form}
                onChange={(it) => it && setForm(it)}
              />
              <FileButton onChange={(file) => void file?.text().then(type)} accept=".csv,.txt,.out,text/csv,text/plain">
                {(props) => (
                  <Button variant="default" size="sm" {...props}>
                    {t("import.file")}
                  </Button>
                )}
              </FileButton>
              <Button variant="subtle" size="sm" onClick={() => type(EXAMPLE)}>
                {t("import.example")}
              </Button>
            </div>
            <Textarea label={t("import.text")} autosize minRows={5} maxRows={12} spellCheck={false} classNames={{ input: "mono" }} placeholder={EXAMPLE} value={text} onChange={(event) => type(event.currentTarget.value)} />
            {problem && text && <Notice tone="bad">{problem}</Notice>}
            <div className="row">
              <Button size="sm" variant="default" disabled={rows.length < 2} loading={checking.isPending} onClick={() => checking.mutate()}>
                {t("import.check")}
              </Button>
              <Button size="sm" disabled={!checking.data} loading={importing.isPending} onClick={() => importing.mutate()}>
                {checking.data ? t("import.go", { count: checking.data.rows }) : t("import.goNone")}
              </Button>
              <CopyAs write={() => ({ method: "POST", path: `/api/v1/networks/${network}/subscribers/import`, file: { name: "subscribers.csv", form: "text/csv" }, leaves: wantedOf(rows).map((it) => ({ kind: "subscribers", network, ...it })) })} />
            </div>
            {percent !== null && <Progress percent={percent} />}
            {checking.data && <Notice tone="info">{t("import.checked", { created: checking.data.created, replaced: checking.data.replaced })}</Notice>}
            {failed && wrong.length === 0 && <Refusal error={failed} />}
            {wrong.length > 0 && <Notice tone="bad">{t("import.wrong", { count: wrong.length })}</Notice>}
          </div>
        </Panel>
        {rows.length > 1 && (
          <Panel title={t("import.preview", { count: rows.length - 1 })} flush>
            <Preview rows={rows} wrong={wrong} />
          </Panel>
        )}
      </div>
    </>
  );
}

/** How far a long import is. */
function Progress({ percent }: { percent: number }) {
  const { t } = useWords();
  return (
    <div role="status">
      <p className="soft">{t("import.progress", { percent })}</p>
      <progress className="progress" max={100} value={percent} aria-label={t("nav.import")} />
    </div>
  );
}

/** The rows as they will be, those that are wrong first and with the reason. */
function Preview({ rows, wrong }: { rows: string[][]; wrong: RowError[] }) {
  const { t } = useWords();
  const [head = [], ...body] = rows;
  const faults = new Map(wrong.map((it) => [it.line, it.errors]));
  const lines = body.map((cells, index) => ({ cells, line: index + 2 }));
  const shown = lines.toSorted((a, b) => Number(faults.has(b.line)) - Number(faults.has(a.line))).slice(0, SHOWN);
  return (
    <div className="dt">
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="dt-scroll" tabIndex={0} role="group" aria-label={t("import.preview", { count: body.length })}>
        <table>
          <thead>
            <tr>
              <th scope="col">
                <span>{t("import.line")}</span>
              </th>
              {head.map((column) => (
                <th scope="col" key={column}>
                  <span>{column}</span>
                </th>
              ))}
              <th scope="col">
                <span>{t("import.fault")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ cells, line }) => (
              <tr key={line}>
                <td>{line}</td>
                {head.map((column, at) => (
                  <td key={column}>{masked(column, cells[at] ?? "")}</td>
                ))}
                <td>
                  {faults.get(line)?.map((it) => (
                    <Status tone="bad" key={it.path}>
                      {it.path} {t("editor.mustBe", { what: it.what, allowed: it.allowed })}
                    </Status>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
