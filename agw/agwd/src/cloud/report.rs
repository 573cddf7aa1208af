//! What the gateway tells the orchestrator by itself: events as they happen, state and metrics now and then, usage when there is
//! any. The core sends only what is new.

use crate::convert;
use crate::events::EventLine;
use crate::gateway::{Gateway, Job};
use basalt_cloud_link::Handle;
use basalt_cloud_sync::{Event, Input};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;

/// Between two looks at state and usage.
const LOOK: Duration = Duration::from_secs(5);
/// The same when base stations come or go.
const SOON: Duration = Duration::from_secs(1);
/// Between two readings of all metrics.
const METRICS: Duration = Duration::from_secs(30);

/// Starts both. `untold` are events of before that the conversation has not had.
pub fn start(link: Handle, jobs: mpsc::Sender<Job>, events: broadcast::Receiver<EventLine>, untold: Vec<Event>) {
    let stations = Arc::new(Notify::new());
    tokio::spawn(forward(link.clone(), jobs.clone(), events, untold, stations.clone()));
    tokio::spawn(look(link, jobs, stations));
}

async fn forward(
    link: Handle,
    jobs: mpsc::Sender<Job>,
    mut events: broadcast::Receiver<EventLine>,
    untold: Vec<Event>,
    stations: Arc<Notify>,
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
            if ["enb-connected", "enb-lost"].contains(&line.kind) {
                stations.notify_one();
            }
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

async fn look(link: Handle, jobs: mpsc::Sender<Job>, stations: Arc<Notify>) {
    let mut after = None;
    let mut read: Option<Instant> = None;
    let mut former = None;
    loop {
        let (done, wait) = oneshot::channel();
        let wanted = read.is_none_or(|at| at.elapsed() >= METRICS);
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
        let matters = Some(what_matters(&state));
        let urgent = former.is_some() && former != matters;
        former = matters;
        link.tell(Input::CheckIn { state: state.to_string(), urgent }).await;
        link.tell(phones).await;
        if let Some(metrics) = metrics {
            read = Some(Instant::now());
            link.tell(Input::Metrics(metrics)).await;
        }
        if usage {
            link.tell(Input::UsageReady).await;
        }
        tokio::time::sleep(SOON).await;
        tokio::select! {
            () = stations.notified() => {}
            () = tokio::time::sleep(LOOK - SOON) => {}
        }
    }
}

/// What of the state somebody may want to act on, the sooner the better; the rest are numbers that move all the time.
fn what_matters(state: &Value) -> Value {
    let same = ["version", "data_plane", "data_plane_why", "sctp", "started_at", "draining", "enbs"];
    let mut matters: Map<String, Value> =
        same.iter().filter_map(|name| Some(((*name).to_owned(), state.get(*name)?.clone()))).collect();
    let pools = state["pools"].as_object().into_iter().flatten();
    let empty = pools.filter(|(_, pool)| pool["free"] == 0).map(|(apn, _)| Value::from(apn.as_str())).collect();
    matters.insert("empty_pools".to_owned(), empty);
    Value::Object(matters)
}

/// The gateway's state: nothing in it changes while nothing happens.
fn state(gateway: &mut Gateway) -> Value {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_all_the_time_is_not_urgent_and_what_is_lost_is() {
        let state = |phones: u32, free: u32, enbs: &[&str]| {
            let enbs: Vec<_> = enbs.iter().map(|id| json!({"id": id})).collect();
            json!({"registered_ues": phones, "pools": {"internet": {"free": free, "total": 9}}, "enbs": enbs, "draining": false})
        };
        let before = what_matters(&state(1, 8, &["a", "b"]));
        assert_eq!(what_matters(&state(2, 7, &["a", "b"])), before);
        assert_ne!(what_matters(&state(1, 8, &["a"])), before);
        assert_ne!(what_matters(&state(9, 0, &["a", "b"])), before, "no address is left");
    }
}
