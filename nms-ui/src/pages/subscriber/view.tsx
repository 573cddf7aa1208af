import { Button, Tabs } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useEvents, usePhones } from "@/api/fleet";
import { learn, objectPath, patch, useObject, type Stored } from "@/api/objects";
import { Refused } from "@/api/problem";
import { useMayChange, useNetwork } from "@/app/network";
import { subscriberForm } from "@/app/forms";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { Editor } from "@/ui/editor";
import { History } from "@/ui/editor/history";
import { EventList } from "@/ui/event-list";
import { intoSight } from "@/ui/into-sight";
import { Empty, Facts, Head, Loaded, Notice, Panel } from "@/ui/page";
import { Status } from "@/ui/status";
import { useSay } from "@/ui/toast";
import { List as Traces } from "../trace/list";
import { Start as StartTrace } from "../trace/start";
import { Disconnect, Live } from "./live";
import { PhoneNow } from "./phone";
import { Quota } from "./quota";
import { Used } from "./used";

export const Route = createLazyRoute("/inside/n/$network/subscribers/$name")({ component: Subscriber });

const TABS = ["now", "usage", "timeline", "trace", "history"] as const;

function Subscriber() {
  const { t } = useWords();
  const network = useNetwork();
  const { name } = useParams({ strict: false }) as { name: string };
  const [{ tab }, setAddress] = useAddress();
  const [isEditing, setEditing] = useState(false);
  const subscriber = useObject(network, "subscribers", name);
  const mayChange = useMayChange();
  const shown = TABS.find((it) => it === tab) ?? "now";
  const known = subscriber.data;
  const here = usePhones(network, name).data?.find((it) => it.imsi === name && it.state !== "deregistered");
  const isUnknown = subscriber.error instanceof Refused && subscriber.error.problem.status === 404;
  return (
    <>
      <Head title={known?.body?.title || name} note={<span className="mono">{name}</span>}>
        {mayChange && (
          <Button variant="default" onClick={() => setAddress({ tab: "trace" })}>
            {t("trace.button")}
          </Button>
        )}
        {here && <Disconnect phone={here} />}
        {mayChange && known && <Suspend of={known} />}
        {mayChange && known && (
          <Button variant="default" onClick={() => setEditing(true)}>
            {t("action.edit")}
          </Button>
        )}
      </Head>
      {isUnknown && <Notice tone="warn">{t("subscriber.unknown")}</Notice>}
      <Tabs value={shown} onChange={(chosen) => setAddress({ tab: chosen ?? "" })} keepMounted={false}>
        <Tabs.List mb="md" ref={intoSight}>
          {TABS.map((it) => (
            <Tabs.Tab key={it} value={it}>
              {t(`subscriber.tab.${it}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="now">
          <div className="grid">
            <PhoneNow imsi={name} />
            <div className="stack">
              {here && <Live key={here.gateway} phone={here} />}
              {known && <Quota imsi={name} plan={known.body?.data_plan} />}
              {known && <Bought of={known} />}
            </div>
          </div>
        </Tabs.Panel>
        <Tabs.Panel value="usage">
          <Used imsi={name} plan={known?.body?.data_plan ?? null} />
        </Tabs.Panel>
        <Tabs.Panel value="timeline">
          <Timeline imsi={name} />
        </Tabs.Panel>
        <Tabs.Panel value="trace">
          <div className="stack">
            <StartTrace imsi={name} />
            <Traces imsi={name} />
          </div>
        </Tabs.Panel>
        <Tabs.Panel value="history">{known && <Past known={known} />}</Tabs.Panel>
      </Tabs>
      {isEditing && <Editor form={subscriberForm(network, t)} name={name} onClose={() => setEditing(false)} onSaved={() => void subscriber.refetch()} />}
    </>
  );
}

function Past({ known }: { known: Stored<"subscribers"> }) {
  const { t } = useWords();
  const say = useSay();
  const client = useQueryClient();
  const network = useNetwork();
  return (
    <History
      network={network}
      collection="subscribers"
      known={known}
      onDone={(stored) => {
        learn(client, network, "subscribers", stored);
        say(t("editor.saved"));
      }}
    />
  );
}

/** Suspends or resumes: a phone that is registered is disconnected by it. */
function Suspend({ of }: { of: Stored<"subscribers"> }) {
  const { t } = useWords();
  const say = useSay();
  const network = useNetwork();
  const client = useQueryClient();
  const [isAsked, setAsked] = useState(false);
  const phones = usePhones(network, of.name).data ?? [];
  const isActive = of.body?.state !== "INACTIVE";
  const change = async () => {
    const stored = await patch(objectPath(network, "subscribers", of.name), { state: isActive ? "INACTIVE" : "ACTIVE" }, of.revision);
    learn(client, network, "subscribers", stored);
    say(t("editor.saved"));
  };
  const resuming = useMutation({ mutationFn: change });
  return (
    <>
      <Button variant="default" loading={resuming.isPending} onClick={() => (isActive ? setAsked(true) : resuming.mutate())}>
        {isActive ? t("subscribers.suspend") : t("subscribers.resume")}
      </Button>
      {isAsked && (
        <Confirm title={`${t("subscribers.suspend")}: ${of.body?.title || of.name}`} blast={phones.length > 0 ? t("confirm.phones", { count: phones.length }) : t("subscribers.suspendWords")} verb={t("subscribers.suspend")} write={() => ({ method: "PATCH", path: objectPath(network, "subscribers", of.name), body: { state: "INACTIVE" }, leaves: [{ kind: "subscribers", name: of.name, network, body: { ...of.body, state: "INACTIVE" } }] })} act={change} onClose={() => setAsked(false)} />
      )}
    </>
  );
}

function Bought({ of }: { of: Stored<"subscribers"> }) {
  const { t } = useWords();
  const body = of.body;
  const isActive = body?.state !== "INACTIVE";
  return (
    <Panel title={t("subscriber.bought")}>
      <Facts
        of={[
          [t("subscribers.state"), <Status key="state" tone={isActive ? "good" : "warn"}>{isActive ? t("subscribers.active") : t("subscribers.suspended")}</Status>],
          [t("subscribers.msisdn"), body?.msisdn],
          [t("subscribers.plan"), body?.data_plan],
          [t("subscribers.keys"), of.has_secrets ? t("subscribers.hasKeys") : <Status key="keys" tone="bad">{t("subscribers.noKeys")}</Status>],
          ["APN", (body?.active_apns ?? []).map((it) => it.apn).join(", ") || t("subscriber.allApns")],
          [t("subscribers.fixed"), (body?.active_apns ?? []).flatMap((it) => [it.static_address?.ipv4, it.static_address?.ipv6]).filter(Boolean).join(", ")],
          [t("kind.rules"), (body?.active_policies ?? []).join(", ")],
          [t("field.changed"), <span key="changed">{of.changed_by}, <Age at={of.changed_at} /></span>],
        ]}
      />
    </Panel>
  );
}

/** What happened to this phone, newest first. */
function Timeline({ imsi }: { imsi: string }) {
  const { t } = useWords();
  const events = useEvents(useNetwork(), 500, { imsi });
  return (
    <Panel title={t("subscriber.tab.timeline")}>
      <Loaded query={events}>{(own) => (own.length === 0 ? <Empty title={t("subscriber.noEvents")} /> : <EventList events={own} isOfOne />)}</Loaded>
    </Panel>
  );
}
