//! Two replicas over one PostgreSQL, as processes, killed with -9 in turn while operators write and a gateway reports. The checker goes
//! over the whole history afterwards: every acknowledged write is there, once; usage and events are counted once; nobody was without an
//! orchestrator for longer than [`GAP`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../db/tests/postgres/mod.rs"]
mod postgres;
mod processes;
#[path = "../../fleet/tests/world/mod.rs"]
mod world;

use basalt_cloud_link::Handle;
use basalt_cloud_sync::{Event, Input};
use orchestrator_db::{EventQuery, Repository, Settings, Target, open};
use orchestrator_model::Kind;
use processes::{ask, made};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use world::{Gateway, K, OPC, imsi, until};

/// The longest time without an acknowledged write, and from a death until the gateway has what was written after it.
const GAP: Duration = Duration::from_secs(10);
/// Deaths of each replica.
const ROUNDS: usize = 2;
/// Subscribers of each writer.
const OWN: u32 = 4;

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
        link.tell(Input::Event(Event { at, kind, imsi: imsi(1), text, json: "{}".to_owned(), ..Event::default() }))
            .await;
        events += 1;
    }
    events
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_of_two_replicas_may_die_under_writes() {
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut other, token) = processes::pair(folder.path(), &server.address()).await;
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
