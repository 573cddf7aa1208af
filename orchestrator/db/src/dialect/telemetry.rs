//! What is stored about numbers and alarms, over one database. Compiled for each dialect; `super` says which.

use super::BEGIN;
use super::fleet_rows::event;
use super::fleet_writes::insert_event;
use super::queries::Database;
use super::rows::{OBJECT, ObjectRow, object, page};
use crate::{Alarm, AlarmQuery, Error, GatewayEvent, GatewayNews, HistoryBlock, Object, Page, TelemetryRepository};
use async_trait::async_trait;
use orchestrator_model::Kind;
use sqlx::{AssertSqlSafe, Row};

const ALARM: &str = "id, network, gateway, rule, subject, severity, since, raised_at, cleared_at, words";
/// Hours written together.
const TOGETHER: usize = 500;

type AlarmRow = (i64, String, String, String, String, String, i64, i64, i64, String);
type NewsRow = (String, String, String, i64, i64, String, String, String);
type EventOf = (String, i64, String, i64, i64, i64, String, i64, String, String, String);

#[async_trait]
impl TelemetryRepository for Database {
    async fn gateway_news(
        &self,
        (seen_at, network, gateway): (i64, &str, &str),
        limit: u32,
    ) -> Result<Vec<GatewayNews>, Error> {
        let rows = sqlx::query_as::<_, NewsRow>(
            "SELECT network, gateway, replica, connected_at, seen_at, state, metrics, sync FROM gateway_states \
             WHERE (seen_at, network, gateway) > ($1, $2, $3) ORDER BY seen_at, network, gateway LIMIT $4",
        );
        let rows = rows.bind(seen_at).bind(network).bind(gateway).bind(i64::from(limit)).fetch_all(&self.read).await?;
        let news = |(network, gateway, replica, connected_at, seen_at, state, metrics, sync): NewsRow| GatewayNews {
            network,
            gateway,
            replica,
            connected_at,
            seen_at,
            state,
            metrics,
            sync,
        };
        Ok(rows.into_iter().map(news).collect())
    }

    async fn gateway_links(&self) -> Result<Vec<(String, String, String, i64, i64)>, Error> {
        let rows = sqlx::query_as("SELECT network, gateway, replica, connected_at, seen_at FROM gateway_states");
        Ok(rows.fetch_all(&self.read).await?)
    }

    async fn members(&self) -> Result<Vec<(String, String)>, Error> {
        let rows = sqlx::query_as(
            "SELECT d.network, d.gateway FROM devices d JOIN objects o \
             ON o.kind = 'gateways' AND o.network = d.network AND o.name = d.gateway WHERE d.revoked_at = 0",
        );
        Ok(rows.fetch_all(&self.read).await?)
    }

