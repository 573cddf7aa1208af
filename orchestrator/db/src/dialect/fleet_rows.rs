//! Rows of what is stored about gateways: which columns are asked for, and what is made of them. Compiled for each dialect.

use crate::{Certificate, CommandRow, Error, EventQuery, GatewayEvent, GatewayState, GatewayToken, UsageRow};
use serde_json::Value;

pub(crate) type TokenRow = (String, String, String, String, String, String, i64, i64, i64, String);
pub(crate) type StateRow = (String, String, i64, i64, i64, String, String, String);
pub(crate) type EventRow = (i64, String, i64, i64, i64, String, i64, String, String, String);
pub(crate) type CommandColumns = (String, String, String, String, String, i64, i64, String, i64, String, i64);

pub(crate) const TOKEN: &str =
    "digest, id, network, tier, gateway, created_by, created_at, expires_at, used_at, used_by";
pub(crate) const CERTIFICATE: &str = "fingerprint, network, gateway, issued_at, expires_at, revoked_at";
pub(crate) const STATE: &str = "gateway, replica, stream, connected_at, seen_at, state, metrics, sync";
pub(crate) const COMMAND: &str =
    "id, gateway, kind, arguments, created_by, created_at, expires_at, state, percent, output, changed_at";

/// A time that holds few events of a network, milliseconds.
const SHORT: i64 = 6 * 3_600_000;

pub(crate) fn token(row: TokenRow) -> GatewayToken {
    let (digest, id, network, tier, gateway, created_by, created_at, expires_at, used_at, used_by) = row;
    GatewayToken { digest, id, network, tier, gateway, created_by, created_at, expires_at, used_at, used_by }
}

pub(crate) fn certificate(row: (String, String, String, i64, i64, i64)) -> Certificate {
    let (fingerprint, network, gateway, issued_at, expires_at, revoked_at) = row;
    Certificate { fingerprint, network, gateway, issued_at, expires_at, revoked_at }
}

pub(crate) fn state(row: StateRow) -> Result<GatewayState, Error> {
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| Error::Damaged("state"));
    let (gateway, replica, stream, connected_at, seen_at, state, metrics, sync) = row;
    let (state, metrics, sync) = (json(&state)?, json(&metrics)?, json(&sync)?);
    Ok(GatewayState { gateway, replica, stream, connected_at, seen_at, state, metrics, sync })
}

pub(crate) fn command(row: CommandColumns) -> CommandRow {
    let (id, gateway, kind, arguments, created_by, created_at, expires_at, state, percent, output, changed_at) = row;
    CommandRow { id, gateway, kind, arguments, created_by, created_at, expires_at, state, percent, output, changed_at }
}

/// The statement of a list of events. Only names of columns and numbers of parameters go into it.
pub(crate) fn events(query: &EventQuery) -> String {
    // Within a short time the index by time finds few, which are put in order; otherwise they are read in their order. A sum keeps
    // a planner, who does not know how short the time is, from the latter.
    let id = if query.until.saturating_sub(query.since) <= SHORT { "id + 0" } else { "id" };
    let mut sql = format!(
        "SELECT id, gateway, epoch, number, at, kind, alarm, imsi, words, facts FROM gateway_events \
         WHERE network = $1 AND {id} < $2 AND at >= $3 AND at < $4"
    );
    let mut next = 5;
    let mut also = |condition: &str| {
        sql.push_str(&format!(" AND {condition} ${next}"));
        next += 1;
    };
    // Of what is asked for, what finds the fewest leads: a phone, then a gateway. What is no bare column has no index, so that a planner
    // who has counted nothing yet does not read all events of a kind to find those of one gateway.
    let by_phone = query.imsi.is_some();
    let gateway = if by_phone { "gateway || '' =" } else { "gateway =" };
    let kind = if by_phone || query.gateway.is_some() { "kind || '' =" } else { "kind =" };
    let wanted = [(gateway, &query.gateway), (kind, &query.kind), ("imsi =", &query.imsi)];
    wanted.iter().filter(|(_, wanted)| wanted.is_some()).for_each(|(condition, _)| also(condition));
    if query.above.is_some() {
        also("id >");
    }
    if query.alarms {
        sql.push_str(" AND alarm > 0");
    }
    let order = if query.above.is_some() { "ASC" } else { "DESC" };
    sql.push_str(&format!(" ORDER BY {id} {order} LIMIT ${next}"));
    sql
}

pub(crate) fn event(row: EventRow) -> Result<GatewayEvent, Error> {
    let (id, gateway, epoch, number, at, kind, alarm, imsi, words, facts) = row;
    Ok(GatewayEvent { id, gateway, epoch, number, at, kind, alarm: alarm > 0, imsi, words, facts })
}

pub(crate) fn usage_row(row: &<super::Db as sqlx::Database>::Row) -> Result<UsageRow, sqlx::Error> {
    use sqlx::Row as _;
    Ok(UsageRow {
        gateway: row.try_get(0)?,
        session: row.try_get(1)?,
        epoch: row.try_get(2)?,
        sequence: row.try_get(3)?,
        imsi: row.try_get(4)?,
        apn: row.try_get(5)?,
        began_at: row.try_get(6)?,
        ended_at: row.try_get(7)?,
        uplink_bytes: row.try_get(8)?,
        downlink_bytes: row.try_get(9)?,
        uplink_packets: row.try_get(10)?,
        downlink_packets: row.try_get(11)?,
        last: row.try_get::<i64, _>(12)? > 0,
        cell: row.try_get(13)?,
    })
}
