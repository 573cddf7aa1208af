//! SQLite in WAL mode.
pub(crate) use sqlx::{Sqlite as Db, SqliteConnection as Connection};

pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";
/// There is one writer anyway.
pub(crate) const LOCK: Option<&str> = None;
/// Tells other replicas of a change, when its transaction is over.
pub(crate) const NOTIFY: Option<&str> = None;

/// Parameters of long lists have no numbers: SQLite looks for a numbered one among all of them.
pub(crate) const NUMBERED: bool = false;
/// There is one process anyway.
pub(crate) const LEAD: Option<&str> = None;

/// A field of the body as text. Truth values are read as PostgreSQL reads them.
pub(crate) fn field(parameter: usize) -> String {
    format!(
        "(CASE json_type(body, ${parameter}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' \
         ELSE CAST(json_extract(body, ${parameter}) AS TEXT) END)"
    )
}

/// How a path is bound.
pub(crate) fn path(field: &str) -> String {
    field.split('.').fold("$".to_owned(), |path, key| format!("{path}.\"{key}\""))
}

#[path = "apply.rs"]
pub(crate) mod apply;

#[path = "group.rs"]
pub(crate) mod group;

#[path = "queries.rs"]
pub(crate) mod queries;

#[path = "fleet.rs"]
pub(crate) mod fleet;

#[path = "live.rs"]
pub(crate) mod live;

#[path = "telemetry.rs"]
pub(crate) mod telemetry;

#[path = "webhooks.rs"]
pub(crate) mod webhooks;

#[path = "releases.rs"]
pub(crate) mod releases;
