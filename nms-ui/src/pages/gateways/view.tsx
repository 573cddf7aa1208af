import { Button } from "@mantine/core";
import { Link, createLazyRoute } from "@tanstack/react-router";
import { Suspense, lazy, useMemo, useState } from "react";
import { useGatewayStates } from "@/api/fleet";
import { collectionPath, useObjects } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { endTone, fromSeconds, left } from "@/lib/time";
import { joined, type GatewayRow, type Health } from "@/lib/fleet";
import { useAddress } from "@/lib/search";
import { Age, useNowIn } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { Filter } from "@/ui/filter";
import { HealthMark } from "@/ui/health";
import { Icon } from "@/ui/icon";
import { GatewayLink } from "@/ui/links";
import { Empty, Fresh, Head, Loaded, Stale } from "@/ui/page";
import { Status } from "@/ui/status";

const AddGateway = lazy(() => import("./add"));

export const Route = createLazyRoute("/inside/n/$network/gateways")({ component: Gateways });

const HEALTH: Health[] = ["connected", "behind", "refusing", "silent", "never"];

function useColumns(): Column<GatewayRow>[] {
  const { t } = useWords();
  return useMemo(
    () => [
      { id: "name", title: t("editor.name"), value: (row) => row.name, cell: (row) => <GatewayLink name={row.name} /> },
      { id: "title", title: t("field.title"), value: (row) => row.title },
      { id: "health", title: t("gateways.state"), value: (row) => t(`health.${row.health}`), cell: (row) => <HealthMark of={row.health} /> },
      { id: "seen", title: t("gateways.seen"), value: (row) => row.state?.seen_at, cell: (row) => <Age at={row.state?.seen_at} /> },
      {
        id: "version",
        title: t("gateways.version"),
        value: (row) => row.state?.state?.version,
        cell: (row) => <Version of={row} />,
      },
      { id: "certificate", title: t("gateways.certificate"), right: true, value: (row) => row.state?.certificate_expires_at, cell: (row) => <Certificate until={row.state?.certificate_expires_at} /> },
      { id: "tier", title: t("gateways.tier"), value: (row) => row.tier },
      { id: "enbs", title: t("nav.stations"), right: true, value: (row) => row.state?.state?.enbs?.length },
      { id: "phones", title: t("overview.phones"), right: true, value: (row) => row.state?.state?.registered_ues },
      { id: "sessions", title: t("overview.sessions"), right: true, value: (row) => row.state?.state?.sessions },
      { id: "plane", title: t("gateways.dataPlane"), extra: true, value: (row) => row.state?.state?.data_plane },
      { id: "started", title: t("gateways.started"), extra: true, value: (row) => row.state?.state?.started_at, cell: (row) => <Age at={fromSeconds(row.state?.state?.started_at)} /> },
    ],
    [t],
  );
}

function Gateways() {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const [isAdding, setAdding] = useState(false);
  const [{ state }, setAddress] = useAddress();
  const gateways = useObjects(network, "gateways");
  const states = useGatewayStates(network);
  const tiers = useObjects(network, "tiers").data;
  const columns = useColumns();
  const rows = useMemo(() => joined(gateways.data ?? [], states.data ?? [], tiers), [gateways.data, states.data, tiers]);
  const filter = useMemo(() => (state ? (row: GatewayRow) => row.health === state : undefined), [state]);
  const add = mayChange && (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setAdding(true)}>
      {t("gateways.add")}
    </Button>
  );
  const choice = (
    <Filter label={t("gateways.state")} data={HEALTH.map((it) => ({ value: it, label: t(`health.${it}`) }))} value={state} choose={(chosen) => setAddress({ state: chosen })} />
  );
  const empty = (
    <Empty title={t("gateways.none")} action={add}>
      {t("gateways.noneWords")}
    </Empty>
  );
  return (
    <>
      <Head title={t("nav.gateways")} note={<Fresh at={states.dataUpdatedAt} />}>
        <Button variant="default" component={Link} to={`/n/${network}/upgrades`} leftSection={<Icon name="up" size={14} />}>
          {t("nav.upgrades")}
        </Button>
        {add}
      </Head>
      {states.isError && <Stale query={states} />}
      <Loaded query={gateways}>
        {() => <DataTable name={t("nav.gateways")} rows={rows} columns={columns} idOf={(row) => row.name} exported={collectionPath(network, "gateways")} empty={empty} filters={choice} filter={filter} />}
      </Loaded>
      {isAdding && (
        <Suspense>
          <AddGateway onClose={() => setAdding(false)} />
        </Suspense>
      )}
    </>
  );
}

/** The version that it runs, and the one that its tier wants where that is another. */
function Version({ of }: { of: GatewayRow }) {
  const { t } = useWords();
  const runs = of.state?.state?.version;
  if (!runs || !of.wanted || runs === of.wanted) return <>{runs ?? "–"}</>;
  return (
    <>
      {runs} <Status tone="info">{t("gateways.otherThan", { wanted: of.wanted })}</Status>
    </>
  );
}

/** How long its certificate holds; gateways renew theirs by themselves before the last day. */
function Certificate({ until }: { until: number | null | undefined }) {
  const { t } = useWords();
  const now = useNowIn(60_000);
  if (!until) return <span className="soft">–</span>;
  const { unit, count } = left(until, now);
  const tone = endTone(until, now);
  const words = t(`gateway.${unit}`, { count });
  return tone === "good" ? <>{words}</> : <Status tone={tone}>{words}</Status>;
}
