//! A writer process is killed at any moment; whatever it said was durable must be there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use basalt_sansio::{Rng, SimRng};
use basalt_store::{Batch, Config, FileDisk, Keyspace, Records, Store};

/// Set for the process that writes: the folder of its store.
const FOLDER: &str = "BASALT_STORE_KILL9_FOLDER";
const ROUNDS: u64 = 12;
const COUNTERS: Keyspace = Keyspace(1);

fn config() -> Config {
    // Small, so that kills also hit the making, clearing and removing of segments.
    Config { segment_bytes: 16 << 10, extend_bytes: 4 << 10, compact_step_bytes: 2 << 10 }
}

/// Batch `n` puts `n` under two keys; 50 keys take turns.
fn batch(n: u64) -> Batch {
    let value = [n.to_be_bytes(); 8].concat();
    let key = |offset: u64| ((n + offset) % 50).to_be_bytes();
    Batch::new().put(COUNTERS, &key(0), &value).put(COUNTERS, &key(25), &value)
}

/// The last batch that is there; panics unless everything is exactly as after it.
fn last_batch(records: &Records) -> u64 {
    let numbers: Vec<(u64, u64)> = records
        .in_keyspace(COUNTERS)
        .map(|(key, value)| {
            let number = |octets: &[u8]| u64::from_be_bytes(octets.try_into().unwrap());
            assert!(value.as_chunks::<8>().0.iter().all(|part| part == &value[..8]), "a torn value");
            (number(key), number(&value[..8]))
        })
        .collect();
    let last = numbers.iter().map(|(_, n)| *n).max().unwrap_or(0);
    for (key, found) in numbers {
        let expected = (1..=last).rev().find(|n| n % 50 == key || (n + 25) % 50 == key);
        assert_eq!(Some(found), expected, "key {key} after batch {last}");
    }
    last
}

#[test]
#[ignore = "not a test of its own: the test below runs it in a process that it kills"]
fn writer() {
    let folder = std::env::var(FOLDER).unwrap();
    let (mut store, records, _) = Store::open(FileDisk::open(folder).unwrap(), config()).unwrap();
    let mut out = std::io::stdout().lock();
    for n in last_batch(&records) + 1.. {
        store.append(&batch(n)).unwrap();
        if n % 3 == 0 {
            store.commit().unwrap();
            writeln!(out, "durable {n}").unwrap();
            out.flush().unwrap();
            store.compact_step().unwrap();
        }
    }
}

fn start_writer(folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "writer", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn nothing_that_was_durable_is_lost_to_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = SimRng::new(9);
    let mut before = 0;
    for round in 0..ROUNDS {
        let mut child = start_writer(folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = |line: String| line.split("durable ").nth(1).map(|n| n.parse::<u64>().unwrap());
        let wait_for = 5 + rng.below(120) as usize;
        let mut promised = lines.by_ref().map_while(Result::ok).filter_map(told).nth(wait_for).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said between the last look and its death.
        promised = lines.map_while(Result::ok).filter_map(told).last().unwrap_or(promised);

        let (_, records, report) = Store::open(FileDisk::open(folder.path()).unwrap(), config()).unwrap();
        let found = last_batch(&records);
        assert!(found >= promised, "round {round}: {promised} was durable, {found} is there");
        assert!(report.damage.is_empty(), "round {round}: {report:?}");
        assert!(promised > before, "round {round}: the writer made no progress");
        before = found;
    }
}
