//! What people look at: phones as they are now, base stations that are seen, usage in sums, a network in numbers.

use crate::gate::{Answer, Call};
use crate::{Problem, gateways, select};
use orchestrator_db::{GatewayState, Object, Phone, PhoneQuery, Query, SumQuery, UsageBy, UsageSum};
use orchestrator_model::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Entries read at a time.
const PAGE: u32 = 1000;
const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;

/// Phones in order of IMSI, of all gateways of the network.
pub(crate) async fn phones(call: &Call) -> Result<Answer, Problem> {
    let text = |name| call.parameter(name).map(str::to_owned);
    let after = match call.parameter("cursor") {
        None => None,
        Some(cursor) => {
            let (imsi, gateway) = cursor.split_once(':').ok_or_else(|| Problem::bad("the cursor is none of ours"))?;
            Some((imsi.to_owned(), gateway.to_owned()))
        }
    };
    let imsi = call.parameter("imsi").unwrap_or_default();
    if imsi.len() > 15 || !imsi.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Problem::bad("imsi is the first digits of one, or all 15"));
    }
    let query = PhoneQuery {
        gateway: text("gateway"),
        state: text("state"),
        enb: text("enb"),
        apn: text("apn"),
        address: text("address"),
        imsi: imsi.to_owned(),
        after,
        limit: select::limit(call)?,
    };
    let page = call.state.db.phones(&call.network, &query).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| format!("{}:{}", last.imsi, last.gateway));
    let names: Vec<String> = page.items.iter().map(|phone| phone.imsi.clone()).collect();
    let subscribers = call.state.db.objects_named(Kind::Subscriber, &call.network, &names).await?;
    let titles: BTreeMap<&str, &Value> = subscribers.iter().map(|it| (it.name.as_str(), &it.body["title"])).collect();
    let items = page.items.iter().map(|phone| shown_phone(phone, titles.get(phone.imsi.as_str()).copied()));
    Answer::ok(json!({"items": items.collect::<Vec<_>>(), "next_cursor": next}))
}

/// A phone as it is shown. `title` is its subscriber's.
pub(crate) fn shown_phone(phone: &Phone, title: Option<&Value>) -> Value {
    let mut shown = json!({
        "imsi": phone.imsi,
        "title": title,
        "known": title.is_some(),
        "gateway": phone.gateway,
        "state": phone.state,
        "enb": (!phone.enb.is_empty()).then_some(&phone.enb),
        "apns": phone.apns,
        "addresses": phone.addresses,
        "told_at": phone.told_at,
    });
    for field in ["cell", "area", "description", "last_seen", "sessions", "last_reject"] {
        if let Some(value) = phone.facts.get(field) {
            shown[field] = value.clone();
        }
    }
    shown
}

/// Base stations that the gateways of a page see. One that nobody configured has no `enodeb`.
pub(crate) async fn base_stations(call: &Call) -> Result<Answer, Problem> {
    let after = call.parameter("cursor").unwrap_or_default();
    let page = call.state.db.gateway_states(&call.network, after, select::limit(call)?).await?;
    let next = page.items.last().filter(|_| page.more).map(|state| state.gateway.clone());
    let configured = all(call, Kind::Enodeb).await?;
    let mut items = Vec::new();
    for state in &page.items {
        let reachable = gateways::is_connected(state, call.now);
        for seen in stations(state) {
            let known = configured.iter().find(|object| is_same(object, seen, &state.gateway));
            let mut shown = seen.clone();
            shown["gateway"] = state.gateway.as_str().into();
            shown["gateway_connected"] = reachable.into();
            shown["enodeb"] = known.map(|object| object.name.clone()).into();
            shown["title"] = known.map(|object| object.body["title"].clone()).into();
            items.push(shown);
        }
    }
    Answer::ok(json!({"items": items, "next_cursor": next}))
}

fn stations(state: &GatewayState) -> impl Iterator<Item = &Value> {
    state.state.get("enbs").and_then(Value::as_array).into_iter().flatten().filter(|it| it.is_object())
}

/// Whether a configured base station is the one that a gateway sees: its cell identity begins with the identity of a macro eNB,
/// or is that of a home eNB (TS 36.413 §9.2.1.37 and §9.2.1.38).
fn is_same(object: &Object, seen: &Value, gateway: &str) -> bool {
    let elsewhere = object.body["gateway"].as_str().is_some_and(|own| own != gateway);
    let digits = seen["id"].as_str().and_then(|id| id.rsplit_once("/0x")).map(|(_, digits)| digits);
    let id = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let (Some(id), Some(cell), false) = (id, object.body["cell_id"].as_u64(), elsewhere) else { return false };
    if id < 1 << 20 { cell >> 8 == id } else { cell == id }
}

