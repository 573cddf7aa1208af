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

use crate::calls::{self, Calls};
use crate::cloud::outgoing;
use crate::config::Effective;
use crate::events::{EventLine, Events};
use crate::federation::{self, Federation};
use crate::metrics::Metrics;
use crate::storage;
use crate::tables;
use crate::usage;
use agw_core::Core;
use agw_dataplane::{Dataplane, Report, Usage};
use agw_subscribers::{StoredRules, StoredSubscriber};
use agw_types::{Command, Effect, Effects, Event, Input, LinkId, LinkInfo, Now, OperatorReply, Traffic};
use anyhow::{Context as _, bail};
use basalt_ids::{GlobalEnbId, Imsi};
use basalt_sansio::Time;
use basalt_sctp::keeper::{AssociationId, Client, KeeperEvent, Live, Uplink};
use basalt_sctp::{Message, SendError, ppid};
use basalt_security::SealingKey;
use basalt_store::{Batch, CommitQueue, Completion};
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

/// A step whose effects are held back.
struct Waiting {
    /// Its records' batch, if it has any.
    batch: Option<u64>,
    effects: Vec<Effect>,
    /// The events among them, as they are told.
    lines: Vec<EventLine>,
    /// The keeper's event that caused it.
    uplink: Option<u64>,
    /// What else happens when it is durable.
    then: Option<Job>,
    /// Counters that it would take records from have been read.
    settled: bool,
}

