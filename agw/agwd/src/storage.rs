//! Records on disk: which keyspace, which key, which format.
//!
//! A value is one octet of format version and then the record in postcard. An old version stays readable: its struct and a
//! golden file of it are kept.

use crate::usage;
use agw_subscribers::stored::v1 as subscriber_v1;
use agw_subscribers::{StoredRules, StoredSubscriber};
use agw_types::stored::v1;
use agw_types::{Effect, LinkId, Record, RecordKey, StoredBearers, StoredLink, StoredUe};
use anyhow::Context as _;
use basalt_ids::Imsi;
use basalt_store::{Batch, Config, FileDisk, Keyspace, OpenReport, Records, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

const UES: Keyspace = Keyspace(1);
const LINKS: Keyspace = Keyspace(2);
const SQNS: Keyspace = Keyspace(3);
const SUBSCRIBERS: Keyspace = Keyspace(4);
const META: Keyspace = Keyspace(5);
const BEARERS: Keyspace = Keyspace(6);
const RULES: Keyspace = Keyspace(7);

const KEEPER_INSTANCE: &[u8] = b"keeper-instance";
/// A record with its format.
pub trait Format: Serialize + DeserializeOwned {
    /// The format that is written.
    const VERSION: u8;

    /// Reads octets of an earlier format.
    fn earlier(version: u8, octets: &[u8]) -> Option<Self>;
}

impl Format for StoredUe {
    const VERSION: u8 = 2;

    fn earlier(version: u8, octets: &[u8]) -> Option<Self> {
        let was: v1::StoredUe = postcard::from_bytes(octets).ok().filter(|_| version == 1)?;
        Some(was.into())
    }
}

impl Format for StoredSubscriber {
    const VERSION: u8 = 2;

    fn earlier(version: u8, octets: &[u8]) -> Option<Self> {
        let was: subscriber_v1::StoredSubscriber = postcard::from_bytes(octets).ok().filter(|_| version == 1)?;
        Some(was.into())
    }
}

/// Those that are as they have always been.
macro_rules! only_format {
    ($($record:ty),*) => {
        $(impl $crate::storage::Format for $record {
            const VERSION: u8 = 1;

            fn earlier(_: u8, _: &[u8]) -> Option<Self> {
                None
            }
        })*
    };
}

pub(crate) use only_format;

only_format!(StoredLink, StoredBearers, StoredRules, (Imsi, u64), u64);

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Subscribers, keys sealed.
    pub subscribers: Vec<StoredSubscriber>,
    /// Phones.
    pub ues: Vec<StoredUe>,
    /// Rules and dedicated bearers of phones.
    pub bearers: Vec<StoredBearers>,
    /// Rules of subscribers.
    pub rules: Vec<StoredRules>,
    /// Base stations.
    pub links: Vec<StoredLink>,
    /// Reserved sequence numbers.
    pub sqns: Vec<(Imsi, u64)>,
    /// Which keeper the associations belong to.
    pub keeper_instance: Option<u64>,
    /// What was used.
    pub usage: usage::Loaded,
    /// What the orchestrator manages.
    pub managed: crate::cloud::Managed,
    /// What is remembered of other networks' subscribers.
    pub federated: Vec<crate::federation::StoredRemembered>,
    /// Records that could not be read, by key.
    pub unreadable: Vec<String>,
}

/// Octets of a segment: one import of a hundred thousand subscribers is one batch, and fits.
const SEGMENT: u64 = 64 << 20;
/// Octets of the largest batch that is handed to the store.
pub const LARGEST_BATCH: usize = 48 << 20;

