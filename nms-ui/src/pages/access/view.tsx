import { Tabs } from "@mantine/core";
import { createLazyRoute } from "@tanstack/react-router";
import { useMemo } from "react";
import { may, useMe } from "@/api/session";
import { tenantForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { intoSight } from "@/ui/into-sight";
import { Head, Panel } from "@/ui/page";
import { ObjectTable, plain } from "@/ui/object-table";
import { Keys } from "./keys";
import { Mine } from "./mine";
import { Users } from "./users";

export const Route = createLazyRoute("/inside/n/$network/access")({ component: Access });

const TABS = ["mine", "keys", "users", "tenants", "roles"] as const;

function Access() {
  const { t } = useWords();
  const [{ tab }, setAddress] = useAddress();
  const isAdmin = may(useMe().data, "admin", null);
  const tabs = TABS.filter((it) => isAdmin || it === "mine" || it === "keys" || it === "roles");
  const shown = tabs.find((it) => it === tab) ?? "mine";
  return (
    <>
      <Head title={t("nav.access")} />
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "", sort: "", hide: "", id: "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {tabs.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`access.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="mine">
          <Mine />
        </Tabs.Panel>
        <Tabs.Panel value="keys">
          <Keys />
        </Tabs.Panel>
        <Tabs.Panel value="users">
          <Users />
        </Tabs.Panel>
        <Tabs.Panel value="tenants">
          <Tenants />
        </Tabs.Panel>
        <Tabs.Panel value="roles">
          <Roles />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Tenants() {
  const { t } = useWords();
  const columns = useMemo(() => [plain("title", t("field.title"), "title"), plain("contact", t("access.contact"), "contact")], [t]);
  return <ObjectTable name={t("access.tenants")} form={tenantForm()} columns={columns} none={t("access.noTenants")} />;
}

/** What each role may do; the orchestrator enforces it, here it is only told. */
function Roles() {
  const { t } = useWords();
  return (
    <div className="grid">
      {(["viewer", "operator", "admin"] as const).map((role) => (
        <Panel key={role} title={t(`role.${role}`)}>
          <p style={{ margin: 0 }}>{t(`role.${role}.words`)}</p>
        </Panel>
      ))}
    </div>
  );
}
