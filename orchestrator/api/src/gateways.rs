//! Gateways as they are: tokens to join with, state, certificates, events, usage, commands.

use crate::gate::{Answer, Call, target};
use crate::token::{digest_of, new_secret};
use crate::{Problem, live, releases, select};
use orchestrator_db::{CommandRow, EventQuery, GatewayEvent, GatewayState, GatewayToken, Object, Target, UsageRow};
use orchestrator_model::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// Hours of a token at most, and unless told.
const TOKEN_HOURS: u16 = 24 * 30;
const HOUR: i64 = 3600 * 1000;
/// Minutes after which a command that nobody took is not begun, at most and unless told.
const COMMAND_MINUTES: u32 = 24 * 60;
const MINUTE: i64 = 60 * 1000;
/// Octets of a command's arguments.
const ARGUMENTS: usize = 16 << 10;
/// A gateway says at least so often that it is there, milliseconds; twice that long is too long.
const SILENT: i64 = 2 * 330_000;

/// Where gateways find the orchestrator, and by what they recognise it.
#[derive(Debug, Clone)]
pub struct JoinPoint {
    /// `HOST:PORT`.
    pub address: String,
    /// SHA-256 of the authority's certificate, in hexadecimal, as it changes.
    pub fingerprint: tokio::sync::watch::Receiver<String>,
}

impl JoinPoint {
    /// The token that a gateway joins with, of a secret.
    #[must_use]
    pub fn token(&self, secret: &str) -> String {
        format!("bgt1.{}.{}.{secret}", self.address, *self.fingerprint.borrow())
    }
}

/// A token for one gateway.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayTokenRequest {
    /// Of which tier the gateway becomes.
    tier: String,
    /// The gateway's name; it may choose one, when absent.
    #[serde(default)]
    gateway: Option<String>,
    /// Hours until it expires, 1 to 720; 24, when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 720)]
    hours: Option<u16>,
}

/// A command for a gateway.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandRequest {
    /// What to do. A gateway that cannot do it says so.
    kind: CommandKind,
    /// What the command needs, such as `host` and `count` of a ping.
    #[serde(default)]
    arguments: Map<String, Value>,
    /// Minutes after which it is not begun, 1 to 1440; 10, when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1440)]
    minutes: Option<u32>,
}

/// What a gateway can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CommandKind {
    /// Start the daemon again; phones stay.
    Restart,
    /// Reach a host.
    Ping,
    /// The way to a host.
    Traceroute,
    /// The last lines of the log.
    LogTail,
    /// Record packets.
    PacketCapture,
    /// Record signalling messages of one phone (`imsi`), of one base station (`base_station`), or all: lines of JSON. Traces of a
    /// network are made of it.
    CallTrace,
    /// Sessions and tables of the data plane.
    ShowTables,
    /// Count what one phone (`imsi`) sends and gets, hop by hop, for `seconds`: a line of JSON each second.
    DescribePhone,
    /// Let one phone (`imsi`) go; with `reattach` it is asked to come back at once.
    Detach,
    /// Take no new phones.
    Drain,
    /// Run another version: `release` names it; or go `back` to the one before.
    Upgrade,
    /// Of a federation gateway: ask a home network, by realm, PLMN or peer (`realm`), whether it answers.
    TestPing,
}

