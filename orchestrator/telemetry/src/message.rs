//! What receivers of alarms are told, in the form that each of them takes.

use orchestrator_model::{ReceiverChannel, Severity};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// An alarm that somebody is told of. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Notice {
    /// The alarm's number; 0 for a test.
    pub id: i64,
    /// The network; empty for the orchestrator itself.
    pub network: String,
    /// The gateway; empty when it is about none.
    pub gateway: String,
    /// The rule.
    pub rule: String,
    /// What at the gateway.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// For people.
    pub text: String,
    /// Since when.
    pub raised_at: i64,
    /// Since when it is over; 0 when it is not.
    pub cleared_at: i64,
    /// What to do.
    pub runbook: String,
}

impl Notice {
    /// What a receiver is told to see whether it hears.
    #[must_use]
    pub fn test(network: &str, now: i64) -> Self {
        Self {
            id: 0,
            network: network.to_owned(),
            gateway: String::new(),
            rule: "test".to_owned(),
            subject: String::new(),
            severity: Severity::Info,
            text: "This is a test: alarms of this network reach you.".to_owned(),
            raised_at: now,
            cleared_at: 0,
            runbook: String::new(),
        }
    }

    /// By which receivers know that it is the same alarm.
    fn key(&self) -> String {
        format!("basalt/{}/{}/{}/{}", self.network, self.gateway, self.rule, self.subject)
    }

    /// Where it is.
    fn source(&self) -> &str {
        let places = [self.gateway.as_str(), self.network.as_str()];
        places.into_iter().find(|place| !place.is_empty()).unwrap_or("orchestrator")
    }

    /// One line.
    #[must_use]
    pub fn title(&self) -> String {
        let state = if self.cleared_at > 0 { "cleared" } else { word(self.severity) };
        let place: Vec<&str> = [&self.network, &self.gateway, &self.subject]
            .into_iter()
            .map(String::as_str)
            .filter(|it| !it.is_empty())
            .collect();
        format!("[{state}] {} {}", self.rule, place.join(" / ")).trim_end().to_owned()
    }

    /// The body of a POST to a channel. `token` is the receiver's secret, where the body has it.
    #[must_use]
    pub fn body(&self, channel: ReceiverChannel, token: &str) -> Value {
        match channel {
            ReceiverChannel::Webhook | ReceiverChannel::Email => json!({
                "alarm": self.id,
                "state": if self.cleared_at > 0 { "cleared" } else { "raised" },
                "network": self.network,
                "gateway": self.gateway,
                "rule": self.rule,
                "subject": self.subject,
                "severity": self.severity,
                "text": self.text,
                "raised_at": self.raised_at,
                "cleared_at": (self.cleared_at > 0).then_some(self.cleared_at),
                "runbook": self.runbook,
            }),
            ReceiverChannel::Slack => json!({ "text": format!("*{}*\n{}", slack(&self.title()), slack(&self.text)) }),
            ReceiverChannel::Pagerduty => json!({
                "routing_key": token,
                "event_action": if self.cleared_at > 0 { "resolve" } else { "trigger" },
                "dedup_key": self.key(),
                "payload": {
                    "summary": format!("{}: {}", self.title(), self.text).chars().take(1024).collect::<String>(),
                    "source": self.source(),
                    "severity": match self.severity {
                        Severity::Critical => "critical",
                        Severity::Major => "error",
                        Severity::Minor => "warning",
                        Severity::Info => "info",
                    },
                    "timestamp": rfc3339(self.raised_at),
                    "component": self.subject,
                    "class": self.rule,
                },
            }),
            ReceiverChannel::Alertmanager => json!([{
                "labels": {
                    "alertname": self.rule,
                    "network": self.network,
                    "gateway": self.gateway,
                    "subject": self.subject,
                    "severity": word(self.severity),
                },
                "annotations": {"summary": self.title(), "description": self.text, "runbook_url": self.runbook},
                "startsAt": rfc3339(self.raised_at),
                // One that goes on is told anew before it would be taken for over.
                "endsAt": rfc3339(if self.cleared_at > 0 { self.cleared_at } else { self.raised_at + 7 * 24 * 3_600_000 }),
            }]),
        }
    }

    /// A mail (RFC 5322), lines ended by CR LF. `id` is its number in the world.
    #[must_use]
    pub fn mail(&self, from: &str, to: &str, id: &str, now: i64) -> String {
        let plain = |text: &str| text.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect::<String>();
        let mut mail = String::new();
        let host = from.rsplit_once('@').map_or("basalt", |(_, host)| host.trim_end_matches('>'));
        // Writing into a text does not fail.
        let _ = write!(
            mail,
            "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{id}@{}>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nAuto-Submitted: auto-generated\r\n\r\n",
            plain(from),
            plain(to),
            plain(&self.title()),
            rfc5322(now),
            plain(host),
        );
        let _ = write!(mail, "{}\r\n\r\nSince: {}\r\n", self.text.replace(['\r', '\n'], " "), rfc3339(self.raised_at));
        if self.cleared_at > 0 {
            let _ = write!(mail, "Over since: {}\r\n", rfc3339(self.cleared_at));
        }
        if !self.runbook.is_empty() {
            let _ = write!(mail, "What to do: {}\r\n", self.runbook);
        }
        mail
    }
}