    async fn put_history(&self, blocks: &[HistoryBlock]) -> Result<(), Error> {
        for part in blocks.chunks(TOGETHER) {
            let mut transaction = self.write.begin_with(BEGIN).await?;
            for it in part {
                let put = sqlx::query(
                    "INSERT INTO history (network, gateway, hour, body) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (network, gateway, hour) DO UPDATE SET body = $4",
                );
                let put = put.bind(&it.network).bind(&it.gateway).bind(it.hour).bind(it.body.as_slice());
                put.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }

    async fn history(&self, network: &str, gateway: &str, hours: (i64, i64)) -> Result<Vec<HistoryBlock>, Error> {
        let rows = sqlx::query(
            "SELECT network, gateway, hour, body FROM history \
             WHERE network = $1 AND gateway = $2 AND hour >= $3 AND hour <= $4 ORDER BY hour",
        );
        let rows = rows.bind(network).bind(gateway).bind(hours.0).bind(hours.1).fetch_all(&self.read).await?;
        rows.iter().map(block).collect()
    }

    async fn history_of(&self, hour: i64) -> Result<Vec<HistoryBlock>, Error> {
        let rows = sqlx::query("SELECT network, gateway, hour, body FROM history WHERE hour = $1");
        rows.bind(hour).fetch_all(&self.read).await?.iter().map(block).collect()
    }

    async fn raise_alarm(&self, alarm: &Alarm, told: &GatewayEvent) -> Result<i64, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        insert_event(&mut transaction, &alarm.network, told).await?;
        let id = sqlx::query_scalar::<_, i64>(
            "SELECT id FROM gateway_events WHERE network = $1 AND gateway = $2 AND epoch = $3 AND number = $4",
        );
        let id = id.bind(&alarm.network).bind(&told.gateway).bind(told.epoch).bind(told.number);
        let id = id.fetch_one(&mut *transaction).await?;
        insert(alarm, id, &mut transaction).await?;
        transaction.commit().await?;
        Ok(id)
    }

    async fn adopt_alarm(&self, alarm: &Alarm) -> Result<bool, Error> {
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let new = insert(alarm, alarm.id, &mut transaction).await?;
        transaction.commit().await?;
        Ok(new)
    }

    async fn clear_alarm(&self, id: i64, at: i64) -> Result<bool, Error> {
        let update = sqlx::query("UPDATE alarms SET cleared_at = $2 WHERE id = $1 AND cleared_at = 0");
        Ok(update.bind(id).bind(at).execute(&self.write).await?.rows_affected() > 0)
    }

    async fn alarms(&self, query: &AlarmQuery) -> Result<Page<Alarm>, Error> {
        let mut sql = format!("SELECT {ALARM} FROM alarms WHERE id < $1");
        let mut next = 2;
        for (column, wanted) in [("network", &query.network), ("gateway", &query.gateway), ("rule", &query.rule)] {
            if wanted.is_some() {
                sql.push_str(&format!(" AND {column} = ${next}"));
                next += 1;
            }
        }
        if query.id.is_some() {
            sql.push_str(&format!(" AND id = ${next}"));
            next += 1;
        }
        sql.push_str(match query.open {
            None => "",
            Some(true) => " AND cleared_at = 0",
            Some(false) => " AND cleared_at > 0",
        });
        sql.push_str(&format!(" ORDER BY id DESC LIMIT ${next}"));
        let mut rows = sqlx::query_as::<_, AlarmRow>(AssertSqlSafe(sql)).bind(query.below);
        for wanted in [&query.network, &query.gateway, &query.rule].into_iter().flatten() {
            rows = rows.bind(wanted.as_str());
        }
        if let Some(id) = query.id {
            rows = rows.bind(id);
        }
        let rows = rows.bind(i64::from(query.limit) + 1).fetch_all(&self.read).await?;
        page(rows, query.limit, |row| Ok(alarm(row)))
    }

    async fn objects_everywhere(&self, kind: Kind) -> Result<Vec<(String, Object)>, Error> {
        let networks = sqlx::query_scalar::<_, String>("SELECT DISTINCT network FROM objects WHERE kind = $1");
        let mut found = Vec::new();
        for network in networks.bind(kind.collection()).fetch_all(&self.read).await? {
            let sql = format!("SELECT {OBJECT} FROM objects WHERE kind = $1 AND network = $2 ORDER BY name");
            let rows = sqlx::query_as::<_, ObjectRow>(AssertSqlSafe(sql)).bind(kind.collection()).bind(&network);
            for row in rows.fetch_all(&self.read).await? {
                found.push((network.clone(), object(row)?));
            }
        }
        Ok(found)
    }

    async fn alarm_events(&self, above: i64, limit: u32) -> Result<Vec<(String, GatewayEvent)>, Error> {
        events_above(self, "AND alarm > 0", above, limit).await
    }

    async fn events_everywhere(&self, above: i64, limit: u32) -> Result<Vec<(String, GatewayEvent)>, Error> {
        events_above(self, "", above, limit).await
    }

    async fn last_event(&self) -> Result<i64, Error> {
        let last = sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(id) FROM gateway_events");
        Ok(last.fetch_one(&self.read).await?.unwrap_or(0))
    }

    async fn phones_by_cell(
        &self,
        network: &str,
        gateway: Option<&str>,
    ) -> Result<Vec<(String, String, i64, i64)>, Error> {
        let rows = sqlx::query_as(
            "SELECT gateway, enb, CAST(SUM(CASE WHEN state = 'connected' THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN state IN ('idle', 'paging') THEN 1 ELSE 0 END) AS BIGINT) FROM phones \
             WHERE network = $1 AND ($2 = '' OR gateway = $2) AND enb <> '' AND state <> 'gone' \
             GROUP BY gateway, enb ORDER BY gateway, enb LIMIT 1000",
        );
        Ok(rows.bind(network).bind(gateway.unwrap_or_default()).fetch_all(&self.read).await?)
    }

    async fn given_up(&self, since: i64) -> Result<Vec<(String, String, i64)>, Error> {
        let rows = sqlx::query_as(
            "SELECT network, webhook, COUNT(*) FROM deliveries WHERE state = 'dead' AND changed_at > $1 \
             GROUP BY network, webhook LIMIT 1000",
        );
        Ok(rows.bind(since).fetch_all(&self.read).await?)
    }

    async fn sweep_telemetry(&self, hour: i64, alarms_before: i64) -> Result<(), Error> {
        sqlx::query("DELETE FROM history WHERE hour < $1").bind(hour).execute(&self.write).await?;
        let alarms = sqlx::query("DELETE FROM alarms WHERE cleared_at > 0 AND cleared_at < $1");
        alarms.bind(alarms_before).execute(&self.write).await?;
        Ok(())
    }
}

async fn events_above(db: &Database, also: &str, above: i64, limit: u32) -> Result<Vec<(String, GatewayEvent)>, Error> {
    let sql = format!(
        "SELECT network, id, gateway, epoch, number, at, kind, alarm, imsi, words, facts FROM gateway_events \
         WHERE id > $1 {also} ORDER BY id LIMIT $2"
    );
    let rows = sqlx::query_as::<_, EventOf>(AssertSqlSafe(sql)).bind(above).bind(i64::from(limit));
    let of = |(network, id, gateway, epoch, number, at, kind, alarm, imsi, words, facts): EventOf| {
        Ok((network, event((id, gateway, epoch, number, at, kind, alarm, imsi, words, facts))?))
    };
    rows.fetch_all(&db.read).await?.into_iter().map(of).collect()
}

async fn insert(it: &Alarm, id: i64, connection: &mut super::Connection) -> Result<bool, Error> {
    let sql = format!(
        "INSERT INTO alarms ({ALARM}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING"
    );
    let put = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(&it.network).bind(&it.gateway).bind(&it.rule);
    let put = put.bind(&it.subject).bind(&it.severity).bind(it.since).bind(it.raised_at).bind(it.cleared_at);
    Ok(put.bind(&it.words).execute(connection).await?.rows_affected() > 0)
}

fn alarm(row: AlarmRow) -> Alarm {
    let (id, network, gateway, rule, subject, severity, since, raised_at, cleared_at, words) = row;
    Alarm { id, network, gateway, rule, subject, severity, since, raised_at, cleared_at, words }
}

fn block(row: &<super::Db as sqlx::Database>::Row) -> Result<HistoryBlock, Error> {
    Ok(HistoryBlock {
        network: row.try_get(0)?,
        gateway: row.try_get(1)?,
        hour: row.try_get(2)?,
        body: row.try_get(3)?,
    })
}
