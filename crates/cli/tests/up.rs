//! `basalt up`: with the real programs in a user namespace, where they have been built, and with programs that fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A program of a few lines of shell.
fn program(folder: &Path, name: &str, lines: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn up(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_basalt"));
    command.args(["up", "--state-dir"]).arg(folder.join("state")).stdin(Stdio::null());
    command.env("BASALT_AGWD", folder.join("agwd")).env("BASALT_ORCHESTRATORD", folder.join("orchestratord"));
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_gateway_that_does_not_start_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "agwd", "echo \"agwd: cannot make a TUN device: run as root\" >&2; exit 1");
    program(folder.path(), "orchestratord", "echo started >> \"$0.ran\"");
    let output = up(folder.path()).output().unwrap();
    let words = said(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("agwd ended (exit status: 1)") && words.contains("run as root"), "{words}");
    assert!(!folder.path().join("orchestratord.ran").exists(), "nothing else was started");
    let config = std::fs::read_to_string(folder.path().join("state/agwd.toml")).unwrap();
    assert!(config.contains("plmns = [\"001-01\"]"), "{config}");
}

#[test]
fn it_stops_while_it_starts_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // Alive, and never ready; a pipe says when it listens to signals.
    let listens = folder.path().join("agwd.listens");
    assert!(Command::new("mkfifo").arg(&listens).status().unwrap().success());
    let lines = "trap 'echo told > \"$0.told\"; exit 0' INT; echo yes > \"$0.listens\"; while :; do sleep 0.05; done";
    program(folder.path(), "agwd", lines);
    program(folder.path(), "orchestratord", "exit 0");
    let mut child = up(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    assert!(first.starts_with("gateway: starts"), "{first}");
    let said = Command::new("timeout").args(["60", "cat"]).arg(&listens).output().unwrap();
    assert_eq!(said.stdout, b"yes\n");
    let stopped = Command::new("sh").args(["-c", "kill -TERM $0", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "stopping both\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("agwd.told")).unwrap(), "told\n");
}

#[test]
fn what_is_not_built_is_told() {
    let folder = tempfile::tempdir().unwrap();
    // A copy: beside the original there may be the real ones.
    let basalt = folder.path().join("basalt");
    std::fs::copy(env!("CARGO_BIN_EXE_basalt"), &basalt).unwrap();
    let mut command = Command::new(basalt);
    command.args(["up", "--state-dir"]).arg(folder.path().join("state")).env("PATH", folder.path());
    let output = command.env_remove("BASALT_AGWD").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("agwd is neither beside `basalt` nor in the path"), "{}", said(&output));
}

/// Where the three programs are, if they have been built: `BASALT_PROGRAMS`, or beside the command.
fn programs() -> Option<PathBuf> {
    let said = std::env::var_os("BASALT_PROGRAMS").map(PathBuf::from);
    let folder = said.or_else(|| Some(Path::new(env!("CARGO_BIN_EXE_basalt")).parent()?.to_owned()))?;
    ["agwd", "orchestratord"].iter().all(|name| folder.join(name).is_file()).then_some(folder)
}

/// In a namespace of its own, with an interface that leads nowhere: starts, is joined, says where it is, stops, and does it again
/// over what it kept.
const STORY: &str = r#"
set -eu
ip link set lo up
ip link add site0 type veth peer name site1
ip link set site1 up
ip addr add 198.51.100.1/24 dev site0
ip link set site0 up
ip route add default dev site0
wait_for() { # FILE WORDS
    n=0
    until grep -q "$2" "$1"; do
        n=$((n + 1))
        if [ $n -gt 1800 ] || ! kill -0 "$up" 2>/dev/null; then echo "no '$2' in:"; cat "$1"; exit 1; fi
        sleep 0.1
    done
}
for run in first second; do
    "$BASALT" up --state-dir "$STATE" > "$STATE.$run" 2>&1 &
    up=$!
    wait_for "$STATE.$run" "Ctrl-C stops both"
    "$BASALT" --socket "$STATE/run/agwd.sock" gateway show > "$STATE.link"
    grep -q "of network home" "$STATE.link"
    grep -q "connected" "$STATE.link"
    if [ $run = first ]; then
        # A gateway that ends by itself starts again.
        for process in /proc/[0-9]*; do
            if tr '\0' ' ' < $process/cmdline 2>/dev/null | grep -q "agwd --config"; then kill -9 ${process#/proc/}; fi
        done
        wait_for "$STATE.$run" "gateway: starts again"
        n=0
        until "$BASALT" --socket "$STATE/run/agwd.sock" gateway show 2>/dev/null | grep -q "orchestrator *connected"; do
            n=$((n + 1)); [ $n -lt 600 ] || { echo "it does not come back"; exit 1; }
            sleep 0.1
        done
    fi
    # A second one beside it says what is in the way, and harms nobody.
    if "$BASALT" up --state-dir "$STATE.other" > "$STATE.beside" 2>&1; then echo "two at once"; exit 1; fi
    kill -INT "$up"
    wait "$up"
    if ls /proc/*/exe -l 2>/dev/null | grep -q "$STATE"; then echo "something is left"; exit 1; fi
done
"#;

#[test]
fn both_start_join_stop_and_start_again() {
    let Some(folder) = programs() else {
        println!("skipped: agwd and orchestratord are not built beside basalt");
        return;
    };
    let names = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc"];
    if !Command::new("unshare").args(names).arg("true").status().is_ok_and(|status| status.success()) {
        println!("skipped: user namespaces are forbidden here");
        return;
    }
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(names).args(["sh", "-c", STORY]).stdin(Stdio::null());
    command.env("BASALT", env!("CARGO_BIN_EXE_basalt")).env("STATE", state.path().join("state"));
    command.env("BASALT_AGWD", folder.join("agwd")).env("BASALT_ORCHESTRATORD", folder.join("orchestratord"));
    let output = command.output().unwrap();
    let first = std::fs::read_to_string(state.path().join("state.first")).unwrap_or_default();
    assert!(output.status.success(), "{}\n{first}", said(&output));
    assert!(first.contains("console") && first.contains("http://127.0.0.1:8480"), "{first}");
    assert!(first.contains("/setup#setup_") && first.contains("gateway: joins network home"), "{first}");
    let second = std::fs::read_to_string(state.path().join("state.second")).unwrap();
    assert!(!second.contains("joins network"), "it has joined already: {second}");
    let beside = std::fs::read_to_string(state.path().join("state.beside")).unwrap();
    assert!(beside.contains("fix:"), "{beside}");
}
