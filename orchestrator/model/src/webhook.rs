//! Webhooks: whom a network tells what happens.

use crate::{Checker, Document};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A subscription to events of a network: each is sent by HTTP POST, signed, and again until it is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to: `https://HOST:PORT/PATH`, without user. Plain http:// and addresses of this network only where the orchestrator's
    /// configuration allows the address.
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub url: String,
    /// Kinds of events (`attached`, `security`, …); `alarm` is all alarms, `*` is everything.
    pub events: Vec<String>,
    /// Whether anything is sent.
    #[serde(default = "yes")]
    pub active: bool,
    /// Write-only: the key of the signature (HMAC-SHA-256), 16 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub secret: Option<String>,
}

const fn yes() -> bool {
    true
}

impl Webhook {
    /// Whether an event of a kind is wanted.
    #[must_use]
    pub fn wants(&self, kind: &str, alarm: bool) -> bool {
        self.active && self.events.iter().any(|it| it == "*" || it == kind || (alarm && it == "alarm"))
    }
}

impl Document for Webhook {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("url", &self.url, 1000);
        let rest = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        let good = host.is_some_and(|host| !host.is_empty() && !host.contains(['@', '#', '\\']));
        if !good || self.url.contains(char::is_whitespace) {
            c.wrong_at("url", "is no address to send to", "https://HOST/PATH, without user and fragment");
        }
        if self.events.is_empty() {
            c.wrong_at("events", "are none", "kinds of events, `alarm`, or `*`");
        }
        c.each("events", &self.events, |c, event| {
            let good = (1..=64).contains(&event.len())
                && event.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_*".contains(&b));
            if !good {
                c.wrong("is no kind", "1 to 64 small letters, digits and `-`");
            }
        });
        if let Some(secret) = &self.secret {
            c.range("secret", secret.len(), 16..=256);
        }
    }

    fn take_secrets(&mut self) -> BTreeMap<String, String> {
        self.secret.take().map(|secret| ("secret".to_owned(), secret)).into_iter().collect()
    }

    fn secret_names(&self) -> Vec<String> {
        vec!["secret".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn addresses_and_kinds_are_judged() {
        let body =
            |url: &str, event: &str| format!(r#"{{"url":"{url}","events":["{event}"],"secret":"0123456789abcdef"}}"#);
        assert!(Kind::Webhook.parse("w", body("https://example.net/hook?x=1", "attached").as_bytes()).is_ok());
        for (url, event, path) in [
            ("ftp://example.net", "*", "/url"),
            ("https://", "*", "/url"),
            ("https://user@example.net/", "*", "/url"),
            ("https://a b/", "*", "/url"),
            ("https://example.net", "Attached!", "/events/0"),
        ] {
            let errors = Kind::Webhook.parse("w", body(url, event).as_bytes()).unwrap_err();
            assert_eq!(errors[0].path, path, "{url}");
        }
    }

    #[test]
    fn what_is_wanted_is_told() {
        let events = vec!["alarm".to_owned(), "attached".to_owned()];
        let hook = Webhook { url: String::new(), events, active: true, secret: None };
        assert!(hook.wants("attached", false) && hook.wants("security", true) && !hook.wants("detached", false));
        assert!(!Webhook { active: false, ..hook }.wants("attached", false));
    }
}
