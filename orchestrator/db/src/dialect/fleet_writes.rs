//! Writes about gateways that stand in a transaction with others. Compiled for each dialect; `super` says which.

use super::super::Column;
use super::fleet_rows::CERTIFICATE;
use super::{Connection, LOCK, NOTIFY, bind_table, table};
use crate::{Certificate, Device, Error, FeedEntry, GatewayEvent, StatePart};
use sqlx::AssertSqlSafe;

/// Keeps an event that is not there yet.
pub(crate) async fn insert_event(
    connection: &mut Connection,
    network: &str,
    it: &GatewayEvent,
) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(
        "INSERT INTO gateway_events (network, gateway, epoch, number, at, kind, alarm, imsi, words, facts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (network, gateway, epoch, number) DO NOTHING",
    );
    let insert = insert.bind(network).bind(&it.gateway).bind(it.epoch).bind(it.number).bind(it.at);
    let insert = insert.bind(&it.kind).bind(i64::from(it.alarm)).bind(&it.imsi).bind(&it.words);
    insert.bind(&it.facts).execute(connection).await?;
    Ok(())
}

/// A device joins with a token, once. False when the token cannot be used any more, or the name has joined: nothing is changed then.
pub(crate) async fn enrolled(
    connection: &mut Connection,
    digest: &str,
    now: i64,
    device: &Device,
) -> Result<bool, Error> {
    let used = sqlx::query(
        "UPDATE gateway_tokens SET used_at = $3, used_by = $4 \
         WHERE digest = $1 AND network = $2 AND used_at = 0 AND expires_at > $3",
    );
    let used = used.bind(digest).bind(&device.network).bind(now).bind(&device.gateway);
    if used.execute(&mut *connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let kept = sqlx::query(
        "INSERT INTO devices (network, gateway, public_key, enrolled_at, revoked_at) VALUES ($1, $2, $3, $4, 0) \
         ON CONFLICT (network, gateway) DO UPDATE SET public_key = $3, enrolled_at = $4, revoked_at = 0 \
         WHERE devices.revoked_at > 0",
    );
    let kept = kept.bind(&device.network).bind(&device.gateway).bind(&device.public_key).bind(now);
    if kept.execute(&mut *connection).await?.rows_affected() > 0 {
        return Ok(true);
    }
    // Others are written in the same transaction: the token is given back by hand.
    let back = sqlx::query("UPDATE gateway_tokens SET used_at = 0, used_by = '' WHERE digest = $1");
    back.bind(digest).execute(connection).await?;
    Ok(false)
}

/// A certificate that was given.
pub(crate) async fn put_certificate(connection: &mut Connection, it: &Certificate) -> Result<(), Error> {
    let sql = format!("INSERT INTO certificates ({CERTIFICATE}) VALUES ($1, $2, $3, $4, $5, $6)");
    let insert = sqlx::query(AssertSqlSafe(sql)).bind(&it.fingerprint).bind(&it.network).bind(&it.gateway);
    insert.bind(it.issued_at).bind(it.expires_at).bind(it.revoked_at).execute(connection).await?;
    Ok(())
}

/// A gateway talks on a stream of a replica.
pub(crate) async fn connected(
    connection: &mut Connection,
    network: &str,
    gateway: &str,
    now: i64,
    (replica, stream): (&str, i64),
) -> Result<(), Error> {
    lock(connection, network).await?;
    let insert = sqlx::query(
        "INSERT INTO gateway_states (network, gateway, replica, stream, connected_at, seen_at, state, metrics, sync) \
         VALUES ($1, $2, $3, $4, $5, $5, '{}', '{}', '{}') ON CONFLICT (network, gateway) DO UPDATE SET \
         replica = $3, stream = $4, connected_at = $5, seen_at = $5",
    );
    let insert = insert.bind(network).bind(gateway).bind(replica).bind(stream).bind(now);
    insert.execute(&mut *connection).await?;
    note_change(connection, network, now, FeedEntry::STREAMS, gateway).await
}

/// What a gateway told, unless it talks elsewhere by now.
pub(crate) async fn put_state(
    connection: &mut Connection,
    network: &str,
    gateway: &str,
    now: i64,
    (replica, stream): (&str, i64),
    parts: &[StatePart],
) -> Result<(), Error> {
    let mut set = "seen_at = $5".to_owned();
    let mut texts = Vec::new();
    for part in parts {
        let (column, text) = match part {
            StatePart::State(value) => ("state", value.to_string()),
            StatePart::Metrics(value) => ("metrics", value.to_string()),
            StatePart::Sync(value) => ("sync", value.to_string()),
            StatePart::Gone => ("replica", String::new()),
            StatePart::Seen => continue,
        };
        texts.push(text);
        // Only numbers of parameters and names of columns from above.
        set.push_str(&format!(", {column} = ${}", texts.len() + 5));
    }
    // A stream that was superseded writes nothing any more.
    let sql =
        format!("UPDATE gateway_states SET {set} WHERE network = $1 AND gateway = $2 AND replica = $3 AND stream = $4");
    let mut update = sqlx::query(AssertSqlSafe(sql)).bind(network).bind(gateway).bind(replica).bind(stream).bind(now);
    for text in texts {
        update = update.bind(text);
    }
    update.execute(connection).await?;
    Ok(())
}

pub(crate) async fn lock(connection: &mut Connection, network: &str) -> Result<(), Error> {
    if let Some(sql) = LOCK {
        sqlx::query(sql).bind(network).execute(connection).await?;
    }
    Ok(())
}

/// Adds to a network's feed. The feed's own row keeps other writers of it waiting until this transaction ends, so that numbers
/// become visible in their order.
pub(crate) async fn note_change(
    connection: &mut Connection,
    network: &str,
    at: i64,
    what: &str,
    name: &str,
) -> Result<(), Error> {
    note_changes(connection, network, at, &[(what, name)]).await
}

/// The same for several, in their order: collection and name.
pub(crate) async fn note_changes(
    connection: &mut Connection,
    network: &str,
    at: i64,
    entries: &[(&str, &str)],
) -> Result<(), Error> {
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let last = sqlx::query_scalar::<_, i64>(
        "INSERT INTO feeds (network, last) VALUES ($1, $2) \
         ON CONFLICT (network) DO UPDATE SET last = feeds.last + $2 RETURNING last",
    );
    let last = last.bind(network).bind(count).fetch_one(&mut *connection).await?;
    let columns = vec![
        Column::texts(entries.iter().map(|_| network)),
        Column::numbers(last - count + 1..=last),
        Column::numbers(entries.iter().map(|_| at)),
        Column::texts(entries.iter().map(|(what, _)| *what)),
        Column::texts(entries.iter().map(|(_, name)| *name)),
    ];
    let sql = format!("INSERT INTO changes (network, number, at, what, name) {}", table(&columns));
    bind_table(sqlx::query(AssertSqlSafe(sql)), columns).execute(&mut *connection).await?;
    if let Some(sql) = NOTIFY {
        sqlx::query(sql).execute(connection).await?;
    }
    Ok(())
}
