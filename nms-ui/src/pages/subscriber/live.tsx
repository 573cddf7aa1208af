// What a phone sends and gets now, counted by its gateway hop by hop, and letting it go.
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Suspense, lazy, useState } from "react";
import type { Command, Phone } from "@/api/answers";
import { request } from "@/api/client";
import { objectPath, collectionPath } from "@/api/objects";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { quoted } from "@/lib/write";
import { counted, rates, verdicts, type Counted, type Hop, type HopName } from "@/lib/hops";
import { count, octets, rate } from "@/lib/units";
import { Confirm } from "@/ui/confirm";
import { Icon } from "@/ui/icon";
import { Empty, Notice, Panel, Refusal } from "@/ui/page";
import { Status } from "@/ui/status";
import { useSay } from "@/ui/toast";

const Chart = lazy(async () => ({ default: (await import("@/ui/chart")).Chart }));

/** Seconds of one look. */
const SECONDS = 60;
const ENDED: Command["state"][] = ["done", "failed", "not-supported", "expired"];

async function ask(network: string, gateway: string, kind: "describe-phone" | "detach", body: object): Promise<Command> {
  const path = `${objectPath(network, "gateways", gateway)}/commands`;
  return (await request("POST", path, JSON.stringify({ kind, arguments: body }), { "content-type": "application/json" })).body as Command;
}

function useCommand(network: string, id: string | undefined) {
  return useQuery({
    queryKey: ["command", network, id],
    queryFn: async () => (await request("GET", `${collectionPath(network, "commands")}/${id}`)).body as Command,
    enabled: id !== undefined,
    refetchInterval: (query) => (query.state.data && ENDED.includes(query.state.data.state) ? false : 1_000),
  });
}

export function Live({ phone }: { phone: Phone }) {
  const { t, language } = useWords();
  const network = useNetwork();
  const mayChange = useMayChange();
  const asking = useMutation({ mutationFn: () => ask(network, phone.gateway, "describe-phone", { imsi: phone.imsi, seconds: SECONDS }) });
  const command = useCommand(network, asking.data?.id).data;
  const lines = counted(command?.output ?? "");
  const last = lines.at(-1);
  const isRunning = asking.isPending || (command !== undefined && !ENDED.includes(command.state));
  const all = rates(lines);
  const button = mayChange && (
    <Button variant={command ? "default" : "filled"} loading={isRunning} leftSection={<Icon name="play" size={14} />} onClick={() => asking.mutate()}>
      {t("live.measure", { seconds: SECONDS })}
    </Button>
  );
  return (
    <Panel title={t("live.title")} aside={command ? button : undefined}>
      {asking.error && <Refusal error={asking.error} />}
      {command?.state === "failed" && <Notice tone="warn">{command.output}</Notice>}
      {command?.state === "not-supported" && <Notice tone="info">{t("live.old")}</Notice>}
      {!command && (
        <Empty title={t("live.none")} action={button}>
          {t("live.noneWords")}
        </Empty>
      )}
      {command && !last && isRunning && <p className="soft">{t("live.waiting")}</p>}
      {last && (
        <div className="stack">
          <div className="live-rates" aria-live="off">
            <span>
              <span className="label">{t("unit.down")}</span>
              <strong>{rate(all[1].at(-1) ?? 0, language)}</strong>
            </span>
            <span>
              <span className="label">{t("unit.up")}</span>
              <strong>{rate(all[2].at(-1) ?? 0, language)}</strong>
            </span>
          </div>
          {all[0].length > 1 && (
            <Suspense fallback={null}>
              <Chart data={all} names={[t("unit.down"), t("unit.up")]} unit={(value) => rate(value, language)} height={150} />
            </Suspense>
          )}
          <Way of={last} />
        </div>
      )}
    </Panel>
  );
}

/** The way of packets, up and back, with what stopped where. */
function Way({ of }: { of: Counted }) {
  const { t } = useWords();
  if (!of.hops) {
    return <p className="soft">{t("live.noHops", { why: of.no_hops ?? "" })}</p>;
  }
  const hops = of.hops;
  return (
    <>
      {verdicts(hops).map((it) => (
        <div key={it}>
          <Status tone={it === "flows" ? "good" : it === "nothing" ? "quiet" : "warn"}>{t(`live.verdict.${it}`)}</Status>
        </div>
      ))}
      <ol className="way" aria-label={t("live.way")}>
        <Step name="radio-in" hop={hops["radio-in"]} />
        <Step name="uplink-dropped" hop={hops["uplink-dropped"]} isSide />
        <Step name="uplink-punted" hop={hops["uplink-punted"]} isSide />
        <Step name="internet-out" hop={hops["internet-out"]} />
        <Step name="internet-in" hop={hops["internet-in"]} />
        <Step name="downlink-dropped" hop={hops["downlink-dropped"]} isSide />
        <Step name="downlink-punted" hop={hops["downlink-punted"]} isSide />
        <Step name="radio-out" hop={hops["radio-out"]} />
      </ol>
    </>
  );
}

function Step({ name, hop, isSide }: { name: HopName; hop: Hop | undefined; isSide?: boolean }) {
  const { t, language } = useWords();
  if (isSide && !hop) return null;
  const reasons = Object.entries(hop?.reasons ?? {});
  return (
    <li className={isSide ? "side" : undefined}>
      <Icon name={isSide ? "warn" : name.startsWith("radio") ? "station" : "federation"} />
      <span>
        {t(`hop.${name}`)}
        {reasons.length > 0 && <span className="soft"> {reasons.map(([reason, times]) => `${reason} ${count(times, language)}`).join(", ")}</span>}
      </span>
      <span className="num">{t("live.packets", { count: hop?.packets ?? 0 })}</span>
      <span className="num soft">{octets(hop?.octets ?? 0, language)}</span>
    </li>
  );
}

/** Lets the phone go: it may come back by itself, unless it is suspended. */
export function Disconnect({ phone }: { phone: Phone }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const mayChange = useMayChange();
  const [isAsked, setAsked] = useState(false);
  if (!mayChange) return null;
  const act = async () => {
    await ask(network, phone.gateway, "detach", { imsi: phone.imsi });
    say(t("live.asked"));
  };
  const sessions = (phone.sessions ?? []).length;
  return (
    <>
      <Button variant="default" onClick={() => setAsked(true)}>
        {t("live.disconnect")}
      </Button>
      {isAsked && <Confirm title={`${t("live.disconnect")}: ${phone.title || phone.imsi}`} blast={t("live.blast", { count: sessions })} verb={t("live.disconnect")} write={() => ({ method: "POST", path: `${objectPath(network, "gateways", phone.gateway)}/commands`, body: { kind: "detach", arguments: { imsi: phone.imsi } }, basalt: `basalt detach ${quoted(phone.imsi)} # ${phone.gateway}`, resource: { kind: "commands", name: "detach", network } })} act={act} onClose={() => setAsked(false)} />}
    </>
  );
}