async fn all(call: &Call, kind: Kind) -> Result<Vec<Object>, Problem> {
    let (mut found, mut query) = (Vec::new(), Query { limit: PAGE, ..Query::default() });
    loop {
        let page = call.state.db.objects(kind, &call.network, &query).await?;
        query.after = page.items.last().map(|last| (last.changed_at, last.name.clone()));
        found.extend(page.items);
        if !page.more {
            return Ok(found);
        }
    }
}

/// Sums of usage within a time, the largest first.
pub(crate) async fn usage_sums(call: &Call) -> Result<Answer, Problem> {
    let by = match call.parameter("by") {
        None | Some("imsi") => UsageBy::Imsi,
        Some("apn") => UsageBy::Apn,
        Some("gateway") => UsageBy::Gateway,
        Some("cell") => UsageBy::Cell,
        Some("network") => UsageBy::Network,
        Some(_) => return Err(Problem::bad("by is imsi, apn, gateway, cell or network")),
    };
    let since = time(call, "since")?.unwrap_or(call.now - DAY);
    let until = time(call, "until")?.unwrap_or(call.now + DAY);
    let query = SumQuery { by, imsi: call.parameter("imsi"), since, until, limit: select::limit(call)? };
    let sums = call.state.db.usage_sums(&call.network, &query).await?;
    Answer::ok(json!({"since": since, "until": until, "items": sums.iter().map(shown_sum).collect::<Vec<_>>()}))
}

/// A time of the query, milliseconds since 1970.
pub(crate) fn time(call: &Call, name: &str) -> Result<Option<i64>, Problem> {
    let wrong = || Problem::bad(format!("{name} is milliseconds since 1970"));
    let read = |text: &str| text.parse().ok().filter(|at: &i64| *at >= 0).ok_or_else(wrong);
    call.parameter(name).map(read).transpose()
}

fn shown_sum(sum: &UsageSum) -> Value {
    json!({
        "key": sum.key,
        "uplink_bytes": sum.uplink_bytes,
        "downlink_bytes": sum.downlink_bytes,
        "uplink_packets": sum.uplink_packets,
        "downlink_packets": sum.downlink_packets,
    })
}

/// A network in numbers. Of gateways that are away their last words count no more.
pub(crate) async fn overview(call: &Call) -> Result<Answer, Problem> {
    let (db, network) = (&call.state.db, &call.network);
    let (mut connected, mut stations_seen, mut sums) = (0, 0, BTreeMap::from(SUMMED.map(|name| (name, 0))));
    let mut after = String::new();
    loop {
        let page = db.gateway_states(network, &after, PAGE).await?;
        for state in page.items.iter().filter(|state| gateways::is_connected(state, call.now)) {
            connected += 1;
            stations_seen += stations(state).count();
            for (name, sum) in &mut sums {
                *sum += state.state.get(*name).and_then(Value::as_u64).unwrap_or(0);
            }
        }
        after = page.items.last().map(|last| last.gateway.clone()).unwrap_or_default();
        if !page.more {
            break;
        }
    }
    let counts = db.counts(network, call.now - DAY).await?;
    let hour = db
        .usage_sums(
            network,
            &SumQuery { by: UsageBy::Network, imsi: None, since: call.now - HOUR, until: call.now + DAY, limit: 1 },
        )
        .await?;
    Answer::ok(json!({
        "at": call.now,
        "gateways": {"total": db.count(Kind::Gateway, network).await?, "connected": connected},
        "base_stations": {"configured": db.count(Kind::Enodeb, network).await?, "connected": stations_seen},
        "subscribers": db.count(Kind::Subscriber, network).await?,
        "registered_phones": sums["registered_ues"],
        "connected_phones": sums["connected_ues"],
        "sessions": sums["sessions"],
        "alarms_24h": counts.alarms,
        "changes_24h": counts.changes,
        "usage_last_hour": hour.first().map(shown_sum),
    }))
}

/// What gateways tell in numbers.
const SUMMED: [&str; 3] = ["connected_ues", "registered_ues", "sessions"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_station_is_recognised_by_its_cells() {
        let object = |body| Object {
            name: "serial".to_owned(),
            revision: 1,
            changed_at: 1,
            changed_by: String::new(),
            body,
            sealed: None,
            secrets_mark: 0,
        };
        let macro_cell = object(json!({ "cell_id": (0x19b << 8) + 1 }));
        let home = object(json!({ "cell_id": 0x0fff_fff1, "gateway": "g1" }));
        let seen = |id: &str| json!({ "id": id });
        assert!(is_same(&macro_cell, &seen("001-01/0x19b"), "g1"));
        assert!(!is_same(&macro_cell, &seen("001-01/0x19c"), "g1"));
        assert!(is_same(&home, &seen("001-01/0xffffff1"), "g1"));
        assert!(!is_same(&home, &seen("001-01/0xffffff1"), "g2"), "it belongs to another gateway");
        assert!(!is_same(&home, &seen("x"), "g1") && !is_same(&home, &json!({}), "g1"));
    }
}
