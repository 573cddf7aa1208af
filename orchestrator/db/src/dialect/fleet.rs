//! What is stored about gateways, over one database. Compiled for each dialect; `super` says which.

use super::fleet_rows::{
    CERTIFICATE, COMMAND, CommandColumns, EventRow, STATE, StateRow, TOKEN, TokenRow, certificate, command, event,
    events, state, token, usage_row,
};
use super::fleet_writes::{insert_event, lock, note_change};
use super::group::Write;
use super::queries::Database;
use super::rows::{OBJECT, ObjectRow, object};
use super::{BEGIN, Connection, TOGETHER, bind_named, named};
use crate::{
    Certificate, CommandRow, Device, Error, EventQuery, FeedEntry, FleetRepository, GatewayEvent, GatewayState,
    GatewayToken, Object, Page, StatePart, UsageRow,
};
use async_trait::async_trait;
use orchestrator_model::Kind;
use sqlx::{AssertSqlSafe, FromRow as _};
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Characters of a command's output that are kept.
const OUTPUT: usize = 64 << 10;

#[async_trait]
impl FleetRepository for Database {
    fn wakes(&self) -> watch::Receiver<u64> {
        self.wakes.subscribe()
    }

    async fn feeds(&self) -> Result<Vec<(String, i64)>, Error> {
        Ok(sqlx::query_as("SELECT network, last FROM feeds").fetch_all(&self.read).await?)
    }

    async fn feed(&self, network: &str, after: i64, limit: u32) -> Result<Vec<FeedEntry>, Error> {
        let rows = sqlx::query_as::<_, (i64, String, String)>(
            "SELECT number, what, name FROM changes WHERE network = $1 AND number > $2 ORDER BY number LIMIT $3",
        );
        let rows = rows.bind(network).bind(after).bind(i64::from(limit)).fetch_all(&self.read).await?;
        Ok(rows.into_iter().map(|(number, what, name)| FeedEntry { number, what, name }).collect())
    }

    async fn objects_named(&self, kind: Kind, network: &str, names: &[String]) -> Result<Vec<Object>, Error> {
        let mut found = Vec::with_capacity(names.len());
        let mut connection = self.read.acquire().await?;
        for part in names.chunks(TOGETHER) {
            let sql = named(OBJECT, part.len());
            let names: Vec<&str> = part.iter().map(String::as_str).collect();
            let select = bind_named(sqlx::query(AssertSqlSafe(sql)), kind.collection(), network, &names);
            for row in select.fetch_all(&mut *connection).await? {
                found.push(object(ObjectRow::from_row(&row)?)?);
            }
        }
        Ok(found)
    }

