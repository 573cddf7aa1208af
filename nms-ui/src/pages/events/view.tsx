import { Select, TextInput } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useEvents } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { RANGES } from "@/lib/time";
import { useAddress } from "@/lib/search";
import { DataTable } from "@/ui/data-table";
import { useEventColumns } from "@/ui/event-columns";
import { Empty, Fresh, Head, Loaded } from "@/ui/page";
import { RangeChoice } from "@/ui/range";
import { useTyped } from "@/ui/search-field";
import { useRange, useSince } from "@/ui/since";

export const Route = createLazyRoute("/inside/n/$network/events")({ component: Events });

const MOST = 1000;

function Events() {
  const { t } = useWords();
  const network = useNetwork();
  const [{ gateway, imsi }, setAddress] = useAddress();
  const since = useSince(RANGES[useRange()]);
  const events = useEvents(network, MOST, { gateway, imsi, since }, true);
  const [typed, type] = useTyped(imsi ?? "", (digits) => setAddress({ imsi: digits }));
  const columns = useEventColumns();
  const gateways = useObjects(network, "gateways").data ?? [];
  const filters = (
    <>
      <Select size="xs" w={150} clearable searchable aria-label={t("kind.gateway")} placeholder={t("kind.gateway")} data={gateways.map((it) => it.name)} value={gateway ?? null} onChange={(it) => setAddress({ gateway: it ?? "" })} />
      <TextInput size="xs" w={150} aria-label="IMSI" placeholder="IMSI" value={typed} onChange={(event) => type(event.currentTarget.value.replace(/\D/g, ""))} />
    </>
  );
  return (
    <>
      <Head title={t("nav.events")} note={<Fresh at={events.dataUpdatedAt} />}>
        <RangeChoice />
      </Head>
      <Loaded query={events}>
        {(rows) => <DataTable name={t("nav.events")} rows={rows} columns={columns} idOf={(row) => String(row.id)} filters={filters} isNarrowed={Boolean(gateway || imsi)} empty={<Empty title={t("events.none")}>{t("events.noneWords")}</Empty>} />}
      </Loaded>
    </>
  );
}
