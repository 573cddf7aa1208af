import { Refused } from "@/api/problem";
import type { Phone } from "@/api/answers";
import { usePhones } from "@/api/fleet";
import { useNetwork } from "@/app/network";
import { useWords } from "@/i18n";
import { adviceOf } from "@/lib/causes";
import { phoneState } from "@/lib/phones";
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
  const advice = reject && adviceOf(reject.cause);
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
          [t("phone.lastSeen"), <Age key="seen" at={phone.last_seen ?? phone.told_at} />],
        ]}
      />
      {(phone.sessions ?? []).map((session, index) => (
        <Facts
          key={index}
          of={Object.entries(session).map(([name, value]) => [name, typeof value === "object" ? <span className="mono">{JSON.stringify(value)}</span> : String(value)])}
        />
      ))}
      {reject && (
        <Notice tone="warn">
          <strong>{t("phone.lastReject")}</strong> {reject.text ?? ""} {reject.cause !== undefined && `(${reject.cause})`} <Age at={reject.at} />
          {advice && (
            <>
              <br />
              {t(advice)}
            </>
          )}
        </Notice>
      )}
    </>
  );
}
