//! Staged changes of objects, over one database. Compiled for each dialect; `super` says which.

use super::BEGIN;
use super::queries::Database;
use super::releases::{ROLLOUT, rollout};
use crate::{ConfigRolloutRepository, Error, FeedEntry, RolloutRow};
use async_trait::async_trait;
use serde_json::Value;
use sqlx::AssertSqlSafe;
use std::collections::BTreeSet;

#[async_trait]
impl ConfigRolloutRepository for Database {
    async fn put_config_rollout(&self, it: &RolloutRow) -> Result<Option<(String, String)>, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        super::fleet_writes::lock(&mut transaction, &it.network).await?;
        let others =
            sqlx::query_scalar::<_, String>("SELECT body FROM config_rollouts WHERE network = $1 AND active = 1");
        let others = others.bind(&it.network).fetch_all(&mut *transaction).await?;
        let wanted = objects(&it.body);
        if let Some(both) = others.iter().flat_map(|other| objects(other)).find(|object| wanted.contains(object)) {
            return Ok(Some(both));
        }
        let sql = format!("INSERT INTO config_rollouts ({ROLLOUT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        let put = sqlx::query(AssertSqlSafe(sql)).bind(&it.id).bind(&it.network).bind(it.created_at);
        let put = put.bind(&it.created_by).bind(it.changed_at).bind(i64::from(it.active)).bind(&it.body);
        put.bind(it.revision).execute(&mut *transaction).await?;
        super::fleet_writes::note_change(
            &mut transaction,
            &it.network,
            it.changed_at,
            FeedEntry::CONFIG_ROLLOUTS,
            &it.id,
        )
        .await?;
        transaction.commit().await?;
        self.wake();
        Ok(None)
    }

    async fn change_config_rollout(&self, it: &RolloutRow) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        super::fleet_writes::lock(&mut transaction, &it.network).await?;
        let change = sqlx::query(
            "UPDATE config_rollouts SET changed_at = $2, active = $3, body = $4, revision = $5 + 1 \
             WHERE id = $1 AND revision = $5",
        );
        let change = change.bind(&it.id).bind(it.changed_at).bind(i64::from(it.active)).bind(&it.body);
        if change.bind(it.revision).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Ok(false);
        }
        super::fleet_writes::note_change(
            &mut transaction,
            &it.network,
            it.changed_at,
            FeedEntry::CONFIG_ROLLOUTS,
            &it.id,
        )
        .await?;
        transaction.commit().await?;
        self.wake();
        Ok(true)
    }

    async fn config_rollout(&self, network: &str, id: &str) -> Result<Option<RolloutRow>, Error> {
        let sql = format!("SELECT {ROLLOUT} FROM config_rollouts WHERE network = $1 AND id = $2");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(id).fetch_optional(&self.read).await?;
        row.as_ref().map(rollout).transpose()
    }

    async fn config_rollouts(&self, network: &str, limit: u32) -> Result<Vec<RolloutRow>, Error> {
        let sql =
            format!("SELECT {ROLLOUT} FROM config_rollouts WHERE network = $1 ORDER BY created_at DESC, id LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(i64::from(limit));
        rows.fetch_all(&self.read).await?.iter().map(rollout).collect()
    }

    async fn active_config_rollouts(&self, network: Option<&str>) -> Result<Vec<RolloutRow>, Error> {
        let of = if network.is_some() { " AND network = $1" } else { "" };
        let sql = format!("SELECT {ROLLOUT} FROM config_rollouts WHERE active = 1{of} ORDER BY created_at, id");
        let rows = sqlx::query(AssertSqlSafe(sql));
        let rows = if let Some(network) = network { rows.bind(network) } else { rows };
        rows.fetch_all(&self.read).await?.iter().map(rollout).collect()
    }
}

/// What a staged change is about: collection and name.
fn objects(body: &str) -> BTreeSet<(String, String)> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let changes = body.get("changes").and_then(Value::as_array).into_iter().flatten();
    let word = |change: &Value, field: &str| change.get(field).and_then(Value::as_str).map(str::to_owned);
    changes.filter_map(|change| Some((word(change, "kind")?, word(change, "name")?))).collect()
}
