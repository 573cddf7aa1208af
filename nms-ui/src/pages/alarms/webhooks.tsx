import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useMemo } from "react";
import { request } from "@/api/client";
import { objectPath, type AnyObject } from "@/api/objects";
import { toProblem } from "@/api/problem";
import { useMayChange, useNetwork } from "@/app/network";
import { webhookForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { ObjectTable, field, plain } from "@/ui/object-table";
import { Status } from "@/ui/status";
import { useSay } from "@/ui/toast";

/** Who is told of events, signed; each can be tried by a button. */
export function Webhooks() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(
    () => [
      plain("url", t("alarms.target"), "url"),
      { id: "events", title: t("nav.events"), value: (row: AnyObject) => ((field(row, "events") ?? []) as string[]).join(", ") },
      {
        id: "active",
        title: t("gateways.state"),
        value: (row: AnyObject) => (field(row, "active") === false ? t("field.off") : t("field.on")),
        cell: (row: AnyObject) => (field(row, "active") === false ? <Status tone="quiet">{t("field.off")}</Status> : <Status tone="good">{t("field.on")}</Status>),
      },
      { id: "test", title: t("webhooks.test"), value: () => "", cell: (row: AnyObject) => <Try name={row.name} /> },
    ],
    [t],
  );
  return <ObjectTable name={t("alarms.webhooks")} form={webhookForm(network)} columns={columns} none={t("webhooks.none")} noneWords={t("webhooks.noneWords")} />;
}

function Try({ name }: { name: string }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const mayChange = useMayChange();
  const trying = useMutation({
    mutationFn: () => request("POST", `${objectPath(network, "webhooks", name)}/test`),
    onSuccess: () => say(t("webhooks.sent")),
    onError: (error) => say(toProblem(error).detail),
  });
  return (
    <Button size="compact-xs" variant="default" disabled={!mayChange} loading={trying.isPending} onClick={() => trying.mutate()}>
      {t("webhooks.test")}
    </Button>
  );
}
