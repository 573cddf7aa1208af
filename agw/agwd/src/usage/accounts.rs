//! The sums: sessions, subscribers, and records that wait to be acknowledged. In memory, and what changes into a batch.

use super::calendar;
use super::stored::{
    StoredBaseline, StoredNumbers, StoredPart, StoredPlan, StoredRecord, StoredSession, StoredSubscriberUsage,
    StoredTerm, StoredVolume,
};
use crate::storage::{self, imsi_key};
use agw_dataplane::{Baseline, Book, UsageRecord};
use basalt_ids::{Imsi, Teid};
use basalt_store::{Batch, Keyspace, Records};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

const BASELINES: Keyspace = Keyspace(16);
const RECORDS: Keyspace = Keyspace(17);
const SESSIONS: Keyspace = Keyspace(18);
const SUBSCRIBERS: Keyspace = Keyspace(19);
const PLANS: Keyspace = Keyspace(20);
const NUMBERS: Keyspace = Keyspace(21);

/// Records kept when nobody acknowledges them: some 30 MB of memory.
const MOST_RECORDS: usize = 200_000;
/// Ended sessions kept.
const MOST_ENDED: usize = 100_000;

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Loaded {
    /// For the ledger.
    pub baselines: Vec<Baseline>,
    /// The rest.
    pub accounts: Accounts,
}

/// Everything that is known of usage but the ledger's baselines.
#[derive(Debug, Default)]
pub struct Accounts {
    pub(super) records: BTreeMap<u64, StoredRecord>,
    pub(super) sessions: BTreeMap<u64, StoredSession>,
    pub(super) subscribers: BTreeMap<Imsi, StoredSubscriberUsage>,
    pub plans: BTreeMap<Imsi, StoredPlan>,
    pub(super) numbers: StoredNumbers,
    /// Records before this one are on disk: whoever is told of others might be told otherwise after a crash.
    pub(super) durable: u64,
    /// Sessions of each subscriber, oldest first.
    of: BTreeMap<Imsi, BTreeSet<u64>>,
    /// Which session has a tunnel endpoint, or had it last.
    by_teid: BTreeMap<u32, u64>,
    /// Ended sessions by the time of their end.
    ended: BTreeSet<(u64, u64)>,
}

/// Reads everything of usage; `unreadable` is told of what cannot be read.
pub fn load(records: &Records, unreadable: &mut dyn FnMut(&str, &[u8])) -> Loaded {
    let mut loaded = Loaded::default();
    let accounts = &mut loaded.accounts;
    for (key, value) in records.in_keyspace(BASELINES) {
        match storage::decode(value).and_then(StoredBaseline::baseline) {
            Some(baseline) => loaded.baselines.push(baseline),
            None => unreadable("usage baseline", key),
        }
    }
    for (key, value) in records.in_keyspace(RECORDS) {
        match storage::decode::<StoredRecord>(value) {
            Some(record) => drop(accounts.records.insert(record.cursor, record)),
            None => unreadable("usage record", key),
        }
    }
    for (key, value) in records.in_keyspace(SESSIONS) {
        match storage::decode::<StoredSession>(value) {
            Some(session) => accounts.index(session),
            None => unreadable("session's usage", key),
        }
    }
    for (key, value) in records.in_keyspace(SUBSCRIBERS) {
        match storage::decode::<StoredSubscriberUsage>(value) {
            Some(usage) => drop(accounts.subscribers.insert(usage.imsi, usage)),
            None => unreadable("subscriber's usage", key),
        }
    }
    for (key, value) in records.in_keyspace(PLANS) {
        match storage::decode::<StoredPlan>(value) {
            Some(plan) => drop(accounts.plans.insert(plan.imsi, plan)),
            None => unreadable("data plan", key),
        }
    }
    accounts.numbers = records.get(NUMBERS, b"").and_then(storage::decode).unwrap_or_default();
    // A damaged record of numbers must not make one be given out twice.
    let after = |last: Option<&u64>| last.map_or(0, |last| last + 1);
    accounts.numbers.next = accounts.numbers.next.max(after(accounts.records.keys().next_back()));
    accounts.numbers.session = accounts.numbers.session.max(after(accounts.sessions.keys().next_back())).max(1);
    accounts.durable = accounts.numbers.next;
    loaded
}

impl Accounts {
    fn index(&mut self, session: StoredSession) {
        self.of.entry(session.imsi).or_default().insert(session.number);
        if let Some(ended) = session.ended {
            self.ended.insert((ended, session.number));
        }
        let last = self.by_teid.entry(session.teid).or_default();
        *last = (*last).max(session.number);
        self.sessions.insert(session.number, session);
    }

    /// Whether a session has an account that is open.
    pub(super) fn has(&self, teid: Teid, imsi: Imsi, address: &str) -> bool {
        self.session(teid).is_some_and(|known| known.ended.is_none() && known.imsi == imsi && known.address == address)
    }

