//! What is stored about webhooks, over one database. Compiled for each dialect; `super` says which.

use super::BEGIN;
use super::queries::Database;
use super::rows::{OBJECT, ObjectRow, object};
use crate::{Delivery, DeliveryState, Error, Object, WebhookRepository};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Row};

const DELIVERY: &str =
    "id, network, webhook, event, kind, body, state, attempts, due_at, created_at, changed_at, trouble";

#[async_trait]
impl WebhookRepository for Database {
    async fn webhooks(&self) -> Result<Vec<(String, Object)>, Error> {
        let networks = sqlx::query_scalar::<_, String>("SELECT DISTINCT network FROM objects WHERE kind = 'webhooks'");
        let mut found = Vec::new();
        for network in networks.fetch_all(&self.read).await? {
            let sql = format!("SELECT {OBJECT} FROM objects WHERE kind = 'webhooks' AND network = $1 ORDER BY name");
            let rows = sqlx::query_as::<_, ObjectRow>(AssertSqlSafe(sql)).bind(&network).fetch_all(&self.read).await?;
            for row in rows {
                found.push((network.clone(), object(row)?));
            }
        }
        Ok(found)
    }

    async fn webhook_mark(&self, network: &str) -> Result<Option<(i64, i64)>, Error> {
        let mark = sqlx::query_as("SELECT begun, event FROM webhook_marks WHERE network = $1");
        Ok(mark.bind(network).fetch_optional(&self.read).await?)
    }

    async fn enqueue(&self, network: &str, deliveries: &[Delivery], mark: Option<i64>) -> Result<(), Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        for it in deliveries {
            let sql = format!(
                "INSERT INTO deliveries ({DELIVERY}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                 ON CONFLICT (network, webhook, event) DO NOTHING"
            );
            let put = sqlx::query(AssertSqlSafe(sql)).bind(&it.id).bind(&it.network).bind(&it.webhook).bind(&it.event);
            let put = put.bind(&it.kind).bind(&it.body).bind(it.state.as_str()).bind(it.attempts).bind(it.due_at);
            let put = put.bind(it.created_at).bind(it.changed_at).bind(&it.trouble);
            put.execute(&mut *transaction).await?;
        }
        if let Some(mark) = mark {
            let kept = sqlx::query(
                "INSERT INTO webhook_marks (network, begun, event) VALUES ($1, $2, $2) \
                 ON CONFLICT (network) DO UPDATE SET event = $2 WHERE webhook_marks.event < $2",
            );
            kept.bind(network).bind(mark).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn take_due(&self, now: i64, until: i64, limit: u32) -> Result<Vec<Delivery>, Error> {
        let sql = format!(
            "SELECT {DELIVERY} FROM deliveries WHERE state = 'pending' AND due_at <= $1 ORDER BY due_at, id LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(now).bind(i64::from(limit)).fetch_all(&self.read).await?;
        let mut taken = Vec::new();
        for row in &rows {
            let delivery = delivery(row)?;
            // Who moves its time has it; another who read the same finds it moved.
            let take =
                sqlx::query("UPDATE deliveries SET due_at = $2 WHERE id = $1 AND due_at = $3 AND state = 'pending'");
            let take = take.bind(&delivery.id).bind(until).bind(delivery.due_at).execute(&self.write).await?;
            if take.rows_affected() > 0 {
                taken.push(delivery);
            }
        }
        Ok(taken)
    }

    async fn settle(&self, it: &Delivery) -> Result<(), Error> {
        let kept = sqlx::query(
            "UPDATE deliveries SET state = $2, attempts = $3, due_at = $4, changed_at = $5, trouble = $6 WHERE id = $1",
        );
        let kept = kept.bind(&it.id).bind(it.state.as_str()).bind(it.attempts).bind(it.due_at).bind(it.changed_at);
        kept.bind(&it.trouble).execute(&self.write).await?;
        Ok(())
    }

    async fn deliveries(
        &self,
        network: &str,
        webhook: &str,
        state: Option<DeliveryState>,
        limit: u32,
    ) -> Result<Vec<Delivery>, Error> {
        let sql = format!(
            "SELECT {DELIVERY} FROM deliveries WHERE network = $1 AND webhook = $2 AND ($3 = '' OR state = $3) \
             ORDER BY created_at DESC, id LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(webhook);
        let rows = rows.bind(state.map_or("", DeliveryState::as_str)).bind(i64::from(limit));
        rows.fetch_all(&self.read).await?.iter().map(delivery).collect()
    }
}

fn delivery(row: &<super::Db as sqlx::Database>::Row) -> Result<Delivery, Error> {
    let state: String = row.try_get(6)?;
    Ok(Delivery {
        id: row.try_get(0)?,
        network: row.try_get(1)?,
        webhook: row.try_get(2)?,
        event: row.try_get(3)?,
        kind: row.try_get(4)?,
        body: row.try_get(5)?,
        state: DeliveryState::from_stored(&state).ok_or(Error::Damaged("delivery"))?,
        attempts: row.try_get(7)?,
        due_at: row.try_get(8)?,
        created_at: row.try_get(9)?,
        changed_at: row.try_get(10)?,
        trouble: row.try_get(11)?,
    })
}
