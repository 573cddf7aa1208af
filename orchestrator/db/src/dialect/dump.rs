//! All contents of one database, out and in. Compiled for each dialect; `super` says which.

use super::queries::Database;
use super::{BEGIN, COLUMNS, Connection, Db, FREE, ORDER, OVERRIDING, PATIENT, SEQUENCES, SNAPSHOT};
use crate::{Cell, CellKind, Contents, DumpRepository, Error, Exchange, Item, Sink, Table};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, QueryBuilder, Row};

/// What is of one process or of one moment: migrations are made anew, replicas announce themselves.
const LEFT_OUT: [&str; 2] = ["_sqlx_migrations", "replicas"];
/// Cells of a statement at most, well below what either database takes, and rows.
const CELLS: usize = 4_000;
const ROWS: usize = 500;

/// A table as it is here: with the columns of its key.
struct Here {
    table: Table,
    key: Vec<String>,
}

#[async_trait]
impl DumpRepository for Database {
    async fn dump(&self, to: &mut dyn Sink) -> Result<(), Error> {
        let mut transaction = self.read.begin_with(SNAPSHOT).await?;
        if let Some(patient) = PATIENT {
            sqlx::query(patient).execute(&mut *transaction).await?;
        }
        for here in tables(&mut transaction).await? {
            give(&mut transaction, &here.table, &here.key, to).await?;
        }
        Ok(transaction.rollback().await?)
    }

    async fn load(&self, from: &mut dyn Contents, replace: bool) -> Result<(), Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        if let Some(patient) = PATIENT {
            sqlx::query(patient).execute(&mut *transaction).await?;
        }
        if let Some(free) = FREE {
            let free: bool = sqlx::query_scalar(free).fetch_one(&mut *transaction).await?;
            if !free {
                return Err(copy("an orchestrator works with this database: stop all of its replicas first"));
            }
        }
        let here = tables(&mut transaction).await?;
        clear(&mut transaction, &here, replace).await?;
        let given = fill(&mut transaction, &here, from).await?;
        for (table, column) in autonumbered(&mut transaction).await? {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), (SELECT COALESCE(MAX({}), 0) + 1 FROM {}), false)",
                quoted(&column),
                quoted(&table)
            );
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
        }
        for (table, key) in &given {
            give(&mut transaction, table, key, from.proof()).await?;
        }
        from.judge()?;
        // What was ended after the copy was made must not hold again.
        sqlx::query("DELETE FROM tokens WHERE kind IN ('session', 'setup')").execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM replicas").execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn exchange_sealed(&self, exchange: &(dyn Exchange + Sync)) -> Result<u64, Error> {
        let mut done = 0;
        for table in ["objects", "versions"] {
            loop {
                let some = self.exchange_some(table, exchange).await?;
                done += some.0;
                // What was changed by others meanwhile is found in the next round.
                if some.1 == 0 {
                    break;
                }
            }
        }
        let settings = sqlx::query_as::<_, (String, String)>("SELECT name, value FROM settings ORDER BY name");
        for (name, value) in settings.fetch_all(&self.read).await? {
            if let Some(new) = exchange.setting(&name, &value)? {
                let put = sqlx::query("UPDATE settings SET value = $1 WHERE name = $2 AND value = $3");
                done += put.bind(new).bind(name).bind(value).execute(&self.write).await?.rows_affected();
            }
        }
        Ok(done)
    }
}

