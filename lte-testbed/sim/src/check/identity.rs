//! Nobody shares: temporary identities, addresses and tunnels belong to one phone at a time, and addresses and places in the
//! data plane's table of tunnels rest before another phone gets them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use agw_types::{Record, RecordKey, StoredUe};
use basalt_ebpf_abi::TeidLayout;
use basalt_ids::{Imsi, MTmsi, Teid};
use basalt_sansio::{Duration, Time};

#[derive(Debug)]
pub(super) struct Identities {
    quarantine: Duration,
    layout: TeidLayout,
    held: BTreeMap<Imsi, Held>,
    by_tmsi: BTreeMap<MTmsi, Imsi>,
    by_address: BTreeMap<Ipv4Addr, Imsi>,
    /// By the tunnel's place in the table: tunnels of one place differ only in their generation.
    by_place: BTreeMap<u32, Imsi>,
    /// When an address or a place was given back, and by whom.
    resting: BTreeMap<Shared, (Time, Imsi)>,
}

/// What has to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shared {
    Address(Ipv4Addr),
    Place(u32),
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
            addresses: ue.sessions.iter().filter_map(|session| session.address.ipv4()).collect(),
            teids: ue.sessions.iter().map(|session| session.local.1).collect(),
        }
    }
}

impl Identities {
    pub(super) fn new(quarantine: Duration, layout: TeidLayout) -> Self {
        let (held, by_tmsi, by_address) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { quarantine, layout, held, by_tmsi, by_address, by_place: BTreeMap::new(), resting: BTreeMap::new() }
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

    /// Whether a phone's record has a temporary identity, the old or the new one.
    pub(super) fn holds(&self, imsi: Imsi, tmsi: MTmsi) -> bool {
        self.held.get(&imsi).is_some_and(|held| held.tmsis.contains(&tmsi))
    }

    fn place(&self, teid: Teid) -> u32 {
        teid.0 & self.layout.mask()
    }

    /// What a phone had and has no more.
    fn give_back(&mut self, now: Time, imsi: Imsi, kept: Option<&Held>) {
        let Some(former) = self.held.remove(&imsi) else { return };
        for tmsi in former.tmsis {
            self.by_tmsi.remove(&tmsi);
        }
        for teid in former.teids {
            let place = self.place(teid);
            self.by_place.remove(&place);
            if !kept.is_some_and(|kept| kept.teids.contains(&teid)) {
                self.resting.insert(Shared::Place(place), (now, imsi));
            }
        }
        for address in former.addresses {
            self.by_address.remove(&address);
            if !kept.is_some_and(|kept| kept.addresses.contains(&address)) {
                self.resting.insert(Shared::Address(address), (now, imsi));
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
            let place = self.place(*teid);
            if let Some(other) = self.by_place.insert(place, imsi).filter(|other| *other != imsi) {
                problem = Some(format!("{imsi:?} and {other:?} share place {place} of tunnels ({teid:?})"));
            }
            problem = problem.or(self.rested(now, imsi, Shared::Place(place)));
        }
        for address in &held.addresses {
            if let Some(other) = self.by_address.insert(*address, imsi).filter(|other| *other != imsi) {
                problem = Some(format!("{imsi:?} and {other:?} share {address}"));
            }
            problem = problem.or(self.rested(now, imsi, Shared::Address(*address)));
        }
        problem
    }

    /// Whether what a phone gets has rested since another had it.
    fn rested(&mut self, now: Time, imsi: Imsi, shared: Shared) -> Option<String> {
        let (since, former) = self.resting.remove(&shared)?;
        let rested = now.since(since);
        let early = former != imsi && rested < self.quarantine;
        early.then(|| format!("{imsi:?} got {shared:?} that {former:?} gave back {rested:?} ago"))
    }

    /// The disk lost what was given back.
    pub(super) fn lose_rests(&mut self) {
        self.resting.clear();
    }

    /// A new process begins with these records. What an earlier one did beyond them never happened.
    pub(super) fn found(&mut self, now: Time, ues: &[StoredUe]) -> Option<String> {
        let resting = std::mem::take(&mut self.resting);
        *self = Self::new(self.quarantine, self.layout);
        let mut problem = None;
        for ue in ues {
            let held = Held::of(ue);
            problem = problem.or(self.take(now, ue.imsi, &held));
            self.held.insert(ue.imsi, held);
        }
        self.resting = resting;
        self.resting.retain(|shared, _| match shared {
            Shared::Address(address) => !self.by_address.contains_key(address),
            Shared::Place(place) => !self.by_place.contains_key(place),
        });
        problem
    }
}
