//! What gateways report: checked for size and range, stored, then acknowledged.

use crate::fleet::{Fleet, now};
use crate::identity::{Known, unavailable};
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::command_progress::State;
use orchestrator_db::{GatewayEvent, GatewayState, Phone, PhoneNews, UsageRow};
use serde_json::{Map, Value};
use tonic::Status;

/// Octets of a state, characters of a text, series of metrics.
const STATE: usize = 64 << 10;
const TEXT: usize = 4096;
const SERIES: usize = 10_000;
/// Records and events of one message.
const RECORDS: usize = 2_000;

/// A gateway's words, within bounds and without what a database or a terminal would stumble over.
fn text(words: &str) -> String {
    words.chars().filter(|it| !it.is_control() || *it == '\n').take(TEXT).collect()
}

/// Counts beyond what a database holds are told as the most that it holds: a report that is refused would come for ever.
fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn number(value: u64) -> Result<i64, Status> {
    i64::try_from(value).map_err(|_| Status::invalid_argument("a number is out of range"))
}

fn too_many() -> Status {
    Status::invalid_argument("too much in one message")
}

/// What a gateway says of itself, with when it said so by its own clock, and how far that is ahead of ours (`now`).
pub(crate) fn state(check_in: &api::CheckIn, now: i64) -> Result<Value, Status> {
    let read =
        Some(&check_in.state).filter(|text| text.len() <= STATE).and_then(|text| serde_json::from_str(text).ok());
    let mut state: Map<String, Value> = read.ok_or_else(|| Status::invalid_argument("a state is a JSON object"))?;
    state.insert("at".to_owned(), check_in.at.into());
    let ahead = i64::try_from(check_in.at).ok().map(|at| at.saturating_sub(now));
    state.insert(GatewayState::CLOCK_AHEAD.to_owned(), ahead.into());
    Ok(Value::Object(state))
}

pub(crate) fn merge_metrics(all: &mut Map<String, Value>, metrics: api::Metrics) -> Result<(), Status> {
    for (name, value) in metrics.values {
        if name.len() > 256 || (all.len() >= SERIES && !all.contains_key(&name)) {
            return Err(too_many());
        }
        // What is no number has no form in JSON.
        all.insert(name, serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number));
    }
    Ok(())
}

pub(crate) async fn events(fleet: &Fleet, known: &Known, events: api::Events) -> Result<api::Received, Status> {
    if events.events.len() > RECORDS {
        return Err(too_many());
    }
    // Ours are negative.
    let epoch = number(events.epoch)?;
    let mut rows = Vec::with_capacity(events.events.len());
    for event in &events.events {
        rows.push(GatewayEvent {
            id: 0,
            gateway: known.gateway.clone(),
            epoch,
            number: number(event.number)?,
            at: clamped(event.at).min(now() + 86_400_000),
            kind: text(&event.kind),
            alarm: matches!(event.kind.as_str(), "security" | "events-dropped" | "peer-down"),
            imsi: text(&event.imsi),
            words: text(&event.text),
            facts: if event.json.len() <= STATE { text(&event.json) } else { "{}".to_owned() },
        });
    }
    fleet.db.put_gateway_events(&known.network, &rows).await.map_err(|error| unavailable(&error))?;
    let events_through = events.events.iter().map(|event| event.number).max().unwrap_or(0);
    Ok(api::Received { epoch: events.epoch, events_through, ..api::Received::default() })
}

pub(crate) async fn phones(
    fleet: &Fleet,
    known: &Known,
    stream: (&str, i64),
    phones: api::Phones,
) -> Result<(), Status> {
    if phones.phones.len() > RECORDS || phones.gone.len() > SERIES {
        return Err(too_many());
    }
    let words = |list: &[String]| list.iter().take(16).map(|word| text(word).replace(' ', "")).collect();
    let row = |it: &api::Phone| Phone {
        gateway: known.gateway.clone(),
        imsi: text(&it.imsi),
        // That word is ours.
        state: if it.state == Phone::GONE { String::new() } else { text(&it.state) },
        enb: text(&it.enb),
        apns: words(&it.apns),
        addresses: words(&it.addresses),
        facts: Some(&it.json)
            .filter(|facts| facts.len() <= 4 * TEXT)
            .and_then(|facts| serde_json::from_str(facts).ok())
            .unwrap_or_default(),
        told_at: 0,
    };
    let rows: Vec<Phone> = phones.phones.iter().map(row).collect();
    let gone: Vec<String> = phones.gone.iter().map(|imsi| text(imsi)).collect();
    let news = PhoneNews { at: now(), stream, whole: phones.whole, phones: &rows, gone: &gone };
    let kept = fleet.db.put_phones(&known.network, &known.gateway, &news).await;
    kept.map_err(|error| unavailable(&error))
}

