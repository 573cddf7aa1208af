//! PostgreSQL 15 or newer.
pub(crate) use sqlx::{PgConnection as Connection, Postgres as Db};

pub(crate) const BEGIN: &str = "BEGIN";
/// One writer of a network at a time, until the transaction ends.
pub(crate) const LOCK: Option<&str> = Some("SELECT pg_advisory_xact_lock(4711, hashtext($1))");
/// Tells other replicas of a change, when its transaction is over.
pub(crate) const NOTIFY: Option<&str> = Some("SELECT pg_notify('basalt_changes', '')");

/// Parameters have numbers.
pub(crate) const NUMBERED: bool = true;
/// Asks for the lock of the one replica that acts where one must; it is the connection's until that ends.
pub(crate) const LEAD: Option<&str> = Some("SELECT pg_try_advisory_lock(4712)");

/// A field of the body as text; the path is bound as a list of keys.
pub(crate) fn field(parameter: usize) -> String {
    format!("(body::jsonb #>> string_to_array(${parameter}, '.'))")
}

/// How a path is bound.
pub(crate) fn path(field: &str) -> String {
    field.to_owned()
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
