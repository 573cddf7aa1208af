// One change for many subscribers: chosen by the page's search, rehearsed by the orchestrator, then done at once or not at all.
import { Button, Drawer, Select } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { usePhones } from "@/api/fleet";
import { importRows } from "@/api/jobs";
import { collectionPath, keyOf, useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { CopyAs } from "@/ui/copy-as";
import { Notice, Refusal } from "@/ui/page";
import { useSay } from "@/ui/toast";
import type { Row } from "./view";

type Change = { state: "ACTIVE" | "INACTIVE" } | { data_plan: string | undefined };

/** The rows that the page's search and filter leave. */
function useChosen(rows: Row[]): Row[] {
  const [{ q, state }] = useAddress();
  return useMemo(() => {
    const words = (q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (row: Row) => {
      const text = `${row.name} ${row.body?.title ?? ""} ${row.body?.msisdn ?? ""} ${row.body?.data_plan ?? ""}`.toLowerCase();
      return (!state || (row.body?.state ?? "ACTIVE") === state) && words.every((word) => text.includes(word));
    };
    return rows.filter(fits);
  }, [rows, q, state]);
}

/** How many of them are registered now, and would be disconnected. */
function useRegistered(network: string, chosen: Row[]): number {
  const phones = usePhones(network).data;
  return useMemo(() => {
    const names = new Set(chosen.map((row) => row.name));
    return (phones ?? []).filter((phone) => names.has(phone.imsi)).length;
  }, [phones, chosen]);
}

export default function Bulk({ rows, onClose }: { rows: Row[]; onClose: () => void }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const client = useQueryClient();
  const chosen = useChosen(rows);
  const plans = useObjects(network, "data-plans").data ?? [];
  const [kind, setKind] = useState("suspend");
  const [plan, setPlan] = useState<string | null>(null);
  const change: Change = kind === "plan" ? { data_plan: plan ?? undefined } : { state: kind === "suspend" ? "INACTIVE" : "ACTIVE" };
  const lines = () => chosen.map((row) => JSON.stringify({ name: row.name, body: { ...row.body, ...change } })).join("\n");
  const path = `${collectionPath(network, "subscribers")}/import`;
  const [percent, setPercent] = useState<number | null>(null);
  const send = (dry: boolean) => importRows(network, "subscribers", lines(), "application/x-ndjson", dry, setPercent).finally(() => setPercent(null));
  const affected = useRegistered(network, chosen);
  const rehearsing = useMutation({ mutationFn: () => send(true) });
  const doing = useMutation({
    mutationFn: () => send(false),
    onSuccess: async (done) => {
      say(t("bulk.done", { count: done.rows }));
      onClose();
      await client.invalidateQueries({ queryKey: keyOf(network, "subscribers") });
    },
  });
  const set = (next: string | null) => {
    setKind(next ?? "suspend");
    rehearsing.reset();
  };
  return (
    <Drawer opened onClose={onClose} position="right" title={t("bulk.title")} closeButtonProps={{ "aria-label": t("action.close") }}>
      <div className="stack">
        <p>{t("bulk.chosen", { count: chosen.length })}</p>
        <p className="soft">{t("bulk.words")}</p>
        <Select
          label={t("bulk.what")}
          allowDeselect={false}
          data={[
            { value: "suspend", label: t("subscribers.suspend") },
            { value: "resume", label: t("subscribers.resume") },
            { value: "plan", label: t("bulk.plan") },
          ]}
          value={kind}
          onChange={set}
        />
        {kind === "plan" && <Select label={t("subscribers.plan")} clearable data={plans.map((it) => it.name)} value={plan} onChange={setPlan} />}
        {kind === "suspend" && <Notice tone="warn">{t("confirm.phones", { count: affected })}</Notice>}
        {(rehearsing.error ?? doing.error) && <Refusal error={rehearsing.error ?? doing.error} />}
        {percent !== null && <p role="status">{t("import.progress", { percent })}</p>}
        {rehearsing.data && <Notice tone="info">{t("bulk.rehearsed", { count: rehearsing.data.replaced })}</Notice>}
        <div className="row">
          <Button variant="default" disabled={chosen.length === 0} loading={rehearsing.isPending} onClick={() => rehearsing.mutate()}>
            {t("bulk.rehearse")}
          </Button>
          <Button disabled={!rehearsing.data} loading={doing.isPending} onClick={() => doing.mutate()}>
            {t("bulk.do")}
          </Button>
          <CopyAs write={() => ({ method: "POST", path, text: { octets: lines(), form: "application/x-ndjson" }, leaves: chosen.map((row) => ({ kind: "subscribers", name: row.name, network, body: { ...row.body, ...change } })) })} />
        </div>
      </div>
    </Drawer>
  );
}
