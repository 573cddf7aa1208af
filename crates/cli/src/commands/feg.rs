//! Federation gateways: their peers, test requests, drain and traces; straight by their control socket, or through an orchestrator.

use super::imsi as parse_imsi;
use super::objects::{Orchestrator, Way};
use crate::args::{FegCommand, Where};
use crate::error::{Error, Result};
use crate::kinds::plain;
use crate::output::Out;
use crate::pcapng::{Direction, Packet, Writer};
use crate::table::Table;
use crate::text as words;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_operator_client::FederationOperatorClient;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// How long a federation gateway may take for an ordinary answer, and a command at an orchestrator.
const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at a command.
const LOOK: Duration = Duration::from_millis(200);
/// Octets of a token from standard input.
const TOKEN: u64 = 4096;

type Client = FederationOperatorClient<Channel>;

pub(super) async fn run(command: FegCommand, to: &Where, stdin: &mut dyn Read, out: &mut Out<'_>) -> Result<()> {
    match command {
        FegCommand::Token { name, host, realm, tier, hours } => {
            token(&Way::find(to)?.orchestrator()?, &name, [&host, &realm, &tier], hours, out).await
        }
        FegCommand::Join { token } => {
            let mut text = token;
            if text == "-" {
                text.clear();
                stdin.take(TOKEN).read_to_string(&mut text)?;
            }
            let request = api::JoinRequest { token: text.trim().to_owned() };
            let joined = within(connect(to).await?.join(request)).await?;
            if out.is_json() {
                return Ok(out.json(&json!({"network": joined.network, "name": joined.name}))?);
            }
            Ok(out.line(&format!("joined network {} as {}", joined.network, joined.name))?)
        }
        FegCommand::Drain { off } => {
            within(connect(to).await?.drain(api::DrainRequest { on: !off })).await?;
            Ok(out.line(if off { "gateways may come again" } else { "gateways are told to go elsewhere" })?)
        }
        FegCommand::Trace { imsi, write, count, time } => {
            trace(to, &imsi, write, count.unwrap_or(u64::MAX), time, out).await
        }
    }
}

/// `basalt get peers`, `basalt describe peer HOST`.
pub(super) async fn peers(host: Option<&str>, to: &Where, out: &mut Out<'_>) -> Result<()> {
    let mut all = match Way::find(to)? {
        Way::Orchestrator(at) => of_orchestrator(&at).await?,
        Way::Gateway => of_socket(&within(connect(to).await?.list_peers(api::ListPeersRequest {})).await?),
    };
    match host {
        None => listed(&all, out),
        Some(host) => {
            all.retain(|peer| text(peer, "/host").eq_ignore_ascii_case(host));
            if all.is_empty() {
                return Err(Error::usage(format!("there is no peer {}", words::quoted(host)), "basalt get peers"));
            }
            described(&all, out)
        }
    }
}

fn of_socket(list: &api::ListPeersResponse) -> Vec<Value> {
    let one = |peer: &api::Peer| {
        json!({
            "feg": list.name, "host": peer.host, "up": peer.up, "since": peer.since, "lost": peer.lost,
            "losses": peer.losses, "answers": peer.answers, "requests": peer.requests, "results": peer.results,
            "latency_mean_us": peer.latency_mean, "latency_bounds_us": peer.latency_bounds,
            "latency_counts": peer.latency_counts, "realms": peer.realms,
        })
    };
    list.peers.iter().map(one).collect()
}

async fn of_orchestrator(at: &Orchestrator) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for feg in fegs(at).await? {
        for peer in feg.pointer("/state/peers").and_then(Value::as_array).into_iter().flatten() {
            let mut peer = peer.clone();
            if let Some(fields) = peer.as_object_mut() {
                fields.insert("feg".to_owned(), text(&feg, "/gateway").into());
                if feg.get("connected") != Some(&Value::Bool(true)) {
                    fields.insert("up".to_owned(), Value::Null);
                }
            }
            all.push(peer);
        }
    }
    Ok(all)
}

