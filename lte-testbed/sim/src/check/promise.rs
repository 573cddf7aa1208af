//! Whatever a phone was told stands in the log before it is told, and is found there afterwards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use agw_types::{Record, RecordKey};
use basalt_ids::{Guti, Imsi};
use basalt_sansio::Fingerprint;

use crate::gateway::Loaded;

#[derive(Debug, Default)]
pub(super) struct Promises {
    /// Digests of the records that are durable.
    durable: BTreeMap<RecordKey, u64>,
    /// What may be, by batch, in order.
    pending: VecDeque<Written>,
    /// Identities and addresses that were ever durable for a phone.
    gutis: BTreeSet<(Imsi, Guti)>,
    addresses: BTreeSet<(Imsi, Ipv4Addr)>,
    /// The highest count accepted from a phone, as durable, by the keys it belongs to.
    counts: BTreeMap<Imsi, ([u8; 32], u32)>,
}

#[derive(Debug)]
struct Written {
    batch: u64,
    changes: Vec<Change>,
    submitted: bool,
}

#[derive(Debug)]
struct Change {
    key: RecordKey,
    digest: Option<u64>,
    told: Option<Told>,
}

/// What a phone may be told once the record is durable.
#[derive(Debug)]
struct Told {
    imsi: Imsi,
    gutis: Vec<Guti>,
    addresses: Vec<Ipv4Addr>,
    keys: [u8; 32],
    count: u32,
}

fn digest(octets: &[u8]) -> u64 {
    let mut fingerprint = Fingerprint::new();
    fingerprint.update(octets);
    fingerprint.value()
}

fn record_digest(record: &Record) -> u64 {
    digest(&postcard::to_extend(record, Vec::new()).unwrap_or_default())
}

impl Promises {
    /// `octets` are the effect's: the number of its kind, then the record.
    pub(super) fn saved(&mut self, batch: u64, record: &Record, octets: &[u8]) {
        let told = match record {
            Record::Ue(ue) => Some(Told {
                imsi: ue.imsi,
                gutis: [Some(ue.guti), ue.pending_guti].into_iter().flatten().collect(),
                addresses: ue.sessions.iter().filter_map(|session| session.address.ipv4()).collect(),
                keys: *ue.security.kasme().expose(),
                count: ue.security.receive_count(),
            }),
            Record::Bearers(_) | Record::Link(_) | Record::Sqn { .. } => None,
        };
        let digest = digest(octets.get(1..).unwrap_or_default());
        self.change(batch, Change { key: record.key(), digest: Some(digest), told });
    }

    pub(super) fn forgotten(&mut self, batch: u64, key: RecordKey) {
        self.change(batch, Change { key, digest: None, told: None });
    }

    fn change(&mut self, batch: u64, change: Change) {
        match self.pending.back_mut().filter(|last| last.batch == batch) {
            Some(last) => last.changes.push(change),
            None => self.pending.push_back(Written { batch, changes: vec![change], submitted: false }),
        }
    }

    pub(super) fn submitted(&mut self, batch: u64) {
        if let Some(last) = self.pending.back_mut().filter(|last| last.batch == batch) {
            last.submitted = true;
        }
    }

    pub(super) fn durable(&mut self, batch: u64) -> Option<String> {
        let mut problem = None;
        while self.pending.front().is_some_and(|first| first.batch <= batch) {
            let Some(written) = self.pending.pop_front() else { break };
            problem = problem.or(self.apply(written.changes));
        }
        problem
    }

    fn apply(&mut self, changes: Vec<Change>) -> Option<String> {
        let mut problem = None;
        for Change { key, digest, told } in changes {
            match digest {
                Some(digest) => self.durable.insert(key, digest),
                None => self.durable.remove(&key),
            };
            let Some(told) = told else { continue };
            self.gutis.extend(told.gutis.iter().map(|guti| (told.imsi, *guti)));
            self.addresses.extend(told.addresses.iter().map(|address| (told.imsi, *address)));
            let former = self.counts.insert(told.imsi, (told.keys, told.count));
            if let Some((keys, count)) = former
                && keys == told.keys
                && told.count < count
            {
                problem = Some(format!(
                    "{:?}: the accepted uplink count went back from {count} to {}: messages can be accepted twice",
                    told.imsi, told.count
                ));
            }
        }
        problem
    }

    pub(super) fn holds_guti(&self, imsi: Imsi, guti: Guti) -> bool {
        self.gutis.contains(&(imsi, guti))
    }

    pub(super) fn holds_address(&self, imsi: Imsi, address: Ipv4Addr) -> bool {
        self.addresses.contains(&(imsi, address))
    }

    /// A new process read this: everything that was called durable, and maybe some of what was on its way, in order.
    pub(super) fn found(&mut self, loaded: &Loaded) -> Option<String> {
        let found = digests(loaded);
        let mut taken = 0;
        while found != self.durable {
            let Some(next) = self.pending.pop_front().filter(|next| next.submitted) else {
                let problem = self.difference(&found, taken);
                self.begin_anew(loaded);
                return Some(problem);
            };
            taken += 1;
            self.apply(next.changes);
        }
        self.pending.clear();
        None
    }

    fn difference(&self, found: &BTreeMap<RecordKey, u64>, taken: usize) -> String {
        let missing = self.durable.keys().find(|key| !found.contains_key(key));
        let surplus = found.keys().find(|key| !self.durable.contains_key(key));
        let changed = found.iter().find(|(key, digest)| self.durable.get(key).is_some_and(|other| other != *digest));
        format!(
            "the log does not hold what was promised ({taken} later batches considered): missing {missing:?}, surplus \
             {surplus:?}, different {:?}",
            changed.map(|(key, _)| key)
        )
    }

    /// Takes what was found for the truth, as one must with a disk that lies.
    pub(super) fn begin_anew(&mut self, loaded: &Loaded) {
        self.durable = digests(loaded);
        self.pending.clear();
        self.counts.clear();
    }
}

fn digests(loaded: &Loaded) -> BTreeMap<RecordKey, u64> {
    let ues = loaded.ues.iter().map(|ue| Record::Ue(Box::new(ue.clone())));
    let links = loaded.links.iter().map(|link| Record::Link(link.clone()));
    let sqns = loaded.sqns.iter().map(|(imsi, reserved)| Record::Sqn { imsi: *imsi, reserved: *reserved });
    let bearers = loaded.bearers.iter().map(|bearers| Record::Bearers(Box::new(bearers.clone())));
    ues.chain(links).chain(sqns).chain(bearers).map(|record| (record.key(), record_digest(&record))).collect()
}
