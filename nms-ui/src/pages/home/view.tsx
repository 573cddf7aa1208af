import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Navigate, createLazyRoute } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { useNetworks } from "@/api/fleet";
import { objectPath, put } from "@/api/objects";
import { Refused } from "@/api/problem";
import { useWords } from "@/i18n";
import type { Wanted, Write } from "@/lib/write";
import { CopyAs } from "@/ui/copy-as";
import { Loaded, Refusal } from "@/ui/page";

export const Route = createLazyRoute("/inside/")({ component: Home });

/** Goes to the first network, or makes it. */
function Home() {
  const networks = useNetworks();
  return (
    <Loaded query={networks}>
      {([first]) => (first ? <Navigate to="/n/$network" params={{ network: first.name }} replace /> : <FirstNetwork />)}
    </Loaded>
  );
}

const FIELDS = ["name", "tenant", "mcc", "mnc", "tac"] as const;
const TAC = /^\d{1,5}$/;

type Told = Record<(typeof FIELDS)[number], string>;

/** What a first network needs: the tenant, the network, a tier for its gateways. */
function wanted(told: Told): [Wanted, Wanted, Wanted] {
  const epc = { mcc: told.mcc, mnc: told.mnc, tac: TAC.test(told.tac) ? Number(told.tac) : told.tac };
  return [
    { kind: "tenants", name: told.tenant, network: null, body: { title: told.tenant } },
    { kind: "networks", name: told.name, network: null, body: { tenant: told.tenant, title: told.name, epc } },
    { kind: "tiers", name: "default", network: told.name, body: { title: "Default" } },
  ];
}

const pathOf = ({ network, kind, name }: Wanted) => objectPath(network, kind, name);

async function make(told: Told): Promise<void> {
  const [tenant, ...others] = wanted(told);
  await put(pathOf(tenant), tenant.body).catch((error: unknown) => {
    if (!(error instanceof Refused) || !error.isConflict) throw error;
  });
  for (const it of others) await put(pathOf(it), it.body);
}

/** The same for others to write. */
function asWrite(told: Told): Write {
  const leaves = wanted(told);
  const [first, ...then] = leaves.map((it): Write => ({ method: "PUT", path: pathOf(it), body: it.body }));
  return { method: "PUT", path: "", ...first, then, leaves };
}

function FirstNetwork() {
  const { t } = useWords();
  const client = useQueryClient();
  const [told, setTold] = useState({ name: "home", tenant: "own", mcc: "001", mnc: "01", tac: "1" });
  const making = useMutation({
    mutationFn: () => make(told),
    onSuccess: () => client.invalidateQueries({ queryKey: ["networks"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    making.mutate();
  };
  return (
    <main className="door">
      <title>Basalt</title>
      <h1>{t("network.none")}</h1>
      <p className="soft">{t("network.noneWords")}</p>
      {making.error && <Refusal error={making.error} />}
      <form onSubmit={submit}>
        {FIELDS.map((field) => (
          <TextInput key={field} label={t(`network.${field}`)} required value={told[field]} onChange={(event) => setTold({ ...told, [field]: event.currentTarget.value })} />
        ))}
        <div className="row">
          <Button type="submit" size="sm" loading={making.isPending}>
            {t("network.create")}
          </Button>
          <CopyAs write={() => asWrite(told)} />
        </div>
      </form>
    </main>
  );
}
