//! Call traces over all gateways of a network: whom they are about, what they recorded, as a ladder and for Wireshark.
//!
//! ```text
//!   POST traces ─► a command `call-trace` for each gateway ─► the stream, also over reconnects ─► their data: lines of JSON
//!   GET ladder, pcapng ◄─ the data of all, merged by time
//! ```

use crate::gate::{Answer, Call};
use crate::token::new_secret;
use crate::{Problem, gateways, select};
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
use basalt_calltrace::Record;
use basalt_ids::Imsi;
use orchestrator_db::{CommandRow, Object, Query, Sort, Target, TraceRow};
use orchestrator_model::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Minutes of a trace unless told, and at most.
const MINUTES: u32 = 10;
const MOST_MINUTES: u32 = 60;
const MINUTE: i64 = 60 * 1000;
/// Octets that each gateway may give unless told, at least and at most: below what a command may give.
const OCTETS: u64 = 2 << 20;
const FEWEST_OCTETS: u64 = 64 << 10;
const MOST_OCTETS: u64 = 7 << 20;
/// Gateways of one trace, traces that a network keeps, and messages of a ladder.
const GATEWAYS: u32 = 1_000;
const KEPT: u32 = 100;
const MESSAGES: usize = 5_000;
/// Octets of all gateways that are read for one answer.
const READ: usize = 64 << 20;
/// What a gateway calls it.
const KIND: &str = "call-trace";

/// Whom a trace is about: a phone, a base station, or all of one gateway.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceRequest {
    /// A phone, also before it appears anywhere.
    #[serde(default)]
    #[schema(pattern = "^[0-9]{6,15}$")]
    imsi: Option<String>,
    /// A base station, as in `001-01/0x19b`.
    #[serde(default)]
    #[schema(max_length = 64)]
    base_station: Option<String>,
    /// This gateway alone; without a phone or base station, all that it hears and says.
    #[serde(default)]
    gateway: Option<String>,
    /// How long, 1 to 60; 10, when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 60)]
    minutes: Option<u32>,
    /// Octets that each gateway may give, 65536 to 7340032; 2097152, when absent.
    #[serde(default)]
    #[schema(minimum = 65_536, maximum = 7_340_032)]
    octets: Option<u64>,
}

/// What is kept of a trace besides its row.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    imsi: Option<String>,
    base_station: Option<String>,
    gateway: Option<String>,
    octets: u64,
    /// Gateways and their commands.
    commands: Vec<(String, String)>,
}

pub(crate) async fn create(call: &Call) -> Result<Answer, Problem> {
    let request: TraceRequest = call.read()?;
    check(&request)?;
    let minutes = request.minutes.unwrap_or(MINUTES);
    let octets = request.octets.unwrap_or(OCTETS);
    let id = new_id()?;
    if let Some(name) = call.made_name("trace")
        && let Some(made) = call.state.db.trace(&call.network, &name).await?
        && call.made(made.created_at)
    {
        return Answer::with(201, shown(call, &made).await?);
    }
    let id = call.made_name("trace").unwrap_or(id);
    let who = call.caller()?.name.clone();
    let arguments = json!({
        "trace": id,
        "imsi": request.imsi,
        "base_station": request.base_station,
        "seconds": u64::from(minutes) * 60,
        "octets": octets,
    });
    let ends_at = call.now + i64::from(minutes) * MINUTE;
    let mut commands = Vec::new();
    for gateway in asked(call, &request).await? {
        commands.push((gateway, new_id()?));
    }
    let rows: Vec<CommandRow> =
        commands.iter().map(|(gateway, id)| command(call, gateway, id, &arguments, &who, ends_at)).collect();
    let TraceRequest { imsi, base_station, gateway, .. } = request;
    let kept = Kept { imsi, base_station, gateway, octets, commands };
    let body = serde_json::to_string(&kept).map_err(|_| Problem::new(500, "internal", "the trace has no form"))?;
    let row = TraceRow { id, network: call.network.clone(), created_at: call.now, created_by: who, ends_at, body };
    make_room(call).await?;
    call.state.db.put_trace(&row).await?;
    for command in &rows {
        call.state.db.put_command(&call.network, command).await?;
    }
    Answer::with(201, shown(call, &row).await?)
}

