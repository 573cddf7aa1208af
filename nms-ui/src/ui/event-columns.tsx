import { useMemo } from "react";
import type { GatewayEvent } from "@/api/answers";
import { useWords } from "@/i18n";
import { Age } from "./age";
import type { Column } from "./data-table";
import { GatewayLink, SubscriberLink } from "./links";
import { Status } from "./status";

/** Columns of a table of events. */
export function useEventColumns(): Column<GatewayEvent>[] {
  const { t } = useWords();
  return useMemo(
    () => [
      { id: "at", title: t("field.when"), value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
      { id: "kind", title: t("events.kind"), value: (row) => row.kind, cell: (row) => <Status tone={row.alarm ? "bad" : "quiet"}>{row.kind}</Status> },
      { id: "text", title: t("events.text"), value: (row) => row.text },
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "imsi", title: "IMSI", value: (row) => row.imsi, cell: (row) => <SubscriberLink imsi={row.imsi} /> },
      { id: "facts", title: t("events.facts"), extra: true, value: (row) => (row.facts ? JSON.stringify(row.facts) : "") },
    ],
    [t],
  );
}
