//! One suite for both databases. PostgreSQL is started here, from the distribution's binaries, in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod postgres;
mod suite;

use orchestrator_db::{Settings, open};

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
