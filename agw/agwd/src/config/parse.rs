//! Reading the file: errors name the line, the key and the nearest valid one.

use super::file::File;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where state is kept, unless it is said.
pub const STATE_DIR: &str = "/var/lib/basalt";

/// Why a configuration cannot be used. Printed as one message with cause and fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Which file.
    pub path: Option<PathBuf>,
    /// Where in it, counted from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: Option<String>,
}

impl ConfigError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { path: None, line: None, what: what.into(), fix: None }
    }

    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Says on which line `key` (the last part of a dotted name) stands, if it stands anywhere in `text`.
    pub(crate) fn at_key(mut self, text: &str, key: &str) -> Self {
        let key = key.rsplit('.').next().unwrap_or(key);
        self.line = text
            .lines()
            .position(|line| line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('=')))
            .map(|index| index + 1);
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
            if let Some(line) = self.line {
                write!(f, ", line {line}")?;
            }
            f.write_str(": ")?;
        } else if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.what)?;
        if let Some(fix) = &self.fix {
            write!(f, "\n  fix: {fix}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads the text of a configuration file.
///
/// # Errors
/// A [`ConfigError`] with the line of the first mistake.
pub fn parse(text: &str) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| explain(text, &error))
}

/// The folder of state that a configuration names, whatever else is in it: another version may know more keys than this one.
pub fn state_dir(path: &Path) -> PathBuf {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let named = table.get("state_dir").and_then(toml::Value::as_str).unwrap_or(STATE_DIR);
    std::path::absolute(named).unwrap_or_else(|_| named.into())
}

/// Reads a configuration file.
///
/// # Errors
/// When the file cannot be read, or as [`parse`].
pub fn read(path: &Path) -> Result<(File, String), ConfigError> {
    let named = |mut error: ConfigError| {
        error.path = Some(path.to_owned());
        error
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        named(ConfigError::new(format!("cannot be read: {error}")).fix("give another file with --config"))
    })?;
    let file = parse(&text).map_err(named)?;
    Ok((file, text))
}

fn explain(text: &str, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map(|span| text.get(..span.start).unwrap_or(text).matches('\n').count() + 1);
    let message = error.message().trim();
    let mut explained = ConfigError { path: None, line, what: message.to_owned(), fix: None };
    if let Some((unknown, valid)) = unknown_field(message) {
        explained.what = format!("unknown key `{unknown}`");
        let nearest =
            valid.iter().map(|name| (strsim::jaro_winkler(&unknown, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
        explained.fix = Some(match nearest {
            Some((likeness, name)) if likeness > 0.7 => format!("did you mean `{name}`?"),
            _ => format!("valid keys here: {}", valid.join(", ")),
        });
    }
    explained
}

/// The key and the valid ones, from serde's message.
fn unknown_field(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    let valid = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((unknown.to_owned(), valid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_line_and_nearest() {
        let error = parse("name = \"x\"\n[network]\nplnms = [\"001-01\"]\n").unwrap_err();
        assert_eq!(error.line, Some(3));
        assert_eq!(error.to_string(), "line 3: unknown key `plnms`\n  fix: did you mean `plmns`?");
    }

    #[test]
    fn a_key_like_no_other_lists_the_valid_ones() {
        let error = parse("[paging]\nzzz = 1\n").unwrap_err();
        assert!(error.to_string().contains("valid keys here: attempts, backoff"), "{error}");
    }

    #[test]
    fn a_wrong_type_names_its_line() {
        let error = parse("[network]\n\ntacs = \"one\"\n").unwrap_err();
        assert_eq!(error.line, Some(3));
    }

    #[test]
    fn broken_toml_is_an_error_with_a_line() {
        assert_eq!(parse("[network\n").unwrap_err().line, Some(1));
    }
}
