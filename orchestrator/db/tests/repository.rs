//! One suite for both databases. PostgreSQL is started here, from the distribution's binaries, in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod postgres;
mod suite;

use orchestrator_db::{Settings, open};
use orchestrator_model::Kind;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a process that is killed later writes to.
const WRITER: &str = "BASALT_TEST_WRITER";
/// The same of one that stands still later.
const LEADER: &str = "BASALT_TEST_LEADER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orchestrator.db");
    let settings = Settings { address: format!("sqlite:{}", path.display()), connections: 8 };
    suite::run(&settings).await;
    let octets = std::fs::read(&path).unwrap();
    assert!(!octets.windows(suite::K.len()).any(|part| part == suite::K.as_bytes()), "no key lies open in the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_passes_the_suite() {
    match postgres::Server::start() {
        Ok(server) => {
            let settings = Settings { address: server.address(), connections: 8 };
            suite::run(&settings).await;
        }
        Err(reason) => println!("skipped: {reason}"),
    }
}

#[tokio::test]
async fn another_address_is_refused_without_its_password() {
    let settings = Settings { address: "mysql://root:hunter2@host/x".to_owned(), connections: 8 };
    let error = open(&settings).await.err().expect("refused").to_string();
    assert!(error.contains("`mysql`") && !error.contains("hunter2"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_hears_of_a_change_without_looking() {
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let settings = Settings { address: server.address(), connections: 4 };
    let (one, other) = (open(&settings).await.unwrap(), open(&settings).await.unwrap());
    let mut wakes = other.wakes();
    let heard = async {
        for number in 0_u32.. {
            // It may not listen yet: a later change is heard of all the same.
            one.apply("ann", 1, &[suite::put(suite::network(&format!("n{number}")), json!({}))]).await.unwrap();
            if tokio::time::timeout(Duration::from_secs(1), wakes.changed()).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("nothing is heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_all_replicas_acts_and_another_when_it_ends() {
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let settings = Settings { address: server.address(), connections: 2 };
    let (one, other) = (open(&settings).await.unwrap(), open(&settings).await.unwrap());
    for _ in 0..3 {
        assert!(one.leads().await.unwrap() && !other.leads().await.unwrap());
    }
    one.close().await;
    let took_over = async {
        while !other.leads().await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, took_over).await.expect("nobody acts");
    other.close().await;
}

/// The one that acts stands still: another one acts in its place, and it knows that when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_still_acts_no_more() {
    if let Ok(address) = std::env::var(LEADER) {
        return lead_for_ever(address).await;
    }
    let server = match postgres::Server::start() {
        Ok(server) => server,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let leader = Leader::start(&server.address());
    leader.until("leads true");
    let db = open(&Settings { address: server.address(), connections: 5 }).await.unwrap();
    assert!(!db.leads().await.unwrap(), "two act");
    leader.signal("-STOP");
    let took_over = async {
        let mut turns = tokio::time::interval(Duration::from_millis(50));
        while !db.leads().await.unwrap() {
            turns.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, took_over).await.expect("nobody acts");
    leader.signal("-CONT");
    leader.until("leads false");
    assert!(db.leads().await.unwrap(), "it is taken from whoever has it");
}

async fn lead_for_ever(address: String) {
    let db = open(&Settings { address, connections: 5 }).await.unwrap();
    let mut turns = tokio::time::interval(Duration::from_millis(50));
    loop {
        turns.tick().await;
        // Whether it leads cannot be said while the connection is made anew.
        let leads = db.leads().await.unwrap_or_default();
        println!("\nleads {leads}");
        std::io::stdout().flush().unwrap();
    }
}

/// A process that wants to act.
struct Leader {
    process: Child,
    lines: Receiver<String>,
}

impl Leader {
    fn start(address: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "who_stands_still_acts_no_more", "--nocapture"]).env(LEADER, address);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (tell, lines) = channel();
        // It ends with the process.
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { process, lines }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }

    fn until(&self, wanted: &str) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.lines.recv_timeout(PATIENCE).expect("it says nothing") == wanted {
                return;
            }
        }
        panic!("waited in vain: {wanted}");
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // SIGKILL ends one that stands still, too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A replica's process dies by SIGKILL in the middle of its writes, again and again: all that it was told is written is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_death_of_its_writer() {
    if let Ok(address) = std::env::var(WRITER) {
        return write_for_ever(address).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = postgres::Server::start();
    let mut addresses = vec![format!("sqlite:{}", folder.path().join("db").display())];
    match &server {
        Ok(server) => addresses.push(server.address()),
        Err(reason) => println!("PostgreSQL is skipped: {reason}"),
    }
    for address in addresses {
        let mut acknowledged = BTreeSet::new();
        for _ in 0..4 {
            acknowledged.extend(killed_writer(&address));
        }
        let db = open(&Settings { address, connections: 4 }).await.unwrap();
        let names: Vec<String> = acknowledged.into_iter().collect();
        let found = db.objects_named(Kind::Tenant, "", &names).await.unwrap();
        assert_eq!(found.len(), names.len(), "an acknowledged write is lost");
    }
}

async fn write_for_ever(address: String) {
    let db = open(&Settings { address, connections: 4 }).await.unwrap();
    for number in 0_u32.. {
        let name = format!("t{}-{number}", std::process::id());
        db.apply("ann", 1, &[suite::put(suite::tenant(&name), json!({}))]).await.unwrap();
        println!("\nacknowledged {name}");
        std::io::stdout().flush().unwrap();
    }
}

/// Names that a writer said were written, before and while it was killed.
fn killed_writer(address: &str) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "what_was_acknowledged_survives_the_death_of_its_writer", "--nocapture"]);
    let mut writer = command.env(WRITER, address).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut names = Vec::new();
    for line in BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok) {
        names.extend(line.strip_prefix("acknowledged ").map(str::to_owned));
        if names.len() == 20 {
            // What it said meanwhile is read to the end.
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert!(names.len() >= 20, "the writer did not write");
    names
}
