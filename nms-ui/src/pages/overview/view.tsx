import { Link, createLazyRoute } from "@tanstack/react-router";
import { Suspense, lazy, useMemo, useState } from "react";
import type { GatewayState, Numbers } from "@/api/answers";
import { useAudit, useEvents, useGatewayStates, useNumbers, useUsageSums } from "@/api/fleet";
import { useHistory } from "@/api/history";
import { useObjects, type Stored } from "@/api/objects";
import { useMe } from "@/api/session";
import { may } from "@/api/session";
import { useNetwork } from "@/app/network";
import { useWords, type MessageKey } from "@/i18n";
import { joined } from "@/lib/fleet";
import { aligned } from "@/lib/series";
import { octets, rate } from "@/lib/units";
import { Age, useNowIn } from "@/ui/age";
import { EventList } from "@/ui/event-list";
import { HealthMark } from "@/ui/health";
import { Icon } from "@/ui/icon";
import { InSight, isWide } from "@/ui/in-sight";
import { GatewayLink } from "@/ui/links";
import { Empty, Fresh, Head, Loaded, Panel } from "@/ui/page";
import { Sketch } from "@/ui/sketch";
import { Tile } from "@/ui/tile";

const Chart = lazy(async () => ({ default: (await import("@/ui/chart")).Chart }));

export const Route = createLazyRoute("/inside/n/$network/")({ component: Overview });

const DAY = 86_400_000;
const MINUTE = 60_000;
const SHOWN = 8;
const FLOWS = ["downlink_throughput", "uplink_throughput"];
const LAST_DAY = { length: DAY };
const LAST_HOUR = { range: "1h" };
/** A chart with what stands below it, pixels; the drawing alone. */
const CHART = 220;
const DRAWN = 160;
/** About as high as a panel is, pixels. */
const ROOM = 300;

function Overview() {
  const { t } = useWords();
  const network = useNetwork();
  const numbers = useNumbers(network);
  return (
    <>
      <Head title={t("nav.overview")} note={<Fresh at={numbers.dataUpdatedAt} />} />
      <Ahead />
      <Loaded query={numbers}>
        {(all) =>
          all.gateways.total === 0 ? (
            <Begin />
          ) : (
            <>
              <Tiles of={all} />
              <div className="columns">
                <Traffic />
                <Troubled />
                <InSight height={ROOM}>
                  <Talkers />
                </InSight>
                <InSight height={ROOM}>
                  <Recent />
                </InSight>
                <InSight height={ROOM}>
                  <Changes />
                </InSight>
              </div>
            </>
          )
        }
      </Loaded>
    </>
  );
}

/** What stands below the numbers is asked for beside them, not after them. */
function Ahead() {
  const network = useNetwork();
  useObjects(network, "gateways");
  useGatewayStates(network);
  useHistory(network, "", LAST_DAY, FLOWS);
  return null;
}

function Begin() {
  const { t } = useWords();
  const network = useNetwork();
  const next = (
    <Link className="plain-button" to="/n/$network/checklist" params={{ network }}>
      {t("nav.checklist")}
    </Link>
  );
  return (
    <div className="panel">
      <Empty title={t("overview.begin")} action={next}>
        {t("overview.beginWords")}
      </Empty>
    </div>
  );
}

/** The network in numbers, as the orchestrator counts. */
function Tiles({ of }: { of: Numbers }) {
  const { t, language } = useWords();
  const hour = of.usage_last_hour;
  return (
    <div className="tiles">
      <Tile to="gateways" label={t("nav.gateways")} value={`${of.gateways.connected} / ${of.gateways.total}`} note={t("overview.connected")} />
      <Tile to="base-stations" label={t("nav.stations")} value={of.base_stations.connected} note={t("overview.stationsNote")} />
      <Tile to="sessions" label={t("overview.phones")} value={of.registered_phones} note={t("overview.active", { count: of.connected_phones })} />
      <Tile to="sessions" label={t("overview.sessions")} value={of.sessions} />
      <Tile to="subscribers" label={t("nav.subscribers")} value={of.subscribers} />
      <Tile to="usage" search={LAST_HOUR} label={t("overview.hour")} value={hour ? octets(hour.uplink_bytes + hour.downlink_bytes, language) : "–"} />
      <Tile to="alarms" label={t("overview.alarms")} value={of.alarms_24h} isBad={of.alarms_24h > 0} note="24 h" />
    </div>
  );
}