fn check(request: &TraceRequest) -> Result<(), Problem> {
    if let Some(imsi) = &request.imsi
        && imsi.parse::<Imsi>().is_err()
    {
        return Err(Problem::field("/imsi", "is no IMSI", "6 to 15 digits"));
    }
    if request.base_station.as_ref().is_some_and(|name| name.is_empty() || name.len() > 64) {
        return Err(Problem::field("/base_station", "is no base station", "its identity, as in 001-01/0x19b"));
    }
    if request.imsi.is_some() && request.base_station.is_some() {
        return Err(Problem::field("/base_station", "stands beside a phone", "a phone or a base station"));
    }
    if request.imsi.is_none() && request.base_station.is_none() && request.gateway.is_none() {
        return Err(Problem::field("/imsi", "is missing", "a phone, a base station, or a gateway"));
    }
    if !(1..=MOST_MINUTES).contains(&request.minutes.unwrap_or(MINUTES)) {
        return Err(Problem::field("/minutes", "is out of range", "1 to 60"));
    }
    if !(FEWEST_OCTETS..=MOST_OCTETS).contains(&request.octets.unwrap_or(OCTETS)) {
        return Err(Problem::field("/octets", "is out of range", "65536 to 7340032"));
    }
    Ok(())
}

fn new_id() -> Result<String, Problem> {
    let secret = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    // Letters and digits alone: it is a part of addresses and file names.
    Ok(secret.chars().filter(char::is_ascii_alphanumeric).take(24).collect())
}

/// The gateways that are asked. Federation gateways know subscribers, not base stations.
async fn asked(call: &Call, request: &TraceRequest) -> Result<Vec<String>, Problem> {
    if let Some(name) = &request.gateway {
        let target = Target { kind: Kind::Gateway, network: call.network.clone(), name: name.clone() };
        let found = call.state.db.object(&target).await?;
        found.ok_or_else(|| Problem::field("/gateway", "does not exist", "the name of a gateway of this network"))?;
        return Ok(vec![name.clone()]);
    }
    let query = Query { sort: Sort::Name, descending: false, filters: Vec::new(), after: None, limit: GATEWAYS };
    let page = call.state.db.objects(Kind::Gateway, &call.network, &query).await?;
    let federates = |gateway: &Object| gateway.body.get("feg").is_some_and(|feg| !feg.is_null());
    let fit = page.items.into_iter().filter(|gateway| request.imsi.is_some() || !federates(gateway));
    Ok(fit.map(|gateway| gateway.name).collect())
}

fn command(call: &Call, gateway: &str, id: &str, arguments: &Value, who: &str, expires_at: i64) -> CommandRow {
    CommandRow {
        id: id.to_owned(),
        gateway: gateway.to_owned(),
        kind: KIND.to_owned(),
        arguments: arguments.to_string(),
        created_by: who.to_owned(),
        created_at: call.now,
        expires_at,
        state: "queued".to_owned(),
        percent: 0,
        output: String::new(),
        changed_at: call.now,
    }
}

/// The oldest traces give way.
async fn make_room(call: &Call) -> Result<(), Problem> {
    let all = call.state.db.traces(&call.network, KEPT + 100).await?;
    for old in all.iter().skip(KEPT as usize - 1) {
        end(call, old).await?;
    }
    Ok(())
}

/// Has gateways end a trace that runs yet, and forgets it.
async fn end(call: &Call, row: &TraceRow) -> Result<bool, Problem> {
    let kept = kept(row)?;
    let who = call.caller()?.name.clone();
    if row.ends_at > call.now {
        for (gateway, id) in &kept.commands {
            let stop = json!({ "stop": id });
            let command = command(call, gateway, &new_id()?, &stop, &who, row.ends_at);
            call.state.db.put_command(&call.network, &command).await?;
        }
    }
    let commands: Vec<String> = kept.commands.into_iter().map(|(_, id)| id).collect();
    Ok(call.state.db.delete_trace(&call.network, &row.id, &commands).await?)
}

pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let rows = call.state.db.traces(&call.network, select::limit(call)?).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        items.push(shown(call, row).await?);
    }
    Answer::ok(json!({ "items": items }))
}

pub(crate) async fn read(call: &Call) -> Result<Answer, Problem> {
    Answer::ok(shown(call, &find(call).await?).await?)
}