    /// Begins the account of a session.
    pub(super) fn begin(&mut self, mut session: StoredSession, batch: &mut Batch) {
        session.number = self.numbers.session;
        self.numbers.session += 1;
        storage::put(batch, NUMBERS, b"", &self.numbers);
        storage::put(batch, SESSIONS, &session.number.to_be_bytes(), &session);
        self.index(session);
    }

    /// A session is about to end. What it has carried since the last record is still to come.
    pub(super) fn end(&mut self, teid: Teid, now: u64, batch: &mut Batch) {
        let session = self.by_teid.get(&teid.0).and_then(|number| self.sessions.get_mut(number));
        let Some(session) = session.filter(|session| session.ended.is_none()) else { return };
        session.ended = Some(now);
        self.ended.insert((now, session.number));
        storage::put(batch, SESSIONS, &session.number.to_be_bytes(), session);
    }

    /// The session that has a tunnel endpoint, or had it last.
    #[must_use]
    pub fn session(&self, teid: Teid) -> Option<&StoredSession> {
        self.by_teid.get(&teid.0).and_then(|number| self.sessions.get(number))
    }

    /// Sessions of a subscriber, the latest first.
    pub(super) fn sessions_of(&self, imsi: Imsi) -> impl Iterator<Item = &StoredSession> {
        self.of.get(&imsi).into_iter().flatten().rev().filter_map(|number| self.sessions.get(number))
    }

    /// Octets that may still be used of a plan in its term: `session` is the number of whose term that is.
    pub(super) fn left(&self, plan: &StoredPlan, session: u64, now: u64) -> u64 {
        let usage = self.subscriber(plan.imsi, now);
        let (used, term) = match plan.term {
            StoredTerm::Session => {
                let used = self.sessions.get(&session).map_or(0, |session| session.total.octets());
                (used, session)
            }
            StoredTerm::Day => (usage.of_day.octets(), usage.day),
            StoredTerm::Month => (usage.of_month.octets(), usage.month),
        };
        let extra = if plan.extra_for == term { plan.extra } else { 0 };
        plan.octets.saturating_add(extra).saturating_sub(used)
    }

    /// Whether nothing of a plan is left in its term; in that of any session that goes on, where it is for each one.
    pub(super) fn is_used_up(&self, plan: &StoredPlan, now: u64) -> bool {
        let mut open = self.sessions_of(plan.imsi).filter(|session| session.ended.is_none()).peekable();
        let without = open.peek().is_none() && self.left(plan, 0, now) == 0;
        without || (open.peek().is_some() && open.all(|session| self.left(plan, session.number, now) == 0))
    }

    /// Records that wait to be acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.records.len()
    }

    /// All that was ever used, of all subscribers.
    #[must_use]
    pub fn total(&self) -> StoredVolume {
        self.subscribers.values().fold(StoredVolume::default(), |mut sum, usage| {
            sum.add(usage.total);
            sum
        })
    }

    /// Drops the records before a cursor: they were taken over. Gives how many.
    pub(super) fn acknowledge(&mut self, before: u64, batch: &mut Batch) -> usize {
        let rest = self.records.split_off(&before);
        let dropped = std::mem::replace(&mut self.records, rest);
        for cursor in dropped.keys() {
            batch.add_delete(RECORDS, &cursor.to_be_bytes());
        }
        if before.min(self.numbers.next) > self.numbers.first {
            self.numbers.first = before.min(self.numbers.next);
            storage::put(batch, NUMBERS, b"", &self.numbers);
        }
        dropped.len()
    }

    /// Drops what is older than `oldest` (seconds since 1970 UTC), and what is too much. Gives how many records went unacknowledged.
    pub(super) fn prune(&mut self, oldest: u64, batch: &mut Batch) -> usize {
        let too_many = self.records.len().saturating_sub(MOST_RECORDS);
        let mut keys = self.records.iter().enumerate();
        let keep = keys.find(|(place, (_, record))| *place >= too_many && record.unix_secs >= oldest);
        let first = keep.map_or(self.numbers.next, |(_, (cursor, _))| *cursor);
        let lost = if first > self.numbers.first { self.acknowledge(first, batch) } else { 0 };
        while let Some(&(when, number)) = self.ended.first()
            && (when < oldest || self.ended.len() > MOST_ENDED)
        {
            self.ended.pop_first();
            self.forget_session(number, batch);
        }
        lost
    }

    fn forget_session(&mut self, number: u64, batch: &mut Batch) {
        let Some(session) = self.sessions.remove(&number) else { return };
        batch.add_delete(SESSIONS, &number.to_be_bytes());
        if self.by_teid.get(&session.teid) == Some(&number) {
            self.by_teid.remove(&session.teid);
        }
        if let Some(of) = self.of.get_mut(&session.imsi) {
            of.remove(&number);
            if of.is_empty() {
                self.of.remove(&session.imsi);
            }
        }
    }

    /// Keeps a plan, or forgets it.
    pub fn put_plan(&mut self, imsi: Imsi, plan: Option<StoredPlan>, batch: &mut Batch) {
        match plan {
            Some(plan) => {
                storage::put(batch, PLANS, &imsi_key(imsi), &plan);
                self.plans.insert(imsi, plan);
            }
            None => {
                batch.add_delete(PLANS, &imsi_key(imsi));
                self.plans.remove(&imsi);
            }
        }
    }

    /// What a subscriber used in the present day and month.
    pub(super) fn subscriber(&self, imsi: Imsi, now: u64) -> StoredSubscriberUsage {
        let nothing = StoredVolume::default();
        let fresh = StoredSubscriberUsage {
            imsi,
            total: nothing,
            day: calendar::day(now),
            of_day: nothing,
            month: calendar::month(now),
            of_month: nothing,
            last: 0,
        };
        let Some(known) = self.subscribers.get(&imsi) else { return fresh };
        let mut usage = known.clone();
        if usage.day != fresh.day {
            (usage.day, usage.of_day) = (fresh.day, nothing);
        }
        if usage.month != fresh.month {
            (usage.month, usage.of_month) = (fresh.month, nothing);
        }
        usage
    }
}

