import { Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { useEvents } from "@/api/fleet";
import { useNetwork } from "@/app/network";
import { alertRuleForm, receiverForm } from "@/app/forms";
import { Webhooks } from "./webhooks";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { DataTable } from "@/ui/data-table";
import { ObjectTable, plain } from "@/ui/object-table";
import { Empty, Fresh, Head, Loaded, Notice } from "@/ui/page";
import { useEventColumns } from "@/ui/event-columns";

export const Route = createLazyRoute("/inside/n/$network/alarms")({ component: Alarms });

const TABS = ["history", "webhooks", "rules", "receivers"] as const;

function Alarms() {
  const { t } = useWords();
  const [{ tab }, setAddress] = useAddress();
  const shown = TABS.find((it) => it === tab) ?? "history";
  return (
    <>
      <Head title={t("nav.alarms")} />
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", hide: "", id: "" })} keepMounted={false}>
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

/** Events that somebody should look at. */
function History() {
  const { t } = useWords();
  const alarms = useEvents(useNetwork(), 1000, { alarms: true });
  const columns = useEventColumns();
  return (
    <>
      <p>
        <Fresh at={alarms.dataUpdatedAt} />
      </p>
      <Loaded query={alarms}>
        {(rows) => <DataTable name={t("alarms.history")} rows={rows} columns={columns} idOf={(row) => String(row.id)} empty={<Empty title={t("alarms.none")}>{t("alarms.noneWords")}</Empty>} />}
      </Loaded>
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
