//! The repository over one database. Compiled for each dialect; `super` says which.

use super::apply::apply_all;
use super::rows::{OBJECT, ObjectRow, TokenRow, USER, UserRow, VersionRow, object, page, token, user, version};
use super::{BEGIN, Connection, Db};
use crate::{
    AuditEntry, Change, Error, Kept, Listed, Object, Page, Query, Replay, Repository, StoredToken, StoredUser, Target,
    TokenKind, Version,
};
use async_trait::async_trait;
use orchestrator_model::Kind;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Pool};
use tokio::sync::{Mutex, watch};

/// A database with bounded pools.
#[derive(Debug)]
pub(crate) struct Database {
    /// For reading.
    pub(crate) read: Pool<Db>,
    /// For writing; one connection where the database has one writer.
    pub(crate) write: Pool<Db>,
    /// Told of each change.
    pub(crate) wakes: tokio::sync::watch::Sender<u64>,
    /// Writes what many gateways tell.
    pub(crate) group: super::group::Group,
    /// The connection that holds the lock of the one replica that acts, where that is this one.
    pub(crate) lead: Mutex<Option<PoolConnection<Db>>>,
    /// Whether it answers.
    pub(crate) reachable: watch::Sender<bool>,
}

/// A request that has no answer after so long, milliseconds, was cut off by its process's end: the same one is worked on anew.
const UNANSWERED: i64 = 120_000;

#[async_trait]
impl Repository for Database {
    async fn apply(&self, who: &str, at: i64, changes: &[Change]) -> Result<Vec<i64>, Error> {
        self.apply_answered(who, at, changes, None).await
    }

    async fn apply_answered(
        &self,
        who: &str,
        at: i64,
        changes: &[Change],
        kept: Option<&Kept<'_>>,
    ) -> Result<Vec<i64>, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let revisions = apply_all(&mut transaction, who, at, changes).await?;
        if let Some(kept) = kept {
            let answer = sqlx::query("UPDATE replays SET response = $3 WHERE who = $1 AND id = $2");
            let answer = answer.bind(kept.who).bind(kept.id).bind((kept.response)(&revisions));
            answer.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        self.wake();
        Ok(revisions)
    }

