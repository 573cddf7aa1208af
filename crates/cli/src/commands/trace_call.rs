//! Signalling of a phone, a base station or a gateway: on the terminal, as a ladder, for Wireshark.

mod user_plane;

use super::imsi as parse_imsi;
use super::objects::{Orchestrator, text};
use super::stop::Stop;
use super::trace::until;
use crate::args::TraceCall;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::kinds::plain;
use crate::output::Out;
use crate::table::Table;
use basalt_calltrace::{Capture, Record, ladder, parse};
use basalt_control_api::gateway::v1 as api;
use basalt_control_api::gateway::v1::seen_packet::Point;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;
use user_plane::UserPlane;

/// Messages that a ladder has at most: the newest.
const MESSAGES: usize = 5_000;
/// Seconds of a trace through an orchestrator unless told, and between two looks.
const SECONDS: u64 = 60;
const LOOK: Duration = Duration::from_secs(1);

/// What is written besides what is printed.
struct Files {
    capture: Option<(PathBuf, File, Capture)>,
    ladder: Option<PathBuf>,
    /// The newest records, for the ladder.
    records: Vec<Record>,
    dropped: u64,
    count: usize,
}

impl Files {
    fn open(wanted: &TraceCall) -> Result<Self> {
        let capture = match &wanted.write {
            Some(path) => {
                let (capture, head) = Capture::begin();
                let mut file = File::create(path).map_err(|error| cannot(path, &error))?;
                file.write_all(&head).map_err(|error| cannot(path, &error))?;
                Some((path.clone(), file, capture))
            }
            None => None,
        };
        Ok(Self { capture, ladder: wanted.ladder.clone(), records: Vec::new(), dropped: 0, count: 0 })
    }

    fn take(&mut self, records: &[Record], dropped: u64) -> Result<()> {
        self.count += records.len();
        self.dropped += dropped;
        if let Some((path, file, capture)) = &mut self.capture {
            let blocks: Vec<u8> = records.iter().flat_map(|record| capture.add(record)).collect();
            file.write_all(&blocks).map_err(|error| cannot(path, &error))?;
        }
        self.records.extend_from_slice(records);
        let surplus = self.records.len().saturating_sub(MESSAGES);
        self.records.drain(..surplus);
        if let Some(path) = &self.ladder {
            let all = json!({ "ladder": ladder(&self.records, MESSAGES), "dropped": self.dropped });
            std::fs::write(path, format!("{all:#}\n")).map_err(|error| cannot(path, &error))?;
        }
        Ok(())
    }
}

impl Files {
    fn take_packet(&mut self, packet: &api::SeenPacket) -> Result<()> {
        let Some((path, file, capture)) = &mut self.capture else { return Ok(()) };
        let (sent, comment) = match packet.point() {
            Point::RadioOut => (true, String::new()),
            Point::UplinkDropped => (false, format!("dropped: {}", packet.reason)),
            _ => (false, String::new()),
        };
        let blocks = capture.add_packet(packet.unix_nanos / 1_000, sent, &packet.frame, packet.length, &comment);
        file.write_all(&blocks).map_err(|error| cannot(path, &error))
    }
}

/// `basalt trace call` at a gateway: until Ctrl-C, or a bound. Files are whole at any moment.
pub(super) async fn here(wanted: &TraceCall, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::TraceCallRequest {
        imsi: wanted.imsi.as_deref().map(parse_imsi).transpose()?.unwrap_or_default(),
        enb: wanted.enb.clone().unwrap_or_default(),
        octets: 0,
    };
    let (mut stream, mut stop) = (client.trace(request.clone()).await?, Stop::listen()?);
    let mut files = Files::open(wanted)?;
    let print = wanted.follow || (wanted.write.is_none() && wanted.ladder.is_none());
    let end = wanted.time.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut plane = UserPlane::new(wanted.packets.then(|| request.imsi.clone()));
    while wanted.count.is_none_or(|most| files.count < most) {
        let next = tokio::select! {
            next = stream.message() => next?,
            packet = plane.next(client) => {
                files.take_packet(&packet)?;
                continue;
            }
            () = until(end) => break,
            () = stop.asked() => break,
        };
        let Some(news) = next else { break };
        let (records, dropped) = parse(news.lines.as_bytes());
        files.take(&records, dropped)?;
        if print {
            let shown = serde_json::to_value(ladder(&records, records.len())).unwrap_or_default();
            messages(&shown, 0, out)?;
        }
        if dropped > 0 {
            out.note(&format!("{dropped} messages were dropped: there were too many at once"))?;
        }
    }
    if let Some(words) = plane.words() {
        out.note(&words)?;
    }
    let all = serde_json::to_value(ladder(&files.records, MESSAGES)).unwrap_or_default();
    summary(&all, files.count, wanted, out)
}