/** What flowed within a day. */
function Traffic() {
  const { t, language } = useWords();
  const network = useNetwork();
  const history = useHistory(network, "", LAST_DAY, FLOWS).data;
  const data = useMemo(() => (history ? aligned(history, FLOWS) : [[]]), [history]);
  // Until it is known, its room is kept; a network where nothing ever flowed has none.
  const isKnown = history !== undefined;
  const [isOpen, setOpen] = useState(isWide);
  const flows = { data, names: [t("unit.down"), t("unit.up")], unit: (value: number) => rate(value, language), span: [(history?.since ?? 0) / 1000, (history?.until ?? 0) / 1000] as [number, number], height: DRAWN };
  if (isKnown && !data.slice(1).some((line) => line.some((it) => it !== null))) return null;
  return (
    <Panel title={<Link to="/n/$network/usage" params={{ network }}>{t("overview.traffic")}</Link>}>
      <Suspense fallback={<div style={{ height: CHART }} />}>{isKnown ? isOpen ? <Chart {...flows} /> : <Sketch {...flows} onOpen={() => setOpen(true)} /> : <div style={{ height: CHART }} />}</Suspense>
    </Panel>
  );
}

function Troubled() {
  const network = useNetwork();
  const gateways = useObjects(network, "gateways");
  const states = useGatewayStates(network);
  return <Loaded query={gateways}>{(all) => <Loaded query={states}>{(live) => <Worst all={all} live={live} />}</Loaded>}</Loaded>;
}

/** Gateways that are not as they should be; where there are none, the first. */
function Worst({ all, live }: { all: Stored<"gateways">[]; live: GatewayState[] }) {
  const { t } = useWords();
  const rows = useMemo(() => joined(all, live), [all, live]);
  const troubled = rows.filter((row) => row.health !== "connected");
  const shown = (troubled.length > 0 ? troubled : rows).slice(0, SHOWN);
  return (
    <Panel title={troubled.length > 0 ? t("overview.look") : t("overview.allWell")}>
      <div className="stack">
        {shown.map((row) => (
          <div className="row" key={row.name} style={{ justifyContent: "space-between", flexWrap: "nowrap" }}>
            <span style={{ minWidth: 0, overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" }}>
              <GatewayLink name={row.name} /> <span className="soft">{row.title}</span>
            </span>
            <span className="row" style={{ flexWrap: "nowrap", whiteSpace: "nowrap" }}>
              <HealthMark of={row.health} /> <Age at={row.state?.seen_at} />
            </span>
          </div>
        ))}
      </div>
    </Panel>
  );
}

function Recent() {
  const { t } = useWords();
  const network = useNetwork();
  const events = useEvents(network, SHOWN);
  return (
    <Panel title={<Link to="/n/$network/events" params={{ network }}>{t("nav.events")}</Link>}>
      <Loaded query={events}>{(all) => (all.length === 0 ? <p className="soft">{t("events.none")}</p> : <EventList events={all.slice(0, SHOWN)} />)}</Loaded>
    </Panel>
  );
}

const DONE: Record<string, MessageKey> = { PUT: "overview.did.PUT", PATCH: "overview.did.PUT", DELETE: "overview.did.DELETE" };

/** What people changed within a day. */
function Changes() {
  const { t } = useWords();
  const network = useNetwork();
  const isAdmin = may(useMe().data, "admin", network);
  const audit = useAudit(network, 100, isAdmin);
  const now = useNowIn(MINUTE);
  if (!isAdmin) return null;
  return (
    <Panel title={<Link to="/n/$network/audit" params={{ network }}>{t("overview.changes")}</Link>}>
      <Loaded query={audit}>
        {(all) => {
          const recent = all.filter((it) => it.at > now - DAY && it.outcome < 400).slice(0, SHOWN);
          if (recent.length === 0) return <p className="soft">{t("overview.noChanges")}</p>;
          return (
            <ol className="timeline">
              {recent.map((it) => (
                <li key={it.id}>
                  <Age at={it.at} />
                  <span className="soft">
                    <Icon name="history" />
                  </span>
                  <span>
                    {it.who} <span className="soft">{t(DONE[it.action] ?? "overview.did.POST")}</span> <span className="mono">{it.target.replace(`/api/v1/networks/${network}/`, "")}</span>
                  </span>
                </li>
              ))}
            </ol>
          );
        }}
      </Loaded>
    </Panel>
  );
}

/** Who used most within a day. */
function Talkers() {
  const { t, language } = useWords();
  const network = useNetwork();
  // Rounded, so that the question stays the same for a while.
  const since = useNowIn(5 * MINUTE) - DAY;
  const top = useUsageSums(network, "imsi", since).data ?? [];
  if (top.length === 0) return null;
  const most = Math.max(...top.map((it) => it.uplink_bytes + it.downlink_bytes), 1);
  return (
    <Panel title={<Link to="/n/$network/usage" params={{ network }}>{t("usage.top")}</Link>}>
      <div className="stack">
        {top.slice(0, 5).map((it) => {
          const all = it.uplink_bytes + it.downlink_bytes;
          return (
            <div key={it.key}>
              <div className="row" style={{ justifyContent: "space-between" }}>
                <Link className="mono" to="/n/$network/subscribers/$name" params={{ network, name: it.key }}>
                  {it.key}
                </Link>
                <span>{octets(all, language)}</span>
              </div>
              <div className="bar">
                <span style={{ width: `${(100 * all) / most}%` }} />
              </div>
            </div>
          );
        })}
      </div>
    </Panel>
  );
}