/// A severity as it is written.
#[must_use]
pub const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Minor => "minor",
        Severity::Major => "major",
        Severity::Critical => "critical",
    }
}

/// A severity as it was written.
#[must_use]
pub fn severity(word: &str) -> Option<Severity> {
    [Severity::Info, Severity::Minor, Severity::Major, Severity::Critical]
        .into_iter()
        .find(|it| self::word(*it) == word)
}

/// Slack takes these three for its own.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Year, month and day of days since 1970 (proleptic Gregorian).
fn date(days: i64) -> (i64, i64, i64) {
    // Years from March on: the day that a leap year has more is the last one.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn clock(millis: i64) -> (i64, i64, i64) {
    let second = millis.div_euclid(1000).rem_euclid(86_400);
    (second / 3600, second / 60 % 60, second % 60)
}

/// A time as in RFC 3339, UTC. `millis` is since 1970.
#[must_use]
pub fn rfc3339(millis: i64) -> String {
    let ((year, month, day), (hour, minute, second)) = (date(millis.div_euclid(86_400_000)), clock(millis));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis.rem_euclid(1000))
}

fn rfc5322(millis: i64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = millis.div_euclid(86_400_000);
    let ((year, month, day), (hour, minute, second)) = (date(days), clock(millis));
    let name =
        |names: &[&'static str], at: i64| usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or("");
    let (weekday, month) = (name(&DAYS, days.rem_euclid(7)), name(&MONTHS, month - 1));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice {
            id: 7,
            network: "lab".to_owned(),
            gateway: "g1".to_owned(),
            rule: "base-station-gone".to_owned(),
            subject: "001-01/0x19b".to_owned(),
            severity: Severity::Major,
            text: "a <mast> fell\r\nBcc: all@example.net".to_owned(),
            raised_at: 1_709_164_800_123,
            cleared_at: 0,
            runbook: "https://x/runbooks/base-station-gone.html".to_owned(),
        }
    }

    #[test]
    fn times_are_right() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_709_164_800_123), "2024-02-29T00:00:00.123Z");
        assert_eq!(rfc3339(4_107_542_399_000), "2100-02-28T23:59:59.000Z");
        assert_eq!(rfc5322(1_709_164_800_123), "Thu, 29 Feb 2024 00:00:00 +0000");
    }

    #[test]
    fn each_channel_has_its_form() {
        let it = notice();
        assert_eq!(it.body(ReceiverChannel::Webhook, "")["state"], "raised");
        assert!(it.body(ReceiverChannel::Slack, "")["text"].as_str().unwrap().contains("&lt;mast&gt;"));
        let page = it.body(ReceiverChannel::Pagerduty, "key");
        assert_eq!((&page["routing_key"], &page["event_action"]), (&json!("key"), &json!("trigger")));
        let over = Notice { cleared_at: 1_709_164_900_000, ..it.clone() };
        let resolved = over.body(ReceiverChannel::Pagerduty, "key");
        assert_eq!((&resolved["event_action"], &resolved["dedup_key"]), (&json!("resolve"), &page["dedup_key"]));
        let alert = over.body(ReceiverChannel::Alertmanager, "");
        assert_eq!(
            (&alert[0]["labels"]["alertname"], &alert[0]["endsAt"]),
            (&json!("base-station-gone"), &json!("2024-02-29T00:01:40.000Z"))
        );
        for severity in [Severity::Info, Severity::Critical] {
            assert_eq!(super::severity(word(severity)), Some(severity));
        }
    }

    #[test]
    fn a_mail_has_one_head_whatever_the_text_is() {
        let mut it = notice();
        it.gateway = "g1\r\nBcc: x@y".to_owned();
        let mail = it.mail("Basalt <core@example.net>", "ann@example.net", "7.1", it.raised_at);
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        assert!(head.lines().all(|line| !line.starts_with("Bcc")), "{head}");
        assert!(
            head.contains("Message-ID: <7.1@example.net>")
                && head.contains("Subject: [major] base-station-gone lab / g1Bcc: x@y / ")
        );
        assert!(body.starts_with("a <mast> fell  Bcc: all@example.net\r\n"), "{body}");
        assert!(body.contains("What to do: https://x/runbooks/"));
    }
}