impl Database {
    /// One walk over a table: how many were exchanged, and how many were in others' hands.
    async fn exchange_some(&self, table: &str, exchange: &(dyn Exchange + Sync)) -> Result<(u64, u64), Error> {
        let (mut done, mut missed) = (0, 0);
        let mut last = (String::new(), String::new(), String::new(), -1_i64);
        loop {
            let sql = format!(
                "SELECT kind, network, name, revision, sealed FROM {table} WHERE sealed IS NOT NULL \
                 AND (kind, network, name, revision) > ($1, $2, $3, $4) ORDER BY kind, network, name, revision LIMIT {ROWS}"
            );
            let rows = sqlx::query_as::<_, (String, String, String, i64, String)>(AssertSqlSafe(sql));
            let rows = rows.bind(&last.0).bind(&last.1).bind(&last.2).bind(last.3).fetch_all(&self.read).await?;
            let mut transaction = self.write.begin_with(BEGIN).await?;
            for (kind, network, name, revision, sealed) in &rows {
                let target = match network.as_str() {
                    "" => format!("{kind}/{name}"),
                    network => format!("networks/{network}/{kind}/{name}"),
                };
                let Some(new) = exchange.object(&target, sealed)? else { continue };
                let sql = format!(
                    "UPDATE {table} SET sealed = $1 WHERE kind = $2 AND network = $3 AND name = $4 AND revision = $5 AND sealed = $6"
                );
                let put = sqlx::query(AssertSqlSafe(sql)).bind(new).bind(kind).bind(network).bind(name);
                let put = put.bind(revision).bind(sealed).execute(&mut *transaction).await?.rows_affected();
                done += put;
                missed += 1 - put.min(1);
            }
            transaction.commit().await?;
            let Some((kind, network, name, revision, _)) = rows.into_iter().next_back() else {
                return Ok((done, missed));
            };
            last = (kind, network, name, revision);
        }
    }
}

fn copy(what: impl Into<String>) -> Error {
    Error::Copy(what.into())
}

/// The tables that there are, by name. What the database keeps for itself is none.
async fn tables(connection: &mut Connection) -> Result<Vec<Here>, Error> {
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(COLUMNS).fetch_all(connection).await?;
    let mut all: Vec<Here> = Vec::new();
    let mut places: Vec<(i64, String)> = Vec::new();
    for (name, column, kind, place) in rows {
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        if all.last().is_none_or(|last| last.table.name != name) {
            places.clear();
            all.push(Here { table: Table { name: name.clone(), columns: Vec::new() }, key: Vec::new() });
        }
        let kind = CellKind::of_type(&kind);
        let kind = kind.ok_or_else(|| copy(format!("column {name}.{column} is of a kind that copies do not know")))?;
        if place > 0 {
            places.push((place, column.clone()));
            places.sort();
        }
        if let Some(last) = all.last_mut() {
            last.table.columns.push((column, kind));
            last.key = places.iter().map(|(_, name)| name.clone()).collect();
        }
    }
    Ok(all)
}

/// Gives a table and its rows.
async fn give(connection: &mut Connection, table: &Table, key: &[String], to: &mut dyn Sink) -> Result<(), Error> {
    to.put(Item::Table(table.clone()))?;
    let columns: Vec<String> = table.columns.iter().map(|(name, kind)| selected(name, *kind)).collect();
    // A table without a key is in the order of everything.
    let by = if key.is_empty() { table.columns.iter().map(|(name, _)| name.clone()).collect() } else { key.to_vec() };
    let kind = |name: &String| table.columns.iter().find(|(other, _)| other == name).map(|(_, kind)| *kind);
    let by = by.iter().map(|name| {
        let order = if kind(name) == Some(CellKind::Text) { ORDER } else { "" };
        format!("{}{order}", quoted(name))
    });
    let by: Vec<String> = by.collect();
    let sql = format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), quoted(&table.name), by.join(", "));
    let mut rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let cells = table.columns.iter().enumerate().map(|(at, (_, kind))| cell(&row, at, *kind));
        to.put(Item::Row(cells.collect::<Result<_, _>>()?))?;
    }
    Ok(())
}

/// Whole numbers come in one width.
fn selected(name: &str, kind: CellKind) -> String {
    if kind == CellKind::Integer { format!("CAST({} AS BIGINT)", quoted(name)) } else { quoted(name) }
}

fn cell(row: &<Db as sqlx::Database>::Row, at: usize, kind: CellKind) -> Result<Cell, Error> {
    let cell = match kind {
        CellKind::Text => row.try_get::<Option<String>, _>(at)?.map(Cell::Text),
        CellKind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Cell::Integer),
        CellKind::Real => row.try_get::<Option<f64>, _>(at)?.map(Cell::Real),
        CellKind::Octets => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Cell::Octets),
    };
    Ok(cell.unwrap_or(Cell::Null))
}

