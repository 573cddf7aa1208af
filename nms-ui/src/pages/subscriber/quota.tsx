import { useUsedSince } from "@/api/fleet";
import type { Schemas } from "@/api/objects";
import { useObjects } from "@/api/objects";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { periodOf, share, type Period } from "@/lib/quota";
import { octets } from "@/lib/units";
import { limit } from "@/lib/plain-words";
import { Age, useNowIn } from "@/ui/age";
import { Loaded, Notice, Panel } from "@/ui/page";

const HOUR = 3_600_000;

/** What is left of the plan's volume; nothing for plans without one. */
export function Quota({ imsi, plan }: { imsi: string; plan: string | null | undefined }) {
  const { t } = useWords();
  const bought = (useObjects(useNetwork(), "data-plans").data ?? []).find((it) => it.name === plan)?.body;
  // By the hour, so that the question stays the same for a while.
  const now = useNowIn(HOUR);
  if (!bought?.quota_octets) return null;
  const period = periodOf(bought.period_days, now);
  return <Panel title={t("quota.title")}>{period ? <Left imsi={imsi} plan={bought} quota={bought.quota_octets} period={period} /> : <Notice tone="warn">{t("quota.noPeriod")}</Notice>}</Panel>;
}

function Left({ imsi, plan, quota, period }: { imsi: string; plan: Schemas["DataPlan"]; quota: number; period: Period }) {
  const { t, language } = useWords();
  const used = useUsedSince(useNetwork(), imsi, period.from);
  return (
    <Loaded query={used}>
      {(sum) => {
        const { part, tone } = share(sum, quota);
        const percent = Math.floor(part * 100);
        return (
          <div className="stack">
            <div className={`quota ${tone}`} role="meter" aria-label={t("quota.title")} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
              <span style={{ width: `${part * 100}%` }} />
            </div>
            <p style={{ margin: 0 }}>
              <strong>{t("quota.of", { used: octets(sum, language), quota: octets(quota, language), percent })}</strong>{" "}
              <span className="soft">
                {t("quota.left", { left: octets(Math.max(0, quota - sum), language) })} · {t("quota.renews")} <Age at={period.until} />
              </span>
            </p>
            {part >= 1 && <Notice tone="warn">{plan.after_quota ? t("quota.slow", { rate: limit(plan.after_quota, language) }) : t("quota.stopped")}</Notice>}
          </div>
        );
      }}
    </Loaded>
  );
}