    async fn put_gateway_token(&self, token: &GatewayToken) -> Result<(), Error> {
        let sql = format!("INSERT INTO gateway_tokens ({TOKEN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
        let insert = sqlx::query(AssertSqlSafe(sql)).bind(&token.digest).bind(&token.id).bind(&token.network);
        let insert = insert.bind(&token.tier).bind(&token.gateway).bind(&token.created_by).bind(token.created_at);
        insert.bind(token.expires_at).bind(token.used_at).bind(&token.used_by).execute(&self.write).await?;
        Ok(())
    }

    async fn gateway_token(&self, digest: &str) -> Result<Option<GatewayToken>, Error> {
        let sql = format!("SELECT {TOKEN} FROM gateway_tokens WHERE digest = $1");
        let row = sqlx::query_as::<_, TokenRow>(AssertSqlSafe(sql)).bind(digest);
        Ok(row.fetch_optional(&self.read).await?.map(token))
    }

    async fn gateway_tokens(&self, network: &str) -> Result<Vec<GatewayToken>, Error> {
        let sql =
            format!("SELECT {TOKEN} FROM gateway_tokens WHERE network = $1 ORDER BY created_at DESC, id LIMIT 1000");
        let rows = sqlx::query_as::<_, TokenRow>(AssertSqlSafe(sql)).bind(network);
        Ok(rows.fetch_all(&self.read).await?.into_iter().map(token).collect())
    }

    async fn delete_gateway_token(&self, network: &str, id: &str) -> Result<bool, Error> {
        let gone = sqlx::query("DELETE FROM gateway_tokens WHERE network = $1 AND id = $2").bind(network).bind(id);
        Ok(gone.execute(&self.write).await?.rows_affected() > 0)
    }

    async fn enrol(&self, digest: &str, now: i64, device: &Device) -> Result<bool, Error> {
        self.group.write(Write::Enrolled { digest: digest.to_owned(), now, device: device.clone() }).await
    }

    async fn device(&self, network: &str, gateway: &str) -> Result<Option<Device>, Error> {
        let row = sqlx::query_as::<_, (String, i64, i64)>(
            "SELECT public_key, enrolled_at, revoked_at FROM devices WHERE network = $1 AND gateway = $2",
        );
        let row = row.bind(network).bind(gateway).fetch_optional(&self.read).await?;
        Ok(row.map(|(public_key, enrolled_at, revoked_at)| Device {
            network: network.to_owned(),
            gateway: gateway.to_owned(),
            public_key,
            enrolled_at,
            revoked_at,
        }))
    }

    async fn put_certificate(&self, it: &Certificate) -> Result<(), Error> {
        self.group.write(Write::Certified(it.clone())).await.map(drop)
    }

    async fn certificate(&self, fingerprint: &str) -> Result<Option<Certificate>, Error> {
        let sql = format!("SELECT {CERTIFICATE} FROM certificates WHERE fingerprint = $1");
        let row = sqlx::query_as(AssertSqlSafe(sql)).bind(fingerprint);
        Ok(row.fetch_optional(&self.read).await?.map(certificate))
    }

    async fn certificates(&self, network: &str, gateway: &str) -> Result<Vec<Certificate>, Error> {
        let sql = format!(
            "SELECT {CERTIFICATE} FROM certificates WHERE network = $1 AND gateway = $2 ORDER BY issued_at DESC LIMIT 100"
        );
        let rows = sqlx::query_as(AssertSqlSafe(sql)).bind(network).bind(gateway);
        Ok(rows.fetch_all(&self.read).await?.into_iter().map(certificate).collect())
    }

    async fn certificate_ends(&self, network: &str, from: &str, to: &str) -> Result<BTreeMap<String, i64>, Error> {
        let rows = sqlx::query_as::<_, (String, i64)>(
            "SELECT gateway, MAX(expires_at) FROM certificates \
             WHERE network = $1 AND gateway >= $2 AND gateway <= $3 AND revoked_at = 0 GROUP BY gateway",
        );
        Ok(rows.bind(network).bind(from).bind(to).fetch_all(&self.read).await?.into_iter().collect())
    }

    async fn expiring(&self, after: i64, before: i64) -> Result<Vec<(String, String, i64)>, Error> {
        let rows = sqlx::query_as(
            "SELECT d.network, d.gateway, MAX(c.expires_at) FROM devices d JOIN certificates c \
             ON c.network = d.network AND c.gateway = d.gateway WHERE d.revoked_at = 0 AND c.expires_at > $1 \
             GROUP BY d.network, d.gateway HAVING MAX(c.expires_at) < $2 ORDER BY d.network, d.gateway LIMIT 1000",
        );
        Ok(rows.bind(after).bind(before).fetch_all(&self.read).await?)
    }

    async fn certified_before(&self, at: i64) -> Result<Vec<(String, String)>, Error> {
        let rows = sqlx::query_as(
            "SELECT d.network, d.gateway FROM devices d WHERE d.revoked_at = 0 AND NOT EXISTS (SELECT 1 FROM certificates c \
             WHERE c.network = d.network AND c.gateway = d.gateway AND c.issued_at >= $1) \
             ORDER BY d.network, d.gateway LIMIT 1000",
        );
        Ok(rows.bind(at).fetch_all(&self.read).await?)
    }

    async fn revoke(&self, network: &str, gateway: &str, now: i64) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        lock(&mut transaction, network).await?;
        let mut had = 0;
        for sql in [
            "UPDATE devices SET revoked_at = $3 WHERE network = $1 AND gateway = $2 AND revoked_at = 0",
            "UPDATE certificates SET revoked_at = $3 WHERE network = $1 AND gateway = $2 AND revoked_at = 0",
        ] {
            let done = sqlx::query(sql).bind(network).bind(gateway).bind(now).execute(&mut *transaction).await?;
            had += done.rows_affected();
        }
        note_change(&mut transaction, network, now, FeedEntry::CERTIFICATES, gateway).await?;
        transaction.commit().await?;
        self.wake();
        Ok(had > 0)
    }

