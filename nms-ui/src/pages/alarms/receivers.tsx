import { Button, Drawer } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useReceiverDeliveries } from "@/api/alarms";
import { request } from "@/api/client";
import { objectPath, type AnyObject } from "@/api/objects";
import { toProblem } from "@/api/problem";
import { useMayChange, useNetwork } from "@/app/network";
import { receiverForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { Age } from "@/ui/age";
import type { Column } from "@/ui/data-table";
import { ObjectTable, field, plain } from "@/ui/object-table";
import { Empty, Loaded, Notice } from "@/ui/page";
import { Status, type Tone } from "@/ui/status";
import { useSay } from "@/ui/toast";
import { Severity } from "./rules";

const STATES = ["pending", "delivered", "dead"] as const;
const TONES: Record<(typeof STATES)[number], Tone> = { pending: "info", delivered: "good", dead: "bad" };

/** Who is told of alarms; each can be tried by a button, and shows what became of it. */
export function Receivers() {
  const { t } = useWords();
  const network = useNetwork();
  const [shown, setShown] = useState<string | null>(null);
  const columns = useMemo<Column<AnyObject>[]>(
    () => [
      plain("channel", t("alarms.channel"), "channel"),
      plain("target", t("alarms.target"), "target"),
      { id: "severity", title: t("alarms.from"), value: (row) => String(field(row, "severity") ?? ""), cell: (row) => (field(row, "severity") ? <Severity of={String(field(row, "severity"))} /> : <span className="soft">{t("alarms.ownOnly")}</span>) },
      { id: "test", title: t("webhooks.test"), value: () => "", cell: (row) => <Try name={row.name} show={() => setShown(row.name)} /> },
    ],
    [t],
  );
  return (
    <>
      <Notice tone="info">{t("alarms.receiversWords")}</Notice>
      <ObjectTable name={t("alarms.receivers")} form={receiverForm(network)} columns={columns} none={t("alarms.noReceivers")} noneWords={t("alarms.noReceiversWords")} />
      {shown && (
        <Drawer opened onClose={() => setShown(null)} position="right" size="lg" title={t("alarms.sentTo", { name: shown })} closeButtonProps={{ "aria-label": t("action.close") }}>
          <Sent receiver={shown} />
        </Drawer>
      )}
    </>
  );
}

function Try({ name, show }: { name: string; show: () => void }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const trying = useMutation({
    mutationFn: () => request("POST", `${objectPath(network, "alert-receivers", name)}/test`),
    onSuccess: () => {
      show();
      return client.invalidateQueries({ queryKey: ["receiver-deliveries", network, name] });
    },
    onError: (error) => say(toProblem(error).detail),
  });
  return (
    <span className="row" style={{ flexWrap: "nowrap" }}>
      <Button size="compact-xs" variant="default" disabled={!mayChange} loading={trying.isPending} onClick={() => trying.mutate()}>
        {t("webhooks.test")}
      </Button>
      <Button size="compact-xs" variant="subtle" color="gray" c="var(--b-ink-soft)" onClick={show}>
        {t("alarms.sent")}
      </Button>
    </span>
  );
}

/** What was sent, newest first, with why it did not arrive. */
function Sent({ receiver }: { receiver: string }) {
  const { t } = useWords();
  const sent = useReceiverDeliveries(useNetwork(), receiver);
  return (
    <Loaded query={sent}>
      {(all) =>
        all.length === 0 ? (
          <Empty title={t("alarms.nothingSent")} />
        ) : (
          <ul className="list" aria-live="polite">
            {all.map((it) => {
              const state = STATES.find((known) => known === it.state) ?? "pending";
              return (
                <li key={it.id}>
                  <Status tone={TONES[state]}>{t(`alarms.delivery.${state}`)}</Status>
                  <span>
                    {it.kind}
                    {it.trouble && <span className="soft"> · {it.trouble}</span>}
                  </span>
                  <span className="soft nowrap">
                    {t("alarms.attempts", { count: it.attempts })}, <Age at={it.changed_at} />
                  </span>
                </li>
              );
            })}
          </ul>
        )
      }
    </Loaded>
  );
}
