//! Commands that run, kept so that the next daemon knows what became of them.

use super::ask;
use crate::gateway::{Gateway, Job};
use crate::slots::Slots;
use crate::storage;
use basalt_cloud_sync::{Command, CommandState, Progress};
use basalt_store::{Batch, Keyspace, Records};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

const RUNNING: Keyspace = Keyspace(35);

/// A command that runs, version 1. Its layout is a format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// By which it is known.
    pub id: String,
    /// What.
    pub kind: String,
}

storage::only_format!(Running);

/// Reads those that ran when the daemon ended.
pub fn load(records: &Records, unreadable: &mut dyn FnMut(&str, &[u8])) -> Vec<Running> {
    let mut list = Vec::new();
    for (key, value) in records.in_keyspace(RUNNING) {
        match storage::decode(value) {
            Some(running) => list.push(running),
            None => unreadable("command", key),
        }
    }
    list
}

/// Makes it durable that a command runs.
pub(super) async fn keep(jobs: &mpsc::Sender<Job>, command: &Command) {
    let running = Running { id: command.id.clone(), kind: command.kind.clone() };
    change(jobs, move |batch| storage::put(batch, RUNNING, running.id.as_bytes(), &running)).await;
}

/// It runs no more.
pub async fn forget(jobs: &mpsc::Sender<Job>, id: &str) {
    let id = id.to_owned();
    change(jobs, move |batch| batch.add_delete(RUNNING, id.as_bytes())).await;
}

async fn change(jobs: &mpsc::Sender<Job>, change: impl FnOnce(&mut Batch) + Send + 'static) {
    let (done, wait) = oneshot::channel();
    let asked = ask(jobs, move |gateway| {
        let mut batch = Batch::new();
        change(&mut batch);
        gateway.save(
            batch,
            Box::new(move |_| {
                // Whoever waits may have gone.
                let _ = done.send(());
            }),
        );
    });
    if asked.await.is_some() {
        // An error means that the daemon is ending.
        let _ = wait.await;
    }
}

/// What became of the commands of the daemon before, told once to the conversation.
pub fn begun_before(gateway: &mut Gateway, before: Vec<Running>) -> Vec<Progress> {
    let mut batch = Batch::new();
    let mut reports = Vec::new();
    for Running { id, kind } in before {
        let version = crate::version::version();
        let told = if kind == "upgrade" { upgraded(gateway, &id) } else { None };
        if told.as_ref().is_none_or(|(state, ..)| *state != CommandState::Running) {
            batch.add_delete(RUNNING, id.as_bytes());
        }
        let (state, percent, output) = told.unwrap_or_else(|| match kind.as_str() {
            "restart" => (CommandState::Done, 100, format!("agwd {version} has started again\n")),
            _ => (CommandState::Interrupted, 0, "agwd ended while it ran\n".to_owned()),
        });
        reports.push(Progress { data: Vec::new(), id, state, percent, output });
    }
    gateway.save(batch, Box::new(|_| {}));
    reports
}

/// How the upgrade of a command is: on trial now, or settled.
fn upgraded(gateway: &Gateway, id: &str) -> Option<(CommandState, u32, String)> {
    let known = Slots::of(&gateway.effective.state_dir).load();
    if let Some(trial) = known.trial.filter(|trial| trial.command == id) {
        let words = format!("agwd {} runs from {}, on trial\n", trial.version, trial.place.words());
        return Some((CommandState::Running, 90, words));
    }
    let outcome = known.outcome.filter(|outcome| outcome.command == id)?;
    let (state, percent) = if outcome.good { (CommandState::Done, 100) } else { (CommandState::Failed, 0) };
    Some((state, percent, outcome.words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_kept_as_ever() {
        let running = Running { id: "0190-77".to_owned(), kind: "restart".to_owned() };
        crate::storage::golden::as_ever("orchestrator-command", &running);
    }
}
