// Objects that were written, the newest change of each, and the versions of one with the way back to each.
import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { request } from "@/api/client";
import { useAudit, useNetworks } from "@/api/fleet";
import { objectPath, type AnyObject } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { History } from "@/ui/editor/history";
import { Empty, Loaded } from "@/ui/page";
import { useSay } from "@/ui/toast";
import { changedObjects, type Changed } from "./changed";

const MOST = 5000;

/** Objects that were written, the newest change of each, from the audit log. */
function useChanged(): { query: ReturnType<typeof useAudit>; rows: Changed[] } {
  const network = useNetwork();
  const query = useAudit(network, MOST);
  const rows = useMemo(() => changedObjects(query.data ?? [], network), [query.data, network]);
  return { query, rows };
}

export function ChangedObjects() {
  const { t } = useWords();
  const [, setAddress] = useAddress();
  const { query, rows } = useChanged();
  const columns = useMemo<Column<Changed>[]>(
    () => [
      { id: "at", title: t("field.when"), value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
      { id: "collection", title: t("configuration.kind"), value: (row) => row.collection },
      {
        id: "name",
        title: t("editor.name"),
        value: (row) => row.name,
        cell: (row) => (
          <button type="button" className="linkish" onClick={() => setAddress({ state: row.key })}>
            {row.name}
          </button>
        ),
      },
      { id: "who", title: t("audit.who"), value: (row) => row.who },
      { id: "changes", title: t("configuration.changes"), right: true, value: (row) => row.changes },
    ],
    [t, setAddress],
  );
  return (
    <Loaded query={query}>
      {() => <DataTable name={t("nav.configuration")} rows={rows} columns={columns} idOf={(row) => row.key} height="calc(100dvh - 250px)" empty={<Empty title={t("configuration.none")} />} />}
    </Loaded>
  );
}

/** The versions of one object: of this network, or the network itself. */
export function Past({ of, onClose }: { of: string; onClose: () => void }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const networks = useNetworks();
  const [collection = "", name = network] = of.split("/");
  const scope = collection === "networks" ? null : network;
  const known = useQuery({
    queryKey: ["editing", scope, collection, name],
    queryFn: async () => (await request("GET", objectPath(scope, collection, name))).body as AnyObject,
  });
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={of} closeButtonProps={{ "aria-label": t("action.close") }}>
      <Loaded query={known}>
        {(object) => (
          <History
            network={scope}
            collection={collection}
            known={object}
            onDone={() => {
              say(t("editor.saved"));
              void networks.refetch();
              void known.refetch();
            }}
          />
        )}
      </Loaded>
    </Drawer>
  );
}
