//! What the sources themselves must not contain.

use anyhow::Result;

use super::code::{code_only, without_tests};
use super::metadata::Workspace;
use super::{Files, Finding, allowed};

/// What cores and codecs must not name, and what to use instead (laws 1 and 2).
const IMPURE: [(&str, &str); 17] = [
    ("std::time::Instant", "time comes in as basalt_sansio::Time"),
    ("std::time::SystemTime", "time comes in as basalt_sansio::Time"),
    ("Instant::now", "time comes in as basalt_sansio::Time"),
    ("SystemTime", "time comes in as basalt_sansio::Time"),
    ("std::net::Tcp", "octets come in and go out as values"),
    ("std::net::Udp", "octets come in and go out as values"),
    ("std::os::", "octets come in and go out as values"),
    ("std::fs", "records come in and go out as values"),
    ("std::thread", "a core is a value owned by one thread"),
    ("std::process", "that is a driver's business"),
    ("std::env", "configuration comes in as a value"),
    ("thread_local!", "state is a value"),
    ("HashMap", "its order is random: BTreeMap, or basalt_sansio::DetHashMap"),
    ("HashSet", "its order is random: BTreeSet, or basalt_sansio::DetHashSet"),
    ("RandomState", "randomness comes in as basalt_sansio::Rng"),
    ("println!", "what is worth telling is an effect"),
    ("eprintln!", "what is worth telling is an effect"),
];

/// A wait this short is the interval of a poll for a condition; anything longer hopes.
const POLL_MS: u64 = 20;

pub(crate) fn check(workspace: &Workspace, files: &Files) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for name in files.with_extension("rs") {
        let Some(source) = files.text(name) else { continue };
        let code = code_only(&source);
        findings.extend(check_everywhere(name, &source, &code));
        if is_pure(workspace, name) {
            findings.extend(check_pure(name, &source, &code));
        }
    }
    Ok(findings)
}

/// Whether a file is the code (not a test) of a core, a codec or the identities.
fn is_pure(workspace: &Workspace, name: &str) -> bool {
    let in_sources = |folder: &str| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with("/src/"));
    let pure = workspace.rooms.values().any(|room| room.is_pure() && in_sources(&room.folder));
    pure && !is_test_file(name)
}

fn is_test_file(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    name.contains("/tests/") || file == "tests.rs" || file.ends_with("_tests.rs")
}

fn check_pure(name: &str, source: &str, code: &str) -> Vec<Finding> {
    let lines: Vec<&str> = source.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in without_tests(code).lines().enumerate() {
        let found = IMPURE.iter().find(|(word, _)| has_word(line, word));
        if let Some((word, instead)) = found
            && !allowed(&lines, index, "pure")
        {
            findings.push(Finding::new(name, index + 1, "pure", format!("`{word}` in a core or codec: {instead}")));
        }
    }
    findings
}

/// Whether `word` stands in `line` on its own: `DetHashMap` is no `HashMap`.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let open_end = word.ends_with([':', '!']) || word.starts_with("std::net::");
        !joins(before) && (open_end || !joins(after))
    })
}

fn check_everywhere(name: &str, source: &str, code: &str) -> Vec<Finding> {
    let lines: Vec<&str> = source.lines().collect();
    let tests_from = if is_test_file(name) { 0 } else { without_tests(code).lines().count() };
    let mut findings = Vec::new();
    let mut found = |index: usize, rule: &'static str, what: String| {
        if !allowed(&lines, index, rule) {
            findings.push(Finding::new(name, index + 1, rule, what));
        }
    };
    for (index, (line, code)) in lines.iter().zip(code.lines()).enumerate() {
        if let Some(mark) = unowned_mark(line, code) {
            found(index, "todo", format!("{mark} without an owner: {mark}(name), an issue, or nothing"));
        }
        if index >= tests_from && hopes(line, code) {
            found(index, "sleep", "a test waits for a condition, with a deadline; it does not sleep".to_owned());
        }
    }
    for index in unreasoned_allows(code, source) {
        found(index, "reason", "an allowed lint says why: `reason = \"…\"`".to_owned());
    }
    findings
}

