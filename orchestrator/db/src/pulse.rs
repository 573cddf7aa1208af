//! Whether PostgreSQL answers at all: asked again and again on a connection of its own. Statements on other connections cannot tell: when
//! packets are lost on the way, they wait for minutes.

use crate::dialect::postgres::queries::Database;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Error};
use std::sync::Weak;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Between two questions, and for an answer.
const BEAT: Duration = Duration::from_secs(2);
/// A database that has not answered for so long is out of reach. Short: whoever waits here could be served by another replica.
const SILENCE: Duration = Duration::from_secs(5);

/// Asks until the database is closed, and keeps the lock of the replica that acts where this one holds it.
pub(crate) async fn watch(options: PgConnectOptions, database: Weak<Database>, reachable: watch::Sender<bool>) {
    let mut connection = None;
    let mut heard = Instant::now();
    while let Some(open) = database.upgrade().filter(|database| !database.write.is_closed()) {
        // A process that stood still has waited for nobody: what counts is the answer to a question that was asked.
        if matches!(timeout(BEAT, ask(&options, &mut connection)).await, Ok(Ok(()))) {
            heard = Instant::now();
        } else {
            connection = None;
        }
        let answers = heard.elapsed() < SILENCE;
        let changed = reachable.send_if_modified(|was| core::mem::replace(was, answers) != answers);
        match (changed, answers) {
            (true, true) => tracing::info!("the database answers again"),
            (true, false) => tracing::error!("the database does not answer: nobody is served until it does"),
            _ => {}
        }
        // The lock of the replica that acts lapses in silence. Whoever holds it asks, too.
        if let Ok(mut held) = open.lead.try_lock() {
            Database::still_leads(&mut held).await;
        }
        drop(open);
        sleep(BEAT).await;
    }
}

async fn ask(options: &PgConnectOptions, held: &mut Option<PgConnection>) -> Result<(), Error> {
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => options.connect().await?,
    };
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    *held = Some(connection);
    Ok(())
}