    async fn gateway_connected(
        &self,
        network: &str,
        gateway: &str,
        now: i64,
        replica: &str,
        stream: i64,
    ) -> Result<(), Error> {
        let (network, gateway, replica) = (network.to_owned(), gateway.to_owned(), replica.to_owned());
        self.group.write(Write::Connected { network, gateway, now, replica, stream }).await.map(drop)
    }

    async fn put_gateway_state(
        &self,
        network: &str,
        gateway: &str,
        now: i64,
        (replica, stream): (&str, i64),
        parts: &[StatePart],
    ) -> Result<(), Error> {
        let (network, gateway, replica) = (network.to_owned(), gateway.to_owned(), replica.to_owned());
        let parts = parts.to_vec();
        self.group.write(Write::State { network, gateway, now, replica, stream, parts }).await.map(drop)
    }

    async fn gateway_state(&self, network: &str, gateway: &str) -> Result<Option<GatewayState>, Error> {
        let sql = format!("SELECT {STATE} FROM gateway_states WHERE network = $1 AND gateway = $2");
        let row = sqlx::query_as::<_, StateRow>(AssertSqlSafe(sql)).bind(network).bind(gateway);
        row.fetch_optional(&self.read).await?.map(state).transpose()
    }

    async fn gateway_states(&self, network: &str, after: &str, limit: u32) -> Result<Page<GatewayState>, Error> {
        let sql =
            format!("SELECT {STATE} FROM gateway_states WHERE network = $1 AND gateway > $2 ORDER BY gateway LIMIT $3");
        let rows = sqlx::query_as::<_, StateRow>(AssertSqlSafe(sql)).bind(network).bind(after);
        let rows = rows.bind(i64::from(limit) + 1).fetch_all(&self.read).await?;
        super::rows::page(rows, limit, state)
    }

