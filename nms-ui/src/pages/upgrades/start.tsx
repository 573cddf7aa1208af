import { Button, Drawer, NumberInput, Select, Switch } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useObjects, type Schemas } from "@/api/objects";
import { rolloutsPath, startRollout, useReleases } from "@/api/upgrades";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { useAddress } from "@/lib/search";
import { ofNetwork, quoted } from "@/lib/write";
import { CopyAs } from "@/ui/copy-as";
import { Notice, Refusal } from "@/ui/page";

type Plan = Required<Schemas["RolloutPlan"]>;
type Numbered = "canary_percent" | "soak_minutes" | "at_once" | "most_failures";

const FIELDS: { key: Numbered; label: "upgrades.canary" | "upgrades.soakMinutes" | "upgrades.atOnce" | "upgrades.most"; least: number; most: number; suffix?: string }[] = [
  { key: "canary_percent", label: "upgrades.canary", least: 1, most: 100, suffix: " %" },
  { key: "soak_minutes", label: "upgrades.soakMinutes", least: 0, most: 10_080 },
  { key: "at_once", label: "upgrades.atOnce", least: 1, most: 1000 },
  { key: "most_failures", label: "upgrades.most", least: 0, most: 1000 },
];

/** The same by the `basalt` command. */
function asCommand(plan: Plan, network: string): string {
  const { tier, release, canary_percent, soak_minutes, at_once, most_failures, rate, roll_back, downgrade } = plan;
  const numbers = `--canary ${canary_percent} --soak ${soak_minutes} --at-once ${at_once} --most-failures ${most_failures} --rate ${rate}`;
  return `basalt upgrade tier ${quoted(tier)} --release ${quoted(release)} ${numbers}${roll_back ? "" : " --pause-only"}${downgrade ? " --downgrade" : ""}${ofNetwork(network)}`;
}

/** Plans a rollout and says which gateways it touches. */
export function Start({ onClose }: { onClose: () => void }) {
  const { t } = useWords();
  const network = useNetwork();
  const client = useQueryClient();
  const [, setAddress] = useAddress();
  const tiers = useObjects(network, "tiers").data ?? [];
  const gateways = useObjects(network, "gateways").data ?? [];
  const releases = (useReleases().data ?? []).filter((it) => it.complete);
  const [plan, setPlan] = useState<Plan>({ tier: "", release: "", canary_percent: 10, soak_minutes: 30, at_once: 10, most_failures: 0, rate: 0, roll_back: true, downgrade: false });
  const set = (change: Partial<Plan>) => setPlan((former) => ({ ...former, ...change }));
  const touched = gateways.filter((it) => it.body?.tier === plan.tier).length;
  const starting = useMutation({
    mutationFn: () => startRollout(network, plan),
    onSuccess: async ({ id }) => {
      await client.invalidateQueries({ queryKey: ["rollouts", network] });
      setAddress({ tab: "rollouts", id });
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    starting.mutate();
  };
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={t("upgrades.start")} closeButtonProps={{ "aria-label": t("action.close") }}>
      <form className="stack" onSubmit={submit}>
        <Select label={t("upgrades.release")} required data={releases.map((it) => it.name)} nothingFoundMessage={t("upgrades.noReleases")} searchable value={plan.release || null} onChange={(it) => set({ release: it ?? "" })} />
        <Select label={t("gateways.tier")} required data={tiers.map((it) => it.name)} value={plan.tier || null} onChange={(it) => set({ tier: it ?? "" })} />
        {plan.tier && <Notice tone="info">{t("upgrades.touches", { count: touched, first: touched === 0 ? 0 : Math.ceil((touched * plan.canary_percent) / 100) })}</Notice>}
        {FIELDS.map((it) => (
          <NumberInput key={it.key} label={t(it.label)} required allowDecimal={false} min={it.least} max={it.most} suffix={it.suffix ?? ""} hideControls value={plan[it.key]} onChange={(value) => set({ [it.key]: Number(value) })} />
        ))}
        <NumberInput label={t("upgrades.rate")} description={t("upgrades.rateHint")} allowDecimal={false} min={0} max={1_000_000} hideControls value={plan.rate / 1000} onChange={(value) => set({ rate: Number(value) * 1000 })} />
        <Switch label={t("upgrades.rollBack")} checked={plan.roll_back} onChange={(event) => set({ roll_back: event.currentTarget.checked })} />
        <Switch label={t("upgrades.downgrade")} checked={plan.downgrade} onChange={(event) => set({ downgrade: event.currentTarget.checked })} />
        {starting.error && <Refusal error={starting.error} />}
        <div className="row">
          <Button type="submit" size="sm" disabled={!plan.tier || !plan.release} loading={starting.isPending}>
            {t("upgrades.start")}
          </Button>
          <CopyAs write={() => ({ method: "POST", path: rolloutsPath(network), body: plan, basalt: asCommand(plan, network), resource: { kind: "rollouts", name: plan.tier, network } })} />
        </div>
      </form>
    </Drawer>
  );
}
