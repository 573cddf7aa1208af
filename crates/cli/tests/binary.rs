//! The program itself: what only shows with real pipes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

fn basalt(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_basalt"));
    command.args(arguments).env_remove("BASALT_SOCKET");
    command
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    for arguments in [&["completion", "bash"][..], &["--help"], &["doctor", "--socket", "/nonexistent"]] {
        let mut child = basalt(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Nobody reads what comes.
        drop(child.stdout.take());
        let mut complaints = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        assert!(child.wait().unwrap().code().is_some_and(|code| code <= 1), "{arguments:?}");
        assert!(!complaints.contains("panic") && !complaints.contains("Broken pipe"), "{complaints}");
    }
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = basalt(&["completion", "zsh"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not be written"));
}

#[test]
fn exit_codes_are_those_documented() {
    let code = |arguments: &[&str]| basalt(arguments).output().unwrap().status.code();
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["version", "--socket", "/nonexistent"]), Some(0));
    assert_eq!(code(&["no-such-command"]), Some(2));
    assert_eq!(code(&["get", "ues", "--socket", "/nonexistent"]), Some(3));
}

#[test]
fn the_socket_can_come_from_the_environment() {
    let output = basalt(&["get", "ues"]).env("BASALT_SOCKET", "/nonexistent/from-env.sock").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/from-env.sock"));
}

#[test]
fn the_doctor_looks_at_this_machine() {
    let output = basalt(&["doctor", "-o", "json", "--socket", "/nonexistent"]).output().unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(findings.len() > 20);
    assert!(findings.iter().all(|finding| finding["check"].is_string() && finding["level"].is_string()));
}