/// The states of federation gateways.
async fn fegs(at: &Orchestrator) -> Result<Vec<Value>> {
    let mut states = at.list(&format!("{}/gateway-states", root(at)?)).await?;
    states.retain(|state| text(state, "/state/role") == "federation");
    Ok(states)
}

fn root(at: &Orchestrator) -> Result<String> {
    let network = at.network.as_deref();
    let network = network.ok_or_else(|| {
        Error::usage("federation gateways are of one network, and none was named", "give --network NAME")
    })?;
    Ok(format!("/networks/{}", plain(network)?))
}

fn listed(peers: &[Value], out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(&peers)?);
    }
    let mut table = Table::new(&["PEER", "STATE", "SINCE", "REALMS", ">ANSWERS", ">MEAN", ">LOST", "FEG"]);
    for peer in peers {
        let mean = number(peer, "/latency_mean_us") as f64 / 1000.0;
        table.row([
            text(peer, "/host").to_owned(),
            state(peer).to_owned(),
            words::age(out.now, number(peer, "/since")),
            realms(peer),
            number(peer, "/answers").to_string(),
            format!("{mean:.1} ms"),
            number(peer, "/losses").to_string(),
            text(peer, "/feg").to_owned(),
        ]);
    }
    Ok(out.table(&table, "No peers: add [[peer]] to fegd.toml, or peers to a federation at the orchestrator.")?)
}

fn described(peers: &[Value], out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(&peers)?);
    }
    for peer in peers {
        let since = format!("{}, since {}", state(peer), words::age(out.now, number(peer, "/since")));
        out.fields(&[
            ("peer", text(peer, "/host").to_owned()),
            ("of", text(peer, "/feg").to_owned()),
            ("state", since),
            ("realms", realms(peer)),
            ("lost", format!("{} times {}", number(peer, "/losses"), text(peer, "/lost")).trim_end().to_owned()),
            ("answers", number(peer, "/answers").to_string()),
            ("requests of its own", number(peer, "/requests").to_string()),
        ])?;
        let results = peer.get("results").and_then(Value::as_object);
        if let Some(results) = results.filter(|results| !results.is_empty()) {
            let mut table = Table::new(&["RESULT", ">ANSWERS"]);
            for (code, count) in results {
                table.row([code.clone(), count.to_string()]);
            }
            out.line("")?;
            out.table(&table, "")?;
        }
        let counts = peer.get("latency_counts").and_then(Value::as_array);
        let bounds = peer.get("latency_bounds_us").and_then(Value::as_array);
        if let (Some(counts), Some(bounds)) = (counts, bounds) {
            let mut table = Table::new(&["WITHIN", ">ANSWERS"]);
            let limits = bounds.iter().map(|bound| format!("{} ms", bound.as_f64().unwrap_or(0.0) / 1000.0));
            for (limit, count) in limits.chain(std::iter::once("more".to_owned())).zip(counts) {
                if count.as_u64() != Some(0) {
                    table.row([limit, count.to_string()]);
                }
            }
            out.line("")?;
            out.table(&table, "No answers yet.")?;
        }
    }
    Ok(())
}

/// `basalt test-ping REALM`.
pub(super) async fn ping(realm: &str, feg: Option<&str>, to: &Where, out: &mut Out<'_>) -> Result<()> {
    let pong = match Way::find(to)? {
        Way::Orchestrator(at) => ping_through(&at, realm, feg).await?,
        Way::Gateway => {
            let request = api::TestPingRequest { realm: realm.to_owned() };
            let pong = within(connect(to).await?.test_ping(request)).await?;
            json!({"peer": pong.peer, "took_us": pong.took, "result": pong.result})
        }
    };
    if out.is_json() {
        return Ok(out.json(&pong)?);
    }
    let took = number(&pong, "/took_us") as f64 / 1000.0;
    let meaning = match text(&pong, "/result") {
        "10415/5001" => " (nobody has this subscriber: as it should be)",
        _ => "",
    };
    Ok(out.line(&format!("{} answered in {took:.1} ms: {}{meaning}", text(&pong, "/peer"), text(&pong, "/result")))?)
}

