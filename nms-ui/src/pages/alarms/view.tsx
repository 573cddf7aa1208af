import { Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { useNetwork } from "@/app/network";
import { alertRuleForm, receiverForm, silenceForm } from "@/app/forms";
import { History } from "./history";
import { Webhooks } from "./webhooks";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import type { AnyObject } from "@/api/objects";
import { Age } from "@/ui/age";
import { ObjectTable, field, plain } from "@/ui/object-table";
import { Head, Notice } from "@/ui/page";

export const Route = createLazyRoute("/inside/n/$network/alarms")({ component: Alarms });

const TABS = ["history", "webhooks", "silences", "rules", "receivers"] as const;

function Alarms() {
  const { t } = useWords();
  const [{ tab }, setAddress] = useAddress();
  const shown = TABS.find((it) => it === tab) ?? "history";
  return (
    <>
      <Head title={t("nav.alarms")} />
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", hide: "", id: "", state: "" })} keepMounted={false}>
        <Tabs.List mb="md">
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

function Rules() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(
    () => [plain("summary", t("form.summary"), "summary"), plain("severity", t("alarms.severity"), "severity"), plain("expression", t("form.expression"), "expression"), plain("for", t("form.for"), "for_seconds"), plain("receivers", t("alarms.receivers"), "receivers")],
    [t],
  );
  return (
    <>
      <Notice tone="info">{t("alarms.rulesWords")}</Notice>
      <ObjectTable name={t("alarms.rules")} form={alertRuleForm(network)} columns={columns} none={t("alarms.noRules")} />
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

function Receivers() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(() => [plain("channel", t("alarms.channel"), "channel"), plain("target", t("alarms.target"), "target")], [t]);
  return (
    <>
      <Notice tone="info">{t("alarms.receiversWords")}</Notice>
      <ObjectTable name={t("alarms.receivers")} form={receiverForm(network)} columns={columns} none={t("alarms.noReceivers")} />
    </>
  );
}
