//! The gateway's records in its log: one keyspace for each kind, one octet of format version, then the record in postcard.
//!
//! The same records under the same keys as the daemon keeps; its own module cannot be used here, since it is part of a program.

use agw_types::{Effect, LinkId, Record, RecordKey, StoredBearers, StoredLink, StoredUe};
use basalt_ids::Imsi;
use basalt_store::{Batch, Keyspace, Records};
use serde::Serialize;
use serde::de::DeserializeOwned;

const UES: Keyspace = Keyspace(1);
const LINKS: Keyspace = Keyspace(2);
const SQNS: Keyspace = Keyspace(3);
const META: Keyspace = Keyspace(5);
const BEARERS: Keyspace = Keyspace(6);
const KEEPER_INSTANCE: &[u8] = b"keeper-instance";
const VERSION: u8 = 1;

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub ues: Vec<StoredUe>,
    pub links: Vec<StoredLink>,
    pub bearers: Vec<StoredBearers>,
    pub sqns: Vec<(Imsi, u64)>,
    pub keeper_instance: Option<u64>,
    /// Records that could not be read.
    pub unreadable: usize,
}

pub(crate) fn load(records: &Records) -> Loaded {
    let mut loaded = Loaded::default();
    loaded.ues = read(records, UES, &mut loaded.unreadable);
    loaded.bearers = read(records, BEARERS, &mut loaded.unreadable);
    loaded.links = read(records, LINKS, &mut loaded.unreadable);
    loaded.sqns = read(records, SQNS, &mut loaded.unreadable);
    loaded.keeper_instance = records.get(META, KEEPER_INSTANCE).and_then(decode);
    loaded
}

fn read<T: DeserializeOwned>(records: &Records, keyspace: Keyspace, unreadable: &mut usize) -> Vec<T> {
    let mut list = Vec::new();
    for (_, value) in records.in_keyspace(keyspace) {
        match decode(value) {
            Some(record) => list.push(record),
            None => *unreadable += 1,
        }
    }
    list
}

/// Adds what an effect wants kept or dropped. False for effects that are not about records.
pub(crate) fn stage(batch: &mut Batch, effect: &Effect) -> bool {
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

pub(crate) fn put_keeper_instance(batch: &mut Batch, instance: u64) {
    put(batch, META, KEEPER_INSTANCE, &instance);
}

fn put(batch: &mut Batch, keyspace: Keyspace, key: &[u8], value: &impl Serialize) {
    if let Ok(octets) = postcard::to_extend(value, vec![VERSION]) {
        batch.add_put(keyspace, key, &octets);
    }
}

fn decode<T: DeserializeOwned>(octets: &[u8]) -> Option<T> {
    match octets.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).ok(),
        _ => None,
    }
}

fn imsi_key(imsi: Imsi) -> [u8; 9] {
    let [a, b, c, d, e, f, g, h] = imsi.value().to_be_bytes();
    [a, b, c, d, e, f, g, h, imsi.len()]
}
