import { Button, Drawer } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { Rollout } from "@/api/answers";
import type { Schemas } from "@/api/objects";
import { actOnRollout, rolloutsPath, useRollouts } from "@/api/upgrades";
import { useMayChange, useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { Age } from "@/ui/age";
import { Confirm } from "@/ui/confirm";
import { DataTable, type Column } from "@/ui/data-table";
import { GatewayLink } from "@/ui/links";
import { Empty, Facts, Loaded, Missing, Panel } from "@/ui/page";
import { Status } from "@/ui/status";
import { STATE_TONES, STEPS, STEP_TONES, actsOf, counts, stageOf, stateOf, stepOf, type Step } from "./progress";

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
  const { t } = useWords();
  const state = stateOf(of.state);
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
          <Status tone={STATE_TONES[state]}>{t(`upgrades.state.${state}`)}</Status>
        </>
      }
    >
      <div className="stack">
        <Bar of={of} />
        <p className="soft" style={{ margin: 0 }}>
          <Stage of={of} /> {of.words}
        </p>
        <Acts of={of} />
      </div>
    </Panel>
  );
}

/** Gateways by step, as a bar and in numbers. */
function Bar({ of }: { of: Rollout }) {
  const { t } = useWords();
  const found = counts(of);
  const all = Math.max(1, of.gateways.length);
  const told = STEPS.filter((step) => found[step] > 0);
  return (
    <>
      <div className="steps-bar" role="img" aria-label={told.length === 0 ? t("upgrades.noGateways") : told.map((step) => `${t(`upgrades.step.${step}`)}: ${found[step]}`).join(", ")}>
        {told.map((step) => (
          <span key={step} className={step} style={{ width: `${(100 * found[step]) / all}%` }} />
        ))}
      </div>
      <div className="row">
        {told.map((step) => (
          <Status key={step} tone={STEP_TONES[step]}>
            {t(`upgrades.step.${step}`)} {found[step]}
          </Status>
        ))}
        <span className="soft">{t("upgrades.ofAll", { count: of.gateways.length })}</span>
      </div>
    </>
  );
}

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

/** What can be done with it now, each with what it touches. */
function Acts({ of }: { of: Rollout }) {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [asked, setAsked] = useState<Schemas["RolloutAct"] | null>(null);
  const acts = actsOf(stateOf(of.state));
  if (!mayChange || acts.length === 0) return null;
  const act = async (what: Schemas["RolloutAct"]) => {
    await actOnRollout(network, of.id, what);
    await client.invalidateQueries({ queryKey: ["rollouts", network] });
  };
  const upgraded = of.gateways.filter((it) => it.upgraded).length;
  return (
    <div className="row">
      {acts.map((it) => (
        <Button key={it} size="xs" variant={it === "resume" ? "filled" : "default"} onClick={() => setAsked(it)}>
          {t(`upgrades.act.${it}`)}
        </Button>
      ))}
      {asked && (
        <Confirm title={`${t(`upgrades.act.${asked}`)}: ${of.plan.tier} → ${of.version}`} blast={t(`upgrades.blast.${asked}`, { count: asked === "roll-back" ? upgraded : counts(of).waiting })} verb={t(`upgrades.act.${asked}`)} write={() => ({ method: "POST", path: `${rolloutsPath(network)}/${of.id}/act`, body: { act: asked } })} act={() => act(asked)} onClose={() => setAsked(null)} />
      )}
    </div>
  );
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
      <Acts of={of} />
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
  return <Status tone={STEP_TONES[of]}>{t(`upgrades.step.${of}`)}</Status>;
}
