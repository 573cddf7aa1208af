//! Answers that are refusals: problem details (RFC 9457) with the fields that are wrong.

use orchestrator_db::{Error, Refusal};
use orchestrator_model::FieldError;
use serde::Serialize;
use utoipa::ToSchema;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem: a URN that stays the same.
    #[serde(rename = "type", serialize_with = "urn")]
    pub kind: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// This case in words.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The rows of an import that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowError>,
}

/// A row of an import that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowError {
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong.
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of a kind, such as `not-found`.
    #[must_use]
    pub fn new(status: u16, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, status, detail: detail.into(), errors: Vec::new(), rows: Vec::new() }
    }

    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let detail = format!("{} field(s) are wrong", errors.len());
        Self { errors, ..Self::new(422, "invalid-document", detail) }
    }

    pub(crate) fn field(path: &str, what: &str, allowed: &str) -> Self {
        let error = FieldError { path: path.to_owned(), what: what.to_owned(), allowed: allowed.to_owned() };
        Self::fields(vec![error])
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "not-found", "there is no such thing, or not for you")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(403, "forbidden", "your role does not allow this here")
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(401, "unauthenticated", "a valid token is needed: Authorization: Bearer TOKEN")
    }

    pub(crate) fn no_database() -> Self {
        let detail =
            "the database does not answer; a change that was asked for may have been made, or may be made still";
        Self::new(503, "database-unavailable", detail)
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", detail)
    }
}

fn urn<S: serde::Serializer>(kind: &&'static str, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("urn:basalt:problem:{kind}"))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => (*refusal).into(),
            failed => {
                // What the database says may name hosts and tables: it is for the log.
                tracing::error!(error = %failed, "database");
                Self::new(503, "database-unavailable", "the database cannot be used now; nothing was changed")
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Exists(_) => Self::new(412, "exists", detail),
            Refusal::Missing(_) => Self::new(404, "not-found", detail),
            Refusal::Changed { .. } => Self::new(412, "changed-meanwhile", detail),
            Refusal::InUse { .. } => Self::new(409, "in-use", detail),
            Refusal::Dangling { path, wanted, .. } => {
                let what = format!("{wanted} does not exist");
                Self::field(&path, &what, "the name of one that exists")
            }
        }
    }
}
