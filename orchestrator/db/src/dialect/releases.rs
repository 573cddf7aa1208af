//! Releases and rollouts, over one database. Compiled for each dialect; `super` says which.

use super::queries::Database;
use super::{BEGIN, Db};
use crate::{Error, Release, ReleaseRepository, RolloutRow};
use async_trait::async_trait;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Database as Any, Row};

const RELEASE: &str =
    "name, product, version, platform, channel, size, sha256, signature, created_by, created_at, received, complete";
pub(crate) const ROLLOUT: &str = "id, network, created_at, created_by, changed_at, active, body, revision";

pub(crate) type AnyRow = <Db as Any>::Row;

#[async_trait]
impl ReleaseRepository for Database {
    async fn put_release(&self, it: &Release) -> Result<bool, Error> {
        let sql = format!(
            "INSERT INTO releases ({RELEASE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0) \
             ON CONFLICT (name) DO NOTHING"
        );
        let put = sqlx::query(AssertSqlSafe(sql)).bind(&it.name).bind(&it.product).bind(&it.version);
        let put = put.bind(&it.platform).bind(&it.channel).bind(it.size).bind(&it.sha256).bind(&it.signature);
        let put = put.bind(&it.created_by).bind(it.created_at).execute(&self.write).await?;
        Ok(put.rows_affected() > 0)
    }

    async fn release(&self, name: &str) -> Result<Option<Release>, Error> {
        let sql = format!("SELECT {RELEASE} FROM releases WHERE name = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_optional(&self.read).await?;
        row.as_ref().map(release).transpose()
    }

    async fn releases(&self) -> Result<Vec<Release>, Error> {
        let sql = format!("SELECT {RELEASE} FROM releases ORDER BY created_at DESC, name LIMIT 1000");
        sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.read).await?.iter().map(release).collect()
    }

