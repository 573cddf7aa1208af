// Parts that rollouts of programs and of configuration share.
import { Button } from "@mantine/core";
import { useState } from "react";
import { useMayChange } from "@/app/network";
import { useWords } from "@/i18n";
import { STATE_TONES, STEPS, STEP_TONES, actsOf, counts, type Act, type State, type Step } from "@/lib/rollout";
import { Confirm } from "./confirm";
import { Status } from "./status";

export function StateMark({ of }: { of: State }) {
  const { t } = useWords();
  return <Status tone={STATE_TONES[of]}>{t(`upgrades.state.${of}`)}</Status>;
}

interface BarProps {
  gateways: { step: string }[];
  /** What a step is called. */
  words: (step: Step) => string;
  none: string;
}

/** Gateways by step, as a bar and in numbers. */
export function StepsBar({ gateways, words, none }: BarProps) {
  const { t } = useWords();
  const found = counts(gateways);
  const all = Math.max(1, gateways.length);
  const told = STEPS.filter((step) => found[step] > 0);
  return (
    <>
      <div className="steps-bar" role="img" aria-label={told.length === 0 ? none : told.map((step) => `${words(step)}: ${found[step]}`).join(", ")}>
        {told.map((step) => (
          <span key={step} data-step={step} style={{ width: `${(100 * found[step]) / all}%` }} />
        ))}
      </div>
      <div className="row">
        {told.map((step) => (
          <Status key={step} tone={STEP_TONES[step]}>
            {words(step)} {found[step]}
          </Status>
        ))}
        <span className="soft">{t("upgrades.ofAll", { count: gateways.length })}</span>
      </div>
    </>
  );
}

interface ActsProps {
  title: string;
  state: State;
  /** What an act touches. */
  blast: (act: Act) => string;
  /** Where it is sent. */
  path: string;
  /** The same by the `basalt` command, where it has one. */
  basalt?: (act: Act) => string;
  act: (what: Act) => Promise<void>;
}

/** What can be done with a rollout now, each with what it touches. */
export function Acts({ title, state, blast, path, basalt, act }: ActsProps) {
  const { t } = useWords();
  const mayChange = useMayChange();
  const [asked, setAsked] = useState<Act | null>(null);
  const acts = actsOf(state);
  if (!mayChange || acts.length === 0) return null;
  return (
    <div className="row">
      {acts.map((it) => (
        <Button key={it} size="xs" variant={it === "resume" ? "filled" : "default"} onClick={() => setAsked(it)}>
          {t(`upgrades.act.${it}`)}
        </Button>
      ))}
      {asked && (
        <Confirm title={`${t(`upgrades.act.${asked}`)}: ${title}`} blast={blast(asked)} verb={t(`upgrades.act.${asked}`)} write={() => ({ method: "POST", path, body: { act: asked }, ...(basalt ? { basalt: basalt(asked) } : {}) })} act={() => act(asked)} onClose={() => setAsked(null)} />
      )}
    </div>
  );
}
