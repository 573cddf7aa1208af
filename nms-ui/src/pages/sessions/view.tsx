import { Button } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useDeferredValue, useMemo, useState } from "react";
import type { Phone } from "@/api/answers";
import { LIVE, usePhones } from "@/api/fleet";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { fromSeconds } from "@/lib/time";
import { phoneState } from "@/lib/phones";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { Filter } from "@/ui/filter";
import { Icon } from "@/ui/icon";
import { GatewayLink, SubscriberLink } from "@/ui/links";
import { Empty, Fresh, Head, Loaded } from "@/ui/page";
import { Status } from "@/ui/status";

export const Route = createLazyRoute("/inside/n/$network/sessions")({ component: Sessions });

function useColumns(): Column<Phone>[] {
  const { t } = useWords();
  return useMemo(() => {
    const words = (row: Phone) => {
      const { key } = phoneState(row.state);
      return key ? t(key) : row.state;
    };
    return [
      { id: "imsi", title: "IMSI", value: (row) => row.imsi, cell: (row) => <SubscriberLink imsi={row.imsi} /> },
      { id: "title", title: t("field.title"), value: (row) => row.title },
      { id: "state", title: t("gateways.state"), value: words, cell: (row) => <Status tone={phoneState(row.state).tone}>{words(row)}</Status> },
      { id: "address", title: t("phone.addresses"), value: (row) => row.addresses.join(" "), cell: (row) => <span className="mono">{row.addresses.join(" ") || "–"}</span> },
      { id: "apn", title: "APN", value: (row) => row.apns.join(" ") },
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "enb", title: t("phone.station"), value: (row) => row.enb },
      { id: "cell", title: t("phone.cell"), value: (row) => row.cell },
      { id: "seen", title: t("phone.lastSeen"), value: (row) => fromSeconds(row.last_seen) ?? row.told_at, cell: (row) => <Age at={fromSeconds(row.last_seen) ?? row.told_at} /> },
    ];
  }, [t]);
}

function Sessions() {
  const { t } = useWords();
  const [{ state }, setAddress] = useAddress();
  const [kept, setKept] = useState<Phone[] | null>(null);
  const isPaused = kept !== null;
  const phones = usePhones(useNetwork(), undefined, isPaused ? false : LIVE);
  // New rows may wait a moment: typing and scrolling go first.
  const rows = useDeferredValue(kept ?? phones.data);
  const columns = useColumns();
  const filter = useMemo(() => (state ? (row: Phone) => row.state === state : undefined), [state]);
  const states = useMemo(() => [...new Set((rows ?? []).map((it) => it.state))].sort(), [rows]);
  const label = (it: string) => {
    const { key } = phoneState(it);
    return key ? t(key) : it;
  };
  const choice = (
    <Filter label={t("gateways.state")} data={states.map((it) => ({ value: it, label: label(it) }))} value={state} choose={(it) => setAddress({ state: it })} />
  );
  return (
    <>
      <Head title={t("nav.sessions")} note={<Fresh at={phones.dataUpdatedAt} />}>
        <Button variant="default" leftSection={<Icon name={isPaused ? "play" : "pause"} size={14} />} onClick={() => setKept(isPaused ? null : (phones.data ?? []))}>
          {isPaused ? t("sessions.resume") : t("sessions.pause")}
        </Button>
      </Head>
      <Loaded query={phones}>
        {(all) => <DataTable name={t("nav.sessions")} rows={rows ?? all} columns={columns} idOf={(row) => `${row.gateway}/${row.imsi}`} filters={choice} filter={filter} empty={<Empty title={t("sessions.none")}>{t("sessions.noneWords")}</Empty>} />}
      </Loaded>
    </>
  );
}
