//! PostgreSQL 15 or newer.
use super::Column;
pub(crate) use sqlx::{PgConnection as Connection, Postgres as Db};

/// A statement with its parameters.
pub(crate) type Statement<'a> = sqlx::query::Query<'a, Db, <Db as sqlx::Database>::Arguments>;

pub(crate) const BEGIN: &str = "BEGIN";
/// One writer of a network at a time, until the transaction ends.
pub(crate) const LOCK: Option<&str> = Some("SELECT pg_advisory_xact_lock(4711, hashtext($1))");
/// Tells other replicas of a change, when its transaction is over.
pub(crate) const NOTIFY: Option<&str> = Some("SELECT pg_notify('basalt_changes', '')");

/// Objects of one statement: fewer ways to the database and back. Columns are parameters, however many rows there are.
pub(crate) const TOGETHER: usize = 2000;
/// Asks for the lock of the one replica that acts where one must; it is the connection's until that ends.
pub(crate) const LEAD: Option<&str> = Some("SELECT pg_try_advisory_lock(4712)");
/// Of the connection that has the lock: the database ends it, and with it the lock, when its replica says nothing for so long. A replica
/// that stands still, or is cut off, does not keep others from acting.
pub(crate) const LAPSE: &str = "SET idle_session_timeout = '10s'";

/// Reads everything as of one moment.
pub(crate) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// A copy may wait for whoever takes or gives it.
pub(crate) const PATIENT: Option<&str> = Some("SET LOCAL idle_in_transaction_session_timeout = 0");
/// Whether no replica acts: until the transaction ends, none can.
pub(crate) const FREE: Option<&str> = Some("SELECT pg_try_advisory_xact_lock(4712)");
/// Texts in the order of their octets.
pub(crate) const ORDER: &str = " COLLATE \"C\"";
/// Numbers that the database counts itself may be given.
pub(crate) const OVERRIDING: &str = "OVERRIDING SYSTEM VALUE ";
/// Table, column, type, and the place in the primary key (0: none).
pub(crate) const COLUMNS: &str = "\
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), \
           COALESCE(array_position(k.conkey, a.attnum), 0)::bigint \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
    LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' \
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> '_sqlx_migrations' \
    ORDER BY c.relname::text COLLATE \"C\", a.attnum";
/// Columns with sequences, which go on after the numbers that were given.
pub(crate) const SEQUENCES: Option<&str> = Some(
    "SELECT table_name::text, column_name::text FROM information_schema.columns \
     WHERE table_schema = current_schema() AND is_identity = 'YES'",
);

/// A field of the body as text; the path is bound as a list of keys.
pub(crate) fn field(parameter: usize) -> String {
    format!("(body::jsonb #>> string_to_array(${parameter}, '.'))")
}

/// A field that has an index, as the index has it.
pub(crate) fn indexed(field: &str) -> String {
    format!("(body::jsonb ->> '{field}')")
}

/// A phone's cell, as a gateway told it.
pub(crate) const CELL: &str = "(facts::jsonb ->> 'cell')";

/// It is known how many rows each value has: which index is best is found out.
pub(crate) const fn by_index(_field: &str) -> String {
    String::new()
}

/// Objects of a kind and a network by their names: each is looked for by itself, as the first of its name or a later one, which only the
/// primary key finds in order. Asked for all names at once, a database that has not counted its rows yet, as in a first import, reads all
/// objects of the network for each statement.
pub(crate) fn named(columns: &str, _count: usize) -> String {
    format!(
        "SELECT found.* FROM UNNEST($3::text[]) AS wanted (wanted) CROSS JOIN LATERAL \
         (SELECT {columns} FROM objects WHERE kind = $1 AND network = $2 AND name >= wanted ORDER BY name LIMIT 1) AS found \
         WHERE found.name = wanted"
    )
}

/// Names and last revisions of objects of a kind and a network by their names, in the same way.
pub(crate) fn last_named(_count: usize) -> String {
    "SELECT found.* FROM UNNEST($3::text[]) AS wanted (wanted) CROSS JOIN LATERAL \
     (SELECT name, revision FROM versions WHERE kind = $1 AND network = $2 AND name = wanted \
      ORDER BY revision DESC LIMIT 1) AS found"
        .to_owned()
}

/// Binds them.
pub(crate) fn bind_named<'a>(
    statement: Statement<'a>,
    kind: &'a str,
    network: &'a str,
    names: &[&'a str],
) -> Statement<'a> {
    statement.bind(kind).bind(network).bind(names.to_vec())
}

/// Rows that are inserted: each column is an array, so that the statement is the same for any number of them.
pub(crate) fn table(columns: &[Column<'_>]) -> String {
    let typed = (1..).zip(columns).map(|(number, column)| match column {
        Column::Texts(_) => format!("${number}::text[]"),
        Column::Numbers(_) => format!("${number}::bigint[]"),
    });
    format!("SELECT * FROM UNNEST({})", typed.collect::<Vec<_>>().join(", "))
}

/// Binds them.
pub(crate) fn bind_table<'a>(statement: Statement<'a>, columns: Vec<Column<'a>>) -> Statement<'a> {
    columns.into_iter().fold(statement, |statement, column| match column {
        Column::Texts(texts) => statement.bind(texts),
        Column::Numbers(numbers) => statement.bind(numbers),
    })
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

#[path = "rows.rs"]
pub(crate) mod rows;

#[path = "lists.rs"]
pub(crate) mod lists;

#[path = "lead.rs"]
pub(crate) mod lead;

#[path = "dump.rs"]
pub(crate) mod dump;

#[path = "fleet.rs"]
pub(crate) mod fleet;

#[path = "fleet_rows.rs"]
pub(crate) mod fleet_rows;

#[path = "fleet_writes.rs"]
pub(crate) mod fleet_writes;

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

#[path = "config_rollouts.rs"]
pub(crate) mod config_rollouts;
