//! A daemon on trial: it watches itself, says that it is well, or gives up and lets the former one come back.

use super::{Before, Slots, Trial};
use crate::gateway::{Gateway, Job};
use basalt_cloud_link::Handle;
use basalt_cloud_sync::{CommandState, Input, Progress};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// The loop answers within this.
const ANSWER: Duration = Duration::from_secs(10);

/// How the gateway is now.
pub fn look(gateway: &mut Gateway) -> Before {
    let status = crate::convert::status(gateway);
    let talking = gateway.managed.link().is_some_and(|link| link.status().borrow().talking);
    Before { data_plane: status.data_plane, phones: status.registered_ues.into(), enbs: status.enbs.into(), talking }
}

/// Begins to watch, where this daemon is on trial.
pub fn watch(gateway: &Gateway, jobs: &mpsc::Sender<Job>, link: &Handle) {
    let slots = Slots::of(&gateway.effective.state_dir);
    let Some(trial) = slots.load().trial else { return };
    tracing::info!(version = trial.version, "on trial: the former version comes back unless this one is well");
    tokio::spawn(watched(slots, trial, jobs.clone(), link.clone()));
}

async fn watched(slots: Slots, trial: Trial, jobs: mpsc::Sender<Job>, link: Handle) {
    let until = Instant::now() + Duration::from_secs(trial.seconds);
    let mut well_since: Option<Instant> = None;
    let mut lacks;
    loop {
        lacks = match ask(&jobs).await {
            Some((now, refused)) => missing(&trial.before, &now, refused),
            None => Some("its loop does not answer".to_owned()),
        };
        match (&lacks, well_since) {
            (Some(_), _) => well_since = None,
            (None, None) => well_since = Some(Instant::now()),
            (None, Some(since)) if since.elapsed() >= Duration::from_secs(trial.well) => break,
            (None, Some(_)) => {}
        }
        if Instant::now() >= until {
            lacks = lacks.or_else(|| Some("it was not well for long enough".to_owned()));
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let command = trial.command.clone();
    let settled = match lacks {
        None => slots.change(|state| state.confirm(&command).then(|| state.outcome.clone()).flatten()),
        Some(why) => {
            tracing::error!(why, "this version does not do; the former one comes back");
            let failed = slots.change(|state| state.fail(&command, &why));
            // The outcome is told by the next daemon.
            let _ = jobs.send(Box::new(Gateway::restart)).await;
            failed.map(|_| None)
        }
    };
    match settled {
        Ok(Some(outcome)) => {
            tracing::info!(version = trial.version, "well");
            let progress = Progress {
                data: Vec::new(),
                id: command,
                state: CommandState::Done,
                percent: 100,
                output: outcome.words,
            };
            crate::cloud::command_ended(&jobs, &progress.id).await;
            link.tell(Input::Progress(progress)).await;
        }
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "the outcome of the trial cannot be written"),
    }
}

async fn ask(jobs: &mpsc::Sender<Job>) -> Option<(Before, u64)> {
    let (done, wait) = oneshot::channel();
    let job: Job = Box::new(move |gateway| {
        // Whoever asked may have given up.
        let _ = done.send((look(gateway), gateway.troubles().0));
    });
    let asked = async {
        jobs.send(job).await.ok()?;
        wait.await.ok()
    };
    tokio::time::timeout(ANSWER, asked).await.ok().flatten()
}

/// What is not as it was; phones come and go meanwhile, so of them a tenth may be missing.
fn missing(before: &Before, now: &Before, refused: u64) -> Option<String> {
    if before.talking && !now.talking {
        return Some("no link to the orchestrator".to_owned());
    }
    if before.data_plane != now.data_plane {
        return Some(format!("the data plane is {} and was {}", now.data_plane, before.data_plane));
    }
    if refused > 0 {
        return Some(format!("the data plane refused {refused} changes"));
    }
    if now.enbs < before.enbs {
        return Some(format!("{} base stations are connected and {} were", now.enbs, before.enbs));
    }
    if now.phones < before.phones - before.phones / 10 {
        return Some(format!("{} phones are registered and {} were", now.phones, before.phones));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_must_be_there() {
        let before = Before { data_plane: "xdp-native".to_owned(), phones: 100, enbs: 2, talking: true };
        assert_eq!(missing(&before, &before, 0), None);
        let fewer = Before { phones: 90, ..before.clone() };
        assert_eq!(missing(&before, &fewer, 0), None);
        let changes: [fn(&mut Before); 4] = [
            |it| it.talking = false,
            |it| it.data_plane = "software".to_owned(),
            |it| it.enbs = 1,
            |it| it.phones = 89,
        ];
        for change in changes {
            let mut now = before.clone();
            change(&mut now);
            assert!(missing(&before, &now, 0).is_some(), "{now:?}");
        }
        assert!(missing(&before, &before, 1).is_some());
        assert_eq!(missing(&Before::default(), &Before::default(), 0), None, "an empty gateway is well, too");
    }
}
