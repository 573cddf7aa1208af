//! Text that others wrote, made harmless for a terminal. Names come from base stations, files and operators elsewhere; a
//! terminal obeys control characters in them, and a reader is fooled by characters that turn the direction of writing.

use std::borrow::Cow;
use std::fmt::Write as _;

/// One line: control characters, line ends included, are shown as escapes.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful)
}

/// Several lines: as [`line`], but line ends stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_harmful(c))
}

/// JSON text, in which harmful characters can only be within strings: they become JSON's own escapes.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    // Line ends and spaces between values are JSON's own; within strings its writer has escaped them already.
    if !text.contains(|c| c != '\n' && is_harmful(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\n' || !is_harmful(c) {
            out.push(c);
            continue;
        }
        let mut units = [0_u16; 2];
        for unit in c.encode_utf16(&mut units) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    Cow::Owned(out)
}

fn escaped(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Control characters (C0, DEL, C1), and the invisible ones that change order or end lines (UAX #9, UTR #36).
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["", "eNB 7", "Zürich Süd", "東京", "a\\b"] {
            assert_eq!(line(text), text);
            assert!(matches!(line(text), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn terminals_are_not_commanded() {
        assert_eq!(line("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(line("a\u{9b}31m"), "a\\u{9b}31m");
        assert_eq!(line("a\nb\r"), "a\\nb\\r");
        assert_eq!(lines("a\nb\r"), "a\nb\\r");
        assert_eq!(line("abc\u{202e}fdp.exe"), "abc\\u{202e}fdp.exe");
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ "name": "x\u{9b}y\u{202e}\u{e0001}\u{7f}" });
        let text = json(&serde_json::to_string_pretty(&value).unwrap()).into_owned();
        assert!(!text.contains(|c| c != '\n' && is_harmful(c)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text in any::<String>()) {
            prop_assert!(!line(&text).contains(is_harmful));
            prop_assert!(!lines(&text).contains(|c| c != '\n' && is_harmful(c)));
        }
    }
}
