import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { useNetwork } from "@/app/network";
import { federationForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { Head, Notice } from "@/ui/page";
import { ObjectTable, field } from "@/ui/object-table";
import type { AnyObject } from "@/api/objects";

export const Route = createLazyRoute("/inside/n/$network/federation")({ component: Federation });

function peer(row: AnyObject, name: string): string {
  return ["host", "address", "realm"].map((it) => field(row, name, it) ?? "").filter(Boolean).join(" ") || (field(row, name) ? "+" : "");
}

function Federation() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(
    () => [
      ...(["s6a", "gx", "gy", "swx"] as const).map((it) => ({ id: it, title: t(`federation.${it}`), value: (row: AnyObject) => peer(row, it) })),
      { id: "served", title: t("federation.served"), value: (row: AnyObject) => ((field(row, "served_networks") ?? []) as string[]).join(", ") },
    ],
    [t],
  );
  return (
    <>
      <Head title={t("nav.federation")} />
      <Notice tone="info">{t("federation.noState")}</Notice>
      <ObjectTable name={t("nav.federation")} form={federationForm(network)} columns={columns} none={t("federation.none")} noneWords={t("federation.noneWords")} />
    </>
  );
}
