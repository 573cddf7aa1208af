//! What a commit costs on the disk given (a folder; default: the current one): one flat JSON object.
//!
//! `cargo run --profile fast -p basalt-store --example commit_bench [FOLDER]`
#![allow(clippy::unwrap_used, reason = "a bench that cannot write has nothing to tell")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use basalt_store::{Batch, CommitQueue, Completion, Config, FileDisk, Keyspace, Store};

const SESSIONS: Keyspace = Keyspace(1);
const VALUE: usize = 1024;
const LOADED: u32 = 200_000;

fn main() {
    let base = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = Path::new(&base).join(format!("commit_bench.{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();

    let floor = floor(&folder.join("floor"), 400);
    let direct = one_at_a_time(&folder.join("direct"), 400);
    let (queued, loaded_per_s, group) = queued(&folder.join("queue"));
    let (open_ms, log_mb) = reopened(&folder.join("queue"));
    fs::remove_dir_all(&folder).unwrap();

    println!("{{");
    println!("  \"record_octets\": {VALUE},");
    println!("  \"fdatasync_floor_p50_us\": {}, \"fdatasync_floor_p99_us\": {},", floor.0, floor.1);
    println!("  \"commit_p50_us\": {}, \"commit_p99_us\": {},", direct.0, direct.1);
    println!("  \"queue_commit_p50_us\": {}, \"queue_commit_p99_us\": {},", queued.0, queued.1);
    println!("  \"queue_records_per_s\": {loaded_per_s}, \"queue_records_per_sync\": {group},");
    println!("  \"open_ms\": {open_ms}, \"open_log_mb\": {log_mb}");
    println!("}}");
}

/// Median and 99th percentile in microseconds.
fn percentiles(mut times: Vec<Duration>) -> (u128, u128) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_micros();
    (at(50), at(99))
}

/// The least that any engine can do: write into a file that has its size already, and sync.
fn floor(path: &Path, rounds: u64) -> (u128, u128) {
    let file = File::create(path).unwrap();
    file.write_all_at(&vec![0; 4 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let once = |n: u64| {
        let start = Instant::now();
        file.write_all_at(&[7; VALUE], n * VALUE as u64).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    };
    percentiles((0..rounds).map(once).collect())
}

fn store(folder: &Path) -> Store {
    Store::open(FileDisk::open(folder).unwrap(), Config::default()).unwrap().0
}

/// Keys repeat, so that old versions are cleared away as they would be.
fn batch(n: u32) -> Batch {
    Batch::new().put(SESSIONS, &(n % 50_000).to_be_bytes(), &[n as u8; VALUE])
}

fn one_at_a_time(folder: &Path, rounds: u32) -> (u128, u128) {
    let mut store = store(folder);
    let once = |n: u32| {
        let start = Instant::now();
        store.append(&batch(n)).unwrap();
        store.commit().unwrap();
        start.elapsed()
    };
    percentiles((0..rounds).map(once).collect())
}

/// One in flight, then as many as it takes: times of the first, records a second and records per sync of the second.
fn queued(folder: &Path) -> ((u128, u128), u128, u64) {
    let (sender, completions) = mpsc::channel();
    let queue = CommitQueue::spawn(store(folder), 1024, move |completion| {
        if let Completion::Durable(tokens) = completion {
            // The receiver is gone only when the bench is over.
            let _ = sender.send(tokens.len());
        }
    });
    let queue = queue.unwrap();
    let once = |n: u32| {
        let start = Instant::now();
        queue.submit(batch(n), n).unwrap();
        completions.recv().unwrap();
        start.elapsed()
    };
    let times = percentiles((0..400).map(once).collect());
    let before = queue.status().syncs;
    let start = Instant::now();
    for n in 0..LOADED {
        queue.submit(batch(n), n).unwrap();
    }
    let mut durable = 0;
    while durable < LOADED as usize {
        durable += completions.recv().unwrap();
    }
    let elapsed = start.elapsed();
    let syncs = queue.close().unwrap().status().syncs - before;
    (times, u128::from(LOADED) * 1000 / elapsed.as_millis().max(1), u64::from(LOADED) / syncs.max(1))
}

fn reopened(folder: &Path) -> (u128, u64) {
    let start = Instant::now();
    let (store, _, _) = Store::open(FileDisk::open(folder).unwrap(), Config::default()).unwrap();
    (start.elapsed().as_millis(), store.status().log_bytes >> 20)
}