async fn ping_through(at: &Orchestrator, realm: &str, feg: Option<&str>) -> Result<Value> {
    let feg = match feg {
        Some(feg) => plain(feg)?.to_owned(),
        None => {
            let all = fegs(at).await?;
            let connected = all.iter().find(|feg| feg.get("connected") == Some(&Value::Bool(true)));
            let none = || Error::usage("no federation gateway is connected", "basalt get gateways; basalt feg token");
            text(connected.ok_or_else(none)?, "/gateway").to_owned()
        }
    };
    let root = root(at)?;
    let wanted = json!({"kind": "test-ping", "arguments": {"realm": realm}});
    let made = at.ask("POST", &format!("{root}/gateways/{feg}/commands"), Some(&wanted)).await?;
    let path = format!("{root}/commands/{}", text(&made, "/id"));
    let ended = async {
        loop {
            let seen = at.ask("GET", &path, None).await?;
            match text(&seen, "/state") {
                "queued" | "sent" | "running" => tokio::time::sleep(LOOK).await,
                _ => return Ok::<Value, Error>(seen),
            }
        }
    };
    let late = || Error::usage(format!("{feg} does not answer"), "basalt get gateways says whether it is connected");
    let seen = tokio::time::timeout(PATIENCE, ended).await.map_err(|_| late())??;
    let output = text(&seen, "/output");
    if text(&seen, "/state") != "done" {
        return Err(Error::usage(format!("{feg}: {output}"), "basalt get peers says which peers are up"));
    }
    Ok(serde_json::from_str(output).unwrap_or_default())
}

async fn token(
    at: &Orchestrator,
    name: &str,
    [host, realm, tier]: [&str; 3],
    hours: u16,
    out: &mut Out<'_>,
) -> Result<()> {
    let root = root(at)?;
    let name = plain(name)?;
    let body = json!({"tier": tier, "feg": {"host": host, "realm": realm}});
    at.ask("PUT", &format!("{root}/gateways/{name}"), Some(&body)).await?;
    let wanted = json!({"tier": tier, "gateway": name, "hours": hours});
    let made = at.ask("POST", &format!("{root}/gateway-tokens"), Some(&wanted)).await?;
    if out.is_json() {
        return Ok(out.json(&made)?);
    }
    out.line(&format!("basalt feg join {}", text(&made, "/token")))?;
    out.note("Run it where fegd runs. It works once, and is not shown again.")?;
    Ok(())
}

async fn trace(
    to: &Where,
    imsi: &str,
    path: Option<PathBuf>,
    most: u64,
    time: Option<u64>,
    out: &mut Out<'_>,
) -> Result<()> {
    let imsi = parse_imsi(imsi)?;
    let mut client = connect(to).await?;
    let mut seen = within(client.trace(api::TraceRequest { imsi: imsi.clone() })).await?;
    let mut file = path.as_deref().map(Capture::create).transpose()?;
    let end = time.map(|seconds| tokio::time::Instant::now() + Duration::from_secs(seconds));
    let mut count = 0;
    while count < most {
        let next = match end {
            Some(end) => match tokio::time::timeout_at(end, seen.message()).await {
                Ok(next) => next?,
                Err(_) => break,
            },
            None => seen.message().await?,
        };
        let Some(message) = next else { break };
        count += 1;
        match &mut file {
            Some(file) => file.write(&message)?,
            None => {
                let said: Value = serde_json::from_str(&message.json).unwrap_or_default();
                let way = if message.sent { "sent" } else { "received" };
                let line = json!({"at_us": message.at, "way": way, "peer": message.peer, "message": said});
                out.json_line(&line)?;
            }
        }
    }
    match path {
        Some(path) => Ok(out.line(&format!("{count} messages about {imsi} are in {}", path.display()))?),
        None => Ok(()),
    }
}

