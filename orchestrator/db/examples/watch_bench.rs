//! `cargo xtask bench watching`: what the watch over gateways costs, over SQLite: metrics of 10,000 gateways taken in, judged and kept
//! by minutes; charts of a day; searches in millions of events.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a bench ends where its surroundings fail"
)]

use orchestrator_db::{EventQuery, GatewayEvent, HistoryBlock, Repository, Settings, StatePart, open};
use orchestrator_telemetry::block::Block;
use orchestrator_telemetry::chart::{Chart, Shown};
use orchestrator_telemetry::history::{HOUR, History, MINUTE, Place};
use orchestrator_telemetry::rules;
use orchestrator_telemetry::series::{COUNT, NOTHING};
use orchestrator_telemetry::watched::{Names, Watched};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SERIES: usize = 200;
const OF_NETWORK: usize = 1000;
/// Rounds of readings; a gateway tells every 30 seconds.
const ROUNDS: usize = 4;
const CHARTS: usize = 300;
const SEARCHES: usize = 200;
const IMSIS: usize = 200_000;

fn main() {
    let argument = |name: &str, usual: usize| {
        let mut arguments = std::env::args().skip_while(|it| it != name);
        arguments.nth(1).map_or(usual, |value| value.parse().expect("a number"))
    };
    let (gateways, events) = (argument("--gateways", 10_000), argument("--events", 10_000_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut numbers = Map::new();
    runtime.block_on(measure(gateways, events, &mut numbers));
    println!("{:#}", Value::Object(numbers));
}

async fn measure(gateways: usize, events: usize, numbers: &mut Map<String, Value>) {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("db").display());
    let db = open(&Settings { address, connections: 8 }).await.unwrap();
    numbers.insert("gateways".to_owned(), gateways.into());
    numbers.insert("series_of_a_gateway".to_owned(), SERIES.into());
    take_in(&db, gateways, numbers).await;
    charts(&db, numbers).await;
    search(&db, events, numbers).await;
    db.close().await;
}

fn network(gateway: usize) -> String {
    format!("n{}", gateway / OF_NETWORK)
}

/// What an access gateway tells, as far as its size goes; a third of the values move.
fn metrics(round: usize) -> Value {
    let procedure = |n: usize| match n % 4 {
        0 => "attach",
        1 => "service_request",
        2 => "paging",
        _ => "tracking_area_update",
    };
    let name = |n: usize| match n {
        0..80 => {
            format!("basalt_agw_procedures_total{{cause=\"{n}\",outcome=\"success\",procedure=\"{}\"}}", procedure(n))
        }
        80..180 => format!("basalt_agw_user_plane_drops_total{{reason=\"reason-{n}\"}}"),
        _ => format!("basalt_agw_messages_received_total{{message=\"message-{n}\"}}"),
    };
    let value = |n: usize| if n.is_multiple_of(3) { (n + round * 7) as f64 } else { n as f64 };
    (0..SERIES).map(|n| (name(n), json!(value(n)))).collect::<Map<_, _>>().into()
}

async fn take_in(db: &Arc<dyn Repository>, count: usize, numbers: &mut Map<String, Value>) {
    all(db, count, |db, gateway| async move {
        db.gateway_connected(&network(gateway), &format!("g{gateway}"), now(), "r", 1).await.unwrap();
    })
    .await;
    let mut watched: BTreeMap<Place, Watched> = BTreeMap::new();
    let (mut names, mut history, mut heard) = (Names::default(), History::default(), 0);
    let (mut written, mut read, mut judged, mut kept) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let before = processor();
    for round in 0..ROUNDS {
        let told = Arc::new(metrics(round));
        let began = Instant::now();
        all(db, count, move |db, gateway| {
            let told = Value::clone(&told);
            async move {
                let parts = [StatePart::Metrics(told)];
                db.put_gateway_state(&network(gateway), &format!("g{gateway}"), now(), ("r", 1), &parts).await.unwrap();
            }
        })
        .await;
        written += began.elapsed();
        let began = Instant::now();
        let mut after = (heard, String::new(), String::new());
        loop {
            let news = db.gateway_news((after.0, &after.1, &after.2), 500).await.unwrap();
            let Some(last) = news.last() else { break };
            after = (last.seen_at, last.network.clone(), last.gateway.clone());
            for it in &news {
                let place = (it.network.clone(), it.gateway.clone());
                watched.entry(place).or_default().hear(it, &mut names, now(), false);
            }
        }
        heard = after.0;
        read += began.elapsed();
        let began = Instant::now();
        let found: Vec<_> = watched.values().flat_map(|gateway| rules::look(gateway, now())).collect();
        judged += began.elapsed();
        let bad = found.iter().find(|(_, finding)| finding.words.is_some());
        assert!(bad.is_none(), "they are well, and yet: {:?}", bad.map(|(rule, finding)| (rule.name, finding)));
        let began = Instant::now();
        let minute = now() + i64::try_from(round).unwrap() * MINUTE;
        db.put_history(&history.take(minute, &watched)).await.unwrap();
        kept += began.elapsed();
    }
    let used = processor() - before;
    let rounds = ROUNDS as f64;
    let mut put = |name: &str, value: f64| numbers.insert(name.to_owned(), ((value * 1000.0).round() / 1000.0).into());
    put("write_all_readings_s", written.as_secs_f64() / rounds);
    put("read_all_readings_s", read.as_secs_f64() / rounds);
    put("judge_all_gateways_s", judged.as_secs_f64() / rounds);
    put("keep_a_minute_s", kept.as_secs_f64() / rounds);
    // A minute has two readings of each gateway, sixty judgements and one minute kept.
    let judgements = judged.as_secs_f64() / rounds * 60.0;
    let a_minute = (2.0 * (written + read).as_secs_f64() + kept.as_secs_f64()) / rounds + judgements;
    put("work_of_a_minute_s", a_minute);
    put("processor_of_a_reading_of_all_s", used / rounds);
    put("resident_mib", resident());
}

async fn all<F, R>(db: &Arc<dyn Repository>, count: usize, work: F)
where
    F: Fn(Arc<dyn Repository>, usize) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let tasks = (0..64_usize).map(|task| {
        let (db, work) = (Arc::clone(db), work.clone());
        tokio::spawn(async move {
            for gateway in (task..count).step_by(64) {
                work(Arc::clone(&db), gateway).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

async fn charts(db: &Arc<dyn Repository>, numbers: &mut Map<String, Value>) {
    let end = now().div_euclid(HOUR);
    let mut blocks = Vec::new();
    for hour in end - 24..=end {
        let mut block = Block::default();
        for minute in 0..60 {
            let mut row = NOTHING;
            for (n, value) in row.iter_mut().enumerate().take(COUNT) {
                *value = (hour as f64 + minute as f64 * 1.25 + n as f64).rem_euclid(997.0);
            }
            block.put(minute, &row);
        }
        blocks.push(HistoryBlock { network: "n0".to_owned(), gateway: String::new(), hour, body: block.encode() });
    }
    db.put_history(&blocks).await.unwrap();
    let shown = ["attach_success_ratio", "uplink_throughput", "registered_phones", "attach_time_seconds"];
    let shown = shown.map(|name| Shown::from_word(name).unwrap());
    let mut times = Vec::with_capacity(CHARTS);
    for _ in 0..CHARTS {
        let began = Instant::now();
        let chart = Chart::new(&db.history("n0", "", (end - 24, end)).await.unwrap());
        let (since, until) = ((end - 24) * HOUR, end * HOUR);
        let points: usize = shown.iter().map(|shown| chart.points(*shown, since, until, MINUTE).len()).sum();
        assert!(points > 4000, "{points}");
        times.push(began.elapsed());
    }
    numbers.insert("chart_24h_p99_ms".to_owned(), p99(&mut times).into());
}

async fn search(db: &Arc<dyn Repository>, count: usize, numbers: &mut Map<String, Value>) {
    const KINDS: [&str; 6] = ["attached", "detached", "rejected", "session-started", "session-ended", "paging-failed"];
    let imsi = |n: usize| format!("00101{:010}", n % IMSIS);
    for first in (0..count).step_by(5000) {
        let one = |n: usize| GatewayEvent {
            id: 0,
            gateway: format!("g{}", n % OF_NETWORK),
            epoch: 1,
            number: i64::try_from(n).unwrap(),
            at: i64::try_from(n).unwrap(),
            kind: KINDS[n % KINDS.len()].to_owned(),
            alarm: n.is_multiple_of(10_000),
            imsi: imsi(n),
            words: "something happened to a phone in a cell".to_owned(),
            facts: "{}".to_owned(),
        };
        let events: Vec<GatewayEvent> = (first..(first + 5000).min(count)).map(one).collect();
        db.put_gateway_events("n0", &events).await.unwrap();
    }
    let (mut by_phone, mut by_gateway, mut by_time) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..SEARCHES {
        let place = n * (count / SEARCHES);
        let at = i64::try_from(place).unwrap();
        let usual = EventQuery::default();
        let phone = EventQuery { imsi: Some(imsi(place)), ..usual.clone() };
        let gateway = EventQuery {
            gateway: Some(format!("g{}", n % OF_NETWORK)),
            kind: Some(KINDS[n % 6].to_owned()),
            ..usual.clone()
        };
        let time = EventQuery { since: at, until: at + 1000, kind: Some(KINDS[n % 6].to_owned()), ..usual };
        for (query, times) in [(phone, &mut by_phone), (gateway, &mut by_gateway), (time, &mut by_time)] {
            let began = Instant::now();
            db.gateway_events("n0", &query).await.unwrap();
            times.push(began.elapsed());
        }
    }
    numbers.insert("events".to_owned(), count.into());
    for (name, mut times) in [("phone", by_phone), ("gateway_and_kind", by_gateway), ("time_and_kind", by_time)] {
        numbers.insert(format!("event_search_by_{name}_p99_ms"), p99(&mut times).into());
    }
}

fn p99(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    (times[times.len() * 99 / 100].as_secs_f64() * 1e6).round() / 1000.0
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Seconds of processor time of this process (user and system).
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
}