/// A note to come back, in a comment, that names nobody.
fn unowned_mark(line: &str, code: &str) -> Option<&'static str> {
    ["TODO", "FIXME", "XXX"].into_iter().find(|mark| {
        let owned = format!("{mark}(");
        // In code the word would be a name or a literal of its own.
        let comment = line.find("//").map(|at| &line[at..]).unwrap_or_default();
        has_word(comment, mark) && !comment.contains(&owned) && !code.contains(mark)
    })
}

/// Whether a line sleeps for longer than a poll's interval.
fn hopes(line: &str, code: &str) -> bool {
    if !code.contains("sleep(") || code.contains("fn sleep(") {
        return false;
    }
    let millis = line.split_once("from_millis(").and_then(|(_, rest)| rest.split_once(')'));
    let short = millis.and_then(|(number, _)| number.replace('_', "").parse::<u64>().ok());
    short.is_none_or(|millis| millis > POLL_MS)
}

/// Lines with an attribute that allows or expects a lint without a reason.
fn unreasoned_allows(code: &str, source: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for opening in ["[allow(", "[expect(", ", allow(", ", expect("] {
        for (at, _) in code.match_indices(opening) {
            let begin = at + opening.len();
            let end = code[begin..].find(")]").map_or(code.len(), |len| begin + len);
            let attribute = source.get(begin..end).unwrap_or_default();
            let is_attribute = code[..at].rfind('#').is_some_and(|hash| !code[hash..at].contains([';', '{', '}', ']']));
            if is_attribute && !attribute.contains("reason") {
                lines.push(code[..at].matches('\n').count());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &str, source: &str) -> Vec<(usize, &'static str)> {
        let code = code_only(source);
        let mut findings = check_everywhere(name, source, &code);
        findings.extend(check_pure(name, source, &code));
        findings.into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn cores_name_no_clock_map_or_socket() {
        for (source, expected) in [
            ("use std::collections::HashMap;", true),
            ("use basalt_sansio::DetHashMap;", false),
            ("// HashMap would be random", false),
            ("let t = Instant::now();", true),
            ("use std::net::{IpAddr, Ipv4Addr};", false),
            ("let s = std::net::UdpSocket::bind(a);", true),
            ("fn a() {}\n#[cfg(test)]\nmod tests {\n use std::fs;\n}", false),
            ("// tidy: allow(pure): keyed by the driver\nuse std::collections::HashMap;", false),
        ] {
            assert_eq!(!rules("a/src/x.rs", source).is_empty(), expected, "{source}");
        }
    }

    #[test]
    fn notes_need_an_owner() {
        assert_eq!(rules("a.rs", concat!("// TO", "DO: later")), [(1, "todo")]);
        assert!(rules("a.rs", concat!("// TO", "DO(ada): later")).is_empty());
        assert!(rules("a.rs", "let mark = \"unowned\";").is_empty());
    }

    #[test]
    fn tests_do_not_sleep_but_may_poll() {
        let test = |line: &str| rules("a.rs", &format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{line}\n}}"));
        assert_eq!(test("thread::sleep(Duration::from_secs(1));"), [(4, "sleep")]);
        assert_eq!(test("thread::sleep(Duration::from_millis(500));"), [(4, "sleep")]);
        assert!(test("thread::sleep(Duration::from_millis(5));").is_empty());
        assert!(rules("a.rs", "thread::sleep(Duration::from_secs(1));").is_empty());
        assert_eq!(rules("a/tests/b.rs", "sleep(T).await;"), [(1, "sleep")]);
    }

    #[test]
    fn allowed_lints_have_reasons() {
        assert_eq!(rules("a.rs", "#[allow(dead_code)]\nfn a() {}"), [(1, "reason")]);
        assert_eq!(rules("a.rs", "#![cfg_attr(test, allow(clippy::panic))]"), [(1, "reason")]);
        assert!(rules("a.rs", "#[allow(dead_code, reason = \"kept for …\")]").is_empty());
        assert!(rules("a.rs", "let x = policy(a, allow(b));").is_empty());
    }
}
