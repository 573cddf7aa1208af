//! Whose work is linked in, and under which licences.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Finding;
use super::metadata::Workspace;

const OURS: &str = "Apache-2.0";

/// The part of `deny.toml` that is checked here too, so that it holds where `cargo deny` is not installed.
#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
    #[serde(default)]
    clarify: Vec<Clarification>,
}

/// A package that may have licences of its own.
#[derive(Deserialize)]
struct Exception {
    #[serde(alias = "name")]
    #[serde(rename = "crate")]
    package: String,
    allow: Vec<String>,
}

/// A package whose manifest does not tell.
#[derive(Deserialize)]
struct Clarification {
    #[serde(alias = "name")]
    #[serde(rename = "crate")]
    package: String,
    expression: String,
}

pub(crate) fn check(workspace: &Workspace, root: &Path) -> Result<Vec<Finding>> {
    let text = std::fs::read_to_string(root.join("deny.toml")).context("deny.toml")?;
    let deny: Deny = toml::from_str(&text).context("deny.toml")?;
    let mut findings = Vec::new();
    for room in workspace.rooms.values().filter(|room| room.licence != OURS) {
        findings.push(Finding::new(&room.name, 0, "licence", format!("our own packages are under {OURS}")));
    }
    for package in &workspace.foreign {
        let clarified = deny.licenses.clarify.iter().find(|it| it.package == package.name);
        let told = clarified.map(|it| it.expression.as_str()).or(package.licence.as_deref());
        let exceptions = deny.licenses.exceptions.iter().filter(|it| it.package == package.name);
        let extra: Vec<&String> = exceptions.flat_map(|it| &it.allow).collect();
        let may = |licence: &str| {
            let allowed = deny.licenses.allow.iter().chain(extra.iter().copied());
            allowed.into_iter().any(|allowed| allowed == licence)
        };
        let what = match told {
            None => "tells no licence".to_owned(),
            Some(expression) if satisfied(expression, &may) => continue,
            Some(expression) => format!("`{expression}` is not allowed by deny.toml"),
        };
        findings.push(Finding::new(format!("{} {}", package.name, package.version), 0, "licence", what));
    }
    if !std::fs::read_to_string(root.join("LICENSE")).is_ok_and(|text| text.contains("Apache License")) {
        findings.push(Finding::new("LICENSE", 0, "licence", "the text of the Apache licence is missing"));
    }
    Ok(findings)
}

/// Whether an SPDX expression can be satisfied by licences that may be used. `A/B`, the old form, is `A OR B`.
fn satisfied(expression: &str, may: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (result, rest) = any_of(&words, may);
    result && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str], may: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    let (mut result, mut rest) = all_of(words, may);
    while let ["OR", after @ ..] = rest {
        let (next, after) = all_of(after, may);
        (result, rest) = (result || next, after);
    }
    (result, rest)
}

fn all_of<'a>(words: &'a [&'a str], may: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    let (mut result, mut rest) = one(words, may);
    while let ["AND", after @ ..] = rest {
        let (next, after) = one(after, may);
        (result, rest) = (result && next, after);
    }
    (result, rest)
}

fn one<'a>(words: &'a [&'a str], may: &dyn Fn(&str) -> bool) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => match any_of(inner, may) {
            (result, [")", after @ ..]) => (result, after),
            (_, rest) => (false, rest),
        },
        [licence, "WITH", exception, after @ ..] => (may(&format!("{licence} WITH {exception}")), after),
        [licence, after @ ..] => (may(licence), after),
        [] => (false, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        let may =
            |licence: &str| ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"].contains(&licence);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("Apache-2.0 WITH other-exception", false),
            ("(MIT", false),
            ("MIT GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(satisfied(expression, &may), expected, "{expression}");
        }
    }
}
