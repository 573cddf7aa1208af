import { Drawer } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { useMemo } from "react";
import type { GatewayState } from "@/api/answers";
import { useWords } from "@/i18n";
import { numbers } from "@/lib/intl";
import { useAddress } from "@/lib/search";
import { fromSeconds } from "@/lib/time";
import { count } from "@/lib/units";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { GatewayLink } from "@/ui/links";
import { Empty, Facts, Loaded, Notice, Panel } from "@/ui/page";
import { Status } from "@/ui/status";
import { peersOf, quantile, results, type PeerRow } from "./peers";
import { Ping } from "./ping";

/** Microseconds as people say them. */
function took(micros: number | undefined, language: string): string {
  if (micros === undefined) return "–";
  const digits = numbers(language, { maximumSignificantDigits: 3 });
  return micros < 1000 ? `${digits.format(micros)} µs` : micros < 1_000_000 ? `${digits.format(micros / 1000)} ms` : `${digits.format(micros / 1_000_000)} s`;
}

const keyOf = (row: PeerRow) => `${row.gateway}/${row.host}`;

export function Peers({ states }: { states: UseQueryResult<GatewayState[]> }) {
  const { t, language } = useWords();
  const [{ id }, setAddress] = useAddress();
  const columns = useMemo<Column<PeerRow>[]>(
    () => [
      {
        id: "host",
        title: t("federation.peer"),
        value: (row) => row.host,
        cell: (row) => (
          <button type="button" className="linkish mono" onClick={() => setAddress({ id: keyOf(row) })}>
            {row.host}
          </button>
        ),
      },
      { id: "state", title: t("gateways.state"), value: (row) => (!row.isHeard ? 1 : row.up ? 2 : 0), cell: (row) => <Mark of={row} /> },
      { id: "since", title: t("alarms.since"), value: (row) => row.since, cell: (row) => <Age at={fromSeconds(row.since)} /> },
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "mean", title: t("federation.mean"), right: true, value: (row) => row.latency_mean_us, cell: (row) => took(row.answers > 0 ? row.latency_mean_us : undefined, language) },
      { id: "p95", title: "95 %", right: true, value: (row) => quantile(row, 0.95), cell: (row) => took(quantile(row, 0.95), language) },
      { id: "answers", title: t("federation.answers"), right: true, value: (row) => row.answers, cell: (row) => count(row.answers, language) },
      { id: "bad", title: t("federation.refused"), right: true, value: refusals, cell: (row) => <span style={refusals(row) > 0 ? { color: "var(--b-bad)" } : undefined}>{count(refusals(row), language)}</span> },
      { id: "losses", title: t("federation.losses"), right: true, value: (row) => row.losses },
      { id: "realms", title: t("federation.realms"), extra: true, value: (row) => (row.realms ?? []).join(", ") },
    ],
    [t, language, setAddress],
  );
  return (
    <Loaded query={states}>
      {(all) => {
        const rows = peersOf(all);
        const chosen = rows.find((it) => keyOf(it) === id);
        return (
          <>
            <DataTable name={t("federation.tab.peers")} rows={rows} columns={columns} idOf={keyOf} sort="state" empty={<Empty title={t("federation.noPeers")}>{t("federation.noPeersWords")}</Empty>} />
            {chosen && (
              <Drawer opened onClose={() => setAddress({ id: "" })} position="right" size="lg" title={<span className="mono">{chosen.host}</span>} closeButtonProps={{ "aria-label": t("action.close") }}>
                <Detail of={chosen} />
              </Drawer>
            )}
          </>
        );
      }}
    </Loaded>
  );
}

function refusals(row: PeerRow): number {
  return results(row).reduce((sum, it) => (it.isGood ? sum : sum + it.count), 0);
}

function Mark({ of }: { of: PeerRow }) {
  const { t } = useWords();
  if (!of.isHeard) {
    return (
      <span className="row" style={{ flexWrap: "nowrap" }}>
        <Status tone="quiet">{t("federation.unheard")}</Status>
        <Age at={of.seenAt} />
      </span>
    );
  }
  return of.up ? <Status tone="good">{t("federation.up")}</Status> : <Status tone="bad">{t("federation.down")}</Status>;
}

/** One peer: how fast it answers, what it answers, and a request to try it. */
function Detail({ of }: { of: PeerRow }) {
  const { t, language } = useWords();
  const found = results(of);
  const most = Math.max(1, ...found.map((it) => it.count));
  return (
    <div className="stack">
      {!of.isHeard && <Notice tone="warn">{t("gateway.silentWords")}</Notice>}
      <Facts
        of={[
          [t("gateways.state"), <Mark key="state" of={of} />],
          [t("alarms.since"), <Age key="since" at={fromSeconds(of.since)} />],
          [t("federation.lost"), of.lost],
          [t("federation.losses"), of.losses],
          [t("federation.realms"), (of.realms ?? []).join(", ")],
          [t("federation.requests"), `${count(of.requests, language)} / ${count(of.answers, language)}`],
        ]}
      />
      <Panel title={t("federation.latency")}>
        <Latency of={of} />
      </Panel>
      <Panel title={t("federation.results")}>
        {found.length === 0 ? (
          <p className="soft">{t("federation.noResults")}</p>
        ) : (
          <ul className="shares">
            {found.map((it) => (
              <li key={it.code}>
                <span className="mono">{it.code}</span>
                <span className="bar" aria-hidden="true">
                  <span style={{ width: `${(100 * it.count) / most}%`, background: it.isGood ? undefined : "var(--b-bad)" }} />
                </span>
                <span>{count(it.count, language)}</span>
              </li>
            ))}
          </ul>
        )}
      </Panel>
      <Ping gateway={of.gateway} wanted={of.host} />
    </div>
  );
}

/** Answers by how long they took. */
function Latency({ of }: { of: PeerRow }) {
  const { t, language } = useWords();
  const counts = of.latency_counts ?? [];
  const most = Math.max(1, ...counts);
  const bounds = of.latency_bounds_us ?? [];
  if (of.answers === 0) return <p className="soft">{t("federation.noResults")}</p>;
  return (
    <>
      <div className="columns-chart" role="img" aria-label={counts.map((it, at) => `${bounds[at] === undefined ? "∞" : took(bounds[at], language)}: ${it}`).join(", ")}>
        {counts.map((it, at) => (
          <span key={at} title={`≤ ${bounds[at] === undefined ? "∞" : took(bounds[at], language)}: ${count(it, language)}`} style={{ height: `${Math.max(2, (100 * it) / most)}%` }} />
        ))}
      </div>
      <p className="soft" style={{ margin: 0 }}>
        {t("federation.mean")} {took(of.latency_mean_us, language)} · 50 % ≤ {took(quantile(of, 0.5), language)} · 95 % ≤ {took(quantile(of, 0.95), language)}
      </p>
    </>
  );
}