/// The same over all gateways of a network.
pub(super) async fn through(wanted: &TraceCall, at: &Orchestrator, out: &mut Out<'_>) -> Result<()> {
    let network = at.network.as_deref().ok_or_else(|| {
        Error::usage("a trace is of one network, and none was named", "give --network NAME, or a context that has one")
    })?;
    let root = format!("/networks/{}/traces", plain(network)?);
    let seconds = wanted.time.unwrap_or(SECONDS);
    let mut body = json!({ "minutes": seconds.div_ceil(60) });
    if let Some(imsi) = &wanted.imsi {
        body["imsi"] = parse_imsi(imsi)?.into();
    } else if let Some(enb) = &wanted.enb {
        body["base_station"] = enb.as_str().into();
    } else {
        let gateway = wanted.all.as_deref().filter(|name| !name.is_empty());
        let gateway = gateway.ok_or_else(|| Error::usage("all of which gateway?", "give its name: --all GATEWAY"))?;
        body["gateway"] = gateway.into();
    }
    if wanted.packets {
        let fix = "ask the gateway itself: basalt trace call IMSI -w FILE --packets";
        return Err(Error::usage("an orchestrator gives no packets with signalling", fix));
    }
    // A file that cannot be written is told before anybody is asked.
    drop(Files::open(wanted)?);
    let made = at.ask("POST", &root, Some(&body)).await?;
    let one = format!("{root}/{}", plain(text(&made, "/id"))?);
    let gateways = made.get("gateways").and_then(Value::as_array).map_or(0, Vec::len);
    out.note(&format!("trace {} of {gateways} gateways, {seconds} s", text(&made, "/id")))?;
    let print = wanted.follow || (wanted.write.is_none() && wanted.ladder.is_none());
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut ladder, mut had, mut told) = (Value::Null, 0, 0);
    let count = |ladder: &Value| ladder.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
    loop {
        let known = at.ask("GET", &one, None).await?;
        let octets = octets(&known);
        if octets > had {
            had = octets;
            ladder = at.ask("GET", &format!("{one}/ladder"), None).await?;
            if print {
                messages(&ladder, told, out)?;
            }
            told = count(&ladder);
        }
        let enough = wanted.count.is_some_and(|most| told >= most);
        if enough || Instant::now() >= end || text(&known, "/state") != "running" {
            break;
        }
        tokio::time::sleep(LOOK.min(end.saturating_duration_since(Instant::now()))).await;
    }
    if let Some(path) = &wanted.write {
        let capture = at.octets(&format!("{one}/pcapng")).await?;
        std::fs::write(path, capture).map_err(|error| cannot(path, &error))?;
    }
    if let Some(path) = &wanted.ladder {
        std::fs::write(path, format!("{ladder:#}\n")).map_err(|error| cannot(path, &error))?;
    }
    at.ask("DELETE", &one, None).await?;
    summary(&ladder, told, wanted, out)
}

fn octets(known: &Value) -> u64 {
    let gateways = known.get("gateways").and_then(Value::as_array);
    gateways.into_iter().flatten().filter_map(|it| it.get("octets")?.as_u64()).sum()
}

/// Prints messages of a ladder from a place on.
fn messages(ladder: &Value, from: usize, out: &mut Out<'_>) -> Result<()> {
    for message in ladder.get("messages").and_then(Value::as_array).into_iter().flatten().skip(from) {
        if out.is_json() {
            out.json_line(message)?;
            continue;
        }
        let end = |id: &str| {
            id.split_once(':').map_or(id, |(kind, name)| if name.is_empty() { kind } else { name }).to_owned()
        };
        let micros = message.get("at").and_then(Value::as_u64).unwrap_or_default();
        let seconds = micros / 1_000_000 % 86_400;
        let clock =
            format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000);
        let (from, to) = (end(text(message, "/from")), end(text(message, "/to")));
        let why = message.get("cause").and_then(Value::as_str).map(|cause| format!(" ({cause})")).unwrap_or_default();
        let (protocol, name) = (text(message, "/protocol"), text(message, "/name"));
        out.line(&format!("{clock} {from} -> {to} {protocol} {name}{why}"))?;
    }
    Ok(())
}

/// What there is, and what it amounts to.
fn summary(ladder: &Value, count: usize, wanted: &TraceCall, out: &mut Out<'_>) -> Result<()> {
    let procedures = ladder.get("procedures").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    if out.is_json() {
        let answer = json!({
            "messages": count,
            "file": file(&wanted.write),
            "ladder": file(&wanted.ladder),
            "procedures": procedures,
        });
        return Ok(out.json(&answer)?);
    }
    let mut table = Table::new(&["PROCEDURE", "PHONE", ">MS", "RESULT", "CAUSE"]);
    for it in procedures.iter().filter(|it| it.get("parent").is_none_or(Value::is_null)) {
        let took = it.get("duration").and_then(Value::as_u64).unwrap_or_default();
        let row = [text(it, "/name"), text(it, "/imsi"), "", text(it, "/result"), text(it, "/cause")];
        let mut row = row.map(str::to_owned);
        row[2] = format!("{}.{}", took / 1000, took / 100 % 10);
        table.row(row);
    }
    out.table(&table, "")?;
    let places: Vec<String> = [file(&wanted.write), file(&wanted.ladder)].into_iter().flatten().collect();
    let places = if places.is_empty() { String::new() } else { format!(" are in {}", places.join(" and ")) };
    Ok(out.line(&format!("{count} messages{places}"))?)
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::usage(format!("{} cannot be written: {error}", path.display()), "give another file")
}
