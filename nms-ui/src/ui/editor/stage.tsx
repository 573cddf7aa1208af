// Plans how a change reaches gateways: some first, a look at them, then the others.
import { Button, NumberInput, Select, Switch } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { configRolloutsKey, configRolloutsPath, startConfigRollout } from "@/api/config-rollouts";
import { useObjects } from "@/api/objects";
import { useWords } from "@/i18n";
import { differences } from "@/lib/diff";
import { firstOf, reach } from "@/lib/reach";
import { documents, ofNetwork, quoted, singular } from "@/lib/write";
import { CopyAs } from "@/ui/copy-as";
import { DiffView } from "@/ui/diff-view";
import { Notice, Refusal } from "@/ui/page";
import { useSay } from "@/ui/toast";

type Body = Record<string, unknown>;

interface Props {
  network: string;
  collection: string;
  name: string;
  before: Body | null;
  /** What becomes of it; nothing when it is deleted. */
  after: Body | null;
  onBack: () => void;
}

const NUMBERS = [
  { key: "canary_percent", label: "upgrades.canary", least: 1, most: 100, suffix: " %" },
  { key: "soak_minutes", label: "upgrades.soakMinutes", least: 0, most: 10_080, suffix: "" },
  { key: "at_once", label: "upgrades.atOnce", least: 1, most: 1000, suffix: "" },
  { key: "most_failures", label: "upgrades.most", least: 0, most: 1000, suffix: "" },
] as const;

const START = { tier: null as string | null, canary_percent: 10, soak_minutes: 30, at_once: 10, most_failures: 0, roll_back: true };

/** The same by the `basalt` command. */
function asCommand(network: string, kind: string, name: string, after: Body | null, plan: typeof START): string {
  const numbers = `--canary ${plan.canary_percent} --soak ${plan.soak_minutes} --at-once ${plan.at_once} --most-failures ${plan.most_failures}`;
  const how = `${plan.tier ? ` --tier ${quoted(plan.tier)}` : ""} ${numbers}${plan.roll_back ? "" : " --pause-only"}${ofNetwork(network)}`;
  if (!after) return `basalt rollout begin --delete ${quoted(`${singular(kind)}/${name}`)}${how}`;
  const object = { kind, name, network: kind === "networks" ? null : network, body: after };
  return `basalt rollout begin -f -${how} <<'END'\n${documents([object])}\nEND`;
}

export default function StagePlan({ network, collection, name, before, after, onBack }: Props) {
  const { t } = useWords();
  const say = useSay();
  const client = useQueryClient();
  const navigate = useNavigate();
  const tiers = useObjects(network, "tiers").data ?? [];
  const gateways = useObjects(network, "gateways").data ?? [];
  const [plan, setPlan] = useState(START);
  const set = (change: Partial<typeof START>) => setPlan((former) => ({ ...former, ...change }));
  const touched = reach(gateways, collection, name, [before, after]);
  const wanted = { changes: [{ kind: collection, name, body: after }], ...plan };
  const starting = useMutation({
    mutationFn: () => startConfigRollout(network, wanted),
    onSuccess: async ({ id }) => {
      await client.invalidateQueries({ queryKey: configRolloutsKey(network) });
      say(t("staged.begun"));
      await navigate({ to: "/n/$network/configuration", params: { network }, search: { tab: "staged", id } as never });
    },
  });
  return (
    <section className="stack" aria-label={t("staged.start")}>
      <DiffView of={differences(before ?? undefined, after ?? undefined)} />
      <Notice tone="info">{t("staged.touches", { count: touched.length, first: firstOf(touched, plan.tier, plan.canary_percent) })}</Notice>
      <Select label={t("staged.tier")} placeholder={t("staged.anyTier")} clearable data={tiers.map((it) => it.name)} value={plan.tier} onChange={(tier) => set({ tier })} />
      {NUMBERS.map((it) => (
        <NumberInput key={it.key} label={t(it.label)} required allowDecimal={false} min={it.least} max={it.most} suffix={it.suffix} hideControls value={plan[it.key]} onChange={(value) => set({ [it.key]: Number(value) })} />
      ))}
      <Switch label={t("upgrades.rollBack")} checked={plan.roll_back} onChange={(event) => set({ roll_back: event.currentTarget.checked })} />
      {starting.error && <Refusal error={starting.error} />}
      <div className="row">
        <Button size="sm" loading={starting.isPending} onClick={() => starting.mutate()}>
          {t("staged.begin")}
        </Button>
        <CopyAs write={() => ({ method: "POST", path: configRolloutsPath(network), body: wanted, basalt: asCommand(network, collection, name, after, plan), resource: { kind: "config-rollouts", name, network } })} />
        <span className="grow" />
        <Button variant="default" onClick={onBack}>
          {t("staged.back")}
        </Button>
      </div>
    </section>
  );
}
