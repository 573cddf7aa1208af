// What was changed and the way back; changes that reach some gateways first; the tiers by which gateways are grouped.
import { Button, Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { tierForm } from "@/app/forms";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { intoSight } from "@/ui/into-sight";
import { ObjectTable, plain } from "@/ui/object-table";
import { Head } from "@/ui/page";
import { ChangedObjects, Past } from "./history";
import { Staged } from "./staged";

export const Route = createLazyRoute("/inside/n/$network/configuration")({ component: Configuration });

const TABS = ["history", "staged", "tiers"] as const;

function Configuration() {
  const { t } = useWords();
  const [{ tab, state }, setAddress] = useAddress();
  const shown = TABS.find((it) => it === tab) ?? "history";
  return (
    <>
      <Head title={t("nav.configuration")} note={t("configuration.words")}>
        <Button variant="default" onClick={() => setAddress({ state: "networks" })}>
          {t("configuration.network")}
        </Button>
      </Head>
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", id: "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {TABS.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`configuration.tab.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="history">
          <ChangedObjects />
        </Tabs.Panel>
        <Tabs.Panel value="staged">
          <Staged />
        </Tabs.Panel>
        <Tabs.Panel value="tiers">
          <Tiers />
        </Tabs.Panel>
      </Tabs>
      {state && <Past of={state} onClose={() => setAddress({ state: "" })} />}
    </>
  );
}

function Tiers() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(() => [plain("title", t("field.title"), "title"), plain("version", t("gateways.version"), "version"), plain("parallel", t("form.parallel"), "parallel_percent")], [t]);
  return <ObjectTable name={t("configuration.tab.tiers")} form={tierForm(network)} columns={columns} none={t("configuration.noTiers")} noneWords={t("configuration.noTiersWords")} />;
}
