//! `cargo xtask bench orchestrator`: the real `orchestratord` as a process of its own, and gateways that run the real core and
//! driver (`crates/cloud-sync`, `crates/cloud-link`) over mutual TLS on the loopback, each with its own subscribers.
//!
//! Over SQLite, and then over a PostgreSQL of its own where the distribution's is installed.
//!
//! What it reports beside times: resident memory of `orchestratord` for each connected gateway, and octets on the wire (TLS
//! records, HTTP/2 frames and all) of an idle gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench ends where its surroundings fail")]

mod daemon;
mod fleet;
#[allow(dead_code, reason = "tests use other parts")]
#[path = "../../../db/tests/postgres/mod.rs"]
mod postgres;

use clap::Parser;
use daemon::Daemon;
use fleet::Fleet;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Gateways of one network.
const NETWORK: usize = 1000;
/// Changes of one subscriber whose way is timed, and requests of each kind.
const CHANGES: usize = 200;
const READS: usize = 500;

/// Measures an orchestrator with its gateways.
#[derive(Parser)]
struct Args {
    /// Connected gateways
    #[arg(long, default_value_t = 10_000)]
    gateways: usize,
    /// Subscribers of each gateway
    #[arg(long, default_value_t = 100)]
    subscribers: usize,
    /// How long idle gateways are listened to, seconds: a beat comes every 30
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// postgres://USER@HOST/NAME, or sqlite; one after the other, if absent
    #[arg(long)]
    database: Option<String>,
    /// The daemon
    #[arg(long)]
    orchestratord: Option<PathBuf>,
}

fn main() {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut numbers = Map::new();
    match args.database.as_deref() {
        Some("sqlite") => runtime.block_on(measure(&args, None, &mut numbers)),
        Some(_) => runtime.block_on(measure(&args, args.database.clone(), &mut numbers)),
        None => {
            runtime.block_on(measure(&args, None, &mut numbers));
            // As an operator would run it on two cores and some GiB: durable, with room for its tables.
            match postgres::Server::start_with(&["-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"]) {
                Ok(server) => runtime.block_on(measure(&args, Some(server.address()), &mut numbers)),
                Err(reason) => eprintln!("PostgreSQL is left out: {reason}"),
            }
        }
    }
    println!("{}", serde_json::to_string_pretty(&numbers).unwrap());
}

async fn measure(args: &Args, database: Option<String>, numbers: &mut Map<String, Value>) {
    let beside = || std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("orchestratord");
    let program = args.orchestratord.clone().unwrap_or_else(beside);
    let name = if database.is_some() { "postgresql" } else { "sqlite" };
    let mut daemon = Daemon::start(program, database).await;
    let mut note = |key: &str, value: Value| {
        eprintln!("{name}: {key}: {value}");
        numbers.insert(format!("{name}_{key}"), value);
    };
    note("gateways", json!(args.gateways));
    note("subscribers", json!(args.gateways * args.subscribers));

    let networks = args.gateways.div_ceil(NETWORK);
    fleet::networks(&daemon, networks).await;
    let began = Instant::now();
    let imported = fleet::subscribers(&daemon, args.gateways, args.subscribers).await;
    note("import_100k_s", seconds(began.elapsed().mul_f64(100_000.0 / imported as f64)));
    let empty = daemon.resident();
    let mut fleet = Fleet::make(&daemon, args.gateways).await;
    let began = Instant::now();
    fleet.start();
    fleet.until_held(args.subscribers).await;
    note("join_all_s", seconds(began.elapsed()));
    tokio::time::sleep(Duration::from_secs(5)).await;
    note("resident_kib_per_gateway", json!((daemon.resident().saturating_sub(empty) / args.gateways as u64) >> 10));
    note("resident_mib", json!(daemon.resident() >> 20));
    // What is promised is promised for two cores, on which the gateways run here, too, and 2 GiB.
    note("resident_within_2_gib", json!(daemon.resident() <= 2 << 30));
    note("cores_of_daemon_and_gateways", json!(std::thread::available_parallelism().map_or(0, usize::from)));
    note("database_connections", json!(daemon.connections()));

    let before = fleet.octets();
    tokio::time::sleep(Duration::from_secs(args.idle)).await;
    let per_minute = (fleet.octets() - before) as f64 / args.gateways as f64 * 60.0 / args.idle as f64;
    note("idle_wire_octets_per_minute", json!(per_minute.round()));

    let times = fleet.changes(&daemon, CHANGES).await;
    note("change_p50_ms", millis(percentile(&times, 50)));
    note("change_p99_ms", millis(percentile(&times, 99)));
    note("policy_of_a_network_s", seconds(fleet.policy(&daemon).await));
    for (name, path) in [
        ("read_one_p99_ms", "/networks/n0/subscribers/001010000000001"),
        ("read_page_of_250_p99_ms", "/networks/n0/subscribers?limit=250"),
    ] {
        let mut times = Vec::new();
        for _ in 0..READS {
            let began = Instant::now();
            daemon.ask("GET", path, None).await;
            times.push(began.elapsed());
        }
        note(&name.replace("p99", "p50"), millis(percentile(&times, 50)));
        note(name, millis(percentile(&times, 99)));
    }
    note("resident_at_end_mib", json!(daemon.resident() >> 20));
    note("processor_seconds", json!(daemon.processor_seconds()));

    let began = Instant::now();
    fleet.forget_links();
    daemon.restart().await;
    fleet.until_up().await;
    note("reconnect_all_s", seconds(began.elapsed()));
    note("refusals", json!(fleet.refusals()));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    note("load_average_at_end", json!(load.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()));
}

fn seconds(time: Duration) -> Value {
    json!((time.as_secs_f64() * 100.0).round() / 100.0)
}

fn millis(time: Duration) -> Value {
    json!((time.as_secs_f64() * 100_000.0).round() / 100.0)
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}
