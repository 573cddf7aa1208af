//! The loop around the core: one input, its effects, the next input.
//!
//! ```text
//!   keeper ─┐                      ┌─► store thread ──┐ durable
//!   traffic ┼─► step ─► effects ───┤                  ▼
//!   control ┤                      └─────────────► release: send, data plane, count, tell, answer
//!   timers ─┘                                         └─► acknowledge to the keeper
//! ```
//! A step whose records are on their way to the disk holds back its own effects and those of every later step: nothing is
//! promised that a crash could take back, and nothing overtakes.

mod holding;
mod links;

pub use links::{link_id, link_up};

use crate::calls::Calls;
use crate::config::Effective;
use crate::events::Events;
use crate::federation::{self, Federation};
use crate::metrics::Metrics;
use crate::tables;
use crate::usage;
use agw_core::Core;
use agw_dataplane::{Dataplane, Report, Usage};
use agw_subscribers::{StoredRules, StoredSubscriber};
use agw_types::{Command, Effects, Event, Input, LinkId, Now, OperatorReply, Traffic};
use anyhow::{Context as _, bail};
use basalt_ids::{GlobalEnbId, Imsi};
use basalt_sansio::Time;
use basalt_sctp::Message;
use basalt_sctp::keeper::{Client, Uplink};
use basalt_security::SealingKey;
use basalt_store::{CommitQueue, Completion};
use holding::Waiting;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Something to do with the gateway between two inputs, from the control API or the metrics server.
pub type Job = Box<dyn FnOnce(&mut Gateway) + Send>;

/// Everything the loop owns.
pub struct Gateway {
    /// The protocol machine.
    pub core: Core,
    /// What runs here.
    pub effective: Effective,
    /// Subscribers as they are kept: keys sealed.
    pub stored: BTreeMap<Imsi, StoredSubscriber>,
    /// Rules of subscribers who have any.
    pub rules: BTreeMap<Imsi, StoredRules>,
    /// Opens and closes SIM keys.
    pub sealing: SealingKey,
    /// Counters.
    pub metrics: Metrics,
    /// Past and present.
    pub events: Events,
    /// Call traces that are on.
    pub calls: Calls,
    /// The packet path.
    pub dataplane: Dataplane,
    /// SCTP back end in use.
    pub carrier: &'static str,
    /// What was used, by whom.
    pub usage: usage::Usage,
    /// What the orchestrator manages.
    pub managed: crate::cloud::Managed,
    /// Subscribers of other networks; `None` where nobody's are let in.
    pub federation: Option<Federation>,
    /// What this machine says by itself.
    pub local: crate::cloud::Local,
    /// A configuration that the data plane has to be opened anew for.
    pub wanted: Option<crate::cloud::Wanted>,
    /// Pools of former configurations in which there are sessions yet.
    pub retired: crate::cloud::Retired,
    /// What sessions carried that are gone by now.
    departed: Usage,
    /// When each base station connected, seconds since 1970 UTC.
    enbs_since: BTreeMap<GlobalEnbId, u64>,
    started: Instant,
    started_at: u64,
    effects: Effects,
    commits: CommitQueue<u64>,
    /// The last batch handed to the store.
    submitted: u64,
    /// The last batch known to be durable.
    durable: u64,
    waiting: VecDeque<Waiting>,
    /// A step of `waiting` is being released.
    releasing: bool,
    /// Messages a base station cannot take yet.
    backlog: BTreeMap<LinkId, VecDeque<Message>>,
    replies: BTreeMap<u64, oneshot::Sender<OperatorReply>>,
    next_reply: u64,
    keeper: Client,
    stop: Option<String>,
    /// The daemon is to be replaced by itself.
    again: bool,
}

/// Keeper events taken at a time.
const EVENTS: usize = 256;