pub(crate) async fn delete(call: &Call) -> Result<Answer, Problem> {
    let row = find(call).await?;
    if end(call, &row).await? { Ok(Answer::nothing()) } else { Err(Problem::not_found()) }
}

/// What was recorded, decoded.
pub(crate) async fn ladder(call: &Call) -> Result<Answer, Problem> {
    let row = find(call).await?;
    let Gathered { records, dropped, clocks } = gather(call, &row).await?;
    let ladder = basalt_calltrace::ladder(&records, MESSAGES);
    let clocks: Vec<Value> =
        clocks.into_iter().map(|(gateway, offset)| json!({ "gateway": gateway, "offset_ms": offset })).collect();
    Answer::ok(json!({
        "trace": row.id,
        "participants": ladder.participants,
        "messages": ladder.messages,
        "procedures": ladder.procedures,
        "dropped": dropped,
        "left_out": ladder.left_out,
        "clocks": clocks,
    }))
}

/// What was recorded, for Wireshark.
pub(crate) async fn capture(call: &Call) -> Result<Response<Body>, Problem> {
    let row = find(call).await?;
    let mut records = gather(call, &row).await?.records;
    records.sort_by_key(|record| record.at);
    let mut response = Response::new(Body::from(basalt_calltrace::capture(&records)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-pcapng"));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"trace-{}.pcapng\"", row.id)) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// What all gateways gave.
struct Gathered {
    records: Vec<Record>,
    dropped: u64,
    /// By how many milliseconds each gateway's clock was ahead when it told of itself last.
    clocks: Vec<(String, Option<i64>)>,
}

async fn gather(call: &Call, row: &TraceRow) -> Result<Gathered, Problem> {
    let mut gathered = Gathered { records: Vec::new(), dropped: 0, clocks: Vec::new() };
    let mut left = READ;
    for (gateway, id) in kept(row)?.commands {
        let mut lines = Vec::new();
        let mut place = 0;
        while left > 0 {
            let (piece, _) = call.state.db.command_data(&call.network, &id, place).await?;
            if piece.is_empty() {
                break;
            }
            place += i64::try_from(piece.len()).unwrap_or(0);
            left = left.saturating_sub(piece.len());
            lines.extend(piece);
        }
        let (records, dropped) = basalt_calltrace::parse(&lines);
        let named = records.into_iter().map(|mut record| {
            // Whatever it says of itself: it is whose command it is.
            record.node.clone_from(&gateway);
            record
        });
        gathered.records.extend(named);
        gathered.dropped += dropped;
        let state = call.state.db.gateway_state(&call.network, &gateway).await?;
        gathered.clocks.push((gateway, state.and_then(|state| state.clock_ahead())));
    }
    Ok(gathered)
}

async fn find(call: &Call) -> Result<TraceRow, Problem> {
    call.state.db.trace(&call.network, &call.name).await?.ok_or_else(Problem::not_found)
}

fn kept(row: &TraceRow) -> Result<Kept, Problem> {
    serde_json::from_str(&row.body).map_err(|_| Problem::new(500, "internal", "a kept trace is damaged"))
}

async fn shown(call: &Call, row: &TraceRow) -> Result<Value, Problem> {
    let kept = kept(row)?;
    let mut gateways = Vec::with_capacity(kept.commands.len());
    let mut running = false;
    for (gateway, id) in &kept.commands {
        let state = call.state.db.command(&call.network, id).await?;
        let command = state.map(|command| gateways::shown_command(&command, call.now));
        let text = |field: &str, otherwise: &str| {
            command.as_ref().and_then(|it| it.get(field)?.as_str()).unwrap_or(otherwise).to_owned()
        };
        let state = text("state", "expired");
        running |= row.ends_at > call.now && matches!(state.as_str(), "queued" | "sent" | "running");
        let (_, octets) = call.state.db.command_data(&call.network, id, 0).await?;
        gateways.push(json!({
            "gateway": gateway,
            "command": id,
            "state": state,
            "octets": octets,
            "said": text("output", "").trim(),
        }));
    }
    Ok(json!({
        "id": row.id,
        "imsi": kept.imsi,
        "gateway": kept.gateway,
        "base_station": kept.base_station,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "until": row.ends_at,
        "octets": kept.octets,
        "state": if running { "running" } else { "ended" },
        "gateways": gateways,
    }))
}
