import { Button, Tabs } from "@mantine/core";
import { createLazyRoute, useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { GatewayState } from "@/api/answers";
import { useCertificates, useEvents, useGatewayStatus } from "@/api/fleet";
import { collectionPath } from "@/api/objects";
import { request } from "@/api/client";
import { useMayChange, useNetwork } from "@/app/network";
import { gatewayForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { healthOf } from "@/lib/fleet";
import { useAddress } from "@/lib/search";
import { fromSeconds, left, lifeTone } from "@/lib/time";
import { Age, useNowIn } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { Editor } from "@/ui/editor";
import { EventList } from "@/ui/event-list";
import { HealthMark } from "@/ui/health";
import { intoSight } from "@/ui/into-sight";
import { Empty, Facts, Fresh, Head, Loaded, Notice, Panel } from "@/ui/page";
import { Status } from "@/ui/status";
import { Commands } from "./commands";
import { Logs } from "./logs";
import { Measured } from "./measured";

export const Route = createLazyRoute("/inside/n/$network/gateways/$name")({ component: Gateway });

const TABS = ["state", "commands", "logs", "events", "metrics"] as const;

function Gateway() {
  const { t } = useWords();
  const network = useNetwork();
  const { name } = useParams({ strict: false }) as { name: string };
  const [{ tab }, setAddress] = useAddress();
  const [isEditing, setEditing] = useState(false);
  const mayChange = useMayChange();
  const status = useGatewayStatus(network, name);
  const shown = TABS.find((it) => it === tab) ?? "state";
  return (
    <>
      <Head title={name} note={<Fresh at={status.dataUpdatedAt} />}>
        {status.data && <HealthMark of={healthOf(status.data)} />}
        {status.data?.state?.draining && <Status tone="warn">{t("gateway.draining")}</Status>}
        {mayChange && (
          <Button variant="default" onClick={() => setEditing(true)}>
            {t("action.edit")}
          </Button>
        )}
      </Head>
      <Loaded query={status}>
        {(state) => (
          <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "", q: "" })} keepMounted={false}>
            <Tabs.List mb="md" ref={intoSight}>
              {TABS.map((it) => (
                <Tabs.Tab key={it} value={it}>
                  {t(`gateway.tab.${it}`)}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            <Tabs.Panel value="state">
              <State state={state} name={name} />
            </Tabs.Panel>
            <Tabs.Panel value="commands">
              <Commands gateway={name} isConnected={state.connected} phones={state.state?.registered_ues ?? 0} />
            </Tabs.Panel>
            <Tabs.Panel value="logs">
              <Logs gateway={name} isConnected={state.connected} />
            </Tabs.Panel>
            <Tabs.Panel value="events">
              <Events gateway={name} />
            </Tabs.Panel>
            <Tabs.Panel value="metrics">
              <Measured gateway={name} />
            </Tabs.Panel>
          </Tabs>
        )}
      </Loaded>
      {isEditing && <Editor form={gatewayForm(network, t)} name={name} onClose={() => setEditing(false)} />}
    </>
  );
}

function State({ state, name }: { state: GatewayState; name: string }) {
  const { t } = useWords();
  const said = state.state;
  const refusals = state.sync?.refused ?? [];
  return (
    <>
      {!state.connected && <Notice tone="warn">{state.seen_at ? t("gateway.silentWords") : t("gateway.neverWords")}</Notice>}
      {said?.draining && <Notice tone="warn">{t("gateway.drainingWords")}</Notice>}
      {refusals.length > 0 && (
        <Notice tone="warn">
          {t("gateway.refuses")}
          <ul>
            {refusals.slice(0, 20).map((it) => (
              <li key={`${it.collection}/${it.name}`}>
                <span className="mono">
                  {it.collection}/{it.name}
                </span>
                : {it.reason}
              </li>
            ))}
          </ul>
        </Notice>
      )}
      <div className="grid">
        <Panel title={t("gateway.about")}>
          <Facts
            of={[
              [t("gateways.seen"), <Age key="seen" at={state.seen_at} />],
              [t("gateway.connectedSince"), <Age key="since" at={state.connected_at} />],
              [t("gateway.joinedAt"), <Age key="joined" at={state.joined_at} />],
              [t("gateways.started"), <Age key="started" at={fromSeconds(said?.started_at)} />],
              [t("gateways.version"), said?.version],
              [t("gateways.dataPlane"), said?.data_plane],
              ["SCTP", said?.sctp],
              [t("gateway.drift"), <Drift key="drift" state={state} />],
            ]}
          />
        </Panel>
        <Panel title={t("gateway.serves")}>
          <Facts
            of={[
              [t("overview.phones"), said?.registered_ues],
              [t("gateway.activePhones"), said?.connected_ues],
              [t("overview.sessions"), said?.sessions],
              [t("nav.subscribers"), said?.subscribers],
              ...Object.entries(said?.pools ?? {}).map(([apn, pool]): [string, string] => [t("gateway.pool", { apn }), t("gateway.poolFree", { free: pool.free, total: pool.total })]),
            ]}
          />
        </Panel>
        <Panel title={t("nav.stations")}>
          {(said?.enbs ?? []).length === 0 ? (
            <p className="soft">{t("stations.none")}</p>
          ) : (
            <Facts of={(said?.enbs ?? []).map((it) => [String(it.name || it.id), <Age key={it.id} at={fromSeconds(it.since)} />])} />
          )}
        </Panel>
        <Trust gateway={name} isRevoked={Boolean(state.revoked_at)} phones={said?.registered_ues ?? 0} />
      </div>
    </>
  );
}

/** Whether it has what it should. */
function Drift({ state }: { state: GatewayState }) {
  const { t } = useWords();
  if (!state.sync) return <>–</>;
  if (state.sync.in_sync) return <Status tone="good">{t("gateway.inSync", { count: state.sync.items ?? 0 })}</Status>;
  return <Status tone="info">{t("health.behind")}</Status>;
}

/** Its certificates, and the way to end them. */
function Trust({ gateway, isRevoked, phones }: { gateway: string; isRevoked: boolean; phones: number }) {
  const { t } = useWords();
  const network = useNetwork();
  const now = useNowIn(60_000);
  const mayChange = useMayChange();
  const [isAsked, setAsked] = useState(false);
  const certificates = useCertificates(network, gateway);
  const current = certificates.data?.filter((it) => !it.revoked_at).toSorted((a, b) => b.expires_at - a.expires_at)[0];
  const until = current && left(current.expires_at, now);
  const revoke = () => request("POST", `${collectionPath(network, "gateways")}/${gateway}/revoke`);
  return (
    <Panel title={t("gateway.trust")}>
      <div className="stack">
        {isRevoked && <Notice tone="bad">{t("gateway.revoked")}</Notice>}
        <Facts
          of={[
            [t("gateway.certDays"), until && <Status key="left" tone={lifeTone(current.issued_at, current.expires_at, now)}>{t(`gateway.${until.unit}`, { count: until.count })}</Status>],
            [t("gateway.fingerprint"), current && <span className="mono" key="print">{current.fingerprint.slice(0, 32)}…</span>],
            [t("gateway.issued"), <Age key="issued" at={current?.issued_at} />],
          ]}
        />
        {mayChange && !isRevoked && current && (
          <div>
            <Button variant="subtle" color="red" c="var(--b-bad)" onClick={() => setAsked(true)}>
              {t("gateway.revoke")}
            </Button>
          </div>
        )}
      </div>
      {isAsked && <Confirm title={t("gateway.revoke")} blast={t("gateway.revokeBlast", { count: phones })} verb={t("gateway.revoke")} write={() => ({ method: "POST", path: `${collectionPath(network, "gateways")}/${gateway}/revoke` })} act={revoke} onClose={() => setAsked(false)} />}
    </Panel>
  );
}

function Events({ gateway }: { gateway: string }) {
  const { t } = useWords();
  const events = useEvents(useNetwork(), 200, { gateway });
  return (
    <Panel title={t("nav.events")}>
      <Loaded query={events}>{(all) => (all.length === 0 ? <Empty title={t("events.none")} /> : <EventList events={all} />)}</Loaded>
    </Panel>
  );
}
