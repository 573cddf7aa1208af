//! Usage counted exactly once.
//!
//! Counters in the tables only ever grow, and live as long as the tables: longer than any process. What has been reported of them is a
//! [`Baseline`], made durable in one write together with the [`UsageRecord`] that reports it ([`Book::commit`]). So a process may be killed
//! at any moment: before the write, nothing was reported; after it, the record is in the book, to be sent as often as it takes, and is
//! known by its number. New tables, or a new owner of a record, are another epoch, in which counters begin at zero.

#[cfg(test)]
mod tests;

use crate::service::{Parts, Volume, holder, parts};
use crate::sessions::{Sessions, Usage, address, downlink_usage, uplink_usage};
use crate::tables::Tables;
use agw_types::UeAddress;
use basalt_ebpf_abi::{Downlink, Uplink};
use basalt_ids::{Ebi, Teid};
use std::collections::{BTreeMap, BTreeSet};

/// What the counters of a session say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The session: the gateway's endpoint of its default bearer.
    pub teid: Teid,
    /// The phone's address.
    pub address: UeAddress,
    /// Since when these counters count: no other session, and no other tables, have this number.
    pub epoch: u64,
    /// These numbers are final: the session has ended, or is counted elsewhere from now on.
    pub closed: bool,
    /// The session goes on in tables that took the place of these.
    pub moved: bool,
    /// All bearers together, past and present.
    pub total: Volume,
    /// Its dedicated bearers and rules.
    pub parts: Parts,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// All that the session has carried.
    Session,
    /// A dedicated bearer.
    Bearer(Ebi),
    /// A rule, by its number.
    Rule(u32),
}

/// Tells a usage record from every other, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    /// The session.
    pub teid: Teid,
    /// [`Reading::epoch`].
    pub epoch: u64,
    /// What of the session.
    pub part: Part,
    /// 0, 1, 2, … in an epoch.
    pub sequence: u64,
}

/// What was used since the record before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRecord {
    /// Its number. Whoever gets two records with the same number has one of them twice.
    pub id: RecordId,
    /// What was used.
    pub used: Volume,
    /// Nothing follows.
    pub last: bool,
}

/// How far the counters of a session have been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baseline {
    /// Number of the last record.
    pub id: RecordId,
    /// What the counters said then.
    pub counted: Volume,
    /// That record was the last: the session has ended, and is only waiting to be settled and forgotten.
    pub last: bool,
}

/// Where records and baselines are durable.
///
/// A book may be a log that becomes durable a little later, as long as what it was given first is never lost without all that it was
/// given later. Only [`crate::Dataplane::settle`] must wait until it is.
pub trait Book {
    /// Why it could not be written.
    type Error;

    /// Writes records, to be sent, and the baselines that belong to them: all or nothing. A baseline replaces the one of the same session,
    /// epoch and part.
    ///
    /// # Errors
    /// Nothing was written.
    fn commit(&mut self, entries: &[(UsageRecord, Baseline)]) -> Result<(), Self::Error>;

    /// Forgets all baselines of a session in an epoch. Their records stay.
    ///
    /// # Errors
    /// It may be tried again; a baseline too many does no harm but take room.
    fn forget(&mut self, teid: Teid, epoch: u64) -> Result<(), Self::Error>;
}

/// Turns readings into records.
#[derive(Debug, Default)]
pub struct Ledger {
    baselines: BTreeMap<(Teid, u64, Part), Baseline>,
}

impl Ledger {
    /// Goes on from what the book has.
    #[must_use]
    pub fn new(baselines: impl IntoIterator<Item = Baseline>) -> Self {
        let key = |baseline: &Baseline| (baseline.id.teid, baseline.id.epoch, baseline.id.part);
        Self { baselines: baselines.into_iter().map(|baseline| (key(&baseline), baseline)).collect() }
    }