/// Opens the store below `state_dir` and reads everything.
///
/// # Errors
/// When the disk cannot be used at all. Damage within is reported, not an error.
pub fn open(state_dir: &Path) -> anyhow::Result<(Store, Loaded, OpenReport)> {
    let folder = state_dir.join("store");
    let hint = || format!("cannot use {}: check that it is writable and that no other agwd runs", folder.display());
    let disk = FileDisk::open(&folder).with_context(hint)?;
    let (store, records, report) =
        Store::open(disk, Config { segment_bytes: SEGMENT, ..Config::default() }).with_context(hint)?;
    Ok((store, load(&records), report))
}

fn load(records: &Records) -> Loaded {
    let mut loaded = Loaded::default();
    let mut unreadable = Vec::new();
    let mut note = |what: &str, key: &[u8]| unreadable.push(format!("{what} {}", hex(key)));
    for (key, value) in records.in_keyspace(SUBSCRIBERS) {
        match decode(value) {
            Some(subscriber) => loaded.subscribers.push(subscriber),
            None => note("subscriber", key),
        }
    }
    for (key, value) in records.in_keyspace(UES) {
        match decode(value) {
            Some(ue) => loaded.ues.push(ue),
            None => note("phone", key),
        }
    }
    for (key, value) in records.in_keyspace(BEARERS) {
        match decode(value) {
            Some(bearers) => loaded.bearers.push(bearers),
            None => note("bearers", key),
        }
    }
    for (key, value) in records.in_keyspace(RULES) {
        match decode(value) {
            Some(rules) => loaded.rules.push(rules),
            None => note("rules", key),
        }
    }
    for (key, value) in records.in_keyspace(LINKS) {
        match decode(value) {
            Some(link) => loaded.links.push(link),
            None => note("base station", key),
        }
    }
    for (key, value) in records.in_keyspace(SQNS) {
        match decode(value) {
            Some(sqn) => loaded.sqns.push(sqn),
            None => note("sequence number", key),
        }
    }
    loaded.keeper_instance = records.get(META, KEEPER_INSTANCE).and_then(decode);
    loaded.usage = usage::load(records, &mut note);
    loaded.managed = crate::cloud::load(records, &mut note);
    loaded.federated = crate::federation::load(records, &mut note);
    loaded.unreadable = unreadable;
    loaded
}

/// Adds what an effect wants kept or dropped. False for effects that are not about records.
pub fn stage(batch: &mut Batch, effect: &Effect) -> bool {
    match effect {
        Effect::Save(record) => {
            match record.as_ref() {
                Record::Ue(ue) => put(batch, UES, &imsi_key(ue.imsi), ue.as_ref()),
                Record::Bearers(bearers) => put(batch, BEARERS, &imsi_key(bearers.imsi), bearers.as_ref()),
                Record::Link(link) => put(batch, LINKS, &link.link.0.to_be_bytes(), link),
                Record::Sqn { imsi, reserved } => put(batch, SQNS, &imsi_key(*imsi), &(*imsi, *reserved)),
            }
            true
        }
        Effect::Forget(key) => {
            match key {
                RecordKey::Ue(imsi) => batch.add_delete(UES, &imsi_key(*imsi)),
                RecordKey::Bearers(imsi) => batch.add_delete(BEARERS, &imsi_key(*imsi)),
                RecordKey::Link(LinkId(link)) => batch.add_delete(LINKS, &link.to_be_bytes()),
                RecordKey::Sqn(imsi) => batch.add_delete(SQNS, &imsi_key(*imsi)),
            }
            true
        }
        _ => false,
    }
}

/// Keeps a subscriber.
pub fn put_subscriber(batch: &mut Batch, subscriber: &StoredSubscriber) {
    put(batch, SUBSCRIBERS, &imsi_key(subscriber.imsi()), subscriber);
}

/// Drops a subscriber and its sequence number.
pub fn delete_subscriber(batch: &mut Batch, imsi: Imsi) {
    batch.add_delete(SUBSCRIBERS, &imsi_key(imsi));
    batch.add_delete(SQNS, &imsi_key(imsi));
    batch.add_delete(RULES, &imsi_key(imsi));
}

