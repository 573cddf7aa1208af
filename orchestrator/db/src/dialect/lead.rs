//! The lock of the one replica that acts.

use super::queries::Database;
use super::{Db, LAPSE, LEAD};
use crate::Error;
use sqlx::pool::PoolConnection;
use std::time::Duration;
use tokio::time::timeout;

/// For an answer about the lock of the replica that acts; shorter than the lock's own patience.
const ANSWER: Duration = Duration::from_secs(3);

impl Database {
    /// Says on the connection that has the lock of the replica that acts that this one is there. False when it is not the one, or not
    /// any more: the lock is the connection's, as long as it answers, the lock is ours.
    pub(crate) async fn still_leads(held: &mut Option<PoolConnection<Db>>) -> bool {
        let Some(mut connection) = held.take() else { return false };
        let asked = sqlx::query("SELECT 1").execute(&mut *connection);
        if matches!(timeout(ANSWER, asked).await, Ok(Ok(_))) {
            *held = Some(connection);
            return true;
        }
        drop(connection.detach());
        false
    }

    /// Takes the lock where nobody has it: whether this replica is the one that acts.
    pub(crate) async fn take_lead(&self) -> Result<bool, Error> {
        let Some(sql) = LEAD else { return Ok(true) };
        let mut held = self.lead.lock().await;
        if Self::still_leads(&mut held).await {
            return Ok(true);
        }
        let mut connection = self.write.acquire().await?;
        let asked = sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut *connection);
        if !timeout(ANSWER, asked).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))? {
            return Ok(false);
        }
        let lapse = timeout(ANSWER, sqlx::query(LAPSE).execute(&mut *connection)).await;
        if let Err(error) = lapse.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            // A lock that would not lapse is given back with its connection.
            drop(connection.detach());
            return Err(error.into());
        }
        *held = Some(connection);
        Ok(true)
    }
}
