import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Command } from "@/api/answers";
import { request } from "@/api/client";
import { LIVE } from "@/api/fleet";
import { collectionPath, objectPath } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { ofNetwork, quoted } from "@/lib/write";
import { CopyAs } from "@/ui/copy-as";
import { Refusal } from "@/ui/page";
import { Status } from "@/ui/status";

const OPEN = ["queued", "sent", "running"];

/** Asks a home network, or one peer, for a subscriber that nobody has: any answer proves the way. */
export function Ping({ gateway, wanted }: { gateway: string; wanted: string }) {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const [id, setId] = useState<string | null>(null);
  const path = `${objectPath(network, "gateways", gateway)}/commands`;
  const body = { kind: "test-ping", arguments: { realm: wanted }, minutes: 1 };
  const asking = useMutation({
    mutationFn: async () => (await request("POST", path, JSON.stringify(body), { "content-type": "application/json" })).body as Command,
    onSuccess: (command) => setId(command.id),
  });
  const command = useQuery({
    queryKey: ["command", network, id],
    queryFn: async () => (await request("GET", `${collectionPath(network, "commands")}/${id}`)).body as Command,
    enabled: id !== null,
    refetchInterval: (query) => (query.state.data && !OPEN.includes(query.state.data.state) ? false : LIVE),
  }).data;
  if (!mayChange) return null;
  return (
    <div className="stack">
      <div className="row">
        <Button size="xs" variant="default" loading={asking.isPending || (command !== undefined && OPEN.includes(command.state))} onClick={() => asking.mutate()}>
          {t("federation.ping")}
        </Button>
        <CopyAs write={() => ({ method: "POST", path, body, basalt: `basalt test-ping ${quoted(wanted)} --feg ${quoted(gateway)}${ofNetwork(network)}`, resource: { kind: "commands", name: "test-ping", network } })} />
      </div>
      {asking.error && <Refusal error={asking.error} />}
      <div aria-live="polite">{command && !OPEN.includes(command.state) && <Answer of={command} />}</div>
    </div>
  );
}

function Answer({ of }: { of: Command }) {
  const { t, language } = useWords();
  if (of.state !== "done") {
    return (
      <>
        <Status tone="bad">{t("federation.noAnswer")}</Status> {of.output}
      </>
    );
  }
  const told = read(of.output);
  return (
    <>
      <Status tone="good">{t("federation.answered")}</Status> {told ? t("federation.answeredWords", { peer: told.peer, time: (told.took_us / 1000).toLocaleString(language, { maximumFractionDigits: 1 }), result: told.result }) : of.output}
    </>
  );
}

/** What a federation gateway says of a test: JSON; nothing when it is none. */
function read(output: string): { peer: string; took_us: number; result: string } | undefined {
  try {
    return JSON.parse(output) as { peer: string; took_us: number; result: string };
  } catch {
    return undefined;
  }
}
