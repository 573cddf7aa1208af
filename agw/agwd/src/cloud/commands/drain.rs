//! Drain: no new phones, connected ones are let go, base stations are told to keep away. Phones stay attached and reachable; where
//! there is another gateway in the pool, base stations choose it for whoever comes.

use super::{Reporter, ask};
use crate::cloud::managed;
use crate::gateway::{Gateway, Job};
use agw_types::{Command, UeState};
use basalt_cloud_sync::CommandState;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Phones let go in one turn; the loop does other things between two turns.
const TURN: usize = 50;
/// Minutes that it may take, unless it is said, and at most.
const MINUTES: u64 = 10;
const MOST_MINUTES: u64 = 24 * 60;

pub(super) async fn run(jobs: &mpsc::Sender<Job>, arguments: &Value, report: &Reporter) -> (CommandState, String) {
    let on = !arguments.get("off").and_then(Value::as_bool).unwrap_or(false);
    let begun = ask(jobs, move |gateway| {
        managed::drain(gateway, on);
        (connected(gateway).len(), gateway.events.watch("", 0).1)
    });
    let Some((first, mut events)) = begun.await else { return (CommandState::Failed, "agwd is stopping".to_owned()) };
    if !on {
        return (CommandState::Done, "new phones are taken again".to_owned());
    }
    let minutes = arguments.get("minutes").and_then(Value::as_u64).unwrap_or(MINUTES).clamp(1, MOST_MINUTES);
    let deadline = Instant::now() + Duration::from_secs(60 * minutes);
    let mut told = usize::MAX;
    loop {
        let left = ask(jobs, |gateway| {
            let list = connected(gateway);
            for imsi in list.iter().take(TURN) {
                drop(gateway.command(Command::Release { imsi: *imsi }));
            }
            // Those that were just let go are idle by now.
            connected(gateway).len()
        });
        let Some(left) = left.await else { return (CommandState::Failed, "agwd is stopping".to_owned()) };
        if left == 0 {
            let end = "no phone is connected and no new one is taken, until `drain` with {\"off\": true}\n";
            return (CommandState::Done, end.to_owned());
        }
        if left != told {
            told = left;
            let percent = 100 * first.saturating_sub(left) / first.max(1);
            report.running(u32::try_from(percent).unwrap_or(0).min(99), format!("{left} phones are connected\n")).await;
        }
        // Something has to happen to a phone until there is anything to do. Events that were missed are such, too.
        if tokio::time::timeout_at(deadline, events.recv()).await.is_err() {
            return (CommandState::Failed, format!("{left} phones are still connected; no new one is taken\n"));
        }
    }
}

fn connected(gateway: &Gateway) -> Vec<basalt_ids::Imsi> {
    let busy = gateway.core.ues().filter(|ue| matches!(ue.state, UeState::Connected | UeState::Attaching));
    busy.filter_map(|ue| ue.imsi).collect()
}
