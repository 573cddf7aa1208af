//! A second replica without the sealing key of the first, or with another one, does not start, and says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(database: &Path, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
    command.args(["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--database"]);
    command.arg(format!("sqlite:{}", database.display())).arg("--data-dir").arg(folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it says before it ends by itself with a failure.
fn refusal(database: &Path, folder: &Path) -> String {
    let mut process = start(database, folder).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            process.kill().unwrap();
            process.wait().unwrap();
            panic!("it goes on");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(!status.success());
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    said
}

#[test]
fn a_replica_without_the_key_of_the_first_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (database, first, second) =
        (folder.path().join("db"), folder.path().join("first"), folder.path().join("second"));
    let mut process = start(&database, &first).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(line.contains("REST interface"), "{line}");

    let said = refusal(&database, &second);
    assert!(said.contains("give this replica the key of the first one") && said.contains("sealing.key"), "{said}");
    assert!(!second.join("sealing.key").exists(), "a key that opens nothing is not made");

    let wrong = second.join("sealing.key");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&wrong).unwrap();
    std::io::Write::write_all(&mut file, &[9; 32]).unwrap();
    let said = refusal(&database, &second);
    assert!(said.contains("does not open what is sealed") && said.contains("key of the first one"), "{said}");
    assert_eq!(std::fs::read(&wrong).unwrap(), [9; 32], "what is there is left as it is");
}
