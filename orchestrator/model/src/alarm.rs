//! Alert rules and those who are told.

use crate::{Checker, Document, Kind, Reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// A condition over metrics that must not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRule {
    /// The condition, a PromQL expression of at most 4096 characters.
    #[schema(max_length = 4096, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub expression: String,
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

impl Document for AlertRule {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("expression", &self.expression, 4096);
        if self.expression.trim().is_empty() {
            c.wrong_at("expression", "is empty", "a PromQL expression");
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
    /// PagerDuty events.
    Pagerduty,
}

/// Who is told of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertReceiver {
    /// The way.
    pub channel: ReceiverChannel,
    /// An https address, or a mail address for `email`.
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub target: String,
    /// Whether the end of an alert is told too.
    #[serde(default)]
    pub send_resolved: bool,
    /// Write-only: the HMAC key of a webhook or the token of a service, 16 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub secret: Option<String>,
}

impl Document for AlertReceiver {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("target", &self.target, 1000);
        let good = match self.channel {
            ReceiverChannel::Email => self.target.split_once('@').is_some_and(|(who, host)| {
                !who.is_empty() && !host.is_empty() && !self.target.contains(char::is_whitespace)
            }),
            _ => self.target.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()),
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
            ReceiverChannel::Email => Vec::new(),
            _ => vec!["secret".to_owned()],
        }
    }
}
