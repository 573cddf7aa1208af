//! Gateways in numbers: what a metrics server scrapes, charts of the built-in history, KPIs.

use crate::gate::{Answer, Call};
use crate::{Problem, live};
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use orchestrator_db::{GatewayState, Query};
use orchestrator_model::Kind;
use orchestrator_telemetry::chart::{Chart, DERIVED, Shown};
use orchestrator_telemetry::exposition::Families;
use orchestrator_telemetry::history::{HOUR, MINUTE};
use orchestrator_telemetry::sample::Name;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Gateways read at a time.
const PAGE: u32 = 500;
/// Series and points of a request.
const SERIES: usize = 32;
const POINTS: i64 = 11_000;
/// The history goes back so long, milliseconds.
pub(crate) const KEPT: i64 = 48 * HOUR;
/// Reasons of drops that are shown.
const REASONS: usize = 50;

/// All metrics of gateways, in Prometheus' text form.
pub(crate) async fn scrape(call: &Call) -> Result<Response<Body>, Problem> {
    let networks = if call.network.is_empty() { networks(call).await? } else { vec![call.network.clone()] };
    let mut families = Families::default();
    for network in &networks {
        each(call, network, |state| {
            let place = (network.as_str(), state.gateway.as_str());
            let connected = crate::gateways::is_connected(state, call.now);
            families.add(place, "basalt_gateway_up", f64::from(u8::from(connected)));
            for (name, value) in state.metrics.as_object().into_iter().flatten().filter(|_| connected) {
                if let Some(value) = value.as_f64() {
                    families.add(place, name, value);
                }
            }
        })
        .await?;
    }
    let mut response = Response::new(Body::from(families.text()));
    let form = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, form);
    Ok(response)
}

async fn networks(call: &Call) -> Result<Vec<String>, Problem> {
    let (mut names, mut query) = (Vec::new(), Query { limit: PAGE, ..Query::default() });
    loop {
        let page = call.state.db.objects(Kind::Network, "", &query).await?;
        query.after = page.items.last().map(|last| (last.changed_at, last.name.clone()));
        names.extend(page.items.into_iter().map(|network| network.name));
        if !page.more {
            return Ok(names);
        }
    }
}

/// Goes over the states of a network's gateways.
async fn each(call: &Call, network: &str, mut with: impl FnMut(&GatewayState)) -> Result<(), Problem> {
    let mut after = String::new();
    loop {
        let page = call.state.db.gateway_states(network, &after, PAGE).await?;
        page.items.iter().for_each(&mut with);
        after = page.items.last().map(|last| last.gateway.clone()).unwrap_or_default();
        if !page.more {
            return Ok(());
        }
    }
}

/// The span of time that is asked for; a day, when it is not said.
fn span(call: &Call, usual: i64) -> Result<(i64, i64), Problem> {
    let until = live::time(call, "until")?.unwrap_or(call.now).min(call.now + MINUTE);
    let since = live::time(call, "since")?.unwrap_or(until - usual).max(call.now - KEPT - HOUR);
    if since < until {
        Ok((since, until))
    } else {
        Err(Problem::bad("since is before until, and not older than 48 hours"))
    }
}

async fn chart(call: &Call, since: i64, until: i64) -> Result<Chart, Problem> {
    let gateway = call.parameter("gateway").unwrap_or_default();
    let hours = (since.div_euclid(HOUR), until.div_euclid(HOUR));
    Ok(Chart::new(&call.state.db.history(&call.network, gateway, hours).await?))
}

/// Series over time, of a network or of one gateway.
pub(crate) async fn history(call: &Call) -> Result<Answer, Problem> {
    let (since, until) = span(call, 24 * HOUR)?;
    let seconds = call.parameter("step").map_or(Ok(60), str::parse).ok().filter(|step| (60..=86_400).contains(step));
    let step = 1000 * seconds.ok_or_else(|| Problem::bad("step is 60 to 86400 seconds"))?;
    let asked = call.parameter("series").ok_or_else(|| Problem::bad("series names some, joined by commas"))?;
    let wanted: Option<Vec<(&str, Shown)>> =
        asked.split(',').map(|word| Shown::from_word(word).map(|shown| (word, shown))).collect();
    let wanted = wanted.filter(|all| all.len() <= SERIES);
    let wanted = wanted.ok_or_else(|| Problem::bad("a series is not known: see the document of this interface"))?;
    if (until - since) / step > POINTS {
        return Err(Problem::bad("too many points: take a larger step"));
    }
    let chart = chart(call, since, until).await?;
    let series = wanted.into_iter().map(|(name, shown)| {
        let points: Vec<Value> =
            chart.points(shown, since, until, step).into_iter().map(|(at, value)| json!([at, value])).collect();
        json!({"name": name, "unit": shown.unit(), "points": points})
    });
    Answer::ok(json!({"since": since, "until": until, "step": step / 1000, "series": series.collect::<Vec<_>>()}))
}

/// Key performance indicators of a span of time, and drops and base stations as they are now.
pub(crate) async fn kpis(call: &Call) -> Result<Answer, Problem> {
    let (since, until) = span(call, HOUR)?;
    let chart = chart(call, since, until).await?;
    let plain = [
        "registered_phones",
        "connected_phones",
        "sessions",
        "enbs",
        "gateways",
        "attach_attempts",
        "uplink_bytes",
        "downlink_bytes",
    ];
    let named = DERIVED.iter().map(|(name, shown, unit)| (*name, Some(*shown), *unit));
    let named = named.chain(plain.map(|name| (name, Shown::from_word(name), "")));
    let values: Vec<Value> = named
        .filter_map(|(name, shown, unit)| Some((name, shown?, unit)))
        .map(|(name, shown, unit)| json!({"name": name, "unit": unit, "value": chart.value(shown, since, until)}))
        .collect();
    let wanted = call.parameter("gateway");
    let mut drops: BTreeMap<String, f64> = BTreeMap::new();
    each(call, &call.network, |state| {
        if wanted.is_none_or(|wanted| wanted == state.gateway) {
            for (name, value) in state.metrics.as_object().into_iter().flatten() {
                let name = Name::parse(name).filter(|name| name.metric == "basalt_agw_user_plane_drops_total");
                if let (Some(reason), Some(value)) =
                    (name.as_ref().and_then(|name| name.label("reason")), value.as_f64())
                {
                    *drops.entry(reason.to_owned()).or_default() += value;
                }
            }
        }
    })
    .await?;
    let mut drops: Vec<(String, f64)> = drops.into_iter().filter(|(_, count)| *count > 0.0).collect();
    drops.sort_by(|one, other| other.1.total_cmp(&one.1));
    drops.truncate(REASONS);
    let drops: Vec<Value> =
        drops.into_iter().map(|(reason, packets)| json!({"reason": reason, "packets": packets})).collect();
    let cells = call.state.db.phones_by_cell(&call.network, wanted).await?;
    let cells: Vec<Value> = cells
        .into_iter()
        .map(|(gateway, enb, connected, idle)| json!({"gateway": gateway, "enb": enb, "connected": connected, "idle": idle}))
        .collect();
    Answer::ok(json!({"since": since, "until": until, "kpis": values, "drops": drops, "base_stations": cells}))
}
