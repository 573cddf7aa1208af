import { Switch } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import type { AuditEntry } from "@/api/answers";
import { useAudit } from "@/api/fleet";
import { may, useMe } from "@/api/session";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { Empty, Fresh, Head, Loaded } from "@/ui/page";
import { Status } from "@/ui/status";
import { tone } from "./tone";

export const Route = createLazyRoute("/inside/n/$network/audit")({ component: Audit });

const MOST = 5000;

function Audit() {
  const { t } = useWords();
  const network = useNetwork();
  const isAdmin = may(useMe().data, "admin", null);
  const [isAll, setAll] = useState(false);
  const audit = useAudit(isAll ? null : network, MOST);
  const columns = useMemo<Column<AuditEntry>[]>(
    () => [
      { id: "at", title: t("field.when"), value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
      { id: "who", title: t("audit.who"), value: (row) => row.who },
      { id: "action", title: t("audit.action"), value: (row) => row.action },
      { id: "target", title: t("audit.target"), value: (row) => row.target, cell: (row) => <span className="mono">{row.target}</span> },
      { id: "outcome", title: t("audit.outcome"), value: (row) => row.outcome, cell: (row) => <Status tone={tone(row.outcome)}>{row.outcome}</Status> },
      { id: "network", title: t("shell.network"), extra: !isAll, value: (row) => row.network },
    ],
    [t, isAll],
  );
  const all = isAdmin && <Switch size="xs" label={t("audit.all")} checked={isAll} onChange={(event) => setAll(event.currentTarget.checked)} />;
  return (
    <>
      <Head title={t("nav.audit")} note={<Fresh at={audit.dataUpdatedAt} />} />
      <Loaded query={audit}>
        {(rows) => <DataTable name={t("nav.audit")} rows={rows} columns={columns} idOf={(row) => String(row.id)} filters={all} empty={<Empty title={t("audit.none")} />} />}
      </Loaded>
    </>
  );
}
