//! Call traces, over one database. Compiled for each dialect; `super` says which.

use super::queries::Database;
use super::{BEGIN, Db};
use crate::{Error, TraceRepository, TraceRow};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Database as Any, Row};

const TRACE: &str = "id, network, created_at, created_by, ends_at, body";

#[async_trait]
impl TraceRepository for Database {
    async fn put_trace(&self, it: &TraceRow) -> Result<(), Error> {
        let sql = format!("INSERT INTO traces ({TRACE}) VALUES ($1, $2, $3, $4, $5, $6)");
        let put = sqlx::query(AssertSqlSafe(sql)).bind(&it.id).bind(&it.network).bind(it.created_at);
        put.bind(&it.created_by).bind(it.ends_at).bind(&it.body).execute(&self.write).await?;
        Ok(())
    }

    async fn trace(&self, network: &str, id: &str) -> Result<Option<TraceRow>, Error> {
        let sql = format!("SELECT {TRACE} FROM traces WHERE network = $1 AND id = $2");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(id).fetch_optional(&self.read).await?;
        row.as_ref().map(trace).transpose()
    }

    async fn traces(&self, network: &str, limit: u32) -> Result<Vec<TraceRow>, Error> {
        let sql = format!("SELECT {TRACE} FROM traces WHERE network = $1 ORDER BY created_at DESC, id LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(i64::from(limit));
        rows.fetch_all(&self.read).await?.iter().map(trace).collect()
    }

    async fn delete_trace(&self, network: &str, id: &str, commands: &[String]) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let gone = sqlx::query("DELETE FROM traces WHERE network = $1 AND id = $2").bind(network).bind(id);
        let gone = gone.execute(&mut *transaction).await?;
        for command in commands {
            let data = sqlx::query("DELETE FROM command_data WHERE network = $1 AND command = $2");
            data.bind(network).bind(command).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(gone.rows_affected() > 0)
    }
}

fn trace(row: &<Db as Any>::Row) -> Result<TraceRow, Error> {
    Ok(TraceRow {
        id: row.try_get(0)?,
        network: row.try_get(1)?,
        created_at: row.try_get(2)?,
        created_by: row.try_get(3)?,
        ends_at: row.try_get(4)?,
        body: row.try_get(5)?,
    })
}