    /// Reports what a session has used since it was read last: writes it into the book, and gives the records. Empty where nothing
    /// was used and the session goes on. A closed session gets a last record, even an empty one, once.
    ///
    /// # Errors
    /// The book's. Nothing has changed then, and the next reading brings the same again.
    pub fn take<B: Book>(&mut self, reading: &Reading, book: &mut B) -> Result<Vec<UsageRecord>, B::Error> {
        let of_bearers = reading.parts.bearers.iter().map(|(ebi, volume)| (Part::Bearer(*ebi), *volume));
        let of_rules = reading.parts.rules.iter().map(|(id, volume)| (Part::Rule(*id), *volume));
        let all = std::iter::once((Part::Session, reading.total)).chain(of_bearers).chain(of_rules);
        let entries: Vec<(UsageRecord, Baseline)> =
            all.filter_map(|(part, counted)| self.entry(reading, part, counted)).collect();
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        book.commit(&entries)?;
        for (record, baseline) in &entries {
            let key = (record.id.teid, record.id.epoch, record.id.part);
            self.baselines.insert(key, *baseline);
        }
        Ok(entries.into_iter().map(|(record, _)| record).collect())
    }

    /// What the counters of a part of a living session said when they were reported last; nothing where they never were.
    #[must_use]
    pub fn reported(&self, teid: Teid, part: Part) -> Volume {
        let epochs = self.baselines.range((teid, 0, Part::Session)..=(teid, u64::MAX, Part::Rule(u32::MAX)));
        let all = epochs.rev().map(|(_, baseline)| baseline);
        let mut alive = all.filter(|baseline| baseline.id.part == part && !baseline.last);
        alive.next().map_or(Volume::default(), |baseline| baseline.counted)
    }

    /// Forgets the sessions that have ended and whose counters are gone: to be called with all readings, after [`crate::Dataplane::settle`]
    /// and after a start.
    ///
    /// # Errors
    /// The book's; the rest is left for the next time.
    pub fn forget<B: Book>(&mut self, readings: &[Reading], book: &mut B) -> Result<(), B::Error> {
        let there: BTreeSet<(Teid, u64)> = readings.iter().map(|reading| (reading.teid, reading.epoch)).collect();
        let ended = self.baselines.values().filter(|baseline| baseline.last);
        let gone: BTreeSet<(Teid, u64)> =
            ended.map(|baseline| (baseline.id.teid, baseline.id.epoch)).filter(|key| !there.contains(key)).collect();
        for (teid, epoch) in gone {
            book.forget(teid, epoch)?;
            self.baselines.retain(|(of, since, _), _| (*of, *since) != (teid, epoch));
        }
        Ok(())
    }

    fn entry(&self, reading: &Reading, part: Part, counted: Volume) -> Option<(UsageRecord, Baseline)> {
        let before = self.baselines.get(&(reading.teid, reading.epoch, part));
        if before.is_some_and(|baseline| baseline.last) {
            return None;
        }
        let used = counted.since(before.map_or(Volume::default(), |baseline| baseline.counted));
        if used == Volume::default() && !reading.closed {
            return None;
        }
        let sequence = before.map_or(0, |baseline| baseline.id.sequence + 1);
        let id = RecordId { teid: reading.teid, epoch: reading.epoch, part, sequence };
        Some((UsageRecord { id, used, last: reading.closed }, Baseline { id, counted, last: reading.closed }))
    }
}

impl Volume {
    /// What came after `before`. A part that was made anew under its number counts from zero again: then all of it is new.
    fn since(self, before: Volume) -> Volume {
        let grown = |now: u64, then: u64| now >= then;
        let whole = grown(self.uplink_packets, before.uplink_packets)
            && grown(self.uplink_bytes, before.uplink_bytes)
            && grown(self.downlink_packets, before.downlink_packets)
            && grown(self.downlink_bytes, before.downlink_bytes);
        let before = if whole { before } else { Volume::default() };
        Volume {
            uplink_packets: self.uplink_packets - before.uplink_packets,
            uplink_bytes: self.uplink_bytes - before.uplink_bytes,
            downlink_packets: self.downlink_packets - before.downlink_packets,
            downlink_bytes: self.downlink_bytes - before.downlink_bytes,
        }
    }
}

