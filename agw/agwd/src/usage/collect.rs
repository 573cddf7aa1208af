//! Reads counters, writes what they say, and gives up those of ended sessions.

use super::accounts::{Accounts, Loaded, Page};
use super::calendar;
use super::stored::{StoredPart, StoredSession, StoredVolume};
use crate::gateway::{Gateway, Job};
use agw_core::Core;
use agw_dataplane::{Ledger, Part, Reading};
use agw_types::{DataplaneChange, Effect, Session, Tunnel};
use basalt_ids::{Imsi, Teid};
use basalt_store::Batch;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Between the end of a session and the reading of its last counters: many that end together are read together.
const SOON: Duration = Duration::from_millis(50);
/// Between two looks at what is too old.
const PRUNE: Duration = Duration::from_secs(60);

/// Accounting, as the gateway's loop owns it.
#[derive(Debug)]
pub struct Usage {
    /// The sums.
    pub accounts: Accounts,
    ledger: Ledger,
    parts: BTreeMap<(u32, u64), BTreeSet<StoredPart>>,
    every: Duration,
    /// Seconds that ended sessions and unacknowledged records are kept.
    keep: u64,
    next: Instant,
    next_prune: Instant,
    /// Subscribers whose plan is used up.
    pub(super) exhausted: BTreeSet<Imsi>,
    /// The day that plans were last looked at.
    pub(super) day: u64,
}

impl Usage {
    /// Goes on from what the disk has. Counters are read `every` so often; records that nobody acknowledges, and ended sessions, are kept for
    /// `keep` seconds. `unix_secs`: the time of now, seconds since 1970 UTC.
    #[must_use]
    pub fn new(loaded: Loaded, every: Duration, keep: u64, unix_secs: u64) -> Self {
        let mut parts: BTreeMap<_, BTreeSet<StoredPart>> = BTreeMap::new();
        for baseline in &loaded.baselines {
            parts.entry((baseline.id.teid.0, baseline.id.epoch)).or_default().insert(baseline.id.part.into());
        }
        let now = Instant::now();
        let plans = loaded.accounts.plans.values();
        let exhausted =
            plans.filter(|plan| loaded.accounts.is_used_up(plan, unix_secs)).map(|plan| plan.imsi).collect();
        Self {
            accounts: loaded.accounts,
            ledger: Ledger::new(loaded.baselines),
            parts,
            every,
            keep,
            next: now + SOON,
            next_prune: now + PRUNE,
            exhausted,
            day: 0,
        }
    }

    /// The rate, bit/s, that a subscriber is slowed to, because its plan is used up; `None` for one that is not.
    #[must_use]
    pub fn slowed(&self, imsi: Imsi) -> Option<u64> {
        self.accounts.plans.get(&imsi).filter(|_| self.exhausted.contains(&imsi))?.slow
    }

    /// Whether the sessions of a subscriber have a quota: it has a plan, and is not slowed.
    #[must_use]
    pub fn is_bounded(&self, imsi: Imsi) -> bool {
        self.accounts.plans.contains_key(&imsi) && self.slowed(imsi).is_none()
    }

