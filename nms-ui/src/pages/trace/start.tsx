import { Button, NumberInput, SegmentedControl, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState, type FormEvent } from "react";
import { useStations } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { startTrace, tracesPath, type TraceRequest } from "@/api/traces";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { ofNetwork, quoted } from "@/lib/write";
import { CopyAs } from "@/ui/copy-as";
import { Icon } from "@/ui/icon";
import { Panel, Refusal } from "@/ui/page";

const OF = ["imsi", "gateway", "base_station"] as const;
/** How the `basalt` command calls them. */
const WORDS = { imsi: "", gateway: "--all", base_station: "--enb" };

/** Begins to record; of one phone with `imsi`. It may begin before the phone appears. */
export function Start({ imsi }: { imsi?: string }) {
  const { t } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [address] = useAddress();
  const [of, setOf] = useState<(typeof OF)[number]>(address.gateway ? "gateway" : "imsi");
  const [about, setAbout] = useState(imsi ?? address.imsi ?? address.gateway ?? "");
  const [minutes, setMinutes] = useState(10);
  const wanted: TraceRequest = { [imsi ? "imsi" : of]: imsi ?? about, minutes };
  const starting = useMutation({
    mutationFn: () => startTrace(network, wanted),
    onSuccess: async ({ id }) => {
      await client.invalidateQueries({ queryKey: ["traces", network] });
      await navigate({ to: "/n/$network/trace", params: { network }, search: { id } as never });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    starting.mutate();
  };
  if (!mayChange) return null;
  const turn = (to: string) => {
    setOf(OF.find((it) => it === to) ?? "imsi");
    setAbout("");
  };
  return (
    <Panel title={t("trace.start")}>
      <form className="stack" onSubmit={submit}>
        <p className="soft" style={{ margin: 0 }}>
          {t("trace.words")}
        </p>
        <div className="row" style={{ alignItems: "flex-end" }}>
          {!imsi && (
            <>
              <SegmentedControl size="sm" aria-label={t("trace.of")} data={OF.map((it) => ({ value: it, label: t(`trace.of.${it}`) }))} value={of} onChange={turn} />
              <About of={of} value={about} set={setAbout} />
            </>
          )}
          <NumberInput label={t("trace.minutes")} w={110} min={1} max={60} allowDecimal={false} hideControls value={minutes} onChange={(it) => setMinutes(Number(it))} />
          <Button type="submit" size="sm" leftSection={<Icon name="play" size={14} />} loading={starting.isPending}>
            {t("trace.begin")}
          </Button>
          <CopyAs write={() => ({ method: "POST", path: tracesPath(network), body: wanted, basalt: `basalt trace call ${WORDS[imsi ? "imsi" : of]} ${quoted(imsi ?? about)} -t ${minutes * 60}${ofNetwork(network)}`.replace("  ", " "), resource: { kind: "traces", name: imsi ?? about, network } })} />
        </div>
        {starting.error && <Refusal error={starting.error} />}
      </form>
    </Panel>
  );
}

function About({ of, value, set }: { of: (typeof OF)[number]; value: string; set: (value: string) => void }) {
  const { t } = useWords();
  const network = useNetwork();
  const gateways = useObjects(network, "gateways").data ?? [];
  const stations = useStations(network).data ?? [];
  if (of === "imsi") return <TextInput label="IMSI" required pattern="[0-9]{6,15}" inputMode="numeric" classNames={{ input: "mono" }} placeholder="001010000000001" value={value} onChange={(event) => set(event.currentTarget.value.trim())} />;
  const data = of === "gateway" ? gateways.map((it) => it.name) : [...new Set(stations.flatMap((it) => (it.id ? [it.id] : [])))];
  return <Select label={t(`trace.of.${of}`)} required searchable data={data} value={value || null} onChange={(it) => set(it ?? "")} />;
}
