// Staged changes of the configuration: all of them, and one with its gateways.
import { Drawer } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { actOnConfigRollout, configRolloutsKey, configRolloutsPath, useConfigRollouts, type ConfigRollout } from "@/api/config-rollouts";
import { useNetwork } from "@/app/network";
import { useWords, type Translate } from "@/i18n";
import { differences } from "@/lib/diff";
import { STEPS, STEP_TONES, actsOf, countdown, counts, stateOf, stepOf, type Act, type Step } from "@/lib/rollout";
import { useAddress } from "@/lib/search";
import { ofNetwork, quoted } from "@/lib/write";
import { Age, useNow } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { DiffView } from "@/ui/diff-view";
import { GatewayLink } from "@/ui/links";
import { Empty, Facts, Loaded, Missing, Panel } from "@/ui/page";
import { Acts, StateMark, StepsBar } from "@/ui/rollout";
import { Status } from "@/ui/status";
import { stageOf, titleOf, withIt } from "./stages";

/** What a gateway's step is called here: configuration is taken, not upgraded to. */
function wordsOf(t: Translate, step: Step): string {
  return t(`staged.step.${step === "upgrading" ? "taking" : step}`);
}

export function Staged() {
  const { t } = useWords();
  const [{ id }, setAddress] = useAddress();
  const rollouts = useConfigRollouts(useNetwork());
  return (
    <Loaded query={rollouts}>
      {(all) => {
        const chosen = id ? all.find((it) => it.id === id) : undefined;
        return (
          <div className="stack">
            {all.length === 0 && (
              <Panel>
                <Empty title={t("staged.none")}>{t("staged.noneWords")}</Empty>
              </Panel>
            )}
            {all.map((it) => (
              <One key={it.id} of={it} open={() => setAddress({ id: it.id })} />
            ))}
            {id && (
              <Drawer opened onClose={() => setAddress({ id: "", q: "", sort: "" })} position="right" size="xl" title={chosen ? titleOf(chosen) : id} closeButtonProps={{ "aria-label": t("action.close") }}>
                {chosen ? <Detail of={chosen} /> : <Missing>{t("state.notFound")}</Missing>}
              </Drawer>
            )}
          </div>
        );
      }}
    </Loaded>
  );
}

function One({ of, open }: { of: ConfigRollout; open: () => void }) {
  return (
    <Panel
      title={
        <button type="button" className="linkish" onClick={open}>
          {titleOf(of)}
        </button>
      }
      aside={
        <>
          <span className="soft">
            {of.created_by}, <Age at={of.created_at} />
          </span>
          <StateMark of={stateOf(of.state)} />
        </>
      }
    >
      <div className="stack">
        <Far of={of} />
        <WhatToDo of={of} />
      </div>
    </Panel>
  );
}

/** How far it is: gateways by step, the share that has it, what is left of the look, and why it is so. */
function Far({ of }: { of: ConfigRollout }) {
  const { t } = useWords();
  const stage = stageOf(of.stage);
  const goesOn = actsOf(stateOf(of.state)).length > 0;
  return (
    <>
      <StepsBar gateways={of.gateways} words={(step) => wordsOf(t, step)} none={t("staged.noGateways")} />
      <p className="soft" style={{ margin: 0 }}>
        {goesOn && <strong>{t(`staged.stage.${stage}`, { percent: of.plan.canary_percent ?? 10 })}.</strong>} {goesOn && stage === "soak" && of.soak_until ? <Left until={of.soak_until} /> : null} {of.words}
      </p>
    </>
  );
}

function Left({ until }: { until: number }) {
  const { t } = useWords();
  const left = countdown(until, useNow());
  return <span role="timer">{left ? t("staged.left", { time: left }) : t("staged.over")}</span>;
}

function WhatToDo({ of }: { of: ConfigRollout }) {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const act = async (what: Act) => {
    await actOnConfigRollout(network, of.id, what);
    await client.invalidateQueries({ queryKey: configRolloutsKey(network) });
  };
  const blast = (what: Act) => t(`staged.blast.${what}`, { count: what === "roll-back" || what === "cancel" ? withIt(of.gateways) : counts(of.gateways).waiting });
  return <Acts title={titleOf(of)} state={stateOf(of.state)} blast={blast} path={`${configRolloutsPath(network)}/${of.id}/act`} basalt={(what) => `basalt rollout ${what} ${quoted(of.id)}${ofNetwork(network)}`} act={act} />;
}

type Row = ConfigRollout["gateways"][number];

function Detail({ of }: { of: ConfigRollout }) {
  const { t } = useWords();
  const plan = of.plan;
  return (
    <div className="stack">
      <div className="row">
        <StateMark of={stateOf(of.state)} />
        <span className="soft">
          {of.created_by}, <Age at={of.created_at} />
        </span>
      </div>
      <Far of={of} />
      <WhatToDo of={of} />
      {of.changes.map((it) => (
        <section key={`${it.kind}/${it.name}`}>
          <h3>
            {it.kind}/{it.name}
          </h3>
          <DiffView of={differences(it.before ?? undefined, it.after ?? undefined)} />
        </section>
      ))}
      <Facts
        of={[
          [t("staged.tier"), plan.tier ?? t("staged.anyTier")],
          [t("upgrades.canary"), `${plan.canary_percent ?? 10} %`],
          [t("upgrades.soak"), t("upgrades.minutes", { count: plan.soak_minutes ?? 30 })],
          [t("upgrades.atOnce"), plan.at_once ?? 10],
          [t("upgrades.most"), plan.most_failures ?? 0],
          [t("upgrades.onFailure"), plan.roll_back === false ? t("upgrades.act.pause") : t("upgrades.act.roll-back")],
        ]}
      />
      <Gateways of={of.gateways} />
    </div>
  );
}

function Gateways({ of }: { of: Row[] }) {
  const { t } = useWords();
  const columns = useMemo<Column<Row>[]>(
    () => [
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "step", title: t("gateways.state"), value: (row) => STEPS.indexOf(stepOf(row.step)), cell: (row) => <Status tone={STEP_TONES[stepOf(row.step)]}>{wordsOf(t, stepOf(row.step))}</Status> },
      { id: "canary", title: t("upgrades.first"), value: (row) => (row.canary ? t("upgrades.yes") : "") },
      { id: "words", title: t("upgrades.said"), value: (row) => row.words },
      { id: "at", title: t("alarms.since"), value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
    ],
    [t],
  );
  return <DataTable name={t("nav.gateways")} rows={of} columns={columns} idOf={(row) => row.gateway} sort="step" height="50vh" empty={<Empty title={t("staged.noGateways")} />} />;
}
