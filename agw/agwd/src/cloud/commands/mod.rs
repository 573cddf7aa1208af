//! What the orchestrator may have this gateway do. What is not built says so.
//!
//! A command is kept while it runs: one that was running when the daemon ended is reported as interrupted by the next daemon, and a
//! restart as done. An upgrade goes on in the next daemon, which is the new version on trial.

mod call_trace;
mod capture;
mod drain;
mod kept;
mod log;
mod phone;
mod upgrade;

pub use kept::{Running, begun_before, forget as ended, load};

use crate::convert;
use crate::gateway::Job;
use basalt_cloud_sync::{Command, CommandState, Progress};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A program of the machine runs no longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a restart waits until the orchestrator knows of it.
const ANSWER: Duration = Duration::from_secs(5);
/// Characters of an answer.
const OUTPUT: usize = 48 << 10;

/// Tells how a command is.
struct Reporter {
    id: String,
    progress: mpsc::Sender<Progress>,
}

impl Reporter {
    async fn running(&self, percent: u32, output: String) {
        self.tell(CommandState::Running, percent, output, Vec::new()).await;
    }

    async fn data(&self, percent: u32, data: Vec<u8>) {
        self.tell(CommandState::Running, percent, String::new(), data).await;
    }

    async fn tell(&self, state: CommandState, percent: u32, output: String, data: Vec<u8>) {
        let output = output.chars().take(OUTPUT).collect();
        // An error means that the conversation has ended.
        let _ = self.progress.send(Progress { data, id: self.id.clone(), state, percent, output }).await;
    }
}

/// Does a command and tells what came of it.
pub async fn run(jobs: &mpsc::Sender<Job>, command: Command, progress: mpsc::Sender<Progress>) {
    let report = Reporter { id: command.id.clone(), progress };
    kept::keep(jobs, &command).await;
    report.running(0, String::new()).await;
    let arguments = serde_json::from_str(&command.arguments).unwrap_or(Value::Null);
    let (state, output) = match command.kind.as_str() {
        "show-tables" => tables(jobs).await,
        "describe-phone" => phone::describe(jobs, &arguments, &report).await,
        "detach" => phone::detach(jobs, &arguments).await,
        "log-tail" => log::run(&arguments, &report).await,
        "ping" => ping(&arguments).await,
        "traceroute" => traceroute(&arguments).await,
        "drain" => drain::run(jobs, &arguments, &report).await,
        "packet-capture" => capture::run(jobs, &arguments, &report).await,
        "call-trace" => call_trace::run(jobs, &command.id, &arguments, &report).await,
        "upgrade" => match upgrade::run(jobs, &command.id, &arguments, &report).await {
            Some(ended) => ended,
            // It is tried now: its end is told by the daemon on trial, or by the one that comes back.
            None => return,
        },
        // Its end is told by the next daemon.
        "restart" => return restart(jobs, command.id).await,
        _ => (CommandState::NotSupported, "not supported here".to_owned()),
    };
    let percent = if state == CommandState::Done { 100 } else { 0 };
    report.tell(state, percent, output, Vec::new()).await;
    kept::forget(jobs, &command.id).await;
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

/// The daemon replaces itself. Phones stay: the keeper and the data plane go on meanwhile.
async fn restart(jobs: &mpsc::Sender<Job>, id: String) {
    let id = id.as_str();
    // The orchestrator knows first that it runs, if it is there.
    if let Some(Some(handle)) = ask(jobs, |gateway| gateway.managed.link().cloned()).await {
        let mut status = handle.status();
        let received = status.wait_for(|status| !status.talking || status.settled.iter().any(|it| it == id));
        // Without an answer in time it does not wait longer.
        let _ = tokio::time::timeout(ANSWER, received).await;
    }
    let job: Job = Box::new(|gateway| gateway.restart());
    // An error means that the daemon is ending already.
    let _ = jobs.send(job).await;
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