    async fn put_gateway_events(&self, network: &str, events: &[GatewayEvent]) -> Result<(), Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        for it in events {
            insert_event(&mut transaction, network, it).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn gateway_events(&self, network: &str, query: &EventQuery) -> Result<Page<GatewayEvent>, Error> {
        let sql = events(query);
        let mut rows = sqlx::query_as::<_, EventRow>(AssertSqlSafe(sql)).bind(network).bind(query.below);
        rows = rows.bind(query.since).bind(query.until);
        for wanted in [&query.gateway, &query.kind, &query.imsi].into_iter().flatten() {
            rows = rows.bind(wanted.as_str());
        }
        if let Some(above) = query.above {
            rows = rows.bind(above);
        }
        let rows = rows.bind(i64::from(query.limit) + 1).fetch_all(&self.read).await?;
        super::rows::page(rows, query.limit, event)
    }

    async fn put_usage(
        &self,
        network: &str,
        gateway: &str,
        (ledger, through): (i64, i64),
        records: &[UsageRow],
    ) -> Result<(), Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let sql = format!(
            "INSERT INTO usage_records (network, gateway, session, epoch, sequence, imsi, apn, began_at, ended_at, \
             uplink_bytes, downlink_bytes, uplink_packets, downlink_packets, last, cell) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, COALESCE(( \
                 SELECT COALESCE(NULLIF({}, ''), enb) FROM phones WHERE network = $1 AND gateway = $2 AND imsi = $6), '')) \
             ON CONFLICT (network, gateway, session, epoch, sequence) DO NOTHING",
            super::CELL
        );
        for it in records {
            let insert = sqlx::query(AssertSqlSafe(sql.as_str()));
            let insert = insert.bind(network).bind(gateway).bind(&it.session).bind(it.epoch).bind(it.sequence);
            let insert = insert.bind(&it.imsi).bind(&it.apn).bind(it.began_at).bind(it.ended_at);
            let insert = insert.bind(it.uplink_bytes).bind(it.downlink_bytes).bind(it.uplink_packets);
            insert.bind(it.downlink_packets).bind(i64::from(it.last)).execute(&mut *transaction).await?;
        }
        let kept = sqlx::query(
            "INSERT INTO ledgers (network, gateway, ledger, through) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (network, gateway, ledger) DO UPDATE SET through = $4 WHERE ledgers.through < $4",
        );
        kept.bind(network).bind(gateway).bind(ledger).bind(through).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn ledger(&self, network: &str, gateway: &str) -> Result<Option<(i64, i64)>, Error> {
        let row = sqlx::query_as(
            "SELECT ledger, through FROM ledgers WHERE network = $1 AND gateway = $2 ORDER BY through DESC LIMIT 1",
        );
        Ok(row.bind(network).bind(gateway).fetch_optional(&self.read).await?)
    }

    async fn usage(&self, network: &str, imsi: Option<&str>, since: i64, limit: u32) -> Result<Vec<UsageRow>, Error> {
        let rows = sqlx::query(
            "SELECT gateway, session, epoch, sequence, imsi, apn, began_at, ended_at, uplink_bytes, downlink_bytes, \
             uplink_packets, downlink_packets, last, cell FROM usage_records \
             WHERE network = $1 AND ($2 = 0 OR imsi = $3) AND ended_at >= $4 \
             ORDER BY ended_at, gateway, session, epoch, sequence LIMIT $5",
        )
        .bind(network)
        .bind(i64::from(imsi.is_some()))
        .bind(imsi.unwrap_or_default())
        .bind(since)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(|row| usage_row(row).map_err(Error::from)).collect()
    }

    async fn put_command(&self, network: &str, it: &CommandRow) -> Result<(), Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        lock(&mut transaction, network).await?;
        let sql = format!(
            "INSERT INTO commands (network, {COMMAND}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        );
        let insert = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(&it.id).bind(&it.gateway).bind(&it.kind);
        let insert = insert.bind(&it.arguments).bind(&it.created_by).bind(it.created_at).bind(it.expires_at);
        let insert = insert.bind(&it.state).bind(it.percent).bind(&it.output).bind(it.changed_at);
        insert.execute(&mut *transaction).await?;
        note_change(&mut transaction, network, it.created_at, FeedEntry::COMMANDS, &it.gateway).await?;
        transaction.commit().await?;
        self.wake();
        Ok(())
    }

    async fn command(&self, network: &str, id: &str) -> Result<Option<CommandRow>, Error> {
        let sql = format!("SELECT {COMMAND} FROM commands WHERE network = $1 AND id = $2");
        let row = sqlx::query_as::<_, CommandColumns>(AssertSqlSafe(sql)).bind(network).bind(id);
        Ok(row.fetch_optional(&self.read).await?.map(command))
    }

    async fn commands(&self, network: &str, gateway: &str, limit: u32) -> Result<Vec<CommandRow>, Error> {
        let sql = format!(
            "SELECT {COMMAND} FROM commands WHERE network = $1 AND gateway = $2 ORDER BY created_at DESC, id LIMIT $3"
        );
        let rows = sqlx::query_as::<_, CommandColumns>(AssertSqlSafe(sql)).bind(network).bind(gateway);
        Ok(rows.bind(i64::from(limit)).fetch_all(&self.read).await?.into_iter().map(command).collect())
    }

    async fn queued_commands(&self, network: &str, gateway: &str, now: i64) -> Result<Vec<CommandRow>, Error> {
        let sql = format!(
            "SELECT {COMMAND} FROM commands WHERE network = $1 AND gateway = $2 AND state IN ('queued', 'sent') \
             AND expires_at > $3 ORDER BY created_at, id LIMIT 100"
        );
        let rows = sqlx::query_as::<_, CommandColumns>(AssertSqlSafe(sql)).bind(network).bind(gateway).bind(now);
        Ok(rows.fetch_all(&self.read).await?.into_iter().map(command).collect())
    }

    async fn put_command_data(&self, network: &str, id: &str, place: i64, octets: &[u8]) -> Result<i64, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        lock(&mut transaction, network).await?;
        let size = data_size(&mut transaction, network, id).await?;
        if size != place {
            return Ok(size);
        }
        let insert = sqlx::query("INSERT INTO command_data (network, command, place, octets) VALUES ($1, $2, $3, $4)");
        insert.bind(network).bind(id).bind(place).bind(octets).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(size + i64::try_from(octets.len()).unwrap_or(0))
    }

