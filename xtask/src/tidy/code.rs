//! Rust sources without what is not code.

/// The source with comments and literals blanked; every octet of code stays where it is.
pub(crate) fn code_only(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (skipped, keep) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (string(rest), false),
            'r' | 'b' | 'c' if !ends_in_word(&out) => match raw_string(rest) {
                Some(len) => (len, false),
                None => (1, true),
            },
            '\'' => match character(rest) {
                Some(len) => (len, false),
                None => (1, true),
            },
            other => (other.len_utf8(), true),
        };
        let (piece, after) = rest.split_at(skipped);
        if keep {
            out.push_str(piece);
        } else {
            for c in piece.chars() {
                let blank = if c == '\n' { "\n" } else { &"    "[..c.len_utf8()] };
                out.push_str(blank);
            }
        }
        rest = after;
    }
    out
}

/// The code up to its unit tests (which stand at the bottom, by the rules of the house).
pub(crate) fn without_tests(code: &str) -> &str {
    let tests = code.find("#[cfg(test)]\nmod tests").or_else(|| code.find("#[cfg(test)]\npub(crate) mod tests"));
    tests.map_or(code, |at| &code[..at])
}

fn ends_in_word(out: &str) -> bool {
    out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string, if one begins here: `r"…"`, `br#"…"#`.
fn raw_string(text: &str) -> Option<usize> {
    let after_prefix = text.trim_start_matches(['b', 'c']);
    let hashes_and_rest = after_prefix.strip_prefix('r')?;
    let inner = hashes_and_rest.trim_start_matches('#');
    let hashes = hashes_and_rest.len() - inner.len();
    let body = inner.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |at| begin + at + end.len()))
}

/// The length of a character literal; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return text.get(2..)?.char_indices().skip(1).find(|(_, c)| *c == '\'').map(|(at, _)| at + 3);
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_code_stays() {
        let source = "let a = \"HashMap \\\" // x\"; // HashMap\nlet b: &'static str = r#\"Instant \"q\" \"#; /* a /* b */ c */ call('\"', '\\'', b\"x\");";
        let code = code_only(source);
        assert!(!code.contains("HashMap") && !code.contains("Instant") && !code.contains('x'));
        assert!(code.contains("let a = ") && code.contains("&'static str = ") && code.contains("call("));
        assert_eq!(code.lines().count(), 2);
        assert_eq!(code.len(), source.len());
    }

    #[test]
    fn words_that_end_like_prefixes_are_words() {
        let source = "for r in 0..3 { number(\"a\") } let br = 1; var\"x\"";
        assert!(code_only(source).starts_with("for r in 0..3 { number("));
    }

    #[test]
    fn unit_tests_are_left_out() {
        assert_eq!(without_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n"), "fn a() {}\n");
    }

    #[test]
    fn what_never_ends_ends_with_the_file() {
        for source in ["\"abc", "/* abc", "r#\"abc", "'", "'\\", "// é"] {
            assert_eq!(code_only(source).len(), source.len());
        }
    }
}
