//! Alert rules and those who are told.

use crate::{Checker, Document, Kind, Reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Service is worse than it should be.
    Minor,
    /// Service of some is gone.
    Major,
    /// Service is gone.
    Critical,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// It is larger.
    Above,
    /// It is smaller.
    Below,
    /// It is that.
    Equal,
}

/// A condition in simple form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimpleCondition {
    /// The metric: `basalt_agw_enbs`.
    #[schema(max_length = 200, pattern = "^[a-zA-Z_:][a-zA-Z0-9_:]*$")]
    pub metric: String,
    /// Labels that it must have, such as `gateway`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it grew by within five minutes is compared, not the value itself.
    #[serde(default)]
    pub increase: bool,
    /// How it is compared.
    pub is: Comparison,
    /// With what.
    pub value: f64,
}

impl SimpleCondition {
    /// The same in PromQL.
    #[must_use]
    pub fn expression(&self) -> String {
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let labels: Vec<String> =
            self.labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let selector = format!("{}{{{}}}", self.metric, labels.join(","));
        let is = match self.is {
            Comparison::Above => ">",
            Comparison::Below => "<",
            Comparison::Equal => "==",
        };
        let measured = if self.increase { format!("increase({selector}[5m])") } else { selector };
        format!("{measured} {is} {}", self.value)
    }
}

/// A condition over metrics that must not hold: as an expression or in simple form, one of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// The condition, a PromQL expression of at most 4096 characters.
    #[serde(default)]
    #[schema(max_length = 4096, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub expression: String,
    /// The condition in simple form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<SimpleCondition>,
    /// Seconds that it must hold, 0 to 86,400.
    #[serde(default)]
    #[schema(maximum = 86_400)]
    pub for_seconds: u32,
    /// How bad it is.
    pub severity: Severity,
    /// Text for people, at most 1000 characters.
    #[serde(default)]
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub summary: String,
    /// Further labels of the alert.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Names of the alert receivers that are told.
    #[serde(default)]
    pub receivers: Vec<String>,
}

impl AlertRule {
    /// The condition in PromQL.
    #[must_use]
    pub fn promql(&self) -> String {
        self.condition.as_ref().map_or_else(|| self.expression.clone(), SimpleCondition::expression)
    }
}

impl Document for AlertRule {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("expression", &self.expression, 4096);
        if self.expression.trim().is_empty() == self.condition.is_none() {
            c.wrong_at("expression", "is empty, or there is a condition, too", "a PromQL expression, or a `condition`");
        }
        if let Some(condition) = &self.condition {
            c.at("condition", |c| {
                let metric = &condition.metric;
                let first = metric.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':');
                let good = metric.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
                if !first || !good || metric.len() > 200 {
                    c.wrong_at("metric", "is no name of a metric", "letters, digits, `_` and `:`");
                }
                for (label, value) in &condition.labels {
                    let good = label.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
                    if !good || label.is_empty() || value.len() > 200 || value.contains(char::is_control) {
                        c.wrong_at(
                            "labels",
                            "have a name or value that cannot be",
                            "letters and `_`; values of one line",
                        );
                    }
                }
                if !condition.value.is_finite() {
                    c.wrong_at("value", "is no number", "a number");
                }
            });
        }
        c.range("for_seconds", self.for_seconds, 0..=86_400);
        c.text("summary", &self.summary, 1000);
        c.at("labels", |c| {
            for (label, value) in &self.labels {
                c.at(label, |c| c.name(label));
                c.text(label, value, 200);
            }
        });
        c.distinct("receivers", &self.receivers);
    }

    fn references(&self) -> Vec<Reference> {
        Reference::list("receivers", Kind::AlertReceiver, &self.receivers)
    }
}

/// The way to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiverChannel {
    /// An HTTP POST, signed by HMAC.
    Webhook,
    /// Mail.
    Email,
    /// A Slack-compatible incoming webhook.
    Slack,
    /// PagerDuty events (Events API v2).
    Pagerduty,
    /// Prometheus Alertmanager (API v2): the address of `…/api/v2/alerts`.
    Alertmanager,
}