    /// When counters are to be read next.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.next
    }

    /// Octets that the counters of a session said when they were read last.
    #[must_use]
    pub(super) fn counted(&self, teid: Teid) -> u64 {
        self.ledger.reported(teid, Part::Session).octets()
    }

    /// The same of a rule or rating group.
    #[must_use]
    pub(super) fn counted_by(&self, teid: Teid, rule: u32) -> u64 {
        self.ledger.reported(teid, Part::Rule(rule)).octets()
    }

    /// A session has ended: its counters are to be read soon.
    pub fn hurry(&mut self) {
        self.next = self.next.min(Instant::now() + SOON);
    }

    /// Opens and closes accounts with the steps that begin and end sessions, in the same batch: no counter ever counts for nobody.
    pub fn note(&mut self, core: &Core, effects: &[Effect], now: u64, batch: &mut Batch) {
        for effect in effects {
            match effect {
                Effect::Dataplane(DataplaneChange::Set(tunnel)) => self.begin(core, tunnel, now, batch),
                Effect::Dataplane(DataplaneChange::Remove { teid, .. }) => self.accounts.end(*teid, now, batch),
                _ => {}
            }
        }
    }

    fn begin(&mut self, core: &Core, tunnel: &Tunnel, now: u64, batch: &mut Batch) {
        let address = tunnel.address.to_string();
        if self.accounts.has(tunnel.teid, tunnel.imsi, &address) {
            return;
        }
        let held = core.ue(tunnel.imsi).into_iter().flat_map(|ue| ue.sessions);
        let apn = held.filter(|session| session.local.1 == tunnel.teid).map(|session| session.apn.to_string()).next();
        let session = StoredSession {
            number: 0,
            imsi: tunnel.imsi,
            apn: apn.unwrap_or_default(),
            ebi: tunnel.ebi.value(),
            address,
            teid: tunnel.teid.0,
            started: now,
            ended: None,
            total: StoredVolume::default(),
            bearers: Vec::new(),
            rules: Vec::new(),
        };
        self.accounts.begin(session, batch);
    }

    /// Accounts for sessions of a release that had none.
    fn adopt(&mut self, sessions: Vec<(Imsi, Session)>, readings: &[Reading], now: u64, batch: &mut Batch) {
        let counted: BTreeSet<Teid> = readings.iter().map(|reading| reading.teid).collect();
        for (imsi, session) in sessions {
            let teid = session.local.1;
            if counted.contains(&teid) && self.accounts.session(teid).is_none() {
                let session = StoredSession {
                    number: 0,
                    imsi,
                    apn: session.apn.to_string(),
                    ebi: session.ebi.value(),
                    address: session.address.to_string(),
                    teid: teid.0,
                    started: now,
                    ended: None,
                    total: StoredVolume::default(),
                    bearers: Vec::new(),
                    rules: Vec::new(),
                };
                self.accounts.begin(session, batch);
            }
        }
    }

    /// Puts into a batch what these readings have over those before.
    pub(super) fn stage(&mut self, readings: &[Reading], now: u64, batch: &mut Batch) {
        let Self { accounts, ledger, parts, .. } = self;
        let (sessions, subscribers) = (BTreeSet::new(), BTreeSet::new());
        let mut page = Page { accounts, batch, now, moved: false, sessions, subscribers, parts };
        let Ok(()) = ledger.forget(readings, &mut page);
        for reading in readings {
            page.moved = reading.moved;
            let Ok(_) = ledger.take(reading, &mut page);
        }
        page.finish();
        let due = Instant::now();
        if due >= self.next_prune {
            self.next_prune = due + PRUNE;
            let lost = self.accounts.prune(now.saturating_sub(self.keep), batch);
            if lost > 0 {
                tracing::warn!(records = lost, "usage records were dropped that nobody had acknowledged");
            }
        }
    }
}

/// Reads all counters and writes what they say; when that is durable, gives up those of ended sessions and does `then`.
pub fn collect(gateway: &mut Gateway, then: Option<Job>) {
    let (batch, settle) = read(gateway);
    gateway.save(
        batch,
        Box::new(move |gateway| {
            settle(gateway);
            if let Some(then) = then {
                then(gateway);
            }
        }),
    );
}

/// The same, before all steps that wait already.
pub fn settle_first(gateway: &mut Gateway) {
    let (batch, settle) = read(gateway);
    gateway.save_first(batch, settle);
}

fn read(gateway: &mut Gateway) -> (Batch, Job) {
    let now = gateway.now().unix_secs;
    let readings = gateway.dataplane.readings();
    let mut batch = Batch::new();
    let unknown = readings.iter().any(|reading| gateway.usage.accounts.session(reading.teid).is_none());
    if unknown {
        let sessions = gateway.core.sessions().map(|(imsi, session)| (imsi, session.clone())).collect();
        gateway.usage.adopt(sessions, &readings, now, &mut batch);
    }
    gateway.usage.stage(&readings, now, &mut batch);
    gateway.usage.next = Instant::now() + gateway.usage.every;
    let until_midnight = Duration::from_secs(calendar::next_day(now) - now);
    if until_midnight < gateway.usage.every {
        // What was used on a day is the day's.
        gateway.usage.next = Instant::now() + until_midnight;
    }
    let closed: Vec<Reading> = readings.into_iter().filter(|reading| reading.closed).collect();
    let written = gateway.usage.accounts.numbers.next;
    let settle: Job = Box::new(move |gateway| {
        gateway.usage.accounts.durable = gateway.usage.accounts.durable.max(written);
        for reading in &closed {
            gateway.dataplane.settle(reading);
        }
    });
    (batch, settle)
}

/// Whether a change takes records whose counters are not on disk yet.
#[must_use]
pub fn conflict(gateway: &Gateway, effects: &[Effect]) -> bool {
    effects.iter().any(|effect| match effect {
        Effect::Dataplane(DataplaneChange::Set(tunnel)) => gateway.dataplane.unsettled(tunnel.teid, tunnel.address),
        _ => false,
    })
}