/// What [`Gateway::new`] is made of.
pub struct Parts {
    pub core: Core,
    pub effective: Effective,
    pub stored: BTreeMap<Imsi, StoredSubscriber>,
    pub sealing: SealingKey,
    pub metrics: Metrics,
    pub dataplane: Dataplane,
    pub carrier: &'static str,
    pub usage: usage::Usage,
    pub managed: crate::cloud::Managed,
    pub local: crate::cloud::Local,
    pub commits: CommitQueue<u64>,
    pub keeper: Client,
}

impl Gateway {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            core: parts.core,
            effective: parts.effective,
            stored: parts.stored,
            rules: BTreeMap::new(),
            sealing: parts.sealing,
            metrics: parts.metrics,
            events: Events::new(),
            calls: Calls::default(),
            dataplane: parts.dataplane,
            carrier: parts.carrier,
            usage: parts.usage,
            managed: parts.managed,
            federation: None,
            local: parts.local,
            wanted: None,
            retired: crate::cloud::Retired::default(),
            departed: Usage::default(),
            enbs_since: BTreeMap::new(),
            started: Instant::now(),
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            effects: Effects::new(),
            commits: parts.commits,
            submitted: 0,
            durable: 0,
            waiting: VecDeque::new(),
            releasing: false,
            backlog: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_reply: 0,
            keeper: parts.keeper,
            stop: None,
            again: false,
        }
    }

    /// Serves until `stopped` resolves or something essential fails.
    ///
    /// # Errors
    /// The store or the keeper failed.
    pub async fn serve(
        &mut self,
        jobs: &mut mpsc::Receiver<Job>,
        completions: &mut mpsc::Receiver<Completion<u64>>,
        traffic: &mut mpsc::Receiver<Traffic>,
        reports: &mut mpsc::Receiver<Report>,
        stopped: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        tokio::pin!(stopped);
        let mut uplinks: Vec<Uplink> = Vec::with_capacity(EVENTS);
        let mut next_check = Instant::now();
        loop {
            if let Some(reason) = self.stop.take() {
                bail!(reason);
            }
            if self.again {
                return Ok(());
            }
            self.keeper.flush().await.context("the keeper is gone; restart agwd to start another")?;
            if self.wanted.is_some() && self.waiting.is_empty() {
                crate::cloud::carry_out(self, traffic, reports).await?;
            }
            // What steps still hold back, the tables rightly do not have.
            if self.waiting.is_empty() && Instant::now() >= next_check {
                next_check = tables::check(self);
                self.calls.sweep();
                usage::check(self);
            }
            if Instant::now() >= self.usage.due() {
                usage::collect(self, None);
            }
            let wakeup =
                self.core.next_wakeup().map(|at| self.started + std::time::Duration::from_micros(at.as_micros()));
            let federation_due = self.federation_due();
            tokio::select! {
                biased;
                Some(completion) = completions.recv() => self.completed(completion)?,
                received = self.keeper.recv_many(&mut uplinks, EVENTS) => {
                    received.context("the keeper is gone; restart agwd to start another")?;
                    for uplink in uplinks.drain(..) {
                        self.uplink(uplink);
                    }
                }
                Some(traffic) = traffic.recv() => self.step(Input::Traffic(traffic)),
                Some(report) = reports.recv() => crate::reports::take(self, report),
                Some(job) = jobs.recv() => job(self),
                () = sleep_until(wakeup) => self.step(Input::Wakeup),
                () = sleep_until(self.waiting.is_empty().then_some(next_check)) => {}
                () = sleep_until(Some(self.usage.due())) => {}
                () = sleep_until(federation_due) => federation::step(self, federation::Input::Wakeup),
                () = &mut stopped => return Ok(()),
            }
            self.retry_backlog();
        }
    }

    /// Ends soon, to be started again in its own place.
    pub fn restart(&mut self) {
        self.again = true;
    }

    /// Whether the daemon is to be replaced by itself.
    pub const fn restarts(&self) -> bool {
        self.again
    }

    /// Commits what waits and ends.
    pub fn close(self) {
        // Batches already handed over become durable; nobody waits for their effects any more.
        drop(self.commits.close());
    }

    /// Monotonic and wall-clock time.
    pub fn now(&self) -> Now {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let unix_secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Now { mono: Time::from_micros(micros), unix_secs }
    }

    /// When the daemon started, seconds since 1970 UTC, as the clock was then.
    pub fn started_at(&self) -> u64 {
        self.started_at
    }

    /// Seconds since the daemon started.
    pub fn uptime_seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn federation_due(&self) -> Option<Instant> {
        let due = self.federation.as_ref()?.next_wakeup()?;
        Some(self.started + std::time::Duration::from_micros(due.as_micros()))
    }

    /// One step that no keeper event caused.
    pub fn step(&mut self, input: Input) {
        let now = self.now();
        self.core.step(now, input, &mut self.effects);
        self.hold_or_release(None);
    }

    /// Effects that the core gave outside a step, at start.
    pub fn take_effects(&mut self, run: impl FnOnce(&mut Core, Now, &mut Effects)) {
        let now = self.now();
        run(&mut self.core, now, &mut self.effects);
        self.hold_or_release(None);
    }

    /// An operator's command; the reply comes when its step is durable.
    pub fn command(&mut self, command: Command) -> oneshot::Receiver<OperatorReply> {
        let (sender, receiver) = oneshot::channel();
        self.next_reply += 1;
        let token = self.next_reply;
        self.replies.insert(token, sender);
        self.step(Input::Operator { token, command });
        receiver
    }

    fn note_enb(&mut self, event: &Event) {
        match event {
            Event::EnbConnected { enb, .. } => {
                let now = self.now().unix_secs;
                self.enbs_since.insert(*enb, now);
            }
            Event::EnbLost { enb, .. } => {
                self.enbs_since.remove(enb);
            }
            _ => {}
        }
    }

    /// Since when a base station is connected, seconds since 1970 UTC; the daemon's start for those that were there before.
    pub fn enb_since(&self, enb: GlobalEnbId) -> u64 {
        let start = self.now().unix_secs.saturating_sub(self.uptime_seconds());
        self.enbs_since.get(&enb).copied().unwrap_or(start)
    }

    /// What all sessions have carried since the daemon started, and those that it took over before.
    pub fn usage(&self) -> Usage {
        let mut total = self.departed;
        for (_, session) in self.core.sessions() {
            add(&mut total, self.dataplane.usage(session.local.1, session.address).unwrap_or_default());
        }
        total
    }

    /// Goes on from what had been carried `before` the data plane was opened anew: tables that had to be made anew count from the start.
    pub fn goes_on_from(&mut self, before: Usage) {
        let gone = less(before, self.usage());
        add(&mut self.departed, gone);
    }

    /// Data plane changes that were refused, and steps that wait for the disk.
    pub fn troubles(&self) -> (u64, u64) {
        (self.metrics.dataplane_errors.get(), self.waiting.len() as u64)
    }

    /// Brings gauges up to date before a scrape.
    pub fn refresh(&mut self) {
        crate::convert::refresh(self);
        self.metrics.unreleased.set(i64::try_from(self.waiting.len()).unwrap_or(i64::MAX));
    }
}

fn add(total: &mut Usage, more: Usage) {
    total.uplink_packets += more.uplink_packets;
    total.uplink_bytes += more.uplink_bytes;
    total.uplink_refused += more.uplink_refused;
    total.downlink_packets += more.downlink_packets;
    total.downlink_bytes += more.downlink_bytes;
    total.downlink_dropped += more.downlink_dropped;
}

/// What `all` has more than `part`.
fn less(all: Usage, part: Usage) -> Usage {
    Usage {
        uplink_packets: all.uplink_packets.saturating_sub(part.uplink_packets),
        uplink_bytes: all.uplink_bytes.saturating_sub(part.uplink_bytes),
        uplink_refused: all.uplink_refused.saturating_sub(part.uplink_refused),
        downlink_packets: all.downlink_packets.saturating_sub(part.downlink_packets),
        downlink_bytes: all.downlink_bytes.saturating_sub(part.downlink_bytes),
        downlink_dropped: all.downlink_dropped.saturating_sub(part.downlink_dropped),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
