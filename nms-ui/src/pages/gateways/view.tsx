import { Button, Select } from "@mantine/core";
import { Link, createLazyRoute } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useGatewayStates } from "@/api/fleet";
import { collectionPath, useObjects } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { daysUntil, fromSeconds } from "@/lib/time";
import { joined, type GatewayRow, type Health } from "@/lib/fleet";
import { useAddress } from "@/lib/search";
import { Age, useNowIn } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { HealthMark } from "@/ui/health";
import { Icon } from "@/ui/icon";
import { GatewayLink } from "@/ui/links";
import { Empty, Fresh, Head, Loaded, Stale } from "@/ui/page";
import { Status } from "@/ui/status";
import { AddGateway } from "./add";

export const Route = createLazyRoute("/inside/n/$network/gateways")({ component: Gateways });

const HEALTH: Health[] = ["connected", "behind", "refusing", "silent", "never"];

/** Certificates stand in the table where the orchestrator tells them of all gateways at once. */
function useColumns(hasCertificates: boolean): Column<GatewayRow>[] {
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
      { id: "certificate", title: t("gateways.certificate"), right: true, extra: !hasCertificates, value: (row) => row.state?.certificate_expires_at, cell: (row) => <Certificate until={row.state?.certificate_expires_at} /> },
      { id: "tier", title: t("gateways.tier"), value: (row) => row.tier },
      { id: "enbs", title: t("nav.stations"), right: true, value: (row) => row.state?.state?.enbs?.length },
      { id: "phones", title: t("overview.phones"), right: true, value: (row) => row.state?.state?.registered_ues },
      { id: "sessions", title: t("overview.sessions"), right: true, value: (row) => row.state?.state?.sessions },
      { id: "plane", title: t("gateways.dataPlane"), extra: true, value: (row) => row.state?.state?.data_plane },
      { id: "started", title: t("gateways.started"), extra: true, value: (row) => row.state?.state?.started_at, cell: (row) => <Age at={fromSeconds(row.state?.state?.started_at)} /> },
    ],
    [t, hasCertificates],
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
  const columns = useColumns(states.data?.some((it) => it.certificate_expires_at) ?? false);
  const rows = useMemo(() => joined(gateways.data ?? [], states.data ?? [], tiers), [gateways.data, states.data, tiers]);
  const filter = useMemo(() => (state ? (row: GatewayRow) => row.health === state : undefined), [state]);
  const add = mayChange && (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setAdding(true)}>
      {t("gateways.add")}
    </Button>
  );
  const choice = (
    <Select
      size="xs"
      w={150}
      aria-label={t("gateways.state")}
      placeholder={t("gateways.state")}
      clearable
      data={HEALTH.map((it) => ({ value: it, label: t(`health.${it}`) }))}
      value={state ?? null}
      onChange={(chosen) => setAddress({ state: chosen ?? "" })}
    />
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
      {isAdding && <AddGateway onClose={() => setAdding(false)} />}
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

const SOON = 7;

/** Days that its certificate holds; gateways renew theirs by themselves long before. */
function Certificate({ until }: { until: number | null | undefined }) {
  const { t } = useWords();
  const now = useNowIn(60_000);
  if (!until) return <span className="soft">–</span>;
  const days = daysUntil(until, now);
  return days > SOON ? <>{t("gateway.days", { count: days })}</> : <Status tone={days < 0 ? "bad" : "warn"}>{t("gateway.days", { count: days })}</Status>;
}
