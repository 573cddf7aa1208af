//! Three replicas over one PostgreSQL behind one address, as processes, under writes and reports. The one that the gateway talks to is
//! killed with -9, then the next one stands still, then the next one is cut off from its database. The checker goes over the whole
//! history afterwards: no acknowledged write is lost or moved, usage and events are counted once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../db/tests/postgres/mod.rs"]
mod postgres;
mod processes;
mod ways;
#[path = "../../fleet/tests/world/mod.rs"]
mod world;

use basalt_cloud_link::Handle;
use basalt_cloud_sync::{Event, Input};
use orchestrator_db::{EventQuery, Repository, Settings, Target, open};
use orchestrator_model::Kind;
use processes::{Replica, ask, made};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use ways::{Balancer, Way};
use world::{Gateway, K, OPC, PATIENCE, imsi, until};

/// Subscribers of each writer.
const OWN: u32 = 4;
/// How long a writer waits for an answer before it asks again.
const ANSWER: Duration = Duration::from_secs(3);

/// What a writer did to a subscriber.
#[derive(Default)]
struct Written {
    /// Every title that it ever asked for: what had no answer may have been done, also later.
    asked: BTreeSet<String>,
    /// Those that were acknowledged, with their revisions, in order.
    acknowledged: Vec<(i64, String)>,
}

#[derive(Default)]
struct History {
    of: BTreeMap<String, Written>,
    longest_gap: Duration,
}

/// An operator who writes at the one address.
async fn write(address: String, token: String, first: u32, stop: Arc<AtomicBool>) -> History {
    let (mut history, mut last) = (History::default(), Instant::now());
    // A history that is gone over in a moment.
    let mut turns = tokio::time::interval(Duration::from_millis(10));
    for number in 0_u32.. {
        let name = imsi(first + number % OWN);
        let path = format!("PUT /api/v1/networks/lab/subscribers/{name}");
        let written = history.of.entry(name).or_default();
        for again in 0_u32.. {
            let title = format!("write {number}.{again} of {first}");
            let body = json!({"title": title, "keys": {"k": K, "opc": OPC}});
            written.asked.insert(title.clone());
            let answer = tokio::time::timeout(ANSWER, ask(&address, &path, &token, &body)).await;
            if let Ok(Ok((200..=299, object))) = answer {
                assert_eq!(object["body"]["title"], title.as_str(), "what was written is answered");
                written.acknowledged.push((object["revision"].as_i64().unwrap(), title));
                break;
            }
            assert!(last.elapsed() < PATIENCE, "nobody takes a write");
            turns.tick().await;
        }
        history.longest_gap = history.longest_gap.max(last.elapsed());
        last = Instant::now();
        if stop.load(Ordering::Relaxed) {
            break;
        }
        turns.tick().await;
    }
    history
}

/// What the gateway uses up and tells, as long as the test goes on.
async fn report(gateway: Arc<Gateway>, link: Handle, stop: Arc<AtomicBool>) -> usize {
    let mut events = 0;
    let mut turns = tokio::time::interval(Duration::from_millis(50));
    while !stop.load(Ordering::Relaxed) {
        gateway.disk.use_up(3);
        link.tell(Input::UsageReady).await;
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let (kind, text) = ("attached".to_owned(), format!("event {events}"));
        let at = u64::try_from(at).unwrap();
        link.tell(Input::Event(Event { at, kind, imsi: imsi(1), text, json: "{}".to_owned(), ..Event::default() }))
            .await;
        events += 1;
        turns.tick().await;
    }
    events
}

/// What happens to a replica.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Paused,
    CutOff,
}

impl Fault {
    fn befall(self, replica: &mut Replica, way: &Way) {
        match self {
            Self::Killed => replica.kill(),
            Self::Paused => replica.pause(),
            Self::CutOff => way.cut(true),
        }
    }

    fn end(self, replica: &mut Replica, way: &Way) {
        match self {
            Self::Killed => replica.start(),
            Self::Paused => replica.resume(),
            Self::CutOff => way.cut(false),
        }
    }
}

