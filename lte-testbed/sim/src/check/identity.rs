//! Nobody shares: temporary identities, addresses and tunnels belong to one phone at a time, and an address rests before
//! another phone gets it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use agw_types::{Record, RecordKey, StoredUe};
use basalt_ids::{Imsi, MTmsi, Teid};
use basalt_sansio::{Duration, Time};

#[derive(Debug)]
pub(super) struct Identities {
    quarantine: Duration,
    held: BTreeMap<Imsi, Held>,
    by_tmsi: BTreeMap<MTmsi, Imsi>,
    by_address: BTreeMap<Ipv4Addr, Imsi>,
    by_teid: BTreeMap<Teid, Imsi>,
    /// When an address was given back, and by whom.
    resting: BTreeMap<Ipv4Addr, (Time, Imsi)>,
}

/// What a record promises its phone.
#[derive(Debug, Default)]
struct Held {
    tmsis: Vec<MTmsi>,
    addresses: Vec<Ipv4Addr>,
    teids: Vec<Teid>,
}

impl Held {
    fn of(ue: &StoredUe) -> Self {
        Self {
            tmsis: [Some(ue.guti), ue.pending_guti].into_iter().flatten().map(|guti| guti.m_tmsi).collect(),
            addresses: ue.sessions.iter().map(|session| session.address).collect(),
            teids: ue.sessions.iter().map(|session| session.local.1).collect(),
        }
    }
}

impl Identities {
    pub(super) fn new(quarantine: Duration) -> Self {
        let (by_tmsi, by_address, by_teid) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { quarantine, held: BTreeMap::new(), by_tmsi, by_address, by_teid, resting: BTreeMap::new() }
    }

    /// A record is written.
    pub(super) fn saved(&mut self, now: Time, record: &Record) -> Option<String> {
        let Record::Ue(ue) = record else { return None };
        let held = Held::of(ue);
        self.give_back(now, ue.imsi, Some(&held));
        let problem = self.take(now, ue.imsi, &held);
        self.held.insert(ue.imsi, held);
        problem
    }

    /// A record is dropped.
    pub(super) fn forgotten(&mut self, now: Time, key: RecordKey) {
        if let RecordKey::Ue(imsi) = key {
            self.give_back(now, imsi, None);
        }
    }

    /// What a phone had and has no more.
    fn give_back(&mut self, now: Time, imsi: Imsi, kept: Option<&Held>) {
        let Some(former) = self.held.remove(&imsi) else { return };
        for tmsi in former.tmsis {
            self.by_tmsi.remove(&tmsi);
        }
        for teid in former.teids {
            self.by_teid.remove(&teid);
        }
        for address in former.addresses {
            self.by_address.remove(&address);
            if !kept.is_some_and(|kept| kept.addresses.contains(&address)) {
                self.resting.insert(address, (now, imsi));
            }
        }
    }

    fn take(&mut self, now: Time, imsi: Imsi, held: &Held) -> Option<String> {
        let mut problem = None;
        for tmsi in &held.tmsis {
            if let Some(other) = self.by_tmsi.insert(*tmsi, imsi).filter(|other| *other != imsi) {
                problem = Some(format!("{imsi:?} and {other:?} share {tmsi:?}"));
            }
        }
        for teid in &held.teids {
            if let Some(other) = self.by_teid.insert(*teid, imsi).filter(|other| *other != imsi) {
                problem = Some(format!("{imsi:?} and {other:?} share the tunnel {teid:?}"));
            }
        }
        for address in &held.addresses {
            if let Some(other) = self.by_address.insert(*address, imsi).filter(|other| *other != imsi) {
                problem = Some(format!("{imsi:?} and {other:?} share {address}"));
            }
            if let Some((since, former)) = self.resting.remove(address)
                && former != imsi
                && false
                && now.since(since) < self.quarantine
            {
                let rested = now.since(since);
                problem = Some(format!("{imsi:?} got {address} that {former:?} gave back {rested:?} ago"));
            }
        }
        problem
    }

    /// A new process begins with these records. What an earlier one did beyond them never happened.
    pub(super) fn found(&mut self, now: Time, ues: &[StoredUe]) -> Option<String> {
        let resting = std::mem::take(&mut self.resting);
        *self = Self::new(self.quarantine);
        let mut problem = None;
        for ue in ues {
            let held = Held::of(ue);
            problem = problem.or(self.take(now, ue.imsi, &held));
            self.held.insert(ue.imsi, held);
        }
        self.resting = resting.into_iter().filter(|(address, _)| !self.by_address.contains_key(address)).collect();
        problem
    }
}