pub(crate) async fn usage(fleet: &Fleet, known: &Known, usage: api::Usage) -> Result<api::Received, Status> {
    if usage.records.len() > RECORDS {
        return Err(too_many());
    }
    let mut rows = Vec::with_capacity(usage.records.len());
    for it in &usage.records {
        rows.push(UsageRow {
            gateway: known.gateway.clone(),
            session: text(&it.session),
            epoch: it.epoch.cast_signed(),
            sequence: it.sequence.cast_signed(),
            imsi: text(&it.imsi),
            apn: text(&it.apn),
            // The database knows where the phone is.
            cell: String::new(),
            began_at: clamped(it.from),
            ended_at: clamped(it.to),
            uplink_bytes: clamped(it.uplink_bytes),
            downlink_bytes: clamped(it.downlink_bytes),
            uplink_packets: clamped(it.uplink_packets),
            downlink_packets: clamped(it.downlink_packets),
            last: it.last,
        });
    }
    let through = usage.records.iter().map(|record| record.number).max().unwrap_or(0);
    let ledger = (usage.ledger.cast_signed(), number(through)?);
    let kept = fleet.db.put_usage(&known.network, &known.gateway, ledger, &rows).await;
    kept.map_err(|error| unavailable(&error))?;
    Ok(api::Received { ledger: usage.ledger, usage_through: through, ..api::Received::default() })
}

/// Octets that one command may give besides words.
const DATA: u64 = 8 << 20;
/// Octets of a piece of them.
const PIECE: usize = 256 << 10;

/// Whether a command is the gateway's.
async fn owns(fleet: &Fleet, known: &Known, id: &str) -> Result<bool, Status> {
    let held = fleet.db.command(&known.network, id).await.map_err(|error| unavailable(&error))?;
    Ok(held.is_some_and(|command| command.gateway == known.gateway))
}

/// What a command gave; what is too much or of nobody's command is received and not kept.
pub(crate) async fn data(fleet: &Fleet, known: &Known, data: api::CommandData) -> Result<api::Received, Status> {
    if data.octets.len() > PIECE {
        return Err(too_many());
    }
    let mut through = 0;
    if data.place + data.octets.len() as u64 <= DATA && owns(fleet, known, &data.id).await? {
        let kept = fleet.db.put_command_data(&known.network, &data.id, number(data.place)?, &data.octets).await;
        through = kept.map_err(|error| unavailable(&error))?.cast_unsigned();
    }
    Ok(api::Received { command: data.id, data_through: through, ..api::Received::default() })
}

pub(crate) async fn progress(
    fleet: &Fleet,
    known: &Known,
    progress: api::CommandProgress,
) -> Result<api::Received, Status> {
    let received = api::Received { progress_through: progress.number, ..api::Received::default() };
    let state = match progress.state() {
        State::Unspecified | State::Running => "running",
        State::Done => "done",
        State::Failed => "failed",
        State::NotSupported => "not-supported",
        State::Interrupted => "interrupted",
    };
    // Only of its own commands.
    if !owns(fleet, known, &progress.id).await? {
        return Ok(received);
    }
    let percent = i64::from(progress.percent.min(100));
    let output: String = progress.output.chars().filter(|it| *it != '\0').take(64 << 10).collect();
    let number = number(progress.number)?;
    let kept = fleet.db.command_progress(&known.network, &progress.id, (number, now()), state, percent, &output).await;
    kept.map_err(|error| unavailable(&error))?;
    Ok(received)
}
