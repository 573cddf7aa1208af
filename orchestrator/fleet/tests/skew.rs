//! A gateway of an earlier version talks to this orchestrator: what such a gateway said is kept octet by octet in `fixtures/conversation`, and
//! said again here. (What the orchestrator said is heard by this version's gateway in `crates/cloud-link`.)
//!
//! A recording is made once for each released version and never changed: `BASALT_UPDATE=1 cargo test -p orchestrator-fleet --test skew` makes
//! the one of a version that has none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use basalt_cloud_link::{TcpDial, secure_channel};
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::conversation_client::ConversationClient;
use basalt_control_api::orchestrator::v1::from_gateway::Message as Up;
use basalt_control_api::orchestrator::v1::from_orchestrator::Message as Down;
use basalt_desired::{Digest, DigestTree, ItemKey};
use orchestrator_db::CommandRow;
use prost::Message as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use world::{FAR, Gateway, Ground, PATIENCE, Replica, hex, imsi, quick, until};

/// A line of a recording.
enum Line {
    /// The gateway says.
    Up(Vec<u8>),
    /// The orchestrator says.
    Down(Vec<u8>),
    /// An operator does something.
    Do(String),
}

fn read(path: &Path) -> Vec<Line> {
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| match line.split_once(' ').unwrap() {
        ("up", octets) => Line::Up(unhex(octets)),
        ("down", octets) => Line::Down(unhex(octets)),
        ("do", what) => Line::Do(what.to_owned()),
        (other, _) => panic!("{other}"),
    };
    text.lines().filter(|text| !text.starts_with('#')).map(line).collect()
}

const KINDS: [&str; 8] = ["welcome", "compare", "page", "received", "command", "beat", "goodbye", "addresses"];

fn kind(message: &Down) -> &'static str {
    let place = match message {
        Down::Welcome(_) => 0,
        Down::Compare(_) => 1,
        Down::Page(_) => 2,
        Down::Received(_) => 3,
        Down::Command(_) => 4,
        Down::Beat(_) => 5,
        Down::Goodbye(_) => 6,
        Down::Addresses(_) => 7,
    };
    KINDS[place]
}

/// A gateway of another version: it says what was recorded, and remembers what it is told.
struct Old {
    out: mpsc::Sender<api::FromGateway>,
    inbound: Streaming<api::FromOrchestrator>,
    heard: BTreeMap<&'static str, usize>,
    /// All that came, for a recording.
    all: Vec<(&'static str, Vec<u8>)>,
    held: DigestTree,
    page: u64,
    compare: api::Compare,
}

impl Old {
    /// It has joined and has forgotten everything.
    async fn connect(ground: &Ground, replica: &Replica) -> Self {
        let gateway = Gateway::new("north");
        let link = gateway.start(Some(replica.token(&ground.token("lab", "north", FAR).await)), 1);
        let identity = until("it joins", async || gateway.disk.identity.lock().unwrap().clone()).await;
        link.abort();
        let channel = secure_channel(&Arc::new(TcpDial), &identity, &gateway.key).await.unwrap();
        let (out, messages) = mpsc::channel(64);
        let inbound = ConversationClient::new(channel).talk(ReceiverStream::new(messages)).await.unwrap().into_inner();
        let (heard, all, held) = (BTreeMap::new(), Vec::new(), DigestTree::default());
        Self { out, inbound, heard, all, held, page: 0, compare: api::Compare::default() }
    }

    /// Says something; what is an answer answers what was asked now.
    async fn say(&self, octets: &[u8]) -> Vec<u8> {
        let mut said = api::FromGateway::decode(octets).unwrap();
        match &mut said.message {
            Some(Up::Applied(it)) => (it.page, it.root) = (self.page, self.held.root().0.to_vec()),
            Some(Up::Buckets(it)) => (it.comparison, it.buckets) = (self.compare.comparison, self.differing()),
            _ => {}
        }
        let octets = said.encode_to_vec();
        self.out.send(said).await.unwrap();
        octets
    }

    /// Waits until so many messages of a kind have come.
    async fn hear(&mut self, wanted: &'static str, count: usize) {
        while self.heard.get(wanted).copied().unwrap_or(0) < count {
            let told = tokio::time::timeout(PATIENCE, self.inbound.message()).await;
            let told = told.unwrap_or_else(|_| panic!("{count} {wanted} do not come: {:?}", self.heard));
            let told = told.unwrap().expect("the orchestrator ended the conversation");
            let octets = told.encode_to_vec();
            let message = told.message.unwrap();
            match &message {
                Down::Compare(it) => self.compare = it.clone(),
                Down::Page(it) => self.take(it),
                _ => {}
            }
            *self.heard.entry(kind(&message)).or_default() += 1;
            self.all.push((kind(&message), octets));
        }
    }

