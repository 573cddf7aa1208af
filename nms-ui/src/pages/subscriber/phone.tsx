import { Refused } from "@/api/problem";
import type { Phone } from "@/api/answers";
import { usePhones } from "@/api/fleet";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { fromSeconds } from "@/lib/time";
import { adviceOf } from "@/lib/causes";
import { phoneState } from "@/lib/phones";
import { limit } from "@/lib/plain-words";
import { Age } from "@/ui/age";
import { GatewayLink } from "@/ui/links";
import { Empty, Facts, Fresh, Loaded, Missing, Notice, Panel } from "@/ui/page";
import { Status } from "@/ui/status";

/** The phone as its gateway last told: state in words, sessions, addresses, the last refusal with advice. */
export function PhoneNow({ imsi }: { imsi: string }) {
  const { t } = useWords();
  const phones = usePhones(useNetwork(), imsi);
  if (phones.error instanceof Refused && phones.error.problem.status === 404 && !phones.data) {
    return (
      <Panel title={t("subscriber.now")}>
        <Missing>{t("sessions.missing")}</Missing>
      </Panel>
    );
  }
  return (
    <Panel title={t("subscriber.now")} aside={<Fresh at={phones.dataUpdatedAt} />}>
      <Loaded query={phones}>
        {(all) => {
          const own = all.filter((it) => it.imsi === imsi);
          if (own.length === 0) return <Empty title={t("subscriber.away")}>{t("subscriber.awayWords")}</Empty>;
          return (
            <div className="stack">
              {own.map((phone) => (
                <One key={phone.gateway} phone={phone} />
              ))}
            </div>
          );
        }}
      </Loaded>
    </Panel>
  );
}

function One({ phone }: { phone: Phone }) {
  const { t } = useWords();
  const { tone, key } = phoneState(phone.state);
  const reject = phone.last_reject;
  const cause = reject?.emm_cause || reject?.esm_cause;
  const known = adviceOf(reject?.emm_cause || undefined);
  const advice = known ? t(known) : reject?.advice;
  return (
    <>
      <Facts
        of={[
          [t("subscribers.state"), <Status key="state" tone={tone}>{key ? t(key) : phone.state}</Status>],
          [t("phone.inWords"), phone.description],
          [t("kind.gateway"), <GatewayLink key="gateway" name={phone.gateway} />],
          [t("phone.cell"), phone.cell],
          [t("phone.station"), phone.enb],
          [t("phone.area"), phone.area],
          ["APN", phone.apns.join(", ")],
          [t("phone.addresses"), <span className="mono" key="addresses">{phone.addresses.join(", ")}</span>],
          [t("phone.lastSeen"), <Age key="seen" at={fromSeconds(phone.last_seen) ?? phone.told_at} />],
        ]}
      />
      {(phone.sessions ?? []).map((session, index) => (
        <Session key={index} session={session} />
      ))}
      {reject && (
        <Notice tone="warn">
          <strong>{t("phone.lastReject")}</strong> {[reject.procedure, reject.reason, cause ? `#${cause}` : ""].filter(Boolean).join(", ")} <Age at={fromSeconds(reject.at)} />
          {advice && (
            <>
              <br />
              {advice}
            </>
          )}
        </Notice>
      )}
    </>
  );
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && value > 0;
}

/** One of its sessions: bearer, rates, tunnel. */
function Session({ session }: { session: Record<string, unknown> }) {
  const { t, language } = useWords();
  const { apn, address, state, ebi, qci, teid, bearers } = session;
  const [down, up] = [session["ambr_downlink"], session["ambr_uplink"]];
  const rates = isNumber(down) && isNumber(up) ? limit({ max_dl_bit_rate: down, max_ul_bit_rate: up }, language) : "";
  const dedicated = Array.isArray(bearers) && bearers.length > 0 ? JSON.stringify(bearers) : "";
  return (
    <Facts
      of={[
        [t("phone.session"), [apn, address, state].filter(Boolean).join(", ")],
        [t("phone.bearer"), `EBI ${String(ebi ?? "–")}, QCI ${String(qci ?? "–")}`],
        [t("phone.dedicated"), dedicated],
        [t("form.max"), rates],
        ["TEID", teid ? <span className="mono" key="teid">{String(teid)}</span> : ""],
      ]}
    />
  );
}
