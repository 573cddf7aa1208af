import { Button } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useGatewayStates, useNetworks } from "@/api/fleet";
import { useObjects, type Schemas } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { areaForm, networkForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { DataTable, type Column } from "@/ui/data-table";
import { Editor } from "@/ui/editor";
import { GatewayLink, SubscriberLink } from "@/ui/links";
import { ObjectTable, plain } from "@/ui/object-table";
import { Empty, Facts, Head, Loaded, Panel } from "@/ui/page";
import { Status } from "@/ui/status";

export const Route = createLazyRoute("/inside/n/$network/networking")({ component: Networking });

function Networking() {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const [isEditing, setEditing] = useState(false);
  const networks = useNetworks();
  return (
    <>
      <Head title={t("nav.networking")}>
        {mayChange && (
          <Button variant="default" onClick={() => setEditing(true)}>
            {t("action.edit")}
          </Button>
        )}
      </Head>
      <div className="stack">
        <Loaded query={networks}>{(all) => <About body={all.find((it) => it.name === network)?.body} />}</Loaded>
        <Pools />
        <Fixed />
        <Areas />
      </div>
      {isEditing && <Editor form={networkForm(network, t)} name={network} onClose={() => setEditing(false)} onSaved={() => void networks.refetch()} />}
    </>
  );
}

function About({ body }: { body: Schemas["Network"] | undefined }) {
  const { t } = useWords();
  const epc = body?.epc;
  const mobility = epc?.mobility;
  return (
    <div className="grid">
      <Panel title={t("networking.identity")}>
        <Facts
          of={[
            ["PLMN", epc?.mcc && <span className="mono" key="plmn">{`${epc.mcc}-${epc.mnc}`}</span>],
            ["TAC", epc?.tac],
            [t("networking.allowed"), (epc?.allowed_plmns ?? []).join(", ")],
          ]}
        />
      </Panel>
      <Panel title={t("networking.addresses")}>
        <Facts
          of={[
            [t("networking.mode"), mobility?.ip_allocation_mode],
            [t("networking.blocks"), <span className="mono" key="blocks">{(mobility?.nat_ip_blocks ?? []).join(", ")}</span>],
            [t("networking.reserved"), <span className="mono" key="reserved">{(mobility?.reserved_addresses ?? []).join(", ")}</span>],
            [t("networking.static"), mobility?.enable_static_ip_assignments ? <Status key="static" tone="good">{t("field.on")}</Status> : <Status key="static" tone="quiet">{t("field.off")}</Status>],
          ]}
        />
      </Panel>
    </div>
  );
}

interface Pool {
  gateway: string;
  apn: string;
  free: number;
  total: number;
}

/** Pools as gateways have them now. */
function Pools() {
  const { t } = useWords();
  const network = useNetwork();
  const states = useGatewayStates(network);
  const rows = useMemo<Pool[]>(
    () => (states.data ?? []).flatMap((state) => Object.entries(state.state?.pools ?? {}).map(([apn, pool]) => ({ gateway: state.gateway, apn, ...pool }))),
    [states.data],
  );
  const columns = useMemo<Column<Pool>[]>(
    () => [
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "apn", title: "APN", value: (row) => row.apn },
      { id: "used", title: t("networking.used"), right: true, value: (row) => row.total - row.free },
      { id: "total", title: t("networking.total"), right: true, value: (row) => row.total },
      {
        id: "share",
        title: "%",
        right: true,
        value: (row) => (row.total ? Math.round((100 * (row.total - row.free)) / row.total) : 0),
        cell: (row) => (
          <div className="bar" style={{ width: 90, display: "inline-block" }}>
            <span style={{ width: `${row.total ? (100 * (row.total - row.free)) / row.total : 0}%` }} />
          </div>
        ),
      },
    ],
    [t],
  );
  return <DataTable isFurther name={t("networking.pools")} rows={rows} columns={columns} idOf={(row) => `${row.gateway}/${row.apn}`} height="320px" empty={<Empty title={t("networking.noPools")}>{t("networking.noPoolsWords")}</Empty>} />;
}

interface Own {
  imsi: string;
  apn: string;
  addresses: string;
  routes: string;
}

/** Addresses and networks that belong to a subscriber. */
function Fixed() {
  const { t } = useWords();
  const subscribers = useObjects(useNetwork(), "subscribers").data;
  const rows = useMemo<Own[]>(
    () =>
      (subscribers ?? []).flatMap((it) =>
        (it.body?.active_apns ?? [])
          .filter((own) => own.static_address || (own.framed_routes ?? []).length > 0)
          .map((own) => ({
            imsi: it.name,
            apn: own.apn,
            addresses: [own.static_address?.ipv4, own.static_address?.ipv6].filter(Boolean).join(" "),
            routes: (own.framed_routes ?? []).join(" "),
          })),
      ),
    [subscribers],
  );
  const columns = useMemo<Column<Own>[]>(
    () => [
      { id: "imsi", title: "IMSI", value: (row) => row.imsi, cell: (row) => <SubscriberLink imsi={row.imsi} /> },
      { id: "apn", title: "APN", value: (row) => row.apn },
      { id: "addresses", title: t("subscribers.fixed"), value: (row) => row.addresses },
      { id: "routes", title: t("networking.routes"), value: (row) => row.routes },
    ],
    [t],
  );
  return <DataTable isFurther name={t("networking.own")} rows={rows} columns={columns} idOf={(row) => `${row.imsi}/${row.apn}`} height="320px" empty={<Empty title={t("networking.noOwn")}>{t("networking.noOwnWords")}</Empty>} />;
}

function Areas() {
  const { t } = useWords();
  const network = useNetwork();
  const columns = useMemo(() => [plain("title", t("field.title"), "title"), plain("tac", "TAC", "tac"), plain("gateways", t("nav.gateways"), "gateways")], [t]);
  return <ObjectTable isFurther name={t("networking.areas")} form={areaForm(network)} columns={columns} none={t("networking.noAreas")} noneWords={t("networking.noAreasWords")} />;
}
