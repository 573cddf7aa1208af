import { Button, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo, useState, type FormEvent } from "react";
import { request } from "@/api/client";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import type { Write } from "@/lib/write";
import { useAddress } from "@/lib/search";
import { CopyAs } from "@/ui/copy-as";
import { Confirm } from "@/ui/confirm";
import { Empty, Head, Loaded, Panel, Refusal } from "@/ui/page";
import { SearchField } from "@/ui/search-field";
import { Status } from "@/ui/status";

export const Route = createLazyRoute("/inside/n/$network/api")({ component: Explorer });

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
}

interface Operation {
  id: string;
  method: string;
  path: string;
  need: string;
  parameters: Parameter[];
  body: string | null;
}

type Document = { paths: Record<string, Record<string, { operationId: string; "x-basalt-need": string; parameters?: Parameter[]; requestBody?: { content: Record<string, unknown> } }>> };

function operations(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, it]) => ({
      id: it.operationId,
      method: method.toUpperCase(),
      path,
      need: it["x-basalt-need"],
      parameters: it.parameters ?? [],
      body: it.requestBody ? (Object.keys(it.requestBody.content)[0] ?? null) : null,
    })),
  );
}

const SHOWN = 200;

function Explorer() {
  const { t } = useWords();
  const [{ q, id }, setAddress] = useAddress();
  const document = useQuery({ queryKey: ["openapi"], queryFn: async () => (await request("GET", "/api/v1/openapi.json")).body as Document, staleTime: Infinity });
  const all = useMemo(() => (document.data ? operations(document.data) : []), [document.data]);
  const words = (q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const shown = all.filter((it) => words.every((word) => `${it.method} ${it.path} ${it.id}`.toLowerCase().includes(word)));
  const chosen = all.find((it) => it.id === id);
  return (
    <>
      <Head title={t("nav.explorer")} note={<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>} />
      <Loaded query={document}>
        {() => (
          <div className="explorer">
            <Panel flush>
              <div className="dt-bar">
                <SearchField className="dt-search" label={t("table.search")} kept={q ?? ""} keep={(q) => setAddress({ q })} />
              </div>
              {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
              <div style={{ maxHeight: "70vh", overflow: "auto", padding: 8 }} tabIndex={0} role="group" aria-label={t("nav.explorer")}>
                {shown.slice(0, SHOWN).map((it) => (
                  <div key={it.id} style={{ padding: "3px 4px", display: "flex", gap: 8, alignItems: "start" }}>
                    <span className={`method ${it.method}`} aria-hidden="true">
                      {it.method}
                    </span>
                    <button type="button" className="linkish mono" style={{ textAlign: "left" }} aria-current={it.id === id} onClick={() => setAddress({ id: it.id })}>
                      <span className="hidden-label">{it.method} </span>
                      {it.path.replace("/api/v1", "")}
                    </button>
                  </div>
                ))}
              </div>
            </Panel>
            {chosen ? <Call key={chosen.id} operation={chosen} /> : <Panel>{<Empty title={t("explorer.choose")}>{t("explorer.words")}</Empty>}</Panel>}
          </div>
        )}
      </Loaded>
    </>
  );
}

/** One operation: its parameters, its body, what it answered. */
function Call({ operation }: { operation: Operation }) {
  const { t } = useWords();
  const network = useNetwork();
  const [values, setValues] = useState<Record<string, string>>({ network });
  const [body, setBody] = useState(operation.body ? "{}" : "");
  const [isAsked, setAsked] = useState(false);
  const inPath = operation.parameters.filter((it) => it.in === "path");
  const path = inPath.reduce((text, it) => text.replace(`{${it.name}}`, encodeURIComponent(values[it.name] ?? "")), operation.path);
  const told = operation.parameters.filter((it) => it.in === "query" && values[it.name]);
  const query = new URLSearchParams(told.map((it) => [it.name, values[it.name] ?? ""])).toString();
  const address = query ? `${path}?${query}` : path;
  const headers = () => {
    const own = operation.parameters.filter((it) => it.in === "header" && values[it.name]).map((it) => [it.name, values[it.name] ?? ""]);
    return Object.fromEntries(operation.body ? [...own, ["content-type", operation.body]] : own) as Record<string, string>;
  };
  const calling = useMutation({ mutationFn: () => request(operation.method, address, operation.body ? body : undefined, headers()) });
  const write = () => ({ method: operation.method, path: address, ...(operation.body ? { body: read(body) } : {}), ...aboutOf(path) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (operation.method === "GET") calling.mutate();
    else setAsked(true);
  };
  return (
    <Panel title={<span className="mono">{`${operation.method} ${operation.path}`}</span>} aside={<Status tone="quiet">{operation.need}</Status>}>
      <form className="stack" onSubmit={submit}>
        {operation.parameters.map((it) => (
          <TextInput key={it.name} label={`${it.name} (${it.in})`} description={it.description} required={it.required ?? false} value={values[it.name] ?? ""} onChange={(event) => setValues({ ...values, [it.name]: event.currentTarget.value })} />
        ))}
        {operation.body && <Textarea label={operation.body} classNames={{ input: "mono" }} autosize minRows={3} maxRows={16} value={body} onChange={(event) => setBody(event.currentTarget.value)} />}
        <div className="row">
          <Button type="submit" size="sm" loading={calling.isPending}>
            {t("action.run")}
          </Button>
          <CopyAs write={write} />
        </div>
        {calling.error && <Refusal error={calling.error} />}
        {calling.data && <pre className="block">{JSON.stringify(calling.data.body ?? null, null, 2)}</pre>}
      </form>
      {isAsked && <Confirm title={`${operation.method} ${address}`} blast={t("explorer.write")} verb={t("action.run")} write={write} act={() => calling.mutateAsync()} onClose={() => setAsked(false)} />}
    </Panel>
  );
}

/** The object of a network that a path is of, where it is of one. */
function aboutOf(path: string): { resource?: NonNullable<Write["resource"]> } {
  const [, network, kind, name] = /^\/api\/v1\/networks\/([^/]+)\/([a-z-]+)\/([^/]+)$/.exec(path) ?? [];
  return network && kind && name ? { resource: { kind, name: decodeURIComponent(name), network: decodeURIComponent(network) } } : {};
}

function read(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
