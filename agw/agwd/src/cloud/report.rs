//! What the gateway tells the orchestrator by itself: events as they happen, state and metrics now and then, usage when there is
//! any. The core sends only what is new.

use crate::convert;
use crate::events::EventLine;
use crate::gateway::{Gateway, Job};
use basalt_cloud_link::Handle;
use basalt_cloud_sync::{Event, Input};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Between two looks at state and usage.
const LOOK: Duration = Duration::from_secs(5);
/// Looks between two readings of all metrics.
const METRICS: u32 = 6;
/// Starts both. `untold` are events of before that the conversation has not had.
pub fn start(link: Handle, jobs: mpsc::Sender<Job>, events: broadcast::Receiver<EventLine>, untold: Vec<Event>) {
    tokio::spawn(forward(link.clone(), jobs.clone(), events, untold));
    tokio::spawn(look(link, jobs));
}

async fn forward(
    link: Handle,
    jobs: mpsc::Sender<Job>,
    mut events: broadcast::Receiver<EventLine>,
    untold: Vec<Event>,
) {
    let mut last = 0;
    for event in untold {
        last = event.place;
        link.tell(Input::Event(event)).await;
    }
    loop {
        let lines = match events.recv().await {
            Ok(line) => vec![line],
            // They came faster than they could be passed on: they are remembered.
            Err(RecvError::Lagged(_)) => match remembered(&jobs, last).await {
                Some(lines) => lines,
                None => return,
            },
            Err(RecvError::Closed) => return,
        };
        for line in lines {
            // What is not kept has no place, and what came twice is behind.
            if line.place > last {
                last = line.place;
                link.tell(Input::Event(event(line))).await;
            }
        }
    }
}

/// Events after a place; `None` when the daemon ends.
async fn remembered(jobs: &mpsc::Sender<Job>, place: u64) -> Option<Vec<EventLine>> {
    let (done, wait) = oneshot::channel();
    let job: Job = Box::new(move |gateway| {
        // Whoever asked may have gone.
        let _ = done.send(gateway.events.after(place));
    });
    jobs.send(job).await.ok()?;
    wait.await.ok()
}

fn event(line: EventLine) -> Event {
    let EventLine { place, unix_millis: at, kind, imsi, text, json, .. } = line;
    Event { number: 0, place, at, kind: kind.to_owned(), imsi, text, json }
}

async fn look(link: Handle, jobs: mpsc::Sender<Job>) {
    let mut after = None;
    for count in 0_u32.. {
        let (done, wait) = oneshot::channel();
        let wanted = count.is_multiple_of(METRICS);
        let job: Job = Box::new(move |gateway| {
            let metrics = wanted.then(|| {
                gateway.refresh();
                gateway.metrics.values()
            });
            let mut after = after;
            let phones = super::phones::look(gateway, &mut after);
            // Whoever asked may have gone.
            let _ = done.send((state(gateway), metrics, crate::usage::is_waiting(gateway), phones, after));
        });
        if jobs.send(job).await.is_err() {
            return;
        }
        let Ok((state, metrics, usage, phones, next)) = wait.await else { return };
        after = next;
        link.tell(Input::CheckIn(state)).await;
        link.tell(phones).await;
        if let Some(metrics) = metrics {
            link.tell(Input::Metrics(metrics)).await;
        }
        if usage {
            link.tell(Input::UsageReady).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The gateway's state: nothing in it changes while nothing happens.
fn state(gateway: &mut Gateway) -> String {
    let status = convert::status(gateway);
    let started = gateway.started_at();
    let pools: BTreeMap<&str, _> =
        status.pools.iter().map(|pool| (pool.apn.as_str(), json!({"free": pool.free, "total": pool.total}))).collect();
    let enbs: Vec<_> = convert::enbs(gateway)
        .into_iter()
        .take(256)
        .map(|enb| json!({"id": enb.id, "name": enb.name, "since": enb.since}))
        .collect();
    let host = basalt_doctor::host(&gateway.effective.state_dir);
    json!({
        "version": status.version,
        "name": status.name,
        "data_plane": status.data_plane,
        "data_plane_why": crate::diagnose::why_not_best(gateway),
        "sctp": status.sctp_backend,
        "started_at": started,
        "draining": gateway.core.is_draining(),
        "enbs": enbs,
        "registered_ues": status.registered_ues,
        "connected_ues": status.connected_ues,
        "sessions": status.sessions,
        "subscribers": status.subscribers,
        "pools": pools,
        "host": {
            "disk_free_percent": host.disk_free_percent,
            // In steps: what is available moves all the time, and each move would be told.
            "memory_free_percent": host.memory_free_percent.map(|percent| percent / 5 * 5),
            "clock_synchronised": host.clock_synchronised,
        },
    })
    .to_string()
}
