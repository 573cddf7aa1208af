//! Validation that explains: every fault of a document at once, each with its place and what would be right.

use basalt_ids::Plmn;
use core::fmt;
use core::ops::RangeInclusive;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// Faults of one document that are told; the rest waits for the next try, so that an answer stays small.
const MOST: usize = 100;
/// Characters of a name of an object.
const NAME: RangeInclusive<usize> = 1..=128;

/// One fault of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where, as a JSON pointer (RFC 6901): `/epc/tac`. Empty for the whole document.
    pub path: String,
    /// What is wrong there.
    pub what: String,
    /// What is allowed there.
    pub allowed: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "the document" } else { &self.path };
        write!(f, "{place}: {}; allowed: {}", self.what, self.allowed)
    }
}

/// Collects faults while a document is walked.
#[derive(Debug, Default)]
pub struct Checker {
    path: String,
    errors: Vec<FieldError>,
}

impl Checker {
    /// What was found, in the order of the walk.
    #[must_use]
    pub fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// Walks into a field (or an index, or a key).
    pub fn at(&mut self, field: impl fmt::Display, walk: impl FnOnce(&mut Self)) {
        let before = self.path.len();
        self.path.push('/');
        self.path.push_str(&field.to_string().replace('~', "~0").replace('/', "~1"));
        walk(self);
        self.path.truncate(before);
    }

    /// Walks through a list.
    pub fn each<T>(&mut self, field: &str, list: &[T], mut walk: impl FnMut(&mut Self, &T)) {
        self.at(field, |c| {
            for (index, value) in list.iter().enumerate() {
                c.at(index, |c| walk(c, value));
            }
        });
    }

    /// Notes a fault of the present place.
    pub fn wrong(&mut self, what: impl Into<String>, allowed: impl Into<String>) {
        if self.errors.len() < MOST {
            self.errors.push(FieldError { path: self.path.clone(), what: what.into(), allowed: allowed.into() });
        }
    }

    /// Notes a fault of a field.
    pub fn wrong_at(&mut self, field: &str, what: impl Into<String>, allowed: impl Into<String>) {
        self.at(field, |c| c.wrong(what, allowed));
    }

    /// A number must lie in a range.
    pub fn range<N: PartialOrd + fmt::Display + Copy>(&mut self, field: &str, value: N, allowed: RangeInclusive<N>) {
        if !allowed.contains(&value) {
            let (low, high) = (allowed.start(), allowed.end());
            self.wrong_at(field, format!("{value} is out of range"), format!("{low} to {high}"));
        }
    }

    /// A number that may be absent must lie in a range.
    pub fn range_if<N: PartialOrd + fmt::Display + Copy>(
        &mut self,
        field: &str,
        value: Option<N>,
        allowed: RangeInclusive<N>,
    ) {
        if let Some(value) = value {
            self.range(field, value, allowed);
        }
    }