    async fn rehearse(&self, who: &str, at: i64, changes: &[Change]) -> Result<Vec<i64>, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let revisions = apply_all(&mut transaction, who, at, changes).await;
        transaction.rollback().await?;
        revisions
    }

    async fn object(&self, target: &Target) -> Result<Option<Object>, Error> {
        read_object(&mut *self.read.acquire().await?, target).await
    }

    async fn objects(&self, kind: Kind, network: &str, query: &Query) -> Result<Page<Object>, Error> {
        page(self.rows(kind, network, query).await?, query.limit, object)
    }

    async fn listed(&self, kind: Kind, network: &str, query: &Query) -> Result<Page<Listed>, Error> {
        page(self.rows(kind, network, query).await?, query.limit, |row| {
            let (name, revision, changed_at, changed_by, body, sealed, _) = row;
            Ok(Listed { name, revision, changed_at, changed_by, body, has_secrets: sealed.is_some() })
        })
    }

    async fn versions(&self, target: &Target, below: i64, limit: u32) -> Result<Page<Version>, Error> {
        // One more for the page's end, and one more for the state before the last.
        let rows = sqlx::query_as::<_, VersionRow>(
            "SELECT revision, at, who, body, sealed, secrets_mark FROM versions \
             WHERE kind = $1 AND network = $2 AND name = $3 AND revision < $4 ORDER BY revision DESC LIMIT $5",
        )
        .bind(target.kind.collection())
        .bind(&target.network)
        .bind(&target.name)
        .bind(below)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.read)
        .await?;
        let more = rows.len() > limit as usize;
        let before = |index: usize| rows.get(index + 1).and_then(|row| row.3.as_deref());
        let shown = rows.iter().enumerate().take(limit as usize);
        let items = shown.map(|(index, row)| version(row, before(index))).collect::<Result<_, _>>()?;
        Ok(Page { items, more })
    }

    async fn version(&self, target: &Target, revision: i64) -> Result<Option<Version>, Error> {
        let below = revision.checked_add(1).ok_or(Error::Damaged("revision"))?;
        let page = self.versions(target, below, 1).await?;
        Ok(page.items.into_iter().next().filter(|version| version.revision == revision))
    }

    async fn put_user(&self, user: &StoredUser) -> Result<(), Error> {
        put_user(&mut *self.write.acquire().await?, user).await
    }

    async fn set_up(&self, token: &str, now: i64, user: &StoredUser) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let taken = sqlx::query("DELETE FROM tokens WHERE digest = $1 AND kind = $2 AND expires_at > $3")
            .bind(token)
            .bind(TokenKind::Setup.as_str())
            .bind(now)
            .execute(&mut *transaction)
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(false);
        }
        put_user(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn login_failed(&self, name: &str, allowed: i64, locked_until: i64) -> Result<(), Error> {
        sqlx::query(
            "UPDATE users SET failures = failures + 1, \
             locked_until = CASE WHEN failures + 1 >= $2 THEN $3 ELSE locked_until END WHERE name = $1",
        )
        .bind(name)
        .bind(allowed)
        .bind(locked_until)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn login_succeeded(&self, name: &str) -> Result<(), Error> {
        let sql = "UPDATE users SET failures = 0, locked_until = 0 WHERE name = $1 AND failures > 0";
        sqlx::query(sql).bind(name).execute(&self.write).await?;
        Ok(())
    }

    async fn user(&self, name: &str) -> Result<Option<StoredUser>, Error> {
        let sql = format!("SELECT {USER} FROM users WHERE name = $1");
        let row = sqlx::query_as::<_, UserRow>(AssertSqlSafe(sql)).bind(name).fetch_optional(&self.read).await?;
        Ok(row.map(user))
    }

    async fn users(&self, tenant: Option<&str>, after: &str, limit: u32) -> Result<Page<StoredUser>, Error> {
        let sql = format!(
            "SELECT {USER} FROM users WHERE name > $1 AND substr(name, length(name) - length($2) + 1) = $2 \
             ORDER BY name LIMIT $3"
        );
        let suffix = tenant.map(|tenant| format!("@{tenant}")).unwrap_or_default();
        let rows = sqlx::query_as::<_, UserRow>(AssertSqlSafe(sql)).bind(after).bind(suffix);
        let rows = rows.bind(i64::from(limit) + 1).fetch_all(&self.read).await?;
        page(rows, limit, |row| Ok(user(row)))
    }

    async fn delete_user(&self, name: &str) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        sqlx::query("DELETE FROM tokens WHERE owner = $1").bind(name).execute(&mut *transaction).await?;
        let gone = sqlx::query("DELETE FROM users WHERE name = $1").bind(name).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(gone.rows_affected() > 0)
    }

    async fn put_token(&self, token: &StoredToken) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO tokens (digest, id, kind, owner, title, grants, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&token.digest)
        .bind(&token.id)
        .bind(token.kind.as_str())
        .bind(&token.owner)
        .bind(&token.title)
        .bind(&token.grants)
        .bind(token.created_at)
        .bind(token.expires_at)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn token(&self, digest: &str, now: i64) -> Result<Option<StoredToken>, Error> {
        let row = sqlx::query_as::<_, TokenRow>(
            "SELECT digest, id, kind, owner, title, grants, created_at, expires_at FROM tokens \
             WHERE digest = $1 AND expires_at > $2",
        );
        row.bind(digest).bind(now).fetch_optional(&self.read).await?.map(token).transpose()
    }

    async fn tokens(&self, owner: &str, kind: TokenKind) -> Result<Vec<StoredToken>, Error> {
        let rows = sqlx::query_as::<_, TokenRow>(
            "SELECT digest, id, kind, owner, title, grants, created_at, expires_at FROM tokens \
             WHERE owner = $1 AND kind = $2 ORDER BY created_at, id LIMIT 1000",
        );
        let rows = rows.bind(owner).bind(kind.as_str()).fetch_all(&self.read).await?;
        rows.into_iter().map(token).collect()
    }

    async fn delete_token(&self, owner: &str, id: &str) -> Result<bool, Error> {
        let gone = sqlx::query("DELETE FROM tokens WHERE owner = $1 AND id = $2").bind(owner).bind(id);
        Ok(gone.execute(&self.write).await?.rows_affected() > 0)
    }

    async fn delete_sessions(&self, owner: &str, but: &str) -> Result<(), Error> {
        let gone = sqlx::query("DELETE FROM tokens WHERE owner = $1 AND kind = $2 AND id <> $3").bind(owner);
        gone.bind(TokenKind::Session.as_str()).bind(but).execute(&self.write).await?;
        Ok(())
    }

    async fn audit(&self, entry: &AuditEntry) -> Result<(), Error> {
        sqlx::query("INSERT INTO audit (at, who, network, action, target, outcome) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(entry.at)
            .bind(&entry.who)
            .bind(&entry.network)
            .bind(&entry.action)
            .bind(&entry.target)
            .bind(entry.outcome)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn audit_log(&self, network: Option<&str>, below: i64, limit: u32) -> Result<Page<AuditEntry>, Error> {
        let rows = sqlx::query_as::<_, (i64, i64, String, String, String, String, i64)>(
            "SELECT id, at, who, network, action, target, outcome FROM audit \
             WHERE id < $1 AND ($2 = 0 OR network = $3) ORDER BY id DESC LIMIT $4",
        )
        .bind(below)
        .bind(i64::from(network.is_some()))
        .bind(network.unwrap_or_default())
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.read)
        .await?;
        page(rows, limit, |(id, at, who, network, action, target, outcome)| {
            Ok(AuditEntry { id, at, who, network, action, target, outcome })
        })
    }

    async fn replay(
        &self,
        who: &str,
        id: &str,
        request: &str,
        at: i64,
        forgotten_before: i64,
    ) -> Result<Replay, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let old = sqlx::query(
            "DELETE FROM replays WHERE who = $1 AND id = $2 AND (at < $3 OR (at < $4 AND request = $5 AND response IS NULL))",
        );
        let old = old.bind(who).bind(id).bind(forgotten_before).bind(at.saturating_sub(UNANSWERED)).bind(request);
        old.execute(&mut *transaction).await?;
        let noted = sqlx::query(
            "INSERT INTO replays (who, id, request, at) VALUES ($1, $2, $3, $4) ON CONFLICT (who, id) DO NOTHING",
        );
        let noted = noted.bind(who).bind(id).bind(request).bind(at).execute(&mut *transaction).await?;
        let (known, response) = sqlx::query_as::<_, (String, Option<String>)>(
            "SELECT request, response FROM replays WHERE who = $1 AND id = $2",
        )
        .bind(who)
        .bind(id)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(match response {
            _ if noted.rows_affected() > 0 => Replay::New,
            _ if known != request => Replay::Other,
            Some(response) => Replay::Answered(response),
            None => Replay::Running,
        })
    }

    async fn answered(&self, who: &str, id: &str, response: Option<&str>) -> Result<(), Error> {
        match response {
            Some(response) => {
                let kept = sqlx::query("UPDATE replays SET response = $3 WHERE who = $1 AND id = $2");
                kept.bind(who).bind(id).bind(response).execute(&self.write).await?;
            }
            None => {
                let gone = sqlx::query("DELETE FROM replays WHERE who = $1 AND id = $2");
                gone.bind(who).bind(id).execute(&self.write).await?;
            }
        }
        Ok(())
    }

    async fn setting(&self, name: &str, value: Option<&str>) -> Result<Option<String>, Error> {
        if let Some(value) = value {
            let kept = sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
            kept.bind(name).bind(value).execute(&self.write).await?;
        }
        let held = sqlx::query_scalar::<_, String>("SELECT value FROM settings WHERE name = $1").bind(name);
        Ok(held.fetch_optional(&self.read).await?)
    }

    async fn sweep(&self, now: i64, replays_before: i64, audit_before: i64) -> Result<(), Error> {
        for (sql, before) in [
            ("DELETE FROM tokens WHERE expires_at <= $1", now),
            ("DELETE FROM replays WHERE at < $1", replays_before),
            ("DELETE FROM audit WHERE at < $1", audit_before),
            ("DELETE FROM replicas WHERE seen_at < $1", replays_before),
            ("DELETE FROM replica_links WHERE seen_at < $1", replays_before),
        ] {
            sqlx::query(sql).bind(before).execute(&self.write).await?;
        }
        Ok(())
    }

    async fn leads(&self) -> Result<bool, Error> {
        self.take_lead().await
    }

    fn reachable(&self) -> watch::Receiver<bool> {
        self.reachable.subscribe()
    }

    async fn replicas(&self, address: &str, now: i64, since: i64) -> Result<Vec<String>, Error> {
        let seen = sqlx::query(
            "INSERT INTO replicas (address, seen_at) VALUES ($1, $2) \
             ON CONFLICT (address) DO UPDATE SET seen_at = $2",
        );
        seen.bind(address).bind(now).execute(&self.write).await?;
        let all = sqlx::query_scalar("SELECT address FROM replicas WHERE seen_at > $1 ORDER BY address LIMIT 100");
        Ok(all.bind(since).fetch_all(&self.read).await?)
    }

    async fn replica_links(&self, address: &str, now: i64, since: i64) -> Result<Vec<String>, Error> {
        let seen = sqlx::query(
            "INSERT INTO replica_links (address, seen_at) VALUES ($1, $2) \
             ON CONFLICT (address) DO UPDATE SET seen_at = $2",
        );
        seen.bind(address).bind(now).execute(&self.write).await?;
        let all = "SELECT address FROM replica_links WHERE seen_at > $1 ORDER BY address LIMIT 100";
        Ok(sqlx::query_scalar(all).bind(since).fetch_all(&self.read).await?)
    }

    async fn close(&self) {
        if let Some(connection) = self.lead.lock().await.take() {
            // The lock goes with it at once; an error means that it is gone already.
            let _ = connection.close().await;
        }
        self.read.close().await;
        self.write.close().await;
    }
}

pub(crate) async fn read_object(connection: &mut Connection, target: &Target) -> Result<Option<Object>, Error> {
    let sql = format!("SELECT {OBJECT} FROM objects WHERE kind = $1 AND network = $2 AND name = $3");
    let row = sqlx::query_as::<_, ObjectRow>(AssertSqlSafe(sql))
        .bind(target.kind.collection())
        .bind(&target.network)
        .bind(&target.name)
        .fetch_optional(connection)
        .await?;
    row.map(object).transpose()
}

async fn put_user(connection: &mut Connection, user: &StoredUser) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO users (name, password, grants, failures, locked_until, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET \
         password = $2, grants = $3, failures = $4, locked_until = $5",
    )
    .bind(&user.name)
    .bind(&user.password)
    .bind(&user.grants)
    .bind(user.failures)
    .bind(user.locked_until)
    .bind(user.created_at)
    .execute(connection)
    .await?;
    Ok(())
}
