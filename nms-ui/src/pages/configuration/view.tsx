import { Button, Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { request } from "@/api/client";
import { useAudit, useNetworks } from "@/api/fleet";
import { objectPath, type AnyObject } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { tierForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { History } from "@/ui/editor/history";
import { ObjectTable, plain } from "@/ui/object-table";
import { Empty, Head, Loaded } from "@/ui/page";
import { useSay } from "@/ui/toast";
import { changedObjects, type Changed } from "./changed";

export const Route = createLazyRoute("/inside/n/$network/configuration")({ component: Configuration });

const MOST = 5000;

/** Objects that were written, the newest change of each, from the audit log. */
function useChanged(): { query: ReturnType<typeof useAudit>; rows: Changed[] } {
  const network = useNetwork();
  const query = useAudit(network, MOST);
  const rows = useMemo(() => changedObjects(query.data ?? [], network), [query.data, network]);
  return { query, rows };
}

function Configuration() {
  const { t } = useWords();
  const network = useNetwork();
  const [{ state }, setAddress] = useAddress();
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
  const tiers = useMemo(() => [plain("title", t("field.title"), "title"), plain("version", t("gateways.version"), "version"), plain("parallel", t("form.parallel"), "parallel_percent")], [t]);
  return (
    <>
      <Head title={t("nav.configuration")} note={t("configuration.words")}>
        <Button variant="default" onClick={() => setAddress({ state: "networks" })}>
          {t("configuration.network")}
        </Button>
      </Head>
      <div className="stack">
        <Loaded query={query}>
          {() => <DataTable name={t("nav.configuration")} rows={rows} columns={columns} idOf={(row) => row.key} height="calc(100dvh - 420px)" empty={<Empty title={t("configuration.none")} />} />}
        </Loaded>
        <ObjectTable isFurther name={t("configuration.rollout")} form={tierForm(network)} columns={tiers} none={t("configuration.noTiers")} noneWords={t("configuration.noTiersWords")} />
      </div>
      {state && <Past of={state} onClose={() => setAddress({ state: "" })} />}
    </>
  );
}

/** The versions of one object: of this network, or the network itself. */
function Past({ of, onClose }: { of: string; onClose: () => void }) {
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
