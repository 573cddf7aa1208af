//! Opening a database, whichever it is, and bringing its tables to the present form.

use crate::dialect::{postgres, sqlite};
use crate::{Error, Repository, pulse};
use sqlx::SqlStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgPool, SqliteConnection};
use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// Migrations by number, for each dialect. They only expand (new tables, new columns with defaults), so that the version before runs on
/// beside this one; what is no longer used is dropped a version later.
const MIGRATIONS: [(i64, &str, &str, &str); 15] = [
    (
        1,
        "objects, accounts, audit",
        include_str!("../migrations/sqlite/0001_objects_accounts_audit.sql"),
        include_str!("../migrations/postgres/0001_objects_accounts_audit.sql"),
    ),
    (
        2,
        "gateways",
        include_str!("../migrations/sqlite/0002_gateways.sql"),
        include_str!("../migrations/postgres/0002_gateways.sql"),
    ),
    (
        10,
        "live",
        include_str!("../migrations/sqlite/0010_live.sql"),
        include_str!("../migrations/postgres/0010_live.sql"),
    ),
    (
        11,
        "watch",
        include_str!("../migrations/sqlite/0011_watch.sql"),
        include_str!("../migrations/postgres/0011_watch.sql"),
    ),
    (
        12,
        "jobs",
        include_str!("../migrations/sqlite/0012_jobs.sql"),
        include_str!("../migrations/postgres/0012_jobs.sql"),
    ),
    (
        13,
        "webhooks",
        include_str!("../migrations/sqlite/0013_webhooks.sql"),
        include_str!("../migrations/postgres/0013_webhooks.sql"),
    ),
    (
        20,
        "command results",
        include_str!("../migrations/sqlite/0020_command_results.sql"),
        include_str!("../migrations/postgres/0020_command_results.sql"),
    ),
    (
        21,
        "replicas",
        include_str!("../migrations/sqlite/0021_replicas.sql"),
        include_str!("../migrations/postgres/0021_replicas.sql"),
    ),
    (
        30,
        "links of replicas",
        include_str!("../migrations/sqlite/0030_replica_links.sql"),
        include_str!("../migrations/postgres/0030_replica_links.sql"),
    ),
    (
        31,
        "releases",
        include_str!("../migrations/sqlite/0031_releases.sql"),
        include_str!("../migrations/postgres/0031_releases.sql"),
    ),
    (
        32,
        "filters",
        include_str!("../migrations/sqlite/0032_filters.sql"),
        include_str!("../migrations/postgres/0032_filters.sql"),
    ),
    (
        40,
        "telemetry",
        include_str!("../migrations/sqlite/0040_telemetry.sql"),
        include_str!("../migrations/postgres/0040_telemetry.sql"),
    ),
    (
        41,
        "traces",
        include_str!("../migrations/sqlite/0041_traces.sql"),
        include_str!("../migrations/postgres/0041_traces.sql"),
    ),
    (
        42,
        "usage_cell",
        include_str!("../migrations/sqlite/0042_usage_cell.sql"),
        include_str!("../migrations/postgres/0042_usage_cell.sql"),
    ),
    (
        43,
        "config rollouts",
        include_str!("../migrations/sqlite/0043_config_rollouts.sql"),
        include_str!("../migrations/postgres/0043_config_rollouts.sql"),
    ),
];

/// How long a caller waits for a connection, and SQLite for its lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows of a page, and one that says that there are more.
const PAGE: usize = 1001;
/// How long a transaction may wait for its client, milliseconds: what takes long is work, not waiting.
const IDLE: &str = "3000";
/// Before it is tried again to hear of changes.
const AGAIN: Duration = Duration::from_secs(5);

/// How to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `sqlite:PATH` or `postgres://USER@HOST/NAME`.
    pub address: String,
    /// Connections at most, 2 to 64; with PostgreSQL at least 5.
    pub connections: u32,
}

/// Opens a database, makes it when it is SQLite and not there, and migrates it.
///
/// # Errors
/// [`Error::Address`], [`Error::Database`], [`Error::Migration`].
pub async fn open(settings: &Settings) -> Result<Arc<dyn Repository>, Error> {
    begin(settings, true).await
}

/// Opens a database as it is: for who looks at it or copies it, and must not change it. One of a later form is refused.
///
/// # Errors
/// [`Error::Address`], [`Error::Database`] also when there is none, [`Error::Migration`].
pub async fn open_as_it_is(settings: &Settings) -> Result<Arc<dyn Repository>, Error> {
    begin(settings, false).await
}

async fn begin(settings: &Settings, migrate: bool) -> Result<Arc<dyn Repository>, Error> {
    let connections = settings.connections.clamp(2, 64);
    if let Some(path) = settings.address.strip_prefix("sqlite:") {
        return open_sqlite(path, connections, migrate).await;
    }
    if settings.address.starts_with("postgres://") || settings.address.starts_with("postgresql://") {
        return open_postgres(&settings.address, connections, migrate).await;
    }
    // The address may hold a password: only what stands before it is shown.
    let shown = settings.address.split(':').next().unwrap_or_default();
    Err(Error::Address(shown.to_owned()))
}

