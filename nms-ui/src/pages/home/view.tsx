import { Button, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Navigate, createLazyRoute } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { useNetworks } from "@/api/fleet";
import { objectPath, put } from "@/api/objects";
import { Refused } from "@/api/problem";
import { useWords } from "@/i18n";
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

/** What a first network needs: the tenant, the network, a tier for its gateways. */
async function make(told: Record<(typeof FIELDS)[number], string>): Promise<void> {
  const where = (collection: string, network: string | null, name: string) => objectPath(network, collection, name);
  await put(where("tenants", null, told.tenant), { title: told.tenant }).catch((error: unknown) => {
    if (!(error instanceof Refused) || !error.isConflict) throw error;
  });
  const epc = { mcc: told.mcc, mnc: told.mnc, tac: TAC.test(told.tac) ? Number(told.tac) : told.tac };
  await put(where("networks", null, told.name), { tenant: told.tenant, title: told.name, epc });
  await put(where("tiers", told.name, "default"), { title: "Default" });
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
        <Button type="submit" size="sm" loading={making.isPending}>
          {t("network.create")}
        </Button>
      </form>
    </main>
  );
}
