//! SQLite in WAL mode.
use super::Column;
pub(crate) use sqlx::{Sqlite as Db, SqliteConnection as Connection};

/// A statement with its parameters.
pub(crate) type Statement<'a> = sqlx::query::Query<'a, Db, <Db as sqlx::Database>::Arguments>;

pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";
/// There is one writer anyway.
pub(crate) const LOCK: Option<&str> = None;
/// Tells other replicas of a change, when its transaction is over.
pub(crate) const NOTIFY: Option<&str> = None;

/// Objects of one statement.
pub(crate) const TOGETHER: usize = 200;
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

/// A field that has an index, as the index has it.
pub(crate) fn indexed(field: &str) -> String {
    format!("json_extract(body, '$.{field}')")
}

/// A phone's cell, as a gateway told it.
pub(crate) const CELL: &str = "CAST(json_extract(facts, '$.cell') AS TEXT)";

/// That the index of a field is to be used: otherwise the primary key is, which reads all of a network.
pub(crate) fn by_index(field: &str) -> String {
    format!(" INDEXED BY subscribers_by_{field}")
}

/// Objects of a kind and a network by their names. Parameters of long lists have no numbers: SQLite looks for a numbered one among all of
/// them.
pub(crate) fn named(columns: &str, count: usize) -> String {
    format!(
        "SELECT {columns} FROM objects WHERE kind = ? AND network = ? AND name IN ({})",
        vec!["?"; count].join(", ")
    )
}

/// Names and last revisions of objects of a kind and a network by their names.
pub(crate) fn last_named(count: usize) -> String {
    let names = vec!["?"; count].join(", ");
    format!(
        "SELECT name, MAX(revision) FROM versions WHERE kind = ? AND network = ? AND name IN ({names}) GROUP BY name"
    )
}

/// Binds them.
pub(crate) fn bind_named<'a>(
    statement: Statement<'a>,
    kind: &'a str,
    network: &'a str,
    names: &[&'a str],
) -> Statement<'a> {
    names.iter().fold(statement.bind(kind).bind(network), |statement, name| statement.bind(*name))
}

/// Rows that are inserted.
pub(crate) fn table(columns: &[Column<'_>]) -> String {
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    format!("VALUES {}", vec![row; columns.first().map_or(0, Column::len)].join(", "))
}

/// Binds them, row by row.
pub(crate) fn bind_table<'a>(mut statement: Statement<'a>, columns: Vec<Column<'a>>) -> Statement<'a> {
    for row in 0..columns.first().map_or(0, Column::len) {
        for column in &columns {
            statement = match column {
                Column::Texts(texts) => statement.bind(texts.get(row).copied().flatten()),
                Column::Numbers(numbers) => statement.bind(numbers.get(row).copied()),
            };
        }
    }
    statement
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