/// The number of the newest migration: a copy of a later form is for a later version.
#[must_use]
pub fn schema() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.0).max().unwrap_or_default()
}

/// Makes a SQLite database one closed file, without a log beside it, so that it can be moved.
///
/// # Errors
/// [`Error::Copy`] when a process has it open, [`Error::Database`].
pub async fn settle(path: &Path) -> Result<(), Error> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO);
    let in_use = |error: sqlx::Error| match error {
        sqlx::Error::Database(told) if told.message().contains("locked") => {
            Error::Copy(format!("{} is in use: stop the orchestrator first", path.display()))
        }
        other => other.into(),
    };
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(in_use)?;
    // Only who is alone can leave the mode with a log.
    let left = sqlx::query("PRAGMA journal_mode = DELETE").execute(&mut connection).await;
    left.map_err(in_use)?;
    Ok(connection.close().await?)
}

async fn open_sqlite(path: &str, connections: u32, migrate: bool) -> Result<Arc<dyn Repository>, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(migrate)
        .journal_mode(SqliteJournalMode::Wal)
        // What was acknowledged survives power loss.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .foreign_keys(true);
    // SQLite has one writer: asking for more connections would only make them wait inside the database.
    let write = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
    let write = write.connect_with(options.clone()).await?;
    if migrate {
        migrator(|migration| migration.2).run(&write).await?;
    } else {
        known(sqlx::query_scalar(NEWEST).fetch_one(&write).await)?;
    }
    let read = SqlitePoolOptions::new().max_connections(connections - 1).acquire_timeout(PATIENCE);
    // A page of rows is handed over at once: its thread need not wait for the one that takes it.
    let readers = options.read_only(true).create_if_missing(false).row_buffer_size(PAGE);
    let read = read.connect_with(readers).await?;
    let wakes = watch::Sender::new(0);
    let group = sqlite::group::Group::start(write.clone(), wakes.clone());
    let reachable = watch::Sender::new(true);
    Ok(Arc::new(sqlite::queries::Database { read, write, wakes, group, lead: Mutex::new(None), reachable }))
}

async fn open_postgres(address: &str, connections: u32, migrate: bool) -> Result<Arc<dyn Repository>, Error> {
    // A replica that stands still in the middle of a transaction holds up the others no longer than this.
    let options = PgConnectOptions::from_str(address)?.application_name("orchestratord");
    let options = options.options([("idle_in_transaction_session_timeout", IDLE)]);
    // One of them listens, and one holds the lock of the replica that acts; one more is asked whether there is a database.
    let pool = PgPoolOptions::new().max_connections(connections.max(5) - 1).acquire_timeout(PATIENCE);
    let pool = pool.connect_with(options.clone()).await?;
    if migrate {
        migrator(|migration| migration.3).run(&pool).await?;
    } else {
        known(sqlx::query_scalar(NEWEST).fetch_one(&pool).await)?;
    }
    let wakes = watch::Sender::new(0);
    tokio::spawn(listen(pool.clone(), wakes.clone()));
    let group = postgres::group::Group::start(pool.clone(), wakes.clone());
    let (read, lead, reachable) = (pool.clone(), Mutex::new(None), watch::Sender::new(true));
    let told = reachable.clone();
    let database = Arc::new(postgres::queries::Database { read, write: pool, wakes, group, lead, reachable });
    tokio::spawn(pulse::watch(options, Arc::downgrade(&database), told));
    Ok(database)
}

/// The newest migration of a database.
const NEWEST: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";

/// Whether this version knows the form of a database.
fn known(newest: Result<i64, sqlx::Error>) -> Result<(), Error> {
    match newest? {
        newest if newest > schema() => Err(MigrateError::VersionMissing(newest).into()),
        _ => Ok(()),
    }
}

/// Hears of changes that other replicas make, until the database is closed. Without it they are found by looking, a little later.
async fn listen(pool: PgPool, wakes: watch::Sender<u64>) {
    while !pool.is_closed() {
        let heard = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen("basalt_changes").await?;
            loop {
                // A lost connection is made again here; what was missed meanwhile is found by looking.
                listener.recv().await?;
                wakes.send_modify(|count| *count = count.wrapping_add(1));
            }
        };
        let ended: Result<(), sqlx::Error> = heard.await;
        if let (Err(error), false) = (ended, pool.is_closed()) {
            tracing::warn!(%error, "changes of other replicas are not heard of at once");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn migrator(sql: impl Fn(&(i64, &'static str, &'static str, &'static str)) -> &'static str) -> Migrator {
    let migrations = MIGRATIONS.iter().map(|migration| {
        let sql = SqlStr::from_static(sql(migration));
        Migration::new(migration.0, Cow::Borrowed(migration.1), MigrationType::Simple, sql, false)
    });
    Migrator { migrations: migrations.collect(), ..Migrator::DEFAULT }
}
