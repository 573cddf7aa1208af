// Home networks and the way to them: peers as they are now, who serves whom, and what is configured.
import { Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { useNetwork } from "@/app/network";
import { federationForm } from "@/app/forms";
import { useGatewayStates } from "@/api/fleet";
import type { AnyObject } from "@/api/objects";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { intoSight } from "@/ui/into-sight";
import { Fresh, Head } from "@/ui/page";
import { ObjectTable, field } from "@/ui/object-table";
import { Peers } from "./live";
import { Routing } from "./routing";

export const Route = createLazyRoute("/inside/n/$network/federation")({ component: Federation });

const TABS = ["peers", "routing", "configured"] as const;

function Federation() {
  const { t } = useWords();
  const [{ tab }, setAddress] = useAddress();
  const states = useGatewayStates(useNetwork());
  const shown = TABS.find((it) => it === tab) ?? "peers";
  return (
    <>
      <Head title={t("nav.federation")} note={<Fresh at={states.dataUpdatedAt} />} />
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", id: "", hide: "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {TABS.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`federation.tab.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="peers">
          <Peers states={states} />
        </Tabs.Panel>
        <Tabs.Panel value="routing">
          <Routing states={states.data ?? []} />
        </Tabs.Panel>
        <Tabs.Panel value="configured">
          <Configured />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function peer(row: AnyObject, name: string): string {
  return ["host", "address", "realm"].map((it) => field(row, name, it) ?? "").filter(Boolean).join(" ") || (field(row, name) ? "+" : "");
}

function Configured() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(
    () => [
      { id: "gateways", title: t("federation.gateways"), value: (row: AnyObject) => ((field(row, "gateways") ?? []) as { gateway: string }[]).map((it) => it.gateway).join(", ") },
      { id: "networks", title: t("federation.networks"), value: (row: AnyObject) => ((field(row, "networks") ?? []) as { plmn: string }[]).map((it) => it.plmn).join(", ") },
      { id: "peers", title: t("federation.tab.peers"), value: (row: AnyObject) => ((field(row, "peers") ?? []) as { host: string }[]).map((it) => it.host).join(", ") },
      ...(["s6a", "gx", "gy", "swx"] as const).map((it) => ({ id: it, title: t(`federation.${it}`), extra: true, value: (row: AnyObject) => peer(row, it) })),
      { id: "served", title: t("federation.served"), extra: true, value: (row: AnyObject) => ((field(row, "served_networks") ?? []) as string[]).join(", ") },
    ],
    [t],
  );
  return <ObjectTable name={t("nav.federation")} form={federationForm(network)} columns={columns} none={t("federation.none")} noneWords={t("federation.noneWords")} />;
}