pub(crate) async fn create_token(call: &Call) -> Result<Answer, Problem> {
    let request: GatewayTokenRequest = call.read()?;
    let hours = request.hours.unwrap_or(24);
    if !(1..=TOKEN_HOURS).contains(&hours) {
        return Err(Problem::field("/hours", "is out of range", "1 to 720"));
    }
    let gateway = request.gateway.unwrap_or_default();
    if !gateway.is_empty() {
        Kind::Gateway.parse_value(&gateway, json!({ "tier": request.tier })).map_err(Problem::fields)?;
    }
    let tier = Target { kind: Kind::Tier, network: call.network.clone(), name: request.tier.clone() };
    if call.state.db.object(&tier).await?.is_none() {
        return Err(Problem::field("/tier", "does not exist", "the name of a tier of this network"));
    }
    let join = call.state.join.as_ref();
    let join =
        join.ok_or_else(|| Problem::new(503, "no-gateways", "this orchestrator does not listen for gateways"))?;
    let secret = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    let digest = digest_of(&secret);
    let mut id: String = digest.chars().take(16).collect();
    if let Some(name) = call.made_name("gateway-token") {
        let all = call.state.db.gateway_tokens(&call.network).await?;
        match all.iter().find(|token| token.id == name) {
            // Its secret reached nobody.
            Some(made) if call.made(made.created_at) && made.used_at == 0 => {
                call.state.db.delete_gateway_token(&call.network, &name).await?;
                id = name;
            }
            Some(_) => {}
            None => id = name,
        }
    }
    let token = GatewayToken {
        id,
        digest,
        network: call.network.clone(),
        tier: request.tier,
        gateway,
        created_by: call.caller()?.name.clone(),
        created_at: call.now,
        expires_at: call.now + i64::from(hours) * HOUR,
        used_at: 0,
        used_by: String::new(),
    };
    call.state.db.put_gateway_token(&token).await?;
    let text = join.token(&secret);
    let mut body = shown_token(&token);
    body["command"] = format!("basalt gateway join {text}").into();
    body["token"] = text.into();
    Answer::with(201, body)
}

pub(crate) async fn list_tokens(call: &Call) -> Result<Answer, Problem> {
    let tokens = call.state.db.gateway_tokens(&call.network).await?;
    Answer::ok(json!({ "items": tokens.iter().map(shown_token).collect::<Vec<_>>() }))
}

pub(crate) async fn delete_token(call: &Call) -> Result<Answer, Problem> {
    let gone = call.state.db.delete_gateway_token(&call.network, &call.name).await?;
    if gone { Ok(Answer::nothing()) } else { Err(Problem::not_found()) }
}

pub(crate) async fn states(call: &Call) -> Result<Answer, Problem> {
    let after = call.parameter("cursor").unwrap_or_default();
    let page = call.state.db.gateway_states(&call.network, after, select::limit(call)?).await?;
    let next = page.items.last().filter(|_| page.more).map(|state| state.gateway.clone());
    let ends = certificate_ends(call, page.items.iter()).await?;
    let items = page.items.iter().map(|state| shown_state(state, ends.get(&state.gateway), call.now));
    let items: Vec<Value> = items.collect();
    Answer::ok(json!({ "items": items, "next_cursor": next }))
}

pub(crate) async fn status(call: &Call) -> Result<Answer, Problem> {
    gateway(call).await?;
    let device = call.state.db.device(&call.network, &call.name).await?;
    let state = call.state.db.gateway_state(&call.network, &call.name).await?;
    let ends = call.state.db.certificate_ends(&call.network, &call.name, &call.name).await?;
    let end = ends.get(&call.name);
    let mut shown = match &state {
        Some(state) => shown_state(state, end, call.now),
        None => json!({ "gateway": call.name, "connected": false, "certificate_expires_at": end }),
    };
    shown["joined_at"] = device.as_ref().map(|device| device.enrolled_at).into();
    shown["revoked_at"] = device.filter(|device| device.revoked_at > 0).map(|device| device.revoked_at).into();
    Answer::ok(shown)
}

pub(crate) async fn metrics(call: &Call) -> Result<Answer, Problem> {
    gateway(call).await?;
    let state = call.state.db.gateway_state(&call.network, &call.name).await?;
    let (at, values) = state.map_or((0, json!({})), |state| (state.seen_at, state.metrics));
    Answer::ok(json!({ "at": at, "values": values }))
}

pub(crate) async fn certificates(call: &Call) -> Result<Answer, Problem> {
    gateway(call).await?;
    let all = call.state.db.certificates(&call.network, &call.name).await?;
    let items = all.iter().map(|it| {
        let revoked = (it.revoked_at > 0).then_some(it.revoked_at);
        json!({"fingerprint": it.fingerprint, "issued_at": it.issued_at, "expires_at": it.expires_at, "revoked_at": revoked})
    });
    Answer::ok(json!({ "items": items.collect::<Vec<_>>() }))
}

pub(crate) async fn revoke(call: &Call) -> Result<Answer, Problem> {
    if call.state.db.revoke(&call.network, &call.name, call.now).await? {
        Ok(Answer::nothing())
    } else {
        Err(Problem::not_found())
    }
}

