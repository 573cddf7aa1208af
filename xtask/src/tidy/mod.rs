//! `cargo xtask tidy`: what no compiler checks.
//!
//! Laws 1 to 4 of ARCHITECTURE.md from the layer tags and dependencies in the manifests ([`laws`]), laws 1 and 2 once
//! more from the sources ([`sources`]), licences ([`licences`]), and what keeps the house readable ([`house`]).
//!
//! A place that breaks a rule for a good reason says so: `// tidy: allow(RULE): REASON` beside it, or
//! `// tidy: allow-file(RULE): REASON` in the head of the file.

mod code;
mod house;
mod laws;
mod licences;
mod metadata;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::env;

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A file below the root, or a package.
    pub(crate) place: String,
    /// From 1; 0 where there is no line to name.
    pub(crate) line: usize,
    /// Its name, as used in `tidy: allow(..)`.
    pub(crate) rule: &'static str,
    pub(crate) what: String,
    /// Worth a look, and no failure.
    pub(crate) warning: bool,
}

impl Finding {
    fn new(place: impl Into<String>, line: usize, rule: &'static str, what: impl Into<String>) -> Self {
        Self { place: place.into(), line, rule, what: what.into(), warning: false }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.warning { "warning" } else { "error" };
        match self.line {
            0 => write!(f, "{kind}: {}: {} [{}]", self.place, self.what, self.rule),
            line => write!(f, "{kind}: {}:{line}: {} [{}]", self.place, self.what, self.rule),
        }
    }
}

/// Checks everything and prints what was found; whether nothing was.
pub(crate) fn print() -> Result<bool> {
    let findings = check()?;
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| !finding.warning).count();
    println!("tidy: {errors} errors, {} warnings", findings.len() - errors);
    Ok(errors == 0)
}

/// The packages that are cores, codecs or identities.
pub(crate) fn pure_packages() -> Result<Vec<String>> {
    let rooms = metadata::Workspace::load()?.rooms;
    Ok(rooms.into_values().filter(metadata::Room::is_pure).map(|room| room.name).collect())
}

/// Everything that breaks a rule.
pub(crate) fn check() -> Result<Vec<Finding>> {
    let root = env::root()?;
    let files = Files::of(&root)?;
    let workspace = metadata::Workspace::load()?;
    let mut findings = laws::check(&workspace);
    findings.extend(licences::check(&workspace, &root)?);
    findings.extend(house::check(&workspace, &files)?);
    findings.extend(sources::check(&workspace, &files)?);
    findings.sort();
    Ok(findings)
}

/// The files of the repository.
pub(crate) struct Files {
    root: PathBuf,
    /// Below the root.
    names: Vec<String>,
}

/// Vendored sources keep their authors' manners.
const FOREIGN: &str = "third_party/";

impl Files {
    /// Those that git knows, and those that it would know when added.
    fn of(root: &Path) -> Result<Self> {
        let listed = Command::new("git")
            .current_dir(root)
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .output()
            .context("cannot run git")?;
        if !listed.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr));
        }
        let names = String::from_utf8_lossy(&listed.stdout);
        let names = names.split('\0').filter(|name| !name.is_empty() && !name.starts_with(FOREIGN));
        // Listed files may be deleted and not yet committed.
        let names = names.filter(|name| root.join(name).is_file()).map(str::to_owned).collect();
        Ok(Self { root: root.to_owned(), names })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn with_extension(&self, extension: &str) -> impl Iterator<Item = &str> {
        let suffix = format!(".{extension}");
        self.names().filter(move |name| name.ends_with(&suffix))
    }

    /// The text of a file; `None` if it is none.
    fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(name)).ok()
    }
}

/// How far down a file its head reaches.
const HEAD: usize = 40;

/// Whether a line, the line before it, or the head of the file says that a rule does not hold there.
pub(crate) fn allowed(lines: &[&str], index: usize, rule: &str) -> bool {
    let says = |line: &str, marker: &str| {
        let marker = format!("tidy: {marker}({rule}):");
        line.split_once(&marker).is_some_and(|(_, reason)| !reason.trim().is_empty())
    };
    let beside = lines.iter().take(index + 1).skip(index.saturating_sub(1)).any(|line| says(line, "allow"));
    beside || lines.iter().take(HEAD).any(|line| says(line, "allow-file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_needs_a_reason() {
        let lines =
            ["// tidy: allow(sleep): the kernel has no event for it", "sleep(1)", "sleep(2) // tidy: allow(sleep):"];
        assert!(allowed(&lines, 1, "sleep"));
        assert!(!allowed(&lines, 1, "todo"));
        assert!(!allowed(&lines, 2, "sleep"));
        let head = ["//! Tables.", "// tidy: allow-file(length): one row per cause", "", "row"];
        assert!(allowed(&head, 3, "length") && !allowed(&head, 3, "sleep"));
    }
}