impl Sessions {
    /// What every session has counted, and what those that have ended had.
    pub(crate) fn readings(&self, tables: &Tables) -> Vec<Reading> {
        let epoch = tables.settings.get(0).map_or(0, |settings| settings.epoch.get());
        let default = tables.uplink.iter().filter(|record| holder(record) != 0 && self.is_default(record));
        // What was taken before its records got another owner comes first: it is final, and the records say less since.
        self.evicted.iter().cloned().chain(default.filter_map(|record| self.reading(tables, record, epoch))).collect()
    }

    /// Whether these records still hold counters of another session that were not given up.
    pub(crate) fn unsettled(&self, tables: &Tables, teid: Teid, address: UeAddress) -> bool {
        let Ok((uplink, _, downlink)) = self.records(tables, teid, address) else { return false };
        self.accounting && self.owners(tables, uplink, downlink).iter().any(|record| holder(record) != teid.0)
    }

    /// Keeps what the records have counted before they get another owner.
    pub(crate) fn keep_counts(&mut self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) {
        let epoch = tables.settings.get(0).map_or(0, |settings| settings.epoch.get());
        let last = |reading| Reading { closed: true, ..reading };
        let owners = self.owners(tables, uplink, downlink);
        let readings: Vec<Reading> =
            owners.iter().filter_map(|record| self.reading(tables, record, epoch)).map(last).collect();
        self.evicted.extend(readings);
    }

    /// The sessions that count in these records.
    fn owners<'t>(&self, tables: &'t Tables, uplink: &'t Uplink, downlink: &Downlink) -> Vec<&'t Uplink> {
        let counts = |record: &&Uplink| holder(record) != 0 && self.is_default(record);
        let mut owners: Vec<&Uplink> = Some(uplink).filter(counts).into_iter().collect();
        let other = self.uplink_of_default(tables, downlink.owner.get()).filter(counts);
        owners.extend(other.filter(|other| holder(other) != holder(uplink)));
        owners
    }

    /// The record of a session, alive or ended.
    fn uplink_of_default<'t>(&self, tables: &'t Tables, teid: u32) -> Option<&'t Uplink> {
        let record = tables.uplink.get(self.layout.index(teid) as usize)?;
        (teid != 0 && holder(record) == teid).then_some(record)
    }

    fn is_default(&self, record: &Uplink) -> bool {
        record.home.get() == self.layout.index(holder(record))
    }

    fn reading(&self, tables: &Tables, uplink: &Uplink, epoch: u32) -> Option<Reading> {
        let (teid, address) = (holder(uplink), address(uplink.ue.get(), uplink.prefix.get())?);
        let (_, _, downlink) = self.records(tables, Teid(teid), address).ok()?;
        let mut usage = Usage::default();
        uplink_usage(uplink, &mut usage);
        // The address may be another's already.
        let whole = downlink.owner.get() == teid;
        if whole {
            downlink_usage(downlink, &mut usage);
            usage.add(self.dedicated_volume(tables, downlink));
        }
        Some(Reading {
            teid: Teid(teid),
            address,
            epoch: u64::from(epoch) << 32 | u64::from(uplink.serial.get()),
            closed: uplink.teid.get() == 0,
            moved: false,
            total: Volume {
                uplink_packets: usage.uplink_packets,
                uplink_bytes: usage.uplink_bytes,
                downlink_packets: usage.downlink_packets,
                downlink_bytes: usage.downlink_bytes,
            },
            parts: if whole { self.parts_ever(tables, teid, uplink, downlink) } else { Parts::default() },
        })
    }

    /// What the parts of a session have counted, also those that are no more.
    fn parts_ever(&self, tables: &Tables, teid: u32, uplink: &Uplink, downlink: &Downlink) -> Parts {
        let mut all = self.past.get(&teid).cloned().unwrap_or_default();
        let now = parts(tables, uplink, downlink);
        all.rules.extend(now.rules);
        all.bearers.extend(now.bearers);
        all
    }

    /// Gives up the counters that a reading was taken from, unless the record has another owner since.
    pub(crate) fn settle_reading(&mut self, tables: &Tables, reading: &Reading) {
        let Ok((uplink, _, _)) = self.records(tables, reading.teid, reading.address) else { return };
        if u64::from(uplink.serial.get()) == reading.epoch & u64::from(u32::MAX) {
            self.settle(tables, reading.teid, reading.address);
        }
    }
}
