//! Remote write: what gateways tell goes on to a metrics server. What it does not take waits, in bounds, and is tried again.

use crate::notify::{Client, Post};
use orchestrator_telemetry::history::Place;
use orchestrator_telemetry::remote_write::{Point, request};
use orchestrator_telemetry::watched::Samples;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Readings of a gateway that wait: with 10,000 gateways, some minutes of an outage.
const WAITING: usize = 40_000;
/// Values of one request.
const POINTS: usize = 5_000;
/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// The metrics server in the file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoteFile {
    /// Where: `http://127.0.0.1:9090/api/v1/write`.
    pub(crate) url: String,
    /// A file with a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

/// A metrics server and what waits for it.
pub(crate) struct Remote {
    url: String,
    token: Option<String>,
    client: Client,
    waiting: Mutex<VecDeque<(Place, i64, Samples)>>,
    more: Notify,
    /// Values that were taken.
    pub(crate) sent: AtomicU64,
    /// Readings that were dropped: the queue was full, or the server refused them for good.
    pub(crate) dropped: AtomicU64,
    /// Requests that failed.
    pub(crate) failed: AtomicU64,
}

impl Remote {
    pub(crate) fn new(file: &RemoteFile, client: Client) -> anyhow::Result<Self> {
        let token = file.token_file.as_ref().map(std::fs::read_to_string).transpose()?;
        Ok(Self {
            url: file.url.clone(),
            token: token.map(|token| token.trim().to_owned()),
            client,
            waiting: Mutex::default(),
            more: Notify::new(),
            sent: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Place, i64, Samples)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a reading; the oldest makes room when there is none.
    pub(crate) fn push(&self, place: Place, at: i64, samples: Samples) {
        let mut waiting = self.lock();
        if waiting.len() >= WAITING {
            waiting.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        waiting.push_back((place, at, samples));
        drop(waiting);
        self.more.notify_one();
    }

    /// Readings that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// Sends until dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let readings = self.take();
            if readings.is_empty() {
                self.more.notified().await;
                continue;
            }
            match self.send(&readings).await {
                Sent::Taken => pause = FIRST_PAUSE,
                Sent::Refused(status) => {
                    self.dropped.fetch_add(readings.len() as u64, Ordering::Relaxed);
                    tracing::warn!(status, "the metrics server refuses what gateways told; it is dropped");
                }
                Sent::Failed(why) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(why, "the metrics server cannot be told now");
                    self.give_back(readings);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    fn take(&self) -> Vec<(Place, i64, Samples)> {
        let (mut waiting, mut count, mut taken) = (self.lock(), 0, Vec::new());
        while let Some(next) = waiting.front() {
            count += next.2.len();
            if count > POINTS && !taken.is_empty() {
                break;
            }
            taken.extend(waiting.pop_front());
        }
        taken
    }

    fn give_back(&self, readings: Vec<(Place, i64, Samples)>) {
        let mut waiting = self.lock();
        for reading in readings.into_iter().rev() {
            if waiting.len() < WAITING {
                waiting.push_front(reading);
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn send(&self, readings: &[(Place, i64, Samples)]) -> Sent {
        let mut points = Vec::new();
        for ((network, gateway), at, samples) in readings {
            let one = |(name, value): &(Arc<str>, f64)| Point::of(network, gateway, name, *value, *at);
            points.extend(samples.iter().filter_map(one));
        }
        let Ok(body) = request(&points) else { return Sent::Refused(0) };
        let mut headers = vec![
            ("content-encoding", "snappy".to_owned()),
            ("x-prometheus-remote-write-version", "0.1.0".to_owned()),
            ("user-agent", concat!("basalt/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        headers.extend(self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}"))));
        let post = Post { url: &self.url, form: "application/x-protobuf", headers: &headers, body };
        match self.client.status(post).await {
            Ok(200..=299) => {
                self.sent.fetch_add(points.len() as u64, Ordering::Relaxed);
                Sent::Taken
            }
            // It was understood and is not wanted: it would not be the next time either.
            Ok(status @ 400..=499) if status != 429 => Sent::Refused(status),
            Ok(status) => Sent::Failed(format!("it answered {status}")),
            Err(error) => Sent::Failed(format!("{error:#}")),
        }
    }
}

enum Sent {
    Taken,
    Refused(u16),
    Failed(String),
}