/// A batch that is being made of what the ledger reports at one moment.
pub(super) struct Page<'a> {
    pub(super) accounts: &'a mut Accounts,
    pub(super) batch: &'a mut Batch,
    /// Seconds since 1970 UTC.
    pub(super) now: u64,
    /// Tables were replaced: a last record of these is not the last of the session.
    pub(super) moved: bool,
    pub(super) sessions: BTreeSet<u64>,
    pub(super) subscribers: BTreeSet<Imsi>,
    /// Parts of each session and epoch that have baselines.
    pub(super) parts: &'a mut BTreeMap<(u32, u64), BTreeSet<StoredPart>>,
}

impl Page<'_> {
    /// Writes the sums that have changed.
    pub(super) fn finish(self) {
        let Page { accounts, batch, sessions, subscribers, .. } = self;
        if sessions.is_empty() && subscribers.is_empty() {
            return;
        }
        for number in sessions {
            if let Some(session) = accounts.sessions.get(&number) {
                storage::put(batch, SESSIONS, &number.to_be_bytes(), session);
            }
        }
        for imsi in subscribers {
            if let Some(usage) = accounts.subscribers.get(&imsi) {
                storage::put(batch, SUBSCRIBERS, &imsi_key(imsi), usage);
            }
        }
        storage::put(batch, NUMBERS, b"", &accounts.numbers);
    }

    fn record(&mut self, record: &UsageRecord) {
        let id = record.id;
        let Some(number) = self.accounts.by_teid.get(&id.teid.0).copied() else { return };
        let Some(session) = self.accounts.sessions.get_mut(&number) else { return };
        let (part, used) = (StoredPart::from(id.part), StoredVolume::from(record.used));
        match part {
            StoredPart::Session => session.total.add(used),
            StoredPart::Bearer(ebi) => add_to(&mut session.bearers, ebi, used),
            StoredPart::Rule(rule) => add_to(&mut session.rules, rule, used),
        }
        let last = record.last && !self.moved;
        if last && session.ended.is_none() {
            session.ended = Some(self.now);
            self.accounts.ended.insert((self.now, number));
        }
        let (imsi, teid) = (session.imsi, session.teid);
        self.sessions.insert(number);
        if part == StoredPart::Session {
            let mut usage = self.accounts.subscriber(imsi, self.now);
            for sum in [&mut usage.total, &mut usage.of_day, &mut usage.of_month] {
                sum.add(used);
            }
            usage.last = self.now;
            self.accounts.subscribers.insert(imsi, usage);
            self.subscribers.insert(imsi);
        }
        let cursor = self.accounts.numbers.next;
        self.accounts.numbers.next += 1;
        let (epoch, sequence, unix_secs) = (id.epoch, id.sequence, self.now);
        let record = StoredRecord { cursor, session: number, imsi, teid, epoch, part, sequence, unix_secs, used, last };
        storage::put(self.batch, RECORDS, &cursor.to_be_bytes(), &record);
        self.accounts.records.insert(cursor, record);
    }
}

fn add_to<K: PartialEq>(sums: &mut Vec<(K, StoredVolume)>, key: K, used: StoredVolume) {
    match sums.iter_mut().find(|(known, _)| *known == key) {
        Some((_, sum)) => sum.add(used),
        None => sums.push((key, used)),
    }
}

impl Book for Page<'_> {
    type Error = Infallible;

    fn commit(&mut self, entries: &[(UsageRecord, Baseline)]) -> Result<(), Infallible> {
        for (record, baseline) in entries {
            self.record(record);
            let stored = StoredBaseline::from(*baseline);
            let key = StoredBaseline::key(stored.teid, stored.epoch, stored.part);
            storage::put(self.batch, BASELINES, &key, &stored);
            self.parts.entry((stored.teid, stored.epoch)).or_default().insert(stored.part);
        }
        Ok(())
    }

    fn forget(&mut self, teid: Teid, epoch: u64) -> Result<(), Infallible> {
        for part in self.parts.remove(&(teid.0, epoch)).unwrap_or_default() {
            self.batch.add_delete(BASELINES, &StoredBaseline::key(teid.0, epoch, part));
        }
        Ok(())
    }
}