/// Who is told of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertReceiver {
    /// The way.
    pub channel: ReceiverChannel,
    /// An https address (http:// where the orchestrator's configuration allows the address), or a mail address for `email`.
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub target: String,
    /// Whether the end of an alert is told too.
    #[serde(default)]
    pub send_resolved: bool,
    /// It is told of alarms of the built-in rules from this severity on; of none of them, if absent. Alarms of own rules go to the
    /// receivers that the rule names.
    #[serde(default = "minor", skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// It is told of alarms of the orchestrator itself, too, from the same severity on: for those who may see the whole installation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub of_orchestrator: bool,
    /// Write-only: the HMAC key of a webhook or the token of a service, 16 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub secret: Option<String>,
}

#[allow(clippy::unnecessary_wraps, reason = "the default of an optional field")]
const fn minor() -> Option<Severity> {
    Some(Severity::Minor)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Document for AlertReceiver {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("target", &self.target, 1000);
        let good = match self.channel {
            ReceiverChannel::Email => self.target.split_once('@').is_some_and(|(who, host)| {
                !who.is_empty() && !host.is_empty() && !self.target.contains(char::is_whitespace)
            }),
            _ => {
                let rest = self.target.strip_prefix("https://").or_else(|| self.target.strip_prefix("http://"));
                let host = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
                host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '#', '\\']))
                    && !self.target.contains(char::is_whitespace)
            }
        };
        if !good {
            c.wrong_at("target", "does not fit the channel", "an https:// address; for `email` a mail address");
        }
        if let Some(secret) = &self.secret {
            c.range("secret", secret.len(), 16..=256);
        }
    }

    fn take_secrets(&mut self) -> BTreeMap<String, String> {
        self.secret.take().map(|secret| ("secret".to_owned(), secret)).into_iter().collect()
    }

    fn secret_names(&self) -> Vec<String> {
        match self.channel {
            // A Slack address is the secret itself; an Alertmanager wants none.
            ReceiverChannel::Email | ReceiverChannel::Slack | ReceiverChannel::Alertmanager => Vec::new(),
            ReceiverChannel::Webhook | ReceiverChannel::Pagerduty => vec!["secret".to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_in_simple_form_is_promql() {
        let body =
            r#"{"condition":{"metric":"enbs","labels":{"gateway":"g\"1"},"is":"below","value":2},"severity":"major"}"#;
        let parsed = Kind::AlertRule.parse("few", body.as_bytes()).unwrap();
        let rule: AlertRule = serde_json::from_value(parsed.body).unwrap();
        assert_eq!(rule.promql(), r#"enbs{gateway="g\"1"} < 2"#);
        for (body, path) in [
            (r#"{"severity":"major"}"#, "/expression"),
            (
                r#"{"expression":"a","condition":{"metric":"a","is":"above","value":1},"severity":"major"}"#,
                "/expression",
            ),
            (r#"{"condition":{"metric":"a{","is":"above","value":1},"severity":"major"}"#, "/condition/metric"),
            (
                r#"{"condition":{"metric":"a","labels":{"b\"":"c"},"is":"above","value":1},"severity":"major"}"#,
                "/condition/labels",
            ),
        ] {
            assert_eq!(Kind::AlertRule.parse("few", body.as_bytes()).unwrap_err()[0].path, path, "{body}");
        }
    }

    #[test]
    fn receivers_have_an_address_that_fits() {
        let good = |channel: &str, target: &str| {
            let body = format!(r#"{{"channel":"{channel}","target":"{target}"}}"#);
            Kind::AlertReceiver.parse("r", body.as_bytes()).is_ok()
        };
        assert!(good("email", "ann@example.net") && good("alertmanager", "http://127.0.0.1:9093/api/v2/alerts"));
        assert!(
            !good("email", "ann")
                && !good("slack", "ftp://x")
                && !good("slack", "https://a@b/")
                && !good("slack", "https://")
        );
    }
}