/// A capture of messages, each a segment between two made-up addresses, as readers of captures like it.
struct Capture {
    path: PathBuf,
    writer: Writer<File>,
    /// Octets sent in each direction: TCP's sequence numbers.
    places: [u32; 2],
}

impl Capture {
    fn create(path: &Path) -> Result<Self> {
        let application = concat!("basalt ", env!("CARGO_PKG_VERSION"));
        let writer = File::create(path).and_then(|file| Writer::new(file, application));
        let writer = writer.map_err(|error| cannot(path, &error))?;
        Ok(Self { path: path.to_owned(), writer, places: [1, 1] })
    }

    fn write(&mut self, message: &api::TracedMessage) -> Result<()> {
        let frame = self.frame(message);
        let packet = Packet {
            interface: "diameter",
            unix_nanos: message.at.saturating_mul(1000),
            direction: if message.sent { Direction::Out } else { Direction::In },
            length: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            octets: &frame,
            comment: "keys and expected answers are blotted out",
        };
        self.writer.write(&packet).map_err(|error| cannot(&self.path, &error))
    }

    fn frame(&mut self, message: &api::TracedMessage) -> Vec<u8> {
        const OURS: [u8; 4] = [192, 0, 2, 1];
        const THEIRS: [u8; 4] = [192, 0, 2, 2];
        let (from, to, ports) = match message.sent {
            true => (OURS, THEIRS, [50_000_u16, 3868]),
            false => (THEIRS, OURS, [3868, 50_000]),
        };
        let [ours, theirs] = self.places;
        let (place, acknowledged) = if message.sent { (ours, theirs) } else { (theirs, ours) };
        let octets = message.octets.get(..message.octets.len().min(65_000)).unwrap_or_default();
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        let next = place.wrapping_add(length);
        self.places = if message.sent { [next, theirs] } else { [ours, next] };
        let total = u16::try_from(octets.len() + 40).unwrap_or(u16::MAX);
        let mut ip = [&[0x45, 0][..], &total.to_be_bytes(), &[0, 0, 0x40, 0, 64, 6, 0, 0], &from, &to].concat();
        let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let check = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0);
        ip[10..12].copy_from_slice(&check.to_be_bytes());
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        frame.extend(ip);
        frame.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        frame.extend(place.to_be_bytes());
        frame.extend(acknowledged.to_be_bytes());
        // Five words of header, PSH and ACK; readers do not mind that there is no checksum.
        frame.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(octets);
        frame
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    Error::usage(format!("{} cannot be written: {error}", path.display()), "give another file by -w FILE")
}

/// The control socket of the federation gateway: the one that is named, or that of this machine's.
async fn connect(to: &Where) -> Result<Client> {
    let usual = basalt_control_api::federation::DEFAULT_CONTROL_SOCKET;
    let path = to.socket.clone().unwrap_or_else(|| usual.into());
    let shown = path.display().to_string();
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://feg").connect_with_connector(connector).await;
    let channel = channel.map_err(|_| Error::Unreachable {
        what: format!("fegd is not running, or not here: nobody answers at {shown}"),
        fix: "start it (systemctl start fegd), give its socket by --socket PATH, or an orchestrator".to_owned(),
    })?;
    Ok(FederationOperatorClient::new(channel))
}

async fn within<T>(answer: impl Future<Output = std::result::Result<tonic::Response<T>, tonic::Status>>) -> Result<T> {
    let late = |_| tonic::Status::deadline_exceeded("fegd does not answer");
    let answered = tokio::time::timeout(PATIENCE, answer).await.map_err(late)?;
    let refused = |status: tonic::Status| Error::Refused {
        code: "refused",
        what: status.message().to_owned(),
        fix: "`basalt get peers` says how peers stand, the log of fegd why".to_owned(),
    };
    Ok(answered.map_err(refused)?.into_inner())
}

fn state(peer: &Value) -> &'static str {
    match peer.get("up") {
        Some(Value::Bool(true)) => "up",
        Some(Value::Bool(false)) => "down",
        _ => "unknown",
    }
}

fn realms(peer: &Value) -> String {
    let all = peer.get("realms").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_default()
}
