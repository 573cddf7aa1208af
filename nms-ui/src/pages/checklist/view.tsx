import { Button, Code } from "@mantine/core";
import { Link, createLazyRoute } from "@tanstack/react-router";
import { Suspense, lazy, useState, type ReactNode } from "react";
import { useGatewayStates, useNetworks, useUsageSums } from "@/api/fleet";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords, type MessageKey } from "@/i18n";
import { sums } from "@/lib/fleet";
import { Icon } from "@/ui/icon";
import { Fresh, Head, Panel } from "@/ui/page";
import { Status } from "@/ui/status";
import { useSince } from "@/ui/since";

const AddGateway = lazy(() => import("@/pages/gateways/add"));

export const Route = createLazyRoute("/inside/n/$network/checklist")({ component: Checklist });

const STEPS = ["network", "apn", "gateway", "radio", "sim", "phone", "internet"] as const;
type Step = (typeof STEPS)[number];

const MONTH = 30 * 86_400_000;

/** What of the way to the first phone online is done; each is seen, not ticked. */
function useDone(): { done: Record<Step, boolean>; at: number } {
  const network = useNetwork();
  const own = useNetworks().data?.find((it) => it.name === network)?.body;
  const apns = useObjects(network, "apns").data ?? [];
  const subscribers = useObjects(network, "subscribers").data ?? [];
  const states = useGatewayStates(network);
  const live = sums(states.data ?? []);
  const used = useUsageSums(network, "network", useSince(MONTH)).data ?? [];
  const through = used.some((it) => it.downlink_bytes > 0);
  return {
    at: states.dataUpdatedAt,
    done: {
      network: Boolean(own?.epc?.mcc && own.epc.mnc),
      apn: apns.length > 0,
      gateway: live.connected > 0,
      radio: live.stations > 0,
      sim: subscribers.some((it) => it.has_secrets),
      phone: live.registered > 0,
      internet: through,
    },
  };
}

function Checklist() {
  const { t } = useWords();
  const network = useNetwork();
  const [isAdding, setAdding] = useState(false);
  const { done, at } = useDone();
  const next = STEPS.find((step) => !done[step]);
  const go = (to: string, title: MessageKey) => (
    <Button component={Link} to={`/n/${network}/${to}`}>
      {t(title)}
    </Button>
  );
  const actions: Record<Step, ReactNode> = {
    network: go("networking", "nav.networking"),
    apn: go("policies?tab=apns", "policies.apns"),
    gateway: <Button onClick={() => setAdding(true)}>{t("gateways.add")}</Button>,
    radio: go("base-stations", "nav.stations"),
    sim: go("import", "nav.import"),
    phone: go("sessions", "nav.sessions"),
    internet: <Code>basalt doctor</Code>,
  };
  const count = STEPS.filter((step) => done[step]).length;
  return (
    <>
      <Head title={t("nav.checklist")} note={<Fresh at={at} />}>
        <Status tone={next ? "info" : "good"}>{t("checklist.count", { count, all: STEPS.length })}</Status>
      </Head>
      <ol className="steps">
        {STEPS.map((step) => (
          <li key={step} className={done[step] ? "done" : step === next ? "next" : ""}>
            <span className="mark">{done[step] ? <Icon name="check" size={18} /> : <Icon name="dot" size={18} />}</span>
            <Panel title={t(`checklist.${step}`)} aside={done[step] ? <Status tone="good">{t("checklist.done")}</Status> : step === next ? actions[step] : undefined}>
              <p style={{ margin: 0 }}>{done[step] ? t(`checklist.${step}.done`) : t(`checklist.${step}.todo`)}</p>
            </Panel>
          </li>
        ))}
      </ol>
      {isAdding && (
        <Suspense>
          <AddGateway onClose={() => setAdding(false)} />
        </Suspense>
      )}
    </>
  );
}
