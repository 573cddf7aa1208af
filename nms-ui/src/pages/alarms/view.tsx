import { Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { useNetwork } from "@/app/network";
import { silenceForm } from "@/app/forms";
import { History } from "./history";
import { Receivers } from "./receivers";
import { Rules } from "./rules";
import { Webhooks } from "./webhooks";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import type { AnyObject } from "@/api/objects";
import { Age } from "@/ui/age";
import { intoSight } from "@/ui/into-sight";
import { ObjectTable, field, plain } from "@/ui/object-table";
import { Head } from "@/ui/page";

export const Route = createLazyRoute("/inside/n/$network/alarms")({ component: Alarms });

const TABS = ["history", "rules", "receivers", "silences", "webhooks"] as const;

function Alarms() {
  const { t } = useWords();
  const [{ tab }, setAddress] = useAddress();
  const shown = TABS.find((it) => it === tab) ?? "history";
  return (
    <>
      <Head title={t("nav.alarms")} />
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", hide: "", id: "", state: "", by: "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {TABS.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`alarms.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="history">
          <History />
        </Tabs.Panel>
        <Tabs.Panel value="webhooks">
          <Webhooks />
        </Tabs.Panel>
        <Tabs.Panel value="silences">
          <Silences />
        </Tabs.Panel>
        <Tabs.Panel value="rules">
          <Rules />
        </Tabs.Panel>
        <Tabs.Panel value="receivers">
          <Receivers />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Silences() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(
    () => [
      plain("gateway", t("kind.gateway"), "gateway"),
      plain("kind", t("events.kind"), "kind"),
      { id: "until", title: t("alarms.until"), value: (row: AnyObject) => Number(field(row, "until")), cell: (row: AnyObject) => <Age at={Number(field(row, "until"))} /> },
      plain("comment", t("alarms.why"), "comment"),
    ],
    [t],
  );
  return <ObjectTable name={t("alarms.silences")} form={silenceForm(network)} columns={columns} none={t("alarms.noSilences")} noneWords={t("alarms.silenceWords")} />;
}