/// Messages kept for a base station that does not take them; beyond that its association is closed.
const BACKLOG: usize = 4_096;
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

    fn uplink(&mut self, Uplink { seq, event }: Uplink) {
        let input = match event {
            KeeperEvent::Up(live) => link_up(&live, false),
            KeeperEvent::Message { id, message } if message.ppid == ppid::S1AP => {
                Some(Input::S1ap { link: link_id(id), stream: message.stream, pdu: message.payload.to_vec() })
            }
            KeeperEvent::Message { .. } => {
                // TS 36.412 §7: S1AP has payload protocol identifier 18; anything else is not for us.
                self.metrics.count(agw_types::Metric::Discarded("wrong SCTP payload protocol identifier"));
                None
            }
            KeeperEvent::Restarted { id, .. } => Some(Input::LinkRestarted { link: link_id(id) }),
            KeeperEvent::PathChange { id, path } => {
                tracing::info!(association = id.0, %path, "a base station is reached over another path");
                None
            }
            KeeperEvent::Down { id, reason } => {
                tracing::info!(association = id.0, %reason, "an association ended");
                self.backlog.remove(&link_id(id));
                Some(Input::LinkDown { link: link_id(id) })
            }
        };
        if let Some(input) = input {
            let heard = self.calls.heard(&input);
            let now = self.now();
            self.core.step(now, input, &mut self.effects);
            if let Some(heard) = heard {
                calls::note(self, &heard);
            }
        }
        self.hold_or_release(Some(seq));
    }

    /// Effects that the core gave outside a step, at start.
    pub fn take_effects(&mut self, run: impl FnOnce(&mut Core, Now, &mut Effects)) {
        let now = self.now();
        run(&mut self.core, now, &mut self.effects);
        self.hold_or_release(None);
    }

    fn hold_or_release(&mut self, uplink: Option<u64>) {
        let mut batch = Batch::new();
        let mut effects = self.effects.take();
        tables::expect(self, &effects);
        effects.retain(|effect| !storage::stage(&mut batch, effect));
        let now = self.now().unix_secs;
        self.usage.note(&self.core, &effects, now, &mut batch);
        let keeps_nothing_else = batch.is_empty();
        let lines = outgoing::stage(&mut self.managed, &effects, &mut batch);
        if keeps_nothing_else && !batch.is_empty() {
            // An answer need not wait until it is durable that it is told of.
            let (told, rest) = effects.into_iter().partition(|effect| matches!(effect, Effect::Tell(_)));
            self.hold(Batch::new(), rest, Vec::new(), uplink, None);
            self.hold(batch, told, lines, None, None);
        } else {
            self.hold(batch, effects, lines, uplink, None);
        }
    }

    /// Tells an event that no step gave, when it is durable.
    pub fn tell(&mut self, event: Event) {
        let (effects, mut batch) = (vec![Effect::Tell(Box::new(event))], Batch::new());
        let lines = outgoing::stage(&mut self.managed, &effects, &mut batch);
        self.hold(batch, effects, lines, None, None);
    }

    /// Keeps `batch`; when it is durable, does `then`.
    pub fn save(&mut self, batch: Batch, then: Job) {
        self.hold(batch, Vec::new(), Vec::new(), None, Some(then));
    }

    /// Keeps `batch`; when it is durable, does `then`, before all that waits already.
    pub fn save_first(&mut self, batch: Batch, then: Job) {
        let batch = self.submit(batch);
        let (effects, lines) = (Vec::new(), Vec::new());
        self.waiting.push_front(Waiting { batch, effects, lines, uplink: None, then: Some(then), settled: true });
        self.release_durable();
    }

    fn hold(
        &mut self,
        batch: Batch,
        effects: Vec<Effect>,
        lines: Vec<EventLine>,
        uplink: Option<u64>,
        then: Option<Job>,
    ) {
        let batch = self.submit(batch);
        self.waiting.push_back(Waiting { batch, effects, lines, uplink, then, settled: false });
        self.release_durable();
    }

    fn submit(&mut self, batch: Batch) -> Option<u64> {
        (!batch.is_empty()).then(|| {
            self.submitted += 1;
            if self.commits.submit(batch, self.submitted).is_err() {
                self.stop = Some("the store has stopped: see the log above for the disk's words".to_owned());
            }
            self.submitted
        })
    }

    fn release_durable(&mut self) {
        if std::mem::replace(&mut self.releasing, true) {
            // A step that is being released caused another; its turn comes.
            return;
        }
        while self.waiting.front().is_some_and(|step| step.batch.is_none_or(|batch| batch <= self.durable)) {
            let Some(step) = self.waiting.pop_front() else { break };
            if !step.settled && usage::conflict(self, &step.effects) {
                // Counters of those who had these records before are read and written first.
                self.waiting.push_front(Waiting { settled: true, ..step });
                usage::settle_first(self);
            } else {
                self.release(step);
            }
        }
        self.releasing = false;
    }

    fn completed(&mut self, completion: Completion<u64>) -> anyhow::Result<()> {
        match completion {
            Completion::Durable(batches) => self.durable = batches.last().copied().unwrap_or(self.durable),
            Completion::Stopped { reason, lost } => {
                bail!(
                    "the store has stopped, {} steps were not kept and none of their answers left: {reason}\n  \
                     fix: make room on the disk or replace it, then start agwd again",
                    lost.len()
                );
            }
        }
        self.release_durable();
        Ok(())
    }

    fn release(&mut self, step: Waiting) {
        let mut lines = step.lines.into_iter();
        for effect in step.effects {
            match effect {
                Effect::Send { link, stream, pdu } => self.send(link, Message::new(stream, ppid::S1AP, pdu)),
                Effect::CloseLink { link } => self.keeper.abort(association(link), "closed by the gateway"),
                Effect::Dataplane(change) => match tables::apply(self, &change) {
                    Ok(last) => add(&mut self.departed, last.unwrap_or_default()),
                    Err(error) => {
                        self.metrics.dataplane_errors.inc();
                        tracing::error!(%error, "the data plane refuses a change");
                    }
                },
                Effect::Count(metric) => self.metrics.count(metric),
                Effect::Tell(event) => {
                    self.note_enb(&event);
                    federation::note(self, &event);
                    if let Some(line) = lines.next() {
                        self.events.tell(&event, line);
                    }
                }
                Effect::Reply { token, reply } => {
                    if let Some(sender) = self.replies.remove(&token) {
                        // An operator who has gone does not wait for the answer.
                        let _ = sender.send(reply);
                    }
                }
                Effect::Ask { ticket, question } => federation::step(self, federation::Input::Ask(ticket, question)),
                Effect::Save(_) | Effect::Forget(_) => {
                    debug_assert!(false, "records were staged before");
                }
            }
        }
        if let Some(seq) = step.uplink {
            self.keeper.ack(seq);
        }
        if let Some(then) = step.then {
            then(self);
        }
    }

    fn send(&mut self, link: LinkId, message: Message) {
        if let Some(said) = self.calls.said(link, &message) {
            calls::note(self, &said);
        }
        if let Some(queue) = self.backlog.get_mut(&link) {
            queue.push_back(message);
            if queue.len() > BACKLOG {
                self.backlog.remove(&link);
                self.keeper.abort(association(link), "the base station takes no messages");
            }
            return;
        }
        match self.keeper.try_send(association(link), message) {
            Ok(()) => {}
            Err((message, SendError::Full)) => {
                self.backlog.insert(link, VecDeque::from([message]));
            }
            Err((_, error)) => tracing::debug!(association = link.0, %error, "a message was not sent"),
        }
    }

    fn retry_backlog(&mut self) {
        let keeper = &mut self.keeper;
        self.backlog.retain(|link, queue| {
            while let Some(message) = queue.pop_front() {
                match keeper.try_send(association(*link), message) {
                    Ok(()) => {}
                    Err((message, SendError::Full)) => {
                        queue.push_front(message);
                        return true;
                    }
                    Err(_) => return false,
                }
            }
            false
        });
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

/// The input for an association that is alive.
pub fn link_up(live: &Live, resumed: bool) -> Option<Input> {
    let mut peers = vec![live.peer.primary.ip()];
    peers.extend(live.peer.addresses.iter().filter(|address| **address != live.peer.primary.ip()));
    let info = LinkInfo { peers, streams: live.peer.out_streams, resumed };
    Some(Input::LinkUp { link: link_id(live.id), info })
}

/// Associations are numbered from one by the keeper; four thousand million of them do not happen in its life.
pub fn link_id(id: AssociationId) -> LinkId {
    LinkId(u32::try_from(id.0).unwrap_or(u32::MAX))
}

fn association(link: LinkId) -> AssociationId {
    AssociationId(link.0.into())
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
