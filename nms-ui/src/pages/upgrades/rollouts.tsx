import { Drawer } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Rollout } from "@/api/answers";
import { actOnRollout, rolloutsPath, useRollouts } from "@/api/upgrades";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { STEPS, STEP_TONES, actsOf, counts, stateOf, stepOf, type Act, type Step } from "@/lib/rollout";
import { useAddress } from "@/lib/search";
import { ofNetwork, quoted } from "@/lib/write";
import { Age } from "@/ui/age";
import { DataTable, type Column } from "@/ui/data-table";
import { GatewayLink } from "@/ui/links";
import { Empty, Facts, Loaded, Missing, Panel } from "@/ui/page";
import { Acts, StateMark, StepsBar } from "@/ui/rollout";
import { Status } from "@/ui/status";
import { stageOf } from "./progress";

/** Rollouts, the newest first; those that go on stand open. */
export function Rollouts() {
  const { t } = useWords();
  const [{ id }, setAddress] = useAddress();
  const rollouts = useRollouts(useNetwork());
  return (
    <Loaded query={rollouts}>
      {(all) => {
        if (all.length === 0) {
          return (
            <Panel>
              <Empty title={t("upgrades.none")}>{t("upgrades.noneWords")}</Empty>
            </Panel>
          );
        }
        const chosen = id ? all.find((it) => it.id === id) : undefined;
        return (
          <div className="stack">
            {all.map((it) => (
              <One key={it.id} of={it} open={() => setAddress({ id: it.id })} />
            ))}
            {id && (
              <Drawer opened onClose={() => setAddress({ id: "", q: "", sort: "" })} position="right" size="xl" title={chosen ? `${chosen.plan.tier} → ${chosen.version}` : id} closeButtonProps={{ "aria-label": t("action.close") }}>
                {chosen ? <Detail of={chosen} /> : <Missing>{t("state.notFound")}</Missing>}
              </Drawer>
            )}
          </div>
        );
      }}
    </Loaded>
  );
}

function One({ of, open }: { of: Rollout; open: () => void }) {
  return (
    <Panel
      title={
        <button type="button" className="linkish" onClick={open}>
          {of.plan.tier} → {of.version}
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
        <Bar of={of} />
        <p className="soft" style={{ margin: 0 }}>
          <Stage of={of} /> {of.words}
        </p>
        <WhatToDo of={of} />
      </div>
    </Panel>
  );
}

function Bar({ of }: { of: Rollout }) {
  const { t } = useWords();
  return <StepsBar gateways={of.gateways} words={(step) => t(`upgrades.step.${stepHere(step)}`)} none={t("upgrades.noGateways")} />;
}

/** A program is not taken as configuration is: its gateways are upgrading. */
const stepHere = (step: Step) => (step === "taking" ? "upgrading" : step);

function Stage({ of }: { of: Rollout }) {
  const { t } = useWords();
  if (actsOf(stateOf(of.state)).length === 0) return null;
  const stage = stageOf(of.stage);
  return (
    <>
      <strong>{t(`upgrades.stage.${stage}`, { percent: of.plan.canary_percent ?? 10 })}</strong>
      {stage === "soak" && of.soak_until ? (
        <>
          {" "}
          (<Age at={of.soak_until} />)
        </>
      ) : null}
      .
    </>
  );
}

function WhatToDo({ of }: { of: Rollout }) {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const upgraded = of.gateways.filter((it) => it.upgraded).length;
  const act = async (what: Act) => {
    await actOnRollout(network, of.id, what);
    await client.invalidateQueries({ queryKey: ["rollouts", network] });
  };
  const blast = (what: Act) => t(`upgrades.blast.${what}`, { count: what === "roll-back" ? upgraded : counts(of.gateways).waiting });
  return <Acts title={`${of.plan.tier} → ${of.version}`} state={stateOf(of.state)} blast={blast} path={`${rolloutsPath(network)}/${of.id}/act`} basalt={(what) => `basalt upgrade ${what} ${quoted(of.id)}${ofNetwork(network)}`} act={act} />;
}

type Row = Rollout["gateways"][number];

function Detail({ of }: { of: Rollout }) {
  const { t } = useWords();
  const columns = useMemo<Column<Row>[]>(
    () => [
      { id: "gateway", title: t("kind.gateway"), value: (row) => row.gateway, cell: (row) => <GatewayLink name={row.gateway} /> },
      { id: "step", title: t("gateways.state"), value: (row) => STEPS.indexOf(stepOf(row.step)), cell: (row) => <StepMark of={stepOf(row.step)} /> },
      { id: "canary", title: t("upgrades.first"), value: (row) => (row.canary ? t("upgrades.yes") : "") },
      { id: "words", title: t("upgrades.said"), value: (row) => row.words },
      { id: "at", title: t("alarms.since"), value: (row) => row.at, cell: (row) => <Age at={row.at} /> },
    ],
    [t],
  );
  const plan = of.plan;
  return (
    <div className="stack">
      <Bar of={of} />
      <WhatToDo of={of} />
      <Facts
        of={[
          [t("upgrades.release"), plan.release],
          [t("upgrades.canary"), `${plan.canary_percent ?? 10} %`],
          [t("upgrades.soak"), t("upgrades.minutes", { count: plan.soak_minutes ?? 30 })],
          [t("upgrades.atOnce"), plan.at_once ?? 10],
          [t("upgrades.most"), plan.most_failures ?? 0],
          [t("upgrades.onFailure"), plan.roll_back === false ? t("upgrades.act.pause") : t("upgrades.act.roll-back")],
        ]}
      />
      <DataTable name={t("nav.gateways")} rows={of.gateways} columns={columns} idOf={(row) => row.gateway} sort="step" height="50vh" empty={<Empty title={t("gateways.none")} />} />
    </div>
  );
}

function StepMark({ of }: { of: Step }) {
  const { t } = useWords();
  return <Status tone={STEP_TONES[of]}>{t(`upgrades.step.${stepHere(of)}`)}</Status>;
}
