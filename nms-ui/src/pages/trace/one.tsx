// One trace: how far it is, its procedures, its messages as a ladder, and one of them in full.
import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useDeferredValue, useMemo, useState } from "react";
import { download } from "@/api/client";
import { objectPath, remove } from "@/api/objects";
import { toProblem } from "@/api/problem";
import { tracesPath, useLadder, useTrace, type Ladder, type Procedure, type Trace } from "@/api/traces";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { saveBlob } from "@/lib/csv";
import { useAddress } from "@/lib/search";
import { octets } from "@/lib/units";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { Icon } from "@/ui/icon";
import { SubscriberLink } from "@/ui/links";
import { Empty, Head, Loaded, Notice, Panel } from "@/ui/page";
import { SearchField } from "@/ui/search-field";
import { Status, type Tone } from "@/ui/status";
import { useSay } from "@/ui/toast";
import { Drawing } from "./drawing";
import { Going, aboutOf } from "./list";
import { PROTOCOLS, lasting, outermost, rowsOf } from "./ladder";
import { Message } from "./message";

export function One({ id }: { id: string }) {
  const { t } = useWords();
  const network = useNetwork();
  const trace = useTrace(network, id);
  const ladder = useLadder(network, id, trace.data?.state === "running");
  return (
    <Loaded query={trace}>
      {(known) => (
        <>
          <Head
            title={known.imsi ? t("trace.title", { of: known.imsi }) : t("trace.title", { of: aboutOf(known) })}
            note={
              <span className="row">
                <Going of={known} /> {known.created_by}, <Age at={known.created_at} />
                {known.imsi && <SubscriberLink imsi={known.imsi} />}
              </span>
            }
          >
            <Acts of={known} />
          </Head>
          <Sites of={known} />
          <Loaded query={ladder}>{(told) => (told.messages.length === 0 ? <Nothing isRunning={known.state === "running"} /> : <Told of={told} />)}</Loaded>
        </>
      )}
    </Loaded>
  );
}

function Nothing({ isRunning }: { isRunning: boolean }) {
  const { t } = useWords();
  return (
    <Panel>
      <Empty title={t("trace.nothing")}>{isRunning ? t("trace.nothingYet") : t("trace.nothingWords")}</Empty>
    </Panel>
  );
}

function Acts({ of }: { of: Trace }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [, setAddress] = useAddress();
  const [isAsked, setAsked] = useState(false);
  const path = objectPath(network, "traces", of.id);
  const saving = useMutation({
    mutationFn: () => download("GET", `${path}/pcapng`),
    onSuccess: (file) => saveBlob(`trace-${of.id}.pcapng`, file),
    onError: (error) => say(toProblem(error).detail),
  });
  const act = async () => {
    await remove(path);
    await client.invalidateQueries({ queryKey: ["traces", network] });
    setAddress({ id: "", by: "", q: "", hide: "", state: "" });
  };
  return (
    <>
      <Button variant="default" onClick={() => setAddress({ id: "", by: "", q: "", hide: "", state: "" })}>
        {t("trace.all")}
      </Button>
      {mayChange && (
        <>
          <Button variant="default" leftSection={<Icon name="download" size={14} />} loading={saving.isPending} onClick={() => saving.mutate()}>
            pcapng
          </Button>
          <Button variant="subtle" color="red" c="var(--b-bad)" onClick={() => setAsked(true)}>
            {of.state === "running" ? t("trace.stop") : t("action.delete")}
          </Button>
        </>
      )}
      {isAsked && <Confirm title={t("trace.title", { of: aboutOf(of) })} blast={t("trace.deleteBlast", { count: of.gateways.length })} verb={of.state === "running" ? t("trace.stop") : t("action.delete")} write={() => ({ method: "DELETE", path: `${tracesPath(network)}/${of.id}` })} act={act} onClose={() => setAsked(false)} />}
    </>
  );
}

const TONES: Record<string, Tone> = { done: "good", running: "info", sent: "info", queued: "quiet", failed: "bad", "not-supported": "warn", interrupted: "warn", expired: "warn" };
const STATES = ["queued", "sent", "running", "done", "failed", "not-supported", "interrupted", "expired"] as const;