/// Events of a network or of one gateway; outside of networks those of whom no network is known.
pub(crate) async fn events(call: &Call) -> Result<Answer, Problem> {
    let query = event_query(call)?;
    let page = call.state.db.gateway_events(&call.network, &query).await?;
    let next = page.items.last().filter(|_| page.more).map(|event| event.id.to_string());
    Answer::ok(json!({ "items": page.items.iter().map(shown_event).collect::<Vec<_>>(), "next_cursor": next }))
}

/// The events that are asked for.
pub(crate) fn event_query(call: &Call) -> Result<EventQuery, Problem> {
    let text = |name| call.parameter(name).map(str::to_owned);
    let mut query = EventQuery { limit: select::limit(call)?, ..EventQuery::default() };
    if let Some(cursor) = call.parameter("cursor") {
        query.below = select::number(cursor)?;
    }
    query.alarms = match call.parameter("alarms") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad("alarms is true or false")),
    };
    query.gateway = if call.name.is_empty() { text("gateway") } else { Some(call.name.clone()) };
    (query.kind, query.imsi) = (text("kind"), text("imsi"));
    query.since = live::time(call, "since")?.unwrap_or(i64::MIN);
    query.until = live::time(call, "until")?.unwrap_or(i64::MAX);
    Ok(query)
}

/// Usage records in order of their end.
pub(crate) async fn usage(call: &Call) -> Result<Answer, Problem> {
    let since = live::time(call, "since")?.unwrap_or(0);
    let rows = call.state.db.usage(&call.network, call.parameter("imsi"), since, select::limit(call)?).await?;
    Answer::ok(json!({ "items": rows.iter().map(shown_usage).collect::<Vec<_>>() }))
}

pub(crate) async fn create_command(call: &Call) -> Result<Answer, Problem> {
    let request: CommandRequest = call.read()?;
    gateway(call).await?;
    let minutes = request.minutes.unwrap_or(10);
    if !(1..=COMMAND_MINUTES).contains(&minutes) {
        return Err(Problem::field("/minutes", "is out of range", "1 to 1440"));
    }
    let arguments = match request.kind {
        CommandKind::Upgrade => releases::arguments(call, request.arguments).await?,
        _ => request.arguments,
    };
    let arguments = Value::Object(arguments).to_string();
    if arguments.len() > ARGUMENTS {
        return Err(Problem::field("/arguments", "are too long", "at most 16 KiB"));
    }
    let kind = serde_json::to_value(request.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    let mut id = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    if let Some(name) = call.made_name("command") {
        match call.state.db.command(&call.network, &name).await? {
            Some(made) if call.made(made.created_at) => return Answer::with(201, shown_command(&made, call.now)),
            Some(_) => {}
            None => id = name,
        }
    }
    let command = CommandRow {
        id: id.chars().take(24).collect(),
        gateway: call.name.clone(),
        kind: kind.unwrap_or_default(),
        arguments,
        created_by: call.caller()?.name.clone(),
        created_at: call.now,
        expires_at: call.now + i64::from(minutes) * MINUTE,
        state: "queued".to_owned(),
        percent: 0,
        output: String::new(),
        changed_at: call.now,
    };
    call.state.db.put_command(&call.network, &command).await?;
    Answer::with(201, shown_command(&command, call.now))
}

pub(crate) async fn list_commands(call: &Call) -> Result<Answer, Problem> {
    gateway(call).await?;
    let commands = call.state.db.commands(&call.network, &call.name, select::limit(call)?).await?;
    let items: Vec<Value> = commands.iter().map(|command| shown_command(command, call.now)).collect();
    Answer::ok(json!({ "items": items }))
}

pub(crate) async fn command(call: &Call) -> Result<Answer, Problem> {
    let command = call.state.db.command(&call.network, &call.name).await?.ok_or_else(Problem::not_found)?;
    Answer::ok(shown_command(&command, call.now))
}

async fn gateway(call: &Call) -> Result<Object, Problem> {
    call.state.db.object(&target(call, Kind::Gateway)).await?.ok_or_else(Problem::not_found)
}

fn shown_token(token: &GatewayToken) -> Value {
    let used = (token.used_at > 0).then(|| json!({"at": token.used_at, "by": token.used_by}));
    json!({
        "id": token.id,
        "tier": token.tier,
        "gateway": (!token.gateway.is_empty()).then_some(&token.gateway),
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "used": used,
    })
}

/// Whether a gateway talks to a replica and was heard not long ago.
pub(crate) fn is_connected(state: &GatewayState, now: i64) -> bool {
    !state.replica.is_empty() && state.seen_at + SILENT > now
}

/// When the certificates of gateways end, by their names.
pub(crate) async fn certificate_ends<'a>(
    call: &Call,
    states: impl Iterator<Item = &'a GatewayState> + Send,
) -> Result<BTreeMap<String, i64>, orchestrator_db::Error> {
    let names: BTreeSet<&str> = states.map(|state| state.gateway.as_str()).collect();
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return Ok(BTreeMap::new()) };
    call.state.db.certificate_ends(&call.network, first, last).await
}

