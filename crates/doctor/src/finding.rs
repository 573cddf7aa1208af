//! What a check has to say.

use basalt_control_api::gateway::v1;
use std::fmt;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but worse than it could, or could not be looked at.
    Warning,
    /// Something will not work.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// One line of the doctor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: a stable name in lower case with hyphens. Each occurs once in a diagnosis.
    pub check: &'static str,
    /// How serious it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// Why that matters; empty when all is well.
    pub cause: String,
    /// What to do about it; empty when all is well.
    pub fix: String,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, found: found.into(), cause: String::new(), fix: String::new() }
    }

    /// Works, but worse than it could.
    #[must_use]
    pub fn warning(
        check: &'static str,
        found: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { check, level: Level::Warning, found: found.into(), cause: cause.into(), fix: fix.into() }
    }

    /// Does not work.
    #[must_use]
    pub fn error(
        check: &'static str,
        found: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { level: Level::Error, ..Self::warning(check, found, cause, fix) }
    }

    /// The same finding, one that does not keep a gateway from working.
    #[must_use]
    pub fn at_most_a_warning(mut self) -> Self {
        self.level = self.level.min(Level::Warning);
        self
    }
}

/// The most serious level among findings; [`Level::Ok`] if there are none.
#[must_use]
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

impl From<Finding> for v1::Finding {
    fn from(finding: Finding) -> Self {
        let level = match finding.level {
            Level::Ok => v1::finding::Level::Ok,
            Level::Warning => v1::finding::Level::Warning,
            Level::Error => v1::finding::Level::Error,
        };
        Self {
            check: finding.check.to_owned(),
            level: level.into(),
            found: finding.found,
            cause: finding.cause,
            fix: finding.fix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_counts() {
        assert_eq!(worst(&[]), Level::Ok);
        let findings =
            [Finding::ok("a", "x"), Finding::error("b", "x", "y", "z"), Finding::warning("c", "x", "y", "z")];
        assert_eq!(worst(&findings), Level::Error);
        assert_eq!(Finding::error("b", "x", "y", "z").at_most_a_warning().level, Level::Warning);
    }

    #[test]
    fn the_wire_form_says_the_same() {
        let wire = v1::Finding::from(Finding::warning("clock", "1970", "cause", "fix"));
        assert_eq!(wire.level(), v1::finding::Level::Warning);
        assert_eq!((wire.check.as_str(), wire.found.as_str()), ("clock", "1970"));
        assert_eq!((wire.cause.as_str(), wire.fix.as_str()), ("cause", "fix"));
    }
}