    async fn delete_release(&self, name: &str) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let gone = sqlx::query("DELETE FROM releases WHERE name = $1").bind(name).execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM release_data WHERE release = $1").bind(name).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(gone.rows_affected() > 0)
    }

    async fn put_release_data(&self, name: &str, place: i64, octets: &[u8]) -> Result<Option<i64>, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let length = i64::try_from(octets.len()).unwrap_or(i64::MAX);
        // Who moves the mark has the place; another who sends the same finds it moved.
        let moved = sqlx::query(
            "UPDATE releases SET received = received + $3 WHERE name = $1 AND received = $2 AND complete = 0 \
             AND received + $3 <= size",
        );
        let moved = moved.bind(name).bind(place).bind(length).execute(&mut *transaction).await?;
        if moved.rows_affected() > 0 {
            let put = sqlx::query("INSERT INTO release_data (release, place, octets) VALUES ($1, $2, $3)");
            put.bind(name).bind(place).bind(octets).execute(&mut *transaction).await?;
        }
        let now = sqlx::query_scalar("SELECT received FROM releases WHERE name = $1 AND complete = 0");
        let now = now.bind(name).fetch_optional(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(now)
    }

    async fn release_data(&self, name: &str, place: i64) -> Result<Vec<u8>, Error> {
        let row = sqlx::query(
            "SELECT place, octets FROM release_data WHERE release = $1 AND place <= $2 ORDER BY place DESC LIMIT 1",
        );
        let Some(row) = row.bind(name).bind(place).fetch_optional(&self.read).await? else { return Ok(Vec::new()) };
        let (begin, mut octets): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        let skipped = usize::try_from(place - begin).unwrap_or(usize::MAX);
        Ok(if skipped >= octets.len() { Vec::new() } else { octets.split_off(skipped) })
    }

    async fn settle_release(&self, name: &str, right: bool) -> Result<(), Error> {
        if right {
            let complete = sqlx::query("UPDATE releases SET complete = 1 WHERE name = $1 AND received = size");
            complete.bind(name).execute(&self.write).await?;
            return Ok(());
        }
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let begun = sqlx::query("UPDATE releases SET received = 0 WHERE name = $1 AND complete = 0").bind(name);
        if begun.execute(&mut *transaction).await?.rows_affected() > 0 {
            sqlx::query("DELETE FROM release_data WHERE release = $1").bind(name).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn put_rollout(&self, it: &RolloutRow) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        super::fleet_writes::lock(&mut transaction, &it.network).await?;
        let others = sqlx::query_scalar::<_, String>("SELECT body FROM rollouts WHERE network = $1 AND active = 1");
        let others = others.bind(&it.network).fetch_all(&mut *transaction).await?;
        if it.active && others.iter().any(|other| tier(other).is_some() && tier(other) == tier(&it.body)) {
            return Ok(false);
        }
        let sql = format!("INSERT INTO rollouts ({ROLLOUT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
        let put = sqlx::query(AssertSqlSafe(sql)).bind(&it.id).bind(&it.network).bind(it.created_at);
        let put = put.bind(&it.created_by).bind(it.changed_at).bind(i64::from(it.active)).bind(&it.body);
        put.bind(it.revision).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn change_rollout(&self, it: &RolloutRow) -> Result<bool, Error> {
        let change = sqlx::query(
            "UPDATE rollouts SET changed_at = $2, active = $3, body = $4, revision = $5 + 1 WHERE id = $1 AND revision = $5",
        );
        let change = change.bind(&it.id).bind(it.changed_at).bind(i64::from(it.active)).bind(&it.body);
        Ok(change.bind(it.revision).execute(&self.write).await?.rows_affected() > 0)
    }

    async fn rollout(&self, network: &str, id: &str) -> Result<Option<RolloutRow>, Error> {
        let sql = format!("SELECT {ROLLOUT} FROM rollouts WHERE network = $1 AND id = $2");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(id).fetch_optional(&self.read).await?;
        row.as_ref().map(rollout).transpose()
    }

    async fn rollouts(&self, network: &str, limit: u32) -> Result<Vec<RolloutRow>, Error> {
        let sql = format!("SELECT {ROLLOUT} FROM rollouts WHERE network = $1 ORDER BY created_at DESC, id LIMIT $2");
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(i64::from(limit));
        rows.fetch_all(&self.read).await?.iter().map(rollout).collect()
    }

    async fn active_rollouts(&self) -> Result<Vec<RolloutRow>, Error> {
        let sql = format!("SELECT {ROLLOUT} FROM rollouts WHERE active = 1 ORDER BY created_at, id");
        sqlx::query(AssertSqlSafe(sql)).fetch_all(&self.read).await?.iter().map(rollout).collect()
    }
}

/// The tier that a rollout is to.
fn tier(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    body.pointer("/plan/tier").and_then(Value::as_str).map(str::to_owned)
}

fn release(row: &AnyRow) -> Result<Release, Error> {
    Ok(Release {
        name: row.try_get(0)?,
        product: row.try_get(1)?,
        version: row.try_get(2)?,
        platform: row.try_get(3)?,
        channel: row.try_get(4)?,
        size: row.try_get(5)?,
        sha256: row.try_get(6)?,
        signature: row.try_get(7)?,
        created_by: row.try_get(8)?,
        created_at: row.try_get(9)?,
        received: row.try_get(10)?,
        complete: row.try_get::<i64, _>(11)? != 0,
    })
}

pub(crate) fn rollout(row: &AnyRow) -> Result<RolloutRow, Error> {
    Ok(RolloutRow {
        id: row.try_get(0)?,
        network: row.try_get(1)?,
        created_at: row.try_get(2)?,
        created_by: row.try_get(3)?,
        changed_at: row.try_get(4)?,
        active: row.try_get::<i64, _>(5)? != 0,
        body: row.try_get(6)?,
        revision: row.try_get(7)?,
    })
}