/// Keeps the rules of a subscriber, or drops their record when there are none.
pub fn put_rules(batch: &mut Batch, rules: &StoredRules) {
    if rules.rules.is_empty() {
        batch.add_delete(RULES, &imsi_key(rules.imsi));
    } else {
        put(batch, RULES, &imsi_key(rules.imsi), rules);
    }
}

/// Keeps which keeper the associations belong to.
pub fn put_keeper_instance(batch: &mut Batch, instance: u64) {
    put(batch, META, KEEPER_INSTANCE, &instance);
}

/// Keeps a value under a key.
pub fn put<T: Format>(batch: &mut Batch, keyspace: Keyspace, key: &[u8], value: &T) {
    // Writing to memory fails only when a value refuses to be serialised; none of ours does.
    if let Ok(octets) = postcard::to_extend(value, vec![T::VERSION]) {
        batch.add_put(keyspace, key, &octets);
    }
}

/// Reads a value; `None` for an unknown version, or a damaged one.
pub fn decode<T: Format>(octets: &[u8]) -> Option<T> {
    let (version, rest) = octets.split_first()?;
    if *version == T::VERSION { postcard::from_bytes(rest).ok() } else { T::earlier(*version, rest) }
}

/// Number and digit count: keys sort as numbers, and 01 differs from 1.
pub fn imsi_key(imsi: Imsi) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = imsi.value().to_be_bytes();
    [a, b, c, d, e, f, g, h, imsi.len()]
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod golden;

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_ids::{EnbId, GlobalEnbId, Tac, Tai};
    use basalt_store::MemDisk;

    fn link() -> StoredLink {
        let plmn = "001-01".parse().unwrap();
        StoredLink {
            link: LinkId(7),
            enb: GlobalEnbId { plmn, enb: EnbId::Macro(0x19b) },
            name: Some("enb".to_owned()),
            areas: vec![Tai { plmn, tac: Tac(1) }],
            drx: 128,
        }
    }

    fn reopened(batch: &Batch) -> Loaded {
        let disk = MemDisk::new(1);
        let (mut store, _, _) = Store::open(disk.clone(), Config::default()).unwrap();
        store.append(batch).unwrap();
        store.commit().unwrap();
        load(&Store::open(disk.rebooted(), Config::default()).unwrap().1)
    }

    #[test]
    fn records_come_back_as_they_went() {
        let mut batch = Batch::new();
        assert!(stage(&mut batch, &Effect::Save(Box::new(Record::Link(link())))));
        let imsi: Imsi = "001010000000001".parse().unwrap();
        assert!(stage(&mut batch, &Effect::Save(Box::new(Record::Sqn { imsi, reserved: 99 }))));
        put_keeper_instance(&mut batch, 5);
        let loaded = reopened(&batch);
        assert_eq!(loaded.links, [link()]);
        assert_eq!(loaded.sqns, [(imsi, 99)]);
        assert_eq!(loaded.keeper_instance, Some(5));
        assert!(loaded.unreadable.is_empty());
    }

    #[test]
    fn a_record_of_an_unknown_version_is_named_and_left() {
        let mut batch = Batch::new();
        batch.add_put(LINKS, &[0, 0, 0, 1], &[9, 1, 2, 3]);
        batch.add_put(LINKS, &[0, 0, 0, 2], &[]);
        let loaded = reopened(&batch);
        assert!(loaded.links.is_empty());
        assert_eq!(loaded.unreadable, ["base station 00000001", "base station 00000002"]);
    }

    #[test]
    fn forgetting_drops_the_record() {
        let mut batch = Batch::new();
        stage(&mut batch, &Effect::Save(Box::new(Record::Link(link()))));
        stage(&mut batch, &Effect::Forget(RecordKey::Link(LinkId(7))));
        assert!(reopened(&batch).links.is_empty());
        assert!(!stage(&mut batch, &Effect::CloseLink { link: LinkId(7) }));
    }
}