/// The replica that has the gateway's stream.
async fn place_of_gateway(replicas: &[Replica]) -> usize {
    until("a replica has the gateway", async || {
        for (place, replica) in replicas.iter().enumerate() {
            if ways::connected(&replica.address).await == Some(1) {
                return Some(place);
            }
        }
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_of_three_replicas_may_die_stand_still_or_lose_the_database() {
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut to_database = Vec::new();
    for _ in 0..3 {
        to_database.push(Way::to(&server.address()).await);
    }
    let addresses: Vec<String> = to_database.iter().map(|way| way.address.clone()).collect();
    let (mut replicas, token) = processes::several(folder.path(), &addresses).await;
    let balancer = Balancer::before(replicas.iter().map(|replica| replica.address.clone()).collect()).await;
    let wanted = json!({"tier": "stable", "hours": 1});
    let join = made(&replicas[0].address, "POST /api/v1/networks/lab/gateway-tokens", &token, wanted).await;
    let gateway = Arc::new(Gateway::new("north"));
    let link = gateway.start(Some(join["token"].as_str().unwrap().parse().unwrap()), 1);
    until("the gateway knows all replicas", async || {
        let identity = gateway.disk.identity.lock().unwrap().clone()?;
        (identity.address.split(',').count() == 3).then_some(())
    })
    .await;

    let stop = Arc::new(AtomicBool::new(false));
    let writers = [1, 1 + OWN]
        .map(|first| tokio::spawn(write(balancer.address.clone(), token.clone(), first, Arc::clone(&stop))));
    let reporter = tokio::spawn(report(Arc::clone(&gateway), link, Arc::clone(&stop)));
    for fault in [Fault::Killed, Fault::Paused, Fault::CutOff] {
        let at = place_of_gateway(&replicas).await;
        let began = Instant::now();
        fault.befall(&mut replicas[at], &to_database[at]);
        let told = gateway.disk.pages.lock().unwrap().len();
        // More than were on their way: pages come one by one, and a few may wait for the gateway's disk.
        until("the gateway is told what is written now", async || {
            (gateway.disk.pages.lock().unwrap().len() > told + 4).then_some(())
        })
        .await;
        println!("{fault:?}: the gateway had what was written after it within {:?}", began.elapsed());
        fault.end(&mut replicas[at], &to_database[at]);
        until("all three serve again", async || (balancer.healthy() == 3).then_some(())).await;
    }
    stop.store(true, Ordering::Relaxed);
    let events = reporter.await.unwrap();
    let db = open(&Settings { address: server.address(), connections: 5 }).await.unwrap();
    for writer in writers {
        let history = writer.await.unwrap();
        let writes: usize = history.of.values().map(|it| it.acknowledged.len()).sum();
        println!("{writes} writes acknowledged, {:?} without one at most", history.longest_gap);
        check_writes(db.as_ref(), &gateway, &history.of).await;
    }
    check_reports(db.as_ref(), &gateway, events).await;
}

/// Each acknowledged write is the version that its answer told, later ones are later versions, nothing is there that nobody asked for;
/// and the gateway has what is there.
async fn check_writes(db: &dyn Repository, gateway: &Gateway, history: &BTreeMap<String, Written>) {
    for (name, written) in history {
        let target = Target { kind: Kind::Subscriber, network: "lab".to_owned(), name: name.to_owned() };
        let versions = db.versions(&target, i64::MAX, 100_000).await.unwrap().items;
        let titles: BTreeMap<i64, String> = versions
            .iter()
            .map(|it| (it.revision, it.after.as_ref().unwrap()["title"].as_str().unwrap().to_owned()))
            .collect();
        assert!(written.acknowledged.is_sorted_by(|one, next| one.0 < next.0), "{name}: answers out of order");
        for (revision, title) in &written.acknowledged {
            assert_eq!(titles.get(revision), Some(title), "{name}: an acknowledged write is lost");
        }
        let once: BTreeSet<&String> = titles.values().collect();
        assert_eq!(once.len(), titles.len(), "{name}: a write was made twice");
        assert!(once.iter().all(|title| written.asked.contains(*title)), "{name}: a write that nobody asked for");
        let last = titles.last_key_value().map(|(_, title)| title.clone());
        until("the gateway has the last of them", async || (gateway.disk.title(name) == last).then_some(())).await;
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
