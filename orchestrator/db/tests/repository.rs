//! One suite for both databases. PostgreSQL is started here, from the distribution's binaries, in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod postgres;
mod suite;

use orchestrator_db::{Settings, open};
use orchestrator_model::Kind;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where a process that is killed later writes to.
const WRITER: &str = "BASALT_TEST_WRITER";

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
