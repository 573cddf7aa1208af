//! The example program as a process whose output is waited for.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// An emulated processor is slow, and the machine may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// The example program, built as this test was.
pub fn build_peer() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "-q", "-p", "basalt-sctp", "--example", "sctp_peer"]);
    match profile.file_name().unwrap().to_str().unwrap() {
        "debug" => {}
        other => drop(build.args(["--profile", other])),
    }
    assert!(build.status().unwrap().success(), "building the example");
    let share = std::env::temp_dir().join(format!("basalt-sctp-{}", std::process::id()));
    std::fs::create_dir_all(&share).unwrap();
    let copy = share.join("sctp_peer");
    std::fs::copy(profile.join("examples/sctp_peer"), &copy).unwrap();
    copy
}

/// A process whose output is waited for line by line; killed when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that begins like this; others before it are passed over.
    pub fn line(&self, start: &str) {
        let end = Instant::now() + DEADLINE;
        let mut passed = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.starts_with(start) {
                return;
            }
            passed.push(line);
        }
        panic!("no line `{start}`, only {passed:?}");
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