/** How far it is at each gateway. */
function Sites({ of }: { of: Trace }) {
  const { t, language } = useWords();
  return (
    <p className="row" style={{ margin: "0 0 12px" }}>
      {of.gateways.map((it) => (
        <span key={it.gateway} className="row" style={{ gap: 4 }}>
          <Status tone={TONES[it.state] ?? "quiet"}>
            {it.gateway}: {t(`commands.state.${STATES.find((known) => known === it.state) ?? "queued"}`)}
          </Status>
          <span className="soft">
            {octets(it.octets, language)} {it.said}
          </span>
        </span>
      ))}
    </p>
  );
}

function Told({ of }: { of: Ladder }) {
  const { t } = useWords();
  const [{ q = "", hide = "", by, state }, setAddress] = useAddress();
  const words = useDeferredValue(q);
  const hidden = useMemo(() => new Set(hide.split(",")), [hide]);
  const procedure = by ? Number(by) : null;
  const rows = useMemo(() => rowsOf(of, { words, hidden, procedure }), [of, words, hidden, procedure]);
  const chosen = of.messages.find((it) => String(it.number) === state);
  return (
    <div className="stack">
      {of.dropped + of.left_out > 0 && <Notice tone="warn">{t("trace.lost", { count: of.dropped + of.left_out })}</Notice>}
      <Procedures of={of.procedures} chosen={procedure} choose={(number) => setAddress({ by: number === null ? "" : String(number) })} />
      <div className="row">
        <SearchField w={240} label={t("trace.filter")} kept={q} keep={(q) => setAddress({ q })} />
        <Protocols of={of} hidden={hidden} />
        <span className="soft">{t("trace.messages", { count: rows.filter((it) => it.kind === "message").length })}</span>
      </div>
      <div className={chosen ? "ladder-page both" : "ladder-page"}>
        <Drawing of={of} rows={rows} chosen={state} choose={(number) => setAddress({ state: String(number) === state ? "" : String(number) })} />
        {chosen && <Message of={chosen} participants={of.participants} onClose={() => setAddress({ state: "" })} />}
      </div>
    </div>
  );
}

/** Protocols that occur, each to be left out or taken in. */
function Protocols({ of, hidden }: { of: Ladder; hidden: ReadonlySet<string> }) {
  const [, setAddress] = useAddress();
  const there = PROTOCOLS.filter((protocol) => of.messages.some((it) => it.protocol === protocol));
  const turn = (protocol: string) => {
    const after = new Set([...hidden].filter(Boolean));
    if (!after.delete(protocol)) after.add(protocol);
    setAddress({ hide: [...after].join(",") });
  };
  return (
    <>
      {there.map((protocol) => (
        <button key={protocol} type="button" className={`protocol ${protocol}`} aria-pressed={!hidden.has(protocol)} onClick={() => turn(protocol)}>
          {protocol}
        </button>
      ))}
    </>
  );
}

const RESULTS: Record<string, Tone> = { success: "good", failure: "bad", open: "info" };

/** What happened, procedure by procedure; one can be looked at alone. */
function Procedures({ of, chosen, choose }: { of: Procedure[]; chosen: number | null; choose: (number: number | null) => void }) {
  const { t, language } = useWords();
  const outer = useMemo(() => {
    const all = outermost(of);
    return of.filter((it) => all.get(it.number) === it);
  }, [of]);
  if (outer.length === 0) return null;
  return (
    <div className="procedures" role="group" aria-label={t("trace.procedures")}>
      {outer.map((it) => (
        <button key={it.number} type="button" aria-pressed={chosen === it.number} onClick={() => choose(chosen === it.number ? null : it.number)}>
          <strong>{it.name}</strong>
          <Status tone={RESULTS[it.result] ?? "quiet"}>{it.result === "open" ? t("trace.open") : lasting(it.duration, language)}</Status>
          {it.cause && <span className="why">{it.cause}</span>}
        </button>
      ))}
    </div>
  );
}
