//! Tells spans beside whoever made them: a queue, batches, and patience with a collector that is away.

use crate::{Client, Failure, Resource, Settings, Span};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Spans that wait for the collector.
const WAITING: usize = 16_384;
/// Spans of a batch.
const BATCH: usize = 512;
/// How long spans wait for others.
const GATHER: Duration = Duration::from_secs(1);
/// After a failure: this at first, twice as long each time, up to that.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// What became of spans.
#[derive(Debug, Default)]
struct Counters {
    told: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
}

/// What became of spans, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Spans that the collector took.
    pub told: u64,
    /// Spans that it refused, or for which there was no room.
    pub dropped: u64,
    /// Batches that it did not take at once.
    pub failures: u64,
}

/// A queue of spans, and the task that tells them. The task ends with the last clone.
#[derive(Debug, Clone)]
pub struct Exporter {
    queue: mpsc::Sender<Span>,
    counters: Arc<Counters>,
}

impl Exporter {
    /// Starts the task; within a tokio runtime.
    ///
    /// # Errors
    /// The settings cannot be used: what is wrong, and what would be right.
    pub fn start(settings: &Settings, resource: Resource) -> Result<Self, String> {
        let client = Client::new(settings, resource)?;
        let (queue, waiting) = mpsc::channel(WAITING);
        let counters = Arc::new(Counters::default());
        tokio::spawn(run(client, waiting, Arc::clone(&counters)));
        Ok(Self { queue, counters })
    }

    /// Tells a span soon, or drops it where too many wait.
    pub fn tell(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of spans.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let it = &self.counters;
        Figures { told: of(&it.told), dropped: of(&it.dropped), failures: of(&it.failures) }
    }
}

async fn run(client: Client, mut waiting: mpsc::Receiver<Span>, counters: Arc<Counters>) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if waiting.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        // What follows at once goes with it; the wait ends early when the batch is full or nobody tells any more.
        let gather = async { while batch.len() < BATCH && waiting.recv_many(&mut batch, BATCH).await > 0 {} };
        let _ = tokio::time::timeout(GATHER, gather).await;
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(BATCH));
            let part = std::mem::replace(&mut batch, rest);
            hand_over(&client, part, &waiting, &counters).await;
        }
    }
}

/// Tries until the collector takes the batch or refuses it for good, or nobody is left who would tell more.
async fn hand_over(client: &Client, batch: Vec<Span>, waiting: &mpsc::Receiver<Span>, counters: &Counters) {
    let count = batch.len() as u64;
    let mut pause = FIRST;
    let taken = loop {
        match client.spans(batch.clone()).await {
            Ok(refused) => break count.saturating_sub(refused),
            Err(Failure::Later(why)) if !waiting.is_closed() => {
                counters.failures.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(why, "spans wait for the collector");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            Err(failure) => {
                counters.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%failure, count, "spans are dropped");
                break 0;
            }
        }
    };
    counters.told.fetch_add(taken, Ordering::Relaxed);
    counters.dropped.fetch_add(count - taken, Ordering::Relaxed);
}
