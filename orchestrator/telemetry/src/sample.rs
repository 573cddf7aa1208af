//! Samples as gateways tell them: a name with labels in Prometheus' text form, and a value.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Labels of one sample; of a gateway's own, at most.
const LABELS: usize = 16;

/// One series: name and labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name<'a> {
    /// Of the metric: `basalt_agw_enbs`.
    pub metric: &'a str,
    /// In the order in which they stand.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Name<'a> {
    /// Reads `name` or `name{label="value",…}`. `None` for what is not in that form.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let Some((metric, rest)) = text.split_once('{') else {
            return is_metric(text).then(|| Self { metric: text, labels: Vec::new() });
        };
        let mut rest = rest.strip_suffix('}')?;
        let mut labels = Vec::new();
        while !rest.is_empty() {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            if !is_label(label) || labels.len() >= LABELS {
                return None;
            }
            labels.push((label, value));
            rest = match after.strip_prefix(',') {
                Some(next) => next,
                None if after.is_empty() => after,
                None => return None,
            };
        }
        is_metric(metric).then_some(Self { metric, labels })
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_ref())
    }

    /// Its labels as a map.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.labels.iter().map(|(label, value)| ((*label).to_owned(), value.as_ref().to_owned())).collect()
    }
}

/// What stands before the closing quotation mark, and what behind it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text.as_bytes().get(end) == Some(&b'"') {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = text[..end].to_owned();
    let mut letters = text[end..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((Cow::Owned(value), &text[end + at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// A label's value as it stands in the text form.
#[must_use]
pub fn escaped(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        Cow::Owned(value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
    } else {
        Cow::Borrowed(value)
    }
}

fn is_metric(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b':');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}

fn is_label(name: &str) -> bool {
    is_metric(name) && !name.contains(':') && !name.starts_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_what_is_none_is_refused() {
        assert_eq!(Name::parse("basalt_agw_enbs").unwrap().labels, []);
        let name = Name::parse(r#"m{cause="11",why="a \"b\", \\c"}"#).unwrap();
        assert_eq!((name.metric, name.label("cause"), name.label("why")), ("m", Some("11"), Some(r#"a "b", \c"#)));
        assert_eq!(escaped(name.label("why").unwrap()), r#"a \"b\", \\c"#);
        for wrong in
            ["", "1m", "m{", "m{a}", "m{a=\"b\"x}", "m{a=\"b}", "m{a=\"b\\", "m{a=b}", "m{__name__=\"x\"}", "m x"]
        {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_a_gateway_says_breaks_it(text in "[a-z{}=,\"\\\\ ]{0,40}") {
            let _ = Name::parse(&text);
        }
    }
}
