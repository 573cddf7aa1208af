//! What the orchestrator may have this gateway do. What is not built says so.

use crate::convert;
use crate::gateway::Job;
use agw_sync::{Command, CommandState, Progress};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A program of the machine runs no longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Characters of an answer.
const OUTPUT: usize = 48 << 10;

/// Does a command and tells what came of it.
pub async fn run(jobs: &mpsc::Sender<Job>, command: Command, progress: mpsc::Sender<Progress>) {
    let report = |state, percent, output| Progress { id: command.id.clone(), state, percent, output };
    // An error means that the conversation has ended.
    let _ = progress.send(report(CommandState::Running, 0, String::new())).await;
    let arguments = serde_json::from_str(&command.arguments).unwrap_or(Value::Null);
    let (state, output) = match command.kind.as_str() {
        "show-tables" => tables(jobs).await,
        "log-tail" => events(jobs, &arguments).await,
        "ping" => ping(&arguments).await,
        "traceroute" => traceroute(&arguments).await,
        "restart" => restart(),
        _ => (CommandState::NotSupported, "not supported here".to_owned()),
    };
    let percent = if state == CommandState::Done { 100 } else { 0 };
    let _ = progress.send(report(state, percent, output.chars().take(OUTPUT).collect())).await;
}

async fn ask<T: Send + 'static>(
    jobs: &mpsc::Sender<Job>,
    look: impl FnOnce(&mut crate::gateway::Gateway) -> T + Send + 'static,
) -> Option<T> {
    let (done, wait) = oneshot::channel();
    let job: Job = Box::new(move |gateway| {
        // Whoever asked may have gone.
        let _ = done.send(look(gateway));
    });
    jobs.send(job).await.ok()?;
    wait.await.ok()
}

async fn tables(jobs: &mpsc::Sender<Job>) -> (CommandState, String) {
    let found = ask(jobs, |gateway| {
        let status = convert::status(gateway);
        let (sessions, _) = convert::sessions(gateway, None, 200);
        let sessions: Vec<_> = sessions
            .into_iter()
            .map(|it| json!({"imsi": it.imsi, "apn": it.apn, "address": it.address, "state": it.state, "teid": it.local_teid}))
            .collect();
        json!({"data_plane": status.data_plane, "drops": status.drops, "sessions": status.sessions, "first": sessions})
    });
    match found.await {
        Some(found) => (CommandState::Done, serde_json::to_string_pretty(&found).unwrap_or_default()),
        None => (CommandState::Failed, "agwd is stopping".to_owned()),
    }
}

/// The gateway's log goes to its service manager; what it keeps itself is what happened.
async fn events(jobs: &mpsc::Sender<Job>, arguments: &Value) -> (CommandState, String) {
    let lines = arguments.get("lines").and_then(Value::as_u64).unwrap_or(100).clamp(1, 1000);
    let past = ask(jobs, move |gateway| gateway.events.watch("", usize::try_from(lines).unwrap_or(100)).0).await;
    let Some(past) = past else { return (CommandState::Failed, "agwd is stopping".to_owned()) };
    let text: Vec<String> =
        past.iter().map(|line| format!("{} {} {}", line.unix_millis, line.kind, line.text)).collect();
    (CommandState::Done, text.join("\n"))
}

/// A host that cannot be taken for an option, or for anything else.
fn host(arguments: &Value) -> Result<String, String> {
    let host = arguments.get("host").and_then(Value::as_str).unwrap_or_default();
    let label = |part: &str| {
        !part.is_empty() && !part.starts_with('-') && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let named = host.len() <= 253 && host.split('.').all(label);
    if named || host.parse::<IpAddr>().is_ok() {
        Ok(host.to_owned())
    } else {
        Err("`host` is a name or an address".to_owned())
    }
}

async fn ping(arguments: &Value) -> (CommandState, String) {
    let count = arguments.get("count").and_then(Value::as_u64).unwrap_or(4).clamp(1, 20).to_string();
    match host(arguments) {
        Ok(host) => program("ping", &["-n", "-c", &count, "-W", "2", &host]).await,
        Err(wrong) => (CommandState::Failed, wrong),
    }
}

async fn traceroute(arguments: &Value) -> (CommandState, String) {
    match host(arguments) {
        Ok(host) => program("traceroute", &["-n", "-w", "1", "-q", "1", "-m", "20", &host]).await,
        Err(wrong) => (CommandState::Failed, wrong),
    }
}

async fn program(name: &str, arguments: &[&str]) -> (CommandState, String) {
    let mut command = tokio::process::Command::new(name);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => {
            let text = [output.stdout, output.stderr].concat();
            let state = if output.status.success() { CommandState::Done } else { CommandState::Failed };
            (state, String::from_utf8_lossy(&text).into_owned())
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            (CommandState::NotSupported, format!("not supported here: this machine has no {name}"))
        }
        Ok(Err(error)) => (CommandState::Failed, error.to_string()),
        Err(_) => (CommandState::Failed, "it took too long".to_owned()),
    }
}

/// Only where somebody starts it again. Phones stay: the keeper and the data plane go on meanwhile.
fn restart() -> (CommandState, String) {
    if std::env::var_os("INVOCATION_ID").is_none() {
        return (
            CommandState::NotSupported,
            "not supported here: no service manager would start agwd again".to_owned(),
        );
    }
    tokio::spawn(async {
        // The answer leaves first.
        tokio::time::sleep(Duration::from_secs(1)).await;
        // SAFETY: getpid and kill take plain numbers.
        unsafe { libc::kill(libc::getpid(), libc::SIGTERM) };
    });
    (CommandState::Done, "agwd is started again".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_no_option() {
        for good in ["192.0.2.1", "2001:db8::1", "core-1.example.net", "localhost"] {
            assert!(host(&json!({ "host": good })).is_ok(), "{good}");
        }
        for bad in ["", "-f", "a b", "a;b", "$(x)", "a..b", "a/b", "-x.example"] {
            assert!(host(&json!({ "host": bad })).is_err(), "{bad}");
        }
    }
}