    async fn command_data(&self, network: &str, id: &str, place: i64) -> Result<(Vec<u8>, i64), Error> {
        let mut connection = self.read.acquire().await?;
        let piece = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT octets FROM command_data WHERE network = $1 AND command = $2 AND place = $3",
        );
        let piece = piece.bind(network).bind(id).bind(place).fetch_optional(&mut *connection).await?;
        Ok((piece.unwrap_or_default(), data_size(&mut connection, network, id).await?))
    }

    async fn command_progress(
        &self,
        network: &str,
        id: &str,
        (number, now): (i64, i64),
        state: &str,
        percent: i64,
        output: &str,
    ) -> Result<(), Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let held = sqlx::query_as::<_, (String, i64)>(
            "SELECT output, reported FROM commands WHERE network = $1 AND id = $2 AND state IN ('queued', 'sent', 'running')",
        );
        let held = held.bind(network).bind(id).fetch_optional(&mut *transaction).await?;
        let new = |reported: i64| number == 0 || number > reported || state != "running";
        let Some((held, reported)) = held.filter(|(_, reported)| new(*reported)) else {
            return Ok(());
        };
        let all: Vec<char> = held.chars().chain(output.chars().filter(|it| *it != '\0')).collect();
        let kept: String = all[all.len().saturating_sub(OUTPUT)..].iter().collect();
        let update = sqlx::query(
            "UPDATE commands SET state = $3, percent = $4, output = $5, changed_at = $6, reported = $7 \
             WHERE network = $1 AND id = $2",
        );
        let update = update.bind(network).bind(id).bind(state).bind(percent).bind(kept).bind(now);
        let update = update.bind(number.max(reported));
        update.execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    async fn sweep_fleet(&self, feed_before: i64, events_before: i64) -> Result<(), Error> {
        for (sql, before) in [
            ("DELETE FROM changes WHERE at < $1", feed_before),
            ("DELETE FROM phones WHERE state = 'gone' AND told_at < $1", feed_before),
            ("DELETE FROM gateway_events WHERE at < $1", events_before),
            ("DELETE FROM gateway_tokens WHERE expires_at < $1", events_before),
            ("DELETE FROM commands WHERE expires_at < $1", events_before),
            ("DELETE FROM traces WHERE ends_at < $1", events_before),
            ("DELETE FROM deliveries WHERE state <> 'pending' AND changed_at < $1", events_before),
            ("DELETE FROM jobs WHERE changed_at < $1", events_before),
            ("DELETE FROM certificates WHERE expires_at < $1", events_before),
        ] {
            sqlx::query(sql).bind(before).execute(&self.write).await?;
        }
        let orphans = "DELETE FROM command_data WHERE NOT EXISTS \
                       (SELECT 1 FROM commands WHERE commands.network = command_data.network AND id = command)";
        sqlx::query(orphans).execute(&self.write).await?;
        Ok(())
    }
}

/// Octets that a command gave.
async fn data_size(connection: &mut Connection, network: &str, id: &str) -> Result<i64, Error> {
    let size = sqlx::query_scalar::<_, Option<i64>>(
        "SELECT MAX(place + LENGTH(octets)) FROM command_data WHERE network = $1 AND command = $2",
    );
    Ok(size.bind(network).bind(id).fetch_one(connection).await?.unwrap_or(0))
}

impl Database {
    /// Says that something changed.
    pub(crate) fn wake(&self) {
        self.wakes.send_modify(|count| *count = count.wrapping_add(1));
    }
}
