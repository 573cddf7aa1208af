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
/// A statement that does nothing: no lock lapses.
pub(crate) const LAPSE: &str = "SELECT 1";

/// Reads everything as of one moment.
pub(crate) const SNAPSHOT: &str = "BEGIN";
/// A copy may wait for whoever takes or gives it.
pub(crate) const PATIENT: Option<&str> = None;
/// Who writes is alone; that nobody else has the file open is asked when it is exchanged.
pub(crate) const FREE: Option<&str> = None;
/// Texts in the order of their octets.
pub(crate) const ORDER: &str = " COLLATE BINARY";
/// Numbers that the database counts itself may be given anyway.
pub(crate) const OVERRIDING: &str = "";
/// Table, column, type, and the place in the primary key (0: none).
pub(crate) const COLUMNS: &str = "\
    SELECT t.name, c.name, c.type, c.pk FROM pragma_table_list t JOIN pragma_table_info(t.name) c \
    WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' \
      AND t.name <> '_sqlx_migrations' \
    ORDER BY t.name, c.cid";
/// It sees by itself what numbers there are.
pub(crate) const SEQUENCES: Option<&str> = None;

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

#[path = "dump.rs"]
pub(crate) mod dump;

#[path = "fleet.rs"]
pub(crate) mod fleet;

#[path = "live.rs"]
pub(crate) mod live;

#[path = "telemetry.rs"]
pub(crate) mod telemetry;

#[path = "webhooks.rs"]
pub(crate) mod webhooks;

#[path = "traces.rs"]
pub(crate) mod traces;

#[path = "releases.rs"]
pub(crate) mod releases;