    /// What it holds where that is not what the orchestrator has.
    fn differing(&self) -> Vec<api::Bucket> {
        let theirs: Vec<Digest> =
            self.compare.buckets.iter().map(|octets| Digest(octets.as_slice().try_into().unwrap())).collect();
        let held = |(key, digest): (&ItemKey, Digest)| api::Held {
            collection: key.collection.clone(),
            name: key.name.clone(),
            digest: digest.0.to_vec(),
        };
        let bucket = |index| {
            let items = self.held.bucket(index).map(held).collect();
            api::Bucket { index: u32::try_from(index).unwrap(), items }
        };
        self.held.differing_buckets(&theirs).into_iter().map(bucket).collect()
    }

    fn take(&mut self, page: &api::Page) {
        self.page = page.number;
        for put in &page.puts {
            let key = ItemKey { collection: put.collection.clone(), name: put.name.clone() };
            self.held.insert(key, Digest(put.digest.as_slice().try_into().unwrap()));
        }
    }
}

async fn operator(ground: &Ground, what: &str) {
    match what {
        "change" => ground.subscriber("lab", 1, "well").await,
        "command" => {
            let text = str::to_owned;
            let command = CommandRow {
                id: text("c1"),
                gateway: text("north"),
                kind: text("ping"),
                arguments: text("{}"),
                created_by: text("test"),
                created_at: 1,
                expires_at: FAR,
                state: text("queued"),
                percent: 0,
                output: String::new(),
                changed_at: 1,
            };
            ground.db.put_command("lab", &command).await.unwrap();
        }
        other => panic!("{other}"),
    }
}

/// A field that this version does not know, at the end of a message and of what is in it.
fn stranger(octets: &[u8]) -> Vec<u8> {
    // Field 2000, octets.
    const UNKNOWN: [u8; 6] = [0x82, 0x7d, 3, b'n', b'e', b'w'];
    let said = api::FromGateway::decode(octets).unwrap();
    let tag = octets[0];
    let head = 1 + octets[1..].iter().position(|octet| octet & 0x80 == 0).unwrap() + 1;
    let inner = [&octets[head..], &UNKNOWN].concat();
    let mut whole = vec![tag];
    prost::encoding::encode_varint(inner.len() as u64, &mut whole);
    whole.extend([inner.as_slice(), &UNKNOWN].concat());
    assert_eq!(api::FromGateway::decode(whole.as_slice()).unwrap(), said, "what is unknown is ignored");
    whole
}

async fn ground() -> (Ground, Replica) {
    let ground = Ground::new().await;
    ground.subscriber("lab", 1, "pump").await;
    let replica = Replica::start(&ground.db, quick()).await;
    (ground, replica)
}

async fn replay(lines: &[Line], strange: bool) {
    let (ground, replica) = ground().await;
    let mut old = Old::connect(&ground, &replica).await;
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for line in lines {
        match line {
            Line::Up(octets) if strange => drop(old.say(&stranger(octets)).await),
            Line::Up(octets) => drop(old.say(octets).await),
            Line::Down(octets) => {
                let wanted = kind(&api::FromOrchestrator::decode(octets.as_slice()).unwrap().message.unwrap());
                let count = counts.entry(wanted).or_default();
                *count += 1;
                old.hear(wanted, *count).await;
            }
            Line::Do(what) => operator(&ground, what).await,
        }
    }
    if strange {
        // A message of a later version altogether: field 2000 of the whole.
        let octets = [0x82, 0x7d, 0];
        old.out.send(api::FromGateway::decode(octets.as_slice()).unwrap()).await.unwrap();
        old.say(&api::FromGateway { message: Some(Up::Beat(api::Beat {})) }.encode_to_vec()).await;
    }
    check(&ground).await;
    assert_eq!(old.heard.get("goodbye"), None);
}

/// The orchestrator has all that was said, and holds the gateway for equal.
async fn check(ground: &Ground) {
    // Not in sync: something is held that is not in force.
    until("all is held", async || {
        let state = ground.db.gateway_state("lab", "north").await.unwrap()?;
        (state.sync["held"] == true && state.sync["items"] == 4).then_some(())
    })
    .await;
    until("the event", async || (ground.events("lab", "attached").await.len() == 1).then_some(())).await;
    assert_eq!(ground.events("lab", "attached").await[0].words, "it attached");
    let usage = ground.db.usage("lab", None, 0, 10).await.unwrap();
    assert_eq!(usage.iter().map(|row| (row.uplink_bytes, row.last)).collect::<Vec<_>>(), [(700, true)]);
    let command = ground.db.command("lab", "c1").await.unwrap().unwrap();
    assert_eq!((command.state.as_str(), command.output.as_str()), ("done", "pong"));
    let state = until("state and metrics", async || {
        let state = ground.db.gateway_state("lab", "north").await.unwrap()?;
        (state.state["version"] == "0.1.0" && state.metrics["basalt_sessions"] == 3.0).then_some(state)
    })
    .await;
    assert_eq!(state.sync["refused"][0]["name"], "odd");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/conversation")
}

/// What a gateway of this version says, in an order in which it may: the other end's test compares it with what it says indeed.
fn said() -> Vec<(Up, &'static str)> {
    let text = str::to_owned;
    let root = DigestTree::default().root().0.to_vec();
    let versions = vec![1];
    let (network, gateway, software) = (text("lab"), text("north"), text("0.1.0"));
    let hello = api::Hello { versions, network, gateway, instance: vec![7; 8], software, root };
    let (kind, json) = (text("attached"), text("{}"));
    let event = api::Event { number: 1, at: 1_800_000_000_000, kind, imsi: imsi(1), text: text("it attached"), json };
    let record = api::UsageRecord {
        number: 1,
        session: text("9"),
        epoch: 1,
        sequence: 1,
        imsi: imsi(1),
        apn: text("internet"),
        from: 1_800_000_000_000,
        to: 1_800_000_060_000,
        uplink_bytes: 700,
        downlink_bytes: 1400,
        uplink_packets: 1,
        downlink_packets: 2,
        last: true,
    };
    let refusal = api::Refusal { collection: text("apns"), name: text("odd"), reason: text("no addresses") };
    let phone = api::Phone {
        imsi: imsi(1),
        state: text("connected"),
        enb: text("001-01/0x19b"),
        apns: vec![text("internet")],
        addresses: vec![text("10.45.0.2")],
        json: text("{}"),
    };
    let done = api::command_progress::State::Done.into();
    let progress = api::CommandProgress { id: text("c1"), state: done, percent: 100, output: text("pong"), number: 5 };
    vec![
        (Up::Hello(hello), "welcome"),
        (Up::Beat(api::Beat {}), "compare"),
        (Up::Buckets(api::Buckets { comparison: 0, buckets: Vec::new(), last: true }), "page"),
        (Up::Applied(api::Applied::default()), ""),
        (Up::InForce(api::InForce { refused: vec![refusal], pending: Vec::new() }), ""),
        (Up::CheckIn(api::CheckIn { at: 1_800_000_000_000, state: text(r#"{"version":"0.1.0"}"#) }), ""),
        (Up::Metrics(api::Metrics { at: 1, values: [(text("basalt_sessions"), 3.0)].into() }), ""),
        (Up::Phones(api::Phones { whole: true, phones: vec![phone], gone: Vec::new() }), ""),
        (Up::Events(api::Events { epoch: 11, events: vec![event] }), "received"),
        (Up::Usage(api::Usage { ledger: 77, records: vec![record] }), "received"),
        (Up::Beat(api::Beat {}), "do command"),
        (Up::Progress(progress), "received"),
        (Up::Beat(api::Beat {}), "do change"),
        (Up::Applied(api::Applied::default()), ""),
    ]
}

async fn record(path: &Path) {
    let (ground, replica) = ground().await;
    let mut old = Old::connect(&ground, &replica).await;
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut lines =
        vec!["# What a gateway and an orchestrator of this version said to each other. Not to be changed.".to_owned()];
    for (up, then) in said() {
        let octets = old.say(&api::FromGateway { message: Some(up) }.encode_to_vec()).await;
        lines.push(format!("up {}", hex(&octets)));
        let wanted = match then.strip_prefix("do ") {
            Some(what) => {
                operator(&ground, what).await;
                lines.push(format!("do {what}"));
                if what == "change" { "page" } else { what }
            }
            None => then,
        };
        let Some(wanted) = KINDS.into_iter().find(|kind| *kind == wanted) else { continue };
        let count = counts.entry(wanted).or_default();
        *count += 1;
        old.hear(wanted, *count).await;
        let told = old.all.iter().filter(|(kind, _)| *kind == wanted).nth(*count - 1).unwrap();
        lines.push(format!("down {}", hex(&told.1)));
    }
    check(&ground).await;
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_of_earlier_versions_are_served() {
    let own = folder().join(format!("{}.talk", env!("CARGO_PKG_VERSION")));
    if std::env::var_os("BASALT_UPDATE").is_some() && !own.exists() {
        record(&own).await;
    }
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(all.contains(&own), "no recording of this version: BASALT_UPDATE=1 makes it");
    for path in all {
        let lines = read(&path);
        replay(&lines, false).await;
        replay(&lines, true).await;
    }
}
