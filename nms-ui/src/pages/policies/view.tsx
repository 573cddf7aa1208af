import { Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Schemas } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { apnForm, planForm, qosForm, ruleForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { flow, limit, plan, rulesOf } from "@/lib/plain-words";
import { useAddress } from "@/lib/search";
import { intoSight } from "@/ui/into-sight";
import { Head } from "@/ui/page";
import { ObjectTable, plain } from "@/ui/object-table";

export const Route = createLazyRoute("/inside/n/$network/policies")({ component: Policies });

const TABS = ["plans", "apns", "rules", "qos"] as const;

function Policies() {
  const { t } = useWords();
  const [{ tab }, setAddress] = useAddress();
  const shown = TABS.find((it) => it === tab) ?? "plans";
  return (
    <>
      <Head title={t("nav.policies")} />
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", hide: "", id: "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {TABS.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`policies.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="plans">
          <Plans />
        </Tabs.Panel>
        <Tabs.Panel value="apns">
          <Apns />
        </Tabs.Panel>
        <Tabs.Panel value="rules">
          <Rules />
        </Tabs.Panel>
        <Tabs.Panel value="qos">
          <Qos />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Plans() {
  const { t, language } = useWords();
  const network = useNetwork();
  const columns = useMemo(() => {
    const body = (row: { body?: object }) => (row.body ?? {}) as Schemas["DataPlan"];
    return [
      plain("title", t("field.title"), "title"),
      { id: "words", title: t("policies.words"), value: (row: { body?: object }) => plan(body(row), t, language) },
      { id: "rules", title: t("policies.makes"), value: (row: { body?: object }) => rulesOf(body(row), t, language).join("; ") },
    ];
  }, [t, language]);
  return <ObjectTable name={t("policies.plans")} form={planForm(network)} columns={columns} none={t("policies.noPlans")} noneWords={t("policies.noPlansWords")} />;
}

function Apns() {
  const { t, language } = useWords();
  const network = useNetwork();
  const columns = useMemo(() => {
    const body = (row: { body?: object }) => row.body as Schemas["Apn"];
    return [
      { id: "rate", title: t("form.rate"), value: (row: { body?: object }) => limit(body(row)?.ambr, language) },
      plain("qci", "QCI", "qci"),
      plain("pdn", t("form.pdn"), "pdn_type"),
      plain("dns", "DNS", "dns_servers"),
      plain("vlan", "VLAN", "vlan"),
      plain("purpose", t("form.purpose"), "purpose"),
    ];
  }, [t, language]);
  return <ObjectTable name={t("policies.apns")} form={apnForm(network)} columns={columns} none={t("policies.noApns")} noneWords={t("policies.noApnsWords")} />;
}

function Rules() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(() => {
    const flows = (row: { body?: object }) => ((row.body as Schemas["PolicyRule"] | undefined)?.flow_list ?? []).map((it) => flow(it, t)).join("; ");
    return [plain("priority", t("form.priority"), "priority"), { id: "flows", title: t("form.flows"), value: flows }, plain("qos", t("kind.qos"), "qos_profile"), plain("rating", t("kind.rating"), "rating_group")];
  }, [t]);
  return <ObjectTable name={t("policies.rules")} form={ruleForm(network)} columns={columns} none={t("policies.noRules")} noneWords={t("policies.noRulesWords")} />;
}

function Qos() {
  const { t, language } = useWords();
  const network = useNetwork();
  const columns = useMemo(() => {
    const body = (row: { body?: object }) => row.body as Schemas["QosProfile"];
    return [
      plain("qci", "QCI", "qci"),
      { id: "max", title: t("form.max"), value: (row: { body?: object }) => limit(body(row)?.max, language) },
      { id: "guaranteed", title: t("form.guaranteed"), value: (row: { body?: object }) => limit(body(row)?.guaranteed, language) },
    ];
  }, [t, language]);
  return <ObjectTable name={t("policies.qos")} form={qosForm(network)} columns={columns} none={t("policies.noQos")} />;
}
