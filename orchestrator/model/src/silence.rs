//! What was said about alarms: that somebody looks after one, and that some are not to be told for a while.

use crate::{Checker, Document};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Alarms that nobody is told of for a while: webhooks do not send them, the console shows them apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Silence {
    /// Only alarms of this gateway; of all, when empty.
    pub gateway: String,
    /// Only alarms of this kind of event; of all kinds, when empty.
    pub kind: String,
    /// When it begins, milliseconds since 1970.
    pub from: i64,
    /// When it is over, milliseconds since 1970, at most 366 days after it begins.
    pub until: i64,
    /// Why, at most 1000 characters.
    pub comment: String,
}

const LONGEST: i64 = 366 * 24 * 3600 * 1000;

impl Silence {
    /// Whether an event is not to be told. `at` is when it was, milliseconds since 1970.
    #[must_use]
    pub fn covers(&self, gateway: &str, kind: &str, at: i64) -> bool {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        (self.from..self.until).contains(&at) && fits(&self.gateway, gateway) && fits(&self.kind, kind)
    }
}

impl Document for Silence {
    fn check(&self, _: &str, c: &mut Checker) {
        for (field, name) in [("gateway", &self.gateway), ("kind", &self.kind)] {
            if !name.is_empty() {
                c.name_at(field, name);
            }
        }
        c.range("from", self.from, 0..=i64::MAX - LONGEST);
        if self.from >= 0 && self.from <= i64::MAX - LONGEST {
            c.range("until", self.until, self.from + 1..=self.from + LONGEST);
        }
        c.text("comment", &self.comment, 1000);
    }
}

/// Somebody looks after an alarm. Its name is the number of the event; who and since when is told by the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Acknowledgement {
    /// What was found or is done, at most 1000 characters.
    pub note: String,
}

impl Document for Acknowledgement {
    fn check(&self, name: &str, c: &mut Checker) {
        if name.parse::<u64>().is_err() {
            c.wrong("the name is no event's number", "the `id` of an event");
        }
        c.text("note", &self.note, 1000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_silence_covers_what_it_names_and_ends() {
        let silence = Silence { gateway: "g1".to_owned(), from: 10, until: 20, ..Silence::default() };
        assert!(silence.covers("g1", "security", 10) && !silence.covers("g2", "security", 10));
        assert!(!silence.covers("g1", "security", 20) && !silence.covers("g1", "security", 9));
        let of_kind = Silence { kind: "security".to_owned(), ..silence };
        assert!(of_kind.covers("g1", "security", 19) && !of_kind.covers("g1", "other", 19));
    }

    #[test]
    fn what_never_ends_and_what_is_no_event_is_refused() {
        let wrong = |kind: Kind, name: &str, body: &str| kind.parse(name, body.as_bytes()).unwrap_err()[0].path.clone();
        assert_eq!(wrong(Kind::Silence, "s", r#"{"from":1,"until":1}"#), "/until");
        assert_eq!(wrong(Kind::Silence, "s", r#"{"from":1,"until":99999999999999}"#), "/until");
        assert_eq!(wrong(Kind::Silence, "s", r#"{"from":-1,"until":5}"#), "/from");
        assert_eq!(wrong(Kind::Acknowledgement, "x", "{}"), "");
        assert!(Kind::Acknowledgement.parse("12", br#"{"note":"a mast fell"}"#).is_ok());
    }
}