pub(crate) fn shown_state(state: &GatewayState, certificate_end: Option<&i64>, now: i64) -> Value {
    json!({
        "gateway": state.gateway,
        "connected": is_connected(state, now),
        "connected_at": state.connected_at,
        "seen_at": state.seen_at,
        "state": state.state,
        "sync": state.sync,
        "certificate_expires_at": certificate_end,
    })
}

pub(crate) fn shown_event(event: &GatewayEvent) -> Value {
    json!({
        "id": event.id,
        "gateway": event.gateway,
        "at": event.at,
        "kind": event.kind,
        "alarm": event.alarm,
        "imsi": event.imsi,
        "text": event.words,
        "facts": serde_json::from_str::<Value>(&event.facts).unwrap_or(Value::Null),
    })
}

fn shown_usage(row: &UsageRow) -> Value {
    // `SESSION`, `SESSION/bearer/EBI`, `SESSION/rule/NUMBER` or `SESSION/group/RATING_GROUP`: octets of parts are in their session's, too.
    let mut parts = row.session.split('/');
    let session = parts.next().unwrap_or_default();
    let (of, part) = (parts.next().unwrap_or("session"), parts.next());
    json!({
        "gateway": row.gateway,
        "session": session,
        "of": of,
        "part": part,
        "epoch": row.epoch,
        "sequence": row.sequence,
        "imsi": row.imsi,
        "apn": row.apn,
        "cell": row.cell,
        "from": row.began_at,
        "to": row.ended_at,
        "uplink_bytes": row.uplink_bytes,
        "downlink_bytes": row.downlink_bytes,
        "uplink_packets": row.uplink_packets,
        "downlink_packets": row.downlink_packets,
        "last": row.last,
    })
}

/// One page of what a command gave besides words, such as recorded packets (pcapng): Base64 (RFC 4648 §4).
pub(crate) async fn command_data(call: &Call) -> Result<Answer, Problem> {
    let command = call.state.db.command(&call.network, &call.name).await?.ok_or_else(Problem::not_found)?;
    let place = call.parameter("place").map_or(Ok(0), str::parse).ok().filter(|place: &i64| *place >= 0);
    let place = place.ok_or_else(|| Problem::bad("place is a number of octets"))?;
    let (data, octets) = call.state.db.command_data(&call.network, &call.name, place).await?;
    let next = place + i64::try_from(data.len()).unwrap_or(0);
    let ended = !matches!(command.state.as_str(), "queued" | "sent" | "running");
    Answer::ok(json!({
        "place": place,
        "data": base64(&data),
        "next": (next < octets).then_some(next),
        "octets": octets,
        "complete": ended && next >= octets,
    }))
}

/// Octets in Base64 (RFC 4648 §4).
#[must_use]
pub fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let of = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for place in 0..4_usize {
            let letter = LETTERS.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if place > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

pub(crate) fn shown_command(command: &CommandRow, now: i64) -> Value {
    let waits = matches!(command.state.as_str(), "queued" | "sent");
    let state = if waits && command.expires_at <= now { "expired" } else { command.state.as_str() };
    json!({
        "id": command.id,
        "gateway": command.gateway,
        "kind": command.kind,
        "arguments": serde_json::from_str::<Value>(&command.arguments).unwrap_or(Value::Null),
        "created_by": command.created_by,
        "created_at": command.created_at,
        "expires_at": command.expires_at,
        "state": state,
        "percent": command.percent,
        "output": command.output,
        "changed_at": command.changed_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        // RFC 4648 §10.
        for (octets, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(octets.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe]), "//4=");
    }
}
