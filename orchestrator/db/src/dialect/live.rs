//! What people look at, over one database. Compiled for each dialect; `super` says which.

use super::fleet_rows::{STATE, StateRow, state};
use super::queries::Database;
use super::rows::page;
use super::{BEGIN, Db};
use crate::{
    Counts, Error, GatewayState, Job, LiveRepository, Page, Phone, PhoneNews, PhoneQuery, SumQuery, UsageBy, UsageSum,
};
use async_trait::async_trait;
use orchestrator_model::Kind;
use sqlx::{AssertSqlSafe, Transaction};

type PhoneRow = (String, String, String, String, String, String, String, i64);
type JobRow = (String, String, String, i64, i64, String, i64, String);

const JOB: &str = "id, what, created_by, created_at, changed_at, state, percent, result";
const PHONE: &str = "gateway, imsi, state, enb, apns, addresses, facts, told_at";

type SumRow = (String, f64, f64, f64, f64);

#[async_trait]
impl LiveRepository for Database {
    async fn put_phones(&self, network: &str, gateway: &str, news: &PhoneNews<'_>) -> Result<(), Error> {
        let now = news.at;
        let mut transaction = self.write.begin_with(BEGIN).await?;
        let present = sqlx::query_as::<_, (String, i64)>(
            "SELECT replica, stream FROM gateway_states WHERE network = $1 AND gateway = $2",
        );
        let present = present.bind(network).bind(gateway).fetch_optional(&mut *transaction).await?;
        if present.as_ref().is_none_or(|(replica, number)| (replica.as_str(), *number) != news.stream) {
            return Ok(());
        }
        // Those that are gone stay for a while, so that who watches learns of it.
        let gone_now = "UPDATE phones SET state = 'gone', told_at = $3 WHERE network = $1 AND gateway = $2";
        if news.whole {
            sqlx::query(gone_now).bind(network).bind(gateway).bind(now).execute(&mut *transaction).await?;
        }
        let one_gone = format!("{gone_now} AND imsi = $4");
        for imsi in news.gone {
            let one = sqlx::query(AssertSqlSafe(one_gone.as_str())).bind(network).bind(gateway).bind(now).bind(imsi);
            one.execute(&mut *transaction).await?;
        }
        for phone in news.phones {
            put_phone(&mut transaction, network, gateway, now, phone).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn phones(&self, network: &str, query: &PhoneQuery) -> Result<Page<Phone>, Error> {
        let sql = phones(query);
        let mut rows = sqlx::query_as::<_, PhoneRow>(AssertSqlSafe(sql)).bind(network);
        for wanted in [&query.gateway, &query.state, &query.enb].into_iter().flatten() {
            rows = rows.bind(wanted.as_str());
        }
        for word in [&query.apn, &query.address].into_iter().flatten() {
            rows = rows.bind(format!("% {} %", like(word)));
        }
        if !query.imsi.is_empty() {
            // An IMSI has at most 15 digits (TS 23.003 §2.2): all that begin so lie between these, in every collation.
            rows = rows.bind(query.imsi.as_str()).bind(format!("{}999999999999999", query.imsi));
        }
        if let Some((imsi, gateway)) = &query.after {
            rows = rows.bind(imsi.as_str()).bind(gateway.as_str());
        }
        let rows = rows.bind(i64::from(query.limit) + 1).fetch_all(&self.read).await?;
        page(rows, query.limit, phone)
    }

    async fn phones_since(&self, network: &str, after: i64, limit: u32) -> Result<Vec<Phone>, Error> {
        let sql = format!(
            "SELECT {PHONE} FROM phones WHERE network = $1 AND told_at > $2 ORDER BY told_at, gateway, imsi LIMIT $3"
        );
        let rows = sqlx::query_as::<_, PhoneRow>(AssertSqlSafe(sql)).bind(network).bind(after);
        rows.bind(i64::from(limit)).fetch_all(&self.read).await?.into_iter().map(phone).collect()
    }

    async fn gateway_states_since(&self, network: &str, after: i64, limit: u32) -> Result<Vec<GatewayState>, Error> {
        let sql = format!(
            "SELECT {STATE} FROM gateway_states WHERE network = $1 AND seen_at > $2 ORDER BY seen_at, gateway LIMIT $3"
        );
        let rows = sqlx::query_as::<_, StateRow>(AssertSqlSafe(sql)).bind(network).bind(after);
        rows.bind(i64::from(limit)).fetch_all(&self.read).await?.into_iter().map(state).collect()
    }

    async fn usage_sums(&self, network: &str, query: &SumQuery<'_>) -> Result<Vec<UsageSum>, Error> {
        let key = match query.by {
            UsageBy::Imsi => "imsi",
            UsageBy::Apn => "apn",
            UsageBy::Gateway => "gateway",
            UsageBy::Cell => "cell",
            UsageBy::Network => "network",
        };
        // Of wide numbers, so that no gateway's lies overflow a sum; up to 2^53 octets they are exact. Parts of sessions (bearers,
        // rules) are in their sessions already.
        let sum = |column: &str| format!("SUM(CAST({column} AS DOUBLE PRECISION))");
        let sql = format!(
            "SELECT {key}, {}, {}, {}, {} FROM usage_records \
             WHERE network = $1 AND ended_at >= $2 AND ended_at < $3 AND session NOT LIKE '%/%' AND ($5 = 0 OR imsi = $6) \
             GROUP BY {key} ORDER BY {} + {} DESC, {key} LIMIT $4",
            sum("uplink_bytes"),
            sum("downlink_bytes"),
            sum("uplink_packets"),
            sum("downlink_packets"),
            sum("uplink_bytes"),
            sum("downlink_bytes"),
        );
        let rows = sqlx::query_as::<_, SumRow>(AssertSqlSafe(sql)).bind(network).bind(query.since);
        let rows = rows.bind(query.until).bind(i64::from(query.limit));
        let rows = rows.bind(i64::from(query.imsi.is_some())).bind(query.imsi.unwrap_or_default());
        let rows = rows.fetch_all(&self.read).await?;
        Ok(rows.into_iter().map(|row| usage_sum(query.by, row)).collect())
    }

    async fn count(&self, kind: Kind, network: &str) -> Result<i64, Error> {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM objects WHERE kind = $1 AND network = $2");
        Ok(count.bind(kind.collection()).bind(network).fetch_one(&self.read).await?)
    }

    async fn counts(&self, network: &str, since: i64) -> Result<Counts, Error> {
        let alarms =
            sqlx::query_scalar("SELECT COUNT(*) FROM gateway_events WHERE network = $1 AND at >= $2 AND alarm > 0");
        let alarms = alarms.bind(network).bind(since).fetch_one(&self.read).await?;
        let changes =
            sqlx::query_scalar("SELECT COUNT(*) FROM changes WHERE network = $1 AND at >= $2 AND what NOT LIKE '!%'");
        let changes = changes.bind(network).bind(since).fetch_one(&self.read).await?;
        Ok(Counts { alarms, changes })
    }

    async fn put_job(&self, network: &str, it: &Job) -> Result<(), Error> {
        let put = sqlx::query(
            "INSERT INTO jobs (id, network, what, created_by, created_at, changed_at, state, percent, result) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (id) DO UPDATE SET changed_at = $6, state = $7, percent = $8, result = $9",
        );
        let put = put.bind(&it.id).bind(network).bind(&it.what).bind(&it.created_by).bind(it.created_at);
        let put = put.bind(it.changed_at).bind(&it.state).bind(it.percent).bind(it.result.to_string());
        put.execute(&self.write).await?;
        Ok(())
    }

    async fn job(&self, network: &str, id: &str) -> Result<Option<Job>, Error> {
        let sql = format!("SELECT {JOB} FROM jobs WHERE network = $1 AND id = $2");
        let row = sqlx::query_as::<_, JobRow>(AssertSqlSafe(sql)).bind(network).bind(id);
        row.fetch_optional(&self.read).await?.map(job).transpose()
    }

    async fn jobs(&self, network: &str, limit: u32) -> Result<Vec<Job>, Error> {
        let sql = format!("SELECT {JOB} FROM jobs WHERE network = $1 ORDER BY created_at DESC, id LIMIT $2");
        let rows = sqlx::query_as::<_, JobRow>(AssertSqlSafe(sql)).bind(network).bind(i64::from(limit));
        rows.fetch_all(&self.read).await?.into_iter().map(job).collect()
    }
}

fn job(row: JobRow) -> Result<Job, Error> {
    let (id, what, created_by, created_at, changed_at, state, percent, result) = row;
    let result = serde_json::from_str(&result).map_err(|_| Error::Damaged("job"))?;
    Ok(Job { id, what, created_by, created_at, changed_at, state, percent, result })
}

async fn put_phone(
    transaction: &mut Transaction<'_, Db>,
    network: &str,
    gateway: &str,
    now: i64,
    phone: &Phone,
) -> Result<(), Error> {
    let put = sqlx::query(
        "INSERT INTO phones (network, gateway, imsi, state, enb, apns, addresses, facts, told_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (network, gateway, imsi) DO UPDATE SET \
         state = $4, enb = $5, apns = $6, addresses = $7, facts = $8, told_at = $9",
    );
    let put = put.bind(network).bind(gateway).bind(&phone.imsi).bind(&phone.state).bind(&phone.enb);
    let put = put.bind(words(&phone.apns)).bind(words(&phone.addresses)).bind(phone.facts.to_string());
    put.bind(now).execute(&mut **transaction).await?;
    Ok(())
}

/// The statement of a list of phones. Only names of columns and numbers of parameters go into it.
fn phones(query: &PhoneQuery) -> String {
    let mut sql = format!("SELECT {PHONE} FROM phones WHERE network = $1 AND state <> 'gone'");
    let mut next = 2;
    let mut also = |condition: &str, count: usize| {
        let mut condition = condition.to_owned();
        for _ in 0..count {
            condition = condition.replacen('?', &format!("${next}"), 1);
            next += 1;
        }
        sql.push_str(" AND ");
        sql.push_str(&condition);
    };
    for (column, wanted) in [("gateway", &query.gateway), ("state", &query.state), ("enb", &query.enb)] {
        if wanted.is_some() {
            also(&format!("{column} = ?"), 1);
        }
    }
    for (column, wanted) in [("apns", &query.apn), ("addresses", &query.address)] {
        if wanted.is_some() {
            also(&format!("LOWER({column}) LIKE LOWER(?) ESCAPE '\\'"), 1);
        }
    }
    if !query.imsi.is_empty() {
        also("imsi >= ? AND imsi <= ?", 2);
    }
    if query.after.is_some() {
        also("(imsi, gateway) > (?, ?)", 2);
    }
    sql.push_str(&format!(" ORDER BY imsi, gateway LIMIT ${next}"));
    sql
}

/// A word as a pattern that fits itself alone.
fn like(word: &str) -> String {
    word.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| "%_\\".contains(c)).chain([c])).collect()
}

fn words(list: &[String]) -> String {
    if list.is_empty() { String::new() } else { format!(" {} ", list.join(" ")) }
}

fn phone(row: PhoneRow) -> Result<Phone, Error> {
    let (gateway, imsi, state, enb, apns, addresses, facts, told_at) = row;
    let list = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect();
    let facts = serde_json::from_str(&facts).map_err(|_| Error::Damaged("phone"))?;
    Ok(Phone { gateway, imsi, state, enb, apns: list(&apns), addresses: list(&addresses), facts, told_at })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sums of counts: not negative, saturating")]
fn usage_sum(by: UsageBy, (key, up, down, up_packets, down_packets): SumRow) -> UsageSum {
    UsageSum {
        key: if by == UsageBy::Network { String::new() } else { key },
        uplink_bytes: up as u64,
        downlink_bytes: down as u64,
        uplink_packets: up_packets as u64,
        downlink_packets: down_packets as u64,
    }
}
