//! Two replicas over one PostgreSQL, as processes, killed with -9 in turn while operators write and a gateway reports. The checker goes
//! over the whole history afterwards: every acknowledged write is there, once; usage and events are counted once; nobody was without an
//! orchestrator for longer than [`GAP`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../db/tests/postgres/mod.rs"]
mod postgres;
#[path = "../../fleet/tests/world/mod.rs"]
mod world;

use basalt_cloud_link::Handle;
use basalt_cloud_sync::{Event, Input};
use orchestrator_db::{EventQuery, Repository, Settings, Target, open};
use orchestrator_model::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use world::{Gateway, K, OPC, imsi, until};

/// The longest time without an acknowledged write, and from a death until the gateway has what was written after it.
const GAP: Duration = Duration::from_secs(10);
/// Deaths of each replica.
const ROUNDS: usize = 2;
/// Subscribers of each writer.
const OWN: u32 = 4;

/// A replica as a process, on ports that stay.
struct Replica {
    process: Child,
    command: Vec<String>,
    address: String,
}

impl Replica {
    fn new(folder: &Path, database: &str) -> (Self, impl Iterator<Item = String> + use<>) {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let address = free();
        let words = ["--listen", &address, "--gateway-listen", &free(), "--database", database, "--data-dir"];
        let mut command: Vec<String> = words.into_iter().map(str::to_owned).collect();
        command.push(folder.display().to_string());
        let (process, lines) = launch(&command);
        (Self { process, command, address }, lines)
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn start(&mut self) {
        self.process = launch(&self.command).0;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It is gone already when this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The process, when it serves, and what it says then.
fn launch(command: &[String]) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut start = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
    let mut process = start.args(command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.next().expect("it does not start");
    (process, lines)
}

async fn ask(address: &str, request: &str, token: &str, body: &Value) -> std::io::Result<(u16, Value)> {
    let mut stream = TcpStream::connect(address).await?;
    let body = body.to_string();
    let who = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let head = format!(
        "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {who}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.get(9..12).and_then(|text| text.parse().ok()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// An operator who writes to a replica, and to the other one where that does not answer.
struct Writer {
    addresses: [String; 2],
    token: String,
    first: u32,
    /// Each write that was acknowledged, in order: subscriber and title.
    history: Vec<(String, String)>,
    gap: Duration,
}

impl Writer {
    async fn write_until(mut self, stop: Arc<AtomicBool>) -> Self {
        let (mut at, mut last) = (0, Instant::now());
        for number in 0_u32.. {
            let name = imsi(self.first + number % OWN);
            let title = format!("write {number} of {}", self.first);
            let body = json!({"title": title, "keys": {"k": K, "opc": OPC}});
            // What was not acknowledged may have been done: it is written again, and then it is there once all the same.
            loop {
                let path = format!("PUT /api/v1/networks/lab/subscribers/{name}");
                let asked = ask(&self.addresses[at], &path, &self.token, &body);
                match tokio::time::timeout(Duration::from_secs(5), asked).await {
                    Ok(Ok((200..=299, _))) => break,
                    _ => at = 1 - at,
                }
                assert!(last.elapsed() < world::PATIENCE, "nobody takes a write");
                tokio::task::yield_now().await;
            }
            self.gap = self.gap.max(last.elapsed());
            last = Instant::now();
            self.history.push((name, title));
            if stop.load(Ordering::Relaxed) {
                return self;
            }
        }
        self
    }
}

/// What the gateway uses up and tells, as long as the test goes on.
async fn report(gateway: Arc<Gateway>, link: Handle, stop: Arc<AtomicBool>) -> usize {
    let mut events = 0;
    let mut turns = tokio::time::interval(Duration::from_millis(50));
    while !stop.load(Ordering::Relaxed) {
        turns.tick().await;
        gateway.disk.use_up(3);
        link.tell(Input::UsageReady).await;
        let (kind, text) = ("attached".to_owned(), format!("event {events}"));
        // Not long ago: old ones are swept when a replica starts.
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let at = u64::try_from(at).unwrap();
        link.tell(Input::Event(Event { number: 0, at, kind, imsi: imsi(1), text, json: "{}".to_owned() })).await;
        events += 1;
    }
    events
}

async fn made(address: &str, request: &str, token: &str, body: Value) -> Value {
    let (status, answer) = ask(address, request, token, &body).await.unwrap();
    assert!((200..300).contains(&status), "{request}: {status} {answer}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_of_two_replicas_may_die_under_writes() {
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let (one_home, other_home) = (folder.path().join("first"), folder.path().join("second"));
    let (mut one, mut lines) = Replica::new(&one_home, &server.address());
    let setup = lines.next().unwrap().split_once('#').unwrap().1.trim().to_owned();
    let root = json!({"token": setup, "name": "root", "password": "correct horse battery"});
    made(&one.address, "POST /api/v1/setup", "", root).await;
    let login = json!({"name": "root", "password": "correct horse battery"});
    let token = made(&one.address, "POST /api/v1/sessions", "", login).await["token"].as_str().unwrap().to_owned();
    // What replicas share besides the database: the key that opens what is sealed in it.
    std::fs::create_dir(&other_home).unwrap();
    std::fs::copy(one_home.join("sealing.key"), other_home.join("sealing.key")).unwrap();
    let (mut other, _) = Replica::new(&other_home, &server.address());
    made(&other.address, "PUT /api/v1/tenants/acme", &token, json!({})).await;
    made(&one.address, "PUT /api/v1/networks/lab", &token, json!({"tenant": "acme"})).await;
    made(&other.address, "PUT /api/v1/networks/lab/tiers/stable", &token, json!({})).await;
    let wanted = json!({"tier": "stable", "hours": 1});
    let join = made(&one.address, "POST /api/v1/networks/lab/gateway-tokens", &token, wanted).await;
    let gateway = Arc::new(Gateway::new("north"));
    let link = gateway.start(Some(join["token"].as_str().unwrap().parse().unwrap()), 1);
    until("the gateway knows both replicas", async || {
        let identity = gateway.disk.identity.lock().unwrap().clone()?;
        (identity.address.split(',').count() == 2).then_some(())
    })
    .await;

    let stop = Arc::new(AtomicBool::new(false));
    let writers = [1, 1 + OWN].map(|first| {
        let mut addresses = [one.address.clone(), other.address.clone()];
        addresses.rotate_left(usize::from(first > 1));
        let writer = Writer { addresses, token: token.clone(), first, history: Vec::new(), gap: Duration::ZERO };
        tokio::spawn(writer.write_until(Arc::clone(&stop)))
    });
    let reporter = tokio::spawn(report(Arc::clone(&gateway), link.clone(), Arc::clone(&stop)));
    let mut longest = Duration::ZERO;
    for _ in 0..ROUNDS {
        for replica in [&mut one, &mut other] {
            replica.kill();
            let died = Instant::now();
            let told = gateway.disk.pages.lock().unwrap().len();
            // Two pages more: one may have been on its way.
            until("the gateway is told what is written now", async || {
                (gateway.disk.pages.lock().unwrap().len() > told + 1).then_some(())
            })
            .await;
            longest = longest.max(died.elapsed());
            replica.start();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let events = reporter.await.unwrap();
    let mut acknowledged = Vec::new();
    for writer in writers {
        let writer = writer.await.unwrap();
        assert!(writer.gap < GAP, "no write for {:?}", writer.gap);
        println!("{} writes, {:?} without one at most", writer.history.len(), writer.gap);
        acknowledged.extend(writer.history);
    }
    assert!(longest < GAP, "the gateway was without an orchestrator for {longest:?}");
    println!("{events} events; the gateway had what was written after a death {longest:?} later at most");
    let db = open(&Settings { address: server.address(), connections: 4 }).await.unwrap();
    check_writes(db.as_ref(), &gateway, &acknowledged).await;
    check_reports(db.as_ref(), &gateway, events).await;
}

/// Each acknowledged write has exactly one version, the last one is what is there, and the gateway has it.
async fn check_writes(db: &dyn Repository, gateway: &Gateway, acknowledged: &[(String, String)]) {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, title) in acknowledged {
        by_name.entry(name).or_default().push(title);
    }
    for (name, titles) in by_name {
        let target = Target { kind: Kind::Subscriber, network: "lab".to_owned(), name: name.to_owned() };
        let versions = db.versions(&target, i64::MAX, 100_000).await.unwrap().items;
        let mut written: Vec<String> = versions
            .iter()
            .rev()
            .map(|version| version.after.as_ref().unwrap()["title"].as_str().unwrap().to_owned())
            .collect();
        // New keys make a version even where the body is the same: one that was done and not acknowledged stands twice in a row.
        written.dedup();
        assert_eq!(written, titles, "writes to {name}");
        let last = (*titles.last().unwrap()).to_owned();
        until("the gateway has the last of them", async || {
            (gateway.disk.title(name).as_deref() == Some(last.as_str())).then_some(())
        })
        .await;
    }
}

/// All that was used is there, each record once, and so is each event.
async fn check_reports(db: &dyn Repository, gateway: &Gateway, events: usize) {
    until("the ledger is empty", async || gateway.disk.ledger.lock().unwrap().is_empty().then_some(())).await;
    let rows = db.usage("lab", None, 0, 1_000_000).await.unwrap();
    let mut numbers: Vec<i64> = rows.iter().map(|row| row.uplink_bytes).collect();
    numbers.sort_unstable();
    let used = i64::try_from(gateway.disk.ended.lock().unwrap().len()).unwrap();
    assert_eq!(numbers, (1..=used).collect::<Vec<_>>(), "each record once");
    let told = until("all events are there", async || {
        let query = EventQuery { limit: 100_000, kind: Some("attached".to_owned()), ..EventQuery::default() };
        let items = db.gateway_events("lab", &query).await.unwrap().items;
        (items.len() >= events).then_some(items)
    })
    .await;
    let words: BTreeSet<&str> = told.iter().map(|event| event.words.as_str()).collect();
    assert_eq!((told.len(), words.len()), (events, events), "each event once");
}