    /// A text must be readable as a type.
    pub fn parses<T: core::str::FromStr>(&mut self, field: &str, text: &str, allowed: &str) -> Option<T> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.wrong_at(field, format!("`{}` is none", shown(text)), allowed);
        }
        parsed
    }

    /// An IP prefix of either family, host bits zero: `192.0.2.0/24`.
    pub fn prefix(&mut self, field: &str, text: &str) {
        if !is_prefix(text) {
            let what = format!("`{}` is no IP prefix", shown(text));
            self.wrong_at(field, what, "an IPv4 or IPv6 prefix without host bits, such as 192.0.2.0/24");
        }
    }

    /// A list of IP prefixes.
    pub fn prefixes(&mut self, field: &str, list: &[String]) {
        self.at(field, |c| {
            for (index, text) in list.iter().enumerate() {
                c.prefix(&index.to_string(), text);
            }
        });
    }

    /// A PLMN from its two codes (TS 23.003 §2.2).
    pub fn plmn(&mut self, mcc: &str, mnc: &str) -> Option<Plmn> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if mcc.len() != 3 || !digits(mcc) {
            self.wrong_at("mcc", format!("`{}` is no mobile country code", shown(mcc)), "3 decimal digits");
        }
        if !(2..=3).contains(&mnc.len()) || !digits(mnc) {
            self.wrong_at("mnc", format!("`{}` is no mobile network code", shown(mnc)), "2 or 3 decimal digits");
        }
        format!("{mcc}-{mnc}").parse().ok()
    }

    /// A text of bounded length without control characters.
    pub fn text(&mut self, field: &str, text: &str, most: usize) {
        if text.chars().count() > most || text.chars().any(char::is_control) {
            let what = "is too long or has control characters";
            self.wrong_at(field, what, format!("at most {most} characters, no control characters"));
        }
    }

    /// The name of an object: it stands in addresses, file names and terminals.
    pub fn name(&mut self, name: &str) {
        if !is_name(name) {
            self.wrong(
                format!("`{}` cannot be a name", shown(name)),
                "1 to 128 letters, digits, `.`, `_`, `-` or `:`, the first a letter or digit",
            );
        }
    }

    /// The name of an object in a field.
    pub fn name_at(&mut self, field: &str, name: &str) {
        self.at(field, |c| c.name(name));
    }

    /// Nothing twice in a list.
    pub fn distinct<'a, T: Ord + fmt::Display + 'a>(&mut self, field: &str, list: impl IntoIterator<Item = &'a T>) {
        let mut seen = BTreeSet::new();
        for (index, value) in list.into_iter().enumerate() {
            if !seen.insert(value) {
                let what = format!("`{}` is there twice", shown(&value.to_string()));
                self.at(field, |c| c.at(index, |c| c.wrong(what, "each value once")));
            }
        }
    }

    /// Hexadecimal digits of an exact count.
    pub fn hex(&mut self, field: &str, text: &str, digits: usize) {
        if text.len() != digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            self.wrong_at(field, "is not of that form", format!("{digits} hexadecimal digits"));
        }
    }
}

/// A text of somebody's, fit for a message: short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// A decoder's message without the value that it met: that may be a secret in the wrong place.
pub(crate) fn shown_words(message: &str) -> String {
    let quoted = message.find(" \"").zip(message.rfind('"'));
    let without = match quoted {
        Some((from, to)) if from + 1 < to => format!("{}{}", &message[..from], &message[to + 1..]),
        _ => message.to_owned(),
    };
    without.chars().filter(|c| !c.is_control()).take(400).collect()
}

/// Whether a text can be the name of an object.
pub(crate) fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    first && NAME.contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(&b))
}

fn is_prefix(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let Ok(length) = length.parse::<u32>() else { return false };
    match address.parse() {
        Ok(std::net::IpAddr::V4(v4)) => length <= 32 && u32::from(v4).checked_shl(length).unwrap_or(0) == 0,
        Ok(std::net::IpAddr::V6(v6)) => length <= 128 && u128::from(v6).checked_shl(length).unwrap_or(0) == 0,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_no_host_bits() {
        for (text, good) in [
            ("192.0.2.0/24", true),
            ("0.0.0.0/0", true),
            ("192.0.2.1/32", true),
            ("192.0.2.1/24", false),
            ("192.0.2.0/33", false),
            ("2001:db8::/32", true),
            ("2001:db8::1/64", false),
            ("2001:db8::1/128", true),
            ("192.0.2.0", false),
            ("x/8", false),
        ] {
            assert_eq!(is_prefix(text), good, "{text}");
        }
    }

    #[test]
    fn names_are_fit_for_addresses() {
        for (name, good) in [
            ("site-1", true),
            ("IMSI001", true),
            ("", false),
            ("../x", false),
            ("a b", false),
            ("-a", false),
            ("é", false),
        ] {
            assert_eq!(is_name(name), good, "{name}");
        }
        assert!(!is_name(&"a".repeat(129)));
    }

    #[test]
    fn paths_are_json_pointers() {
        let mut checker = Checker::default();
        checker.at("a/b", |c| c.each("list", &[1, 99], |c, n| c.range("n~", *n, 0..=9)));
        let errors = checker.into_errors();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].path, "/a~1b/list/1/n~0");
        assert_eq!(errors[0].to_string(), "/a~1b/list/1/n~0: 99 is out of range; allowed: 0 to 9");
    }

    #[test]
    fn a_thousand_faults_are_told_in_part() {
        let mut checker = Checker::default();
        for _ in 0..1000 {
            checker.wrong("x", "y");
        }
        assert_eq!(checker.into_errors().len(), MOST);
    }
}
