import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { Release } from "@/api/answers";
import { may, useMe } from "@/api/session";
import { deleteRelease, useReleases } from "@/api/upgrades";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { octets } from "@/lib/units";
import { quoted } from "@/lib/write";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { CopyLine } from "@/ui/copy-line";
import { DataTable, type Column } from "@/ui/data-table";
import { Icon } from "@/ui/icon";
import { Empty, Loaded, Panel } from "@/ui/page";
import { Status } from "@/ui/status";
import { Upload } from "./upload";

export function Releases() {
  const { t, language } = useWords();
  const client = useQueryClient();
  const releases = useReleases();
  // Releases are the installation's: who may change them here may do so everywhere.
  const mayChange = may(useMe().data, "operator", useNetwork());
  const [deleting, setDeleting] = useState<string | null>(null);
  const [isAdding, setAdding] = useState(false);
  const columns = useMemo<Column<Release>[]>(
    () => [
      { id: "name", title: t("upgrades.release"), value: (row) => row.name, cell: (row) => <span className="mono">{row.name}</span> },
      { id: "version", title: t("gateways.version"), value: (row) => row.version },
      { id: "platform", title: t("upgrades.platform"), value: (row) => row.platform },
      { id: "channel", title: t("alarms.channel"), value: (row) => row.channel },
      { id: "size", title: t("upgrades.size"), right: true, value: (row) => row.size, cell: (row) => octets(row.size, language) },
      {
        id: "state",
        title: t("gateways.state"),
        value: (row) => (row.complete ? 1 : 0),
        cell: (row) => (row.complete ? <Status tone="good">{t("upgrades.complete")}</Status> : <Status tone="warn">{t("upgrades.part", { percent: Math.floor((100 * row.received) / row.size) })}</Status>),
      },
      { id: "at", title: t("field.when"), value: (row) => row.created_at, cell: (row) => <span>{row.created_by}, <Age at={row.created_at} /></span> },
      { id: "sha", title: "SHA-256", extra: true, value: (row) => row.sha256, cell: (row) => <span className="mono">{row.sha256.slice(0, 16)}…</span> },
      ...(mayChange ? [{ id: "act", title: t("alarms.act"), value: () => "", cell: (row: Release) => <Button size="compact-xs" variant="subtle" color="red" c="var(--b-bad)" onClick={() => setDeleting(row.name)}>{t("action.delete")}</Button> }] : []),
    ],
    [t, language, mayChange],
  );
  const add = mayChange && (
    <Button leftSection={<Icon name="up" size={14} />} onClick={() => setAdding(true)}>
      {t("upgrades.add")}
    </Button>
  );
  return (
    <div className="stack">
      <Loaded query={releases}>
        {(rows) => (
          <DataTable name={t("upgrades.tab.releases")} rows={rows} columns={columns} idOf={(row) => row.name} filters={add} height="50vh" empty={<Empty title={t("upgrades.noReleases")} action={add}>{t("upgrades.noReleasesWords")}</Empty>} />
        )}
      </Loaded>
      <Panel title={t("upgrades.byCommand")}>
        <p className="soft">{t("upgrades.signWords")}</p>
        <CopyLine label={t("upgrades.byCommand")} text={"basalt release key ~/release.key\nbasalt release add agwd --key ~/release.key --channel stable"} />
      </Panel>
      {deleting && (
        <Confirm
          title={`${t("action.delete")}: ${deleting}`}
          blast={t("upgrades.deleteBlast")}
          verb={t("action.delete")}
          write={() => ({ method: "DELETE", path: `/api/v1/releases/${encodeURIComponent(deleting)}`, basalt: `basalt release delete ${quoted(deleting)}`, resource: { kind: "releases", name: deleting, network: null } })}
          act={async () => {
            await deleteRelease(deleting);
            await client.invalidateQueries({ queryKey: ["releases"] });
          }}
          onClose={() => setDeleting(null)}
        />
      )}
      {isAdding && <Upload onClose={() => setAdding(false)} />}
    </div>
  );
}
