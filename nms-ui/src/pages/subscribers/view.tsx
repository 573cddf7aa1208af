import { Button } from "@mantine/core";
import { Link, createLazyRoute } from "@tanstack/react-router";
import { Suspense, lazy, useMemo, useState } from "react";
import { usePhonesAt } from "@/api/fleet";
import { collectionPath, useObjects, type Stored } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { subscriberForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { addressOf } from "@/lib/addresses";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { Editor } from "@/ui/editor";
import { Filter } from "@/ui/filter";
import { Icon } from "@/ui/icon";
import { SubscriberLink } from "@/ui/links";
import { Empty, Head, Loaded, Notice } from "@/ui/page";
import { Status } from "@/ui/status";

const Bulk = lazy(() => import("./bulk"));

export const Route = createLazyRoute("/inside/n/$network/subscribers")({ component: Subscribers });

export type Row = Stored<"subscribers">;

function addresses(row: Row): string {
  const all = (row.body?.active_apns ?? []).flatMap((it) => [it.static_address?.ipv4, it.static_address?.ipv6]);
  return all.filter(Boolean).join(" ");
}

function useColumns(): Column<Row>[] {
  const { t } = useWords();
  return useMemo(
    () => [
      { id: "name", title: "IMSI", value: (row) => row.name, cell: (row) => <SubscriberLink imsi={row.name} /> },
      { id: "title", title: t("field.title"), value: (row) => row.body?.title },
      {
        id: "state",
        title: t("subscribers.state"),
        value: (row) => (row.body?.state === "INACTIVE" ? t("subscribers.suspended") : t("subscribers.active")),
        cell: (row) => (row.body?.state === "INACTIVE" ? <Status tone="warn">{t("subscribers.suspended")}</Status> : <Status tone="good">{t("subscribers.active")}</Status>),
      },
      { id: "msisdn", title: t("subscribers.msisdn"), value: (row) => row.body?.msisdn },
      { id: "plan", title: t("subscribers.plan"), value: (row) => row.body?.data_plan },
      { id: "address", title: t("subscribers.fixed"), value: addresses },
      { id: "keys", title: t("subscribers.keys"), extra: true, value: (row) => (row.has_secrets ? t("subscribers.hasKeys") : t("subscribers.noKeys")) },
      { id: "changed", title: t("field.changed"), value: (row) => row.changed_at, cell: (row) => <Age at={row.changed_at} /> },
    ],
    [t],
  );
}

function Subscribers() {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const [isAdding, setAdding] = useState(false);
  const [isBulk, setBulk] = useState(false);
  const [{ state }, setAddress] = useAddress();
  const subscribers = useObjects(network, "subscribers");
  const columns = useColumns();
  const filter = useMemo(() => (state ? (row: Row) => (row.body?.state ?? "ACTIVE") === state : undefined), [state]);
  const importing = (
    <Button variant="default" component={Link} to={`/n/${network}/import`} leftSection={<Icon name="up" size={14} />}>
      {t("nav.import")}
    </Button>
  );
  const add = (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={() => setAdding(true)}>
      {t("action.add")}
    </Button>
  );
  const empty = (
    <Empty
      title={t("subscribers.none")}
      action={
        <div className="row">
          {add}
          {importing}
        </div>
      }
    >
      {t("subscribers.noneWords")}
    </Empty>
  );
  const choice = (
    <Filter
      label={t("subscribers.state")}
      data={[
        { value: "ACTIVE", label: t("subscribers.active") },
        { value: "INACTIVE", label: t("subscribers.suspended") },
      ]}
      value={state}
      choose={(chosen) => setAddress({ state: chosen })}
    />
  );
  return (
    <>
      <Head title={t("nav.subscribers")} note={subscribers.isFetching && subscribers.data ? t("state.loading") : t("subscribers.searchHint")}>
        {mayChange && (
          <>
            <Button variant="default" onClick={() => setBulk(true)}>
              {t("bulk.title")}
            </Button>
            {importing}
            {add}
          </>
        )}
      </Head>
      <Holders />
      <Loaded query={subscribers}>
        {(rows) => <DataTable name={t("nav.subscribers")} rows={rows} columns={columns} idOf={(row) => row.name} exported={collectionPath(network, "subscribers")} empty={empty} filters={choice} filter={filter} />}
      </Loaded>
      {isAdding && <Editor form={subscriberForm(network, t)} name={null} onClose={() => setAdding(false)} />}
      {isBulk && (
        <Suspense>
          <Bulk rows={subscribers.data ?? []} onClose={() => setBulk(false)} />
        </Suspense>
      )}
    </>
  );
}

/** Who has the address that is searched for now: pools give others each time, so it stands in no row. */
function Holders() {
  const { t } = useWords();
  const [{ q }] = useAddress();
  const address = addressOf(q ?? "");
  const phones = usePhonesAt(useNetwork(), address).data ?? [];
  if (phones.length === 0) return null;
  return (
    <Notice tone="info">
      {phones.map((it) => (
        <div key={`${it.gateway}/${it.imsi}`}>
          {t("subscribers.holds", { address })} <SubscriberLink imsi={it.imsi} /> {it.title}
        </div>
      ))}
    </Notice>
  );
}