async fn clear(connection: &mut Connection, here: &[Here], replace: bool) -> Result<(), Error> {
    for Here { table, .. } in here {
        let name = quoted(&table.name);
        if replace {
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {name}"))).execute(&mut *connection).await?;
            continue;
        }
        let any = sqlx::query(AssertSqlSafe(format!("SELECT 1 FROM {name} LIMIT 1")));
        if any.fetch_optional(&mut *connection).await?.is_some() {
            return Err(copy(format!("the database is not empty: there is something in {}", table.name)));
        }
    }
    Ok(())
}

/// Takes everything in; the tables with the columns that were given, and their keys here.
async fn fill(
    connection: &mut Connection,
    here: &[Here],
    from: &mut dyn Contents,
) -> Result<Vec<(Table, Vec<String>)>, Error> {
    let mut given: Vec<(Table, Vec<String>)> = Vec::new();
    let mut waiting: Vec<Vec<Cell>> = Vec::new();
    while let Some(item) = from.next()? {
        match item {
            Item::Table(table) => {
                if let Some((before, _)) = given.last() {
                    insert(connection, before, std::mem::take(&mut waiting)).await?;
                }
                let own = here.iter().find(|own| own.table.name == table.name);
                let own = own.ok_or_else(|| copy("the copy has a table that this version does not know"))?;
                let known = |column: &(String, CellKind)| own.table.columns.contains(column);
                if table.columns.is_empty() || !table.columns.iter().all(known) {
                    return Err(copy(format!("table {} has columns that this version does not know", own.table.name)));
                }
                if given.iter().any(|(other, _)| other.name == table.name) {
                    return Err(copy(format!("table {} is there twice", own.table.name)));
                }
                given.push((table, own.key.clone()));
            }
            Item::Row(row) => {
                let Some((table, _)) = given.last() else { return Err(copy("a row without a table")) };
                if row.len() != table.columns.len() {
                    return Err(copy(format!("a row of {} has too many or too few cells", table.name)));
                }
                waiting.push(row);
                if waiting.len() >= (CELLS / table.columns.len()).clamp(1, ROWS) {
                    insert(connection, table, std::mem::take(&mut waiting)).await?;
                }
            }
        }
    }
    if let Some((last, _)) = given.last() {
        insert(connection, last, waiting).await?;
    }
    Ok(given)
}

async fn insert(connection: &mut Connection, table: &Table, rows: Vec<Vec<Cell>>) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let fits = |(cell, (_, kind)): (&Cell, &(String, CellKind))| match cell {
        Cell::Null => true,
        Cell::Text(_) => *kind == CellKind::Text,
        Cell::Integer(_) => *kind == CellKind::Integer,
        Cell::Real(_) => *kind == CellKind::Real,
        Cell::Octets(_) => *kind == CellKind::Octets,
    };
    if !rows.iter().all(|row| row.iter().zip(&table.columns).all(fits)) {
        return Err(copy(format!("a cell of {} is of another kind than its column", table.name)));
    }
    // The names are those of this database's own tables: `fill` has compared them.
    let names: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
    let head = format!("INSERT INTO {} ({}) {OVERRIDING}", quoted(&table.name), names.join(", "));
    let mut query: QueryBuilder<Db> = QueryBuilder::new(head);
    query.push_values(rows, |mut values, row| {
        for (cell, (_, kind)) in row.into_iter().zip(&table.columns) {
            match (cell, kind) {
                (Cell::Text(text), _) => values.push_bind(text),
                (Cell::Integer(number), _) => values.push_bind(number),
                (Cell::Real(number), _) => values.push_bind(number),
                (Cell::Octets(octets), _) => values.push_bind(octets),
                (Cell::Null, CellKind::Text) => values.push_bind(None::<String>),
                (Cell::Null, CellKind::Integer) => values.push_bind(None::<i64>),
                (Cell::Null, CellKind::Real) => values.push_bind(None::<f64>),
                (Cell::Null, CellKind::Octets) => values.push_bind(None::<Vec<u8>>),
            };
        }
    });
    query.build().persistent(false).execute(connection).await?;
    Ok(())
}

/// Columns that the database counts itself, where it does not notice by itself what was put there.
async fn autonumbered(connection: &mut Connection) -> Result<Vec<(String, String)>, Error> {
    match SEQUENCES {
        Some(sql) => Ok(sqlx::query_as(sql).fetch_all(connection).await?),
        None => Ok(Vec::new()),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
