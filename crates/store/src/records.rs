//! The newest version of every record: what it is, when the log is opened, and where it lies, while it is written.

use std::collections::BTreeMap;

use crate::batch::{self, Keyspace};
use crate::frame::FRAME_HEADER;

/// What was in the store when it was opened, ordered by keyspace and key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Records {
    by_keyspace: BTreeMap<Keyspace, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("len", &self.len()).finish()
    }
}

impl Records {
    /// The value under a key.
    #[must_use]
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Option<&[u8]> {
        self.by_keyspace.get(&keyspace)?.get(key).map(Vec::as_slice)
    }

    /// The keys and values of one keyspace, in the order of the keys.
    pub fn in_keyspace(&self, keyspace: Keyspace) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.by_keyspace.get(&keyspace).into_iter().flatten().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Everything, in the order of keyspaces and keys.
    pub fn iter(&self) -> impl Iterator<Item = (Keyspace, &[u8], &[u8])> {
        let keyspaces = self.by_keyspace.iter();
        keyspaces
            .flat_map(|(keyspace, map)| map.iter().map(|(key, value)| (*keyspace, key.as_slice(), value.as_slice())))
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_keyspace.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_keyspace.values().all(BTreeMap::is_empty)
    }

    pub(crate) fn set(&mut self, keyspace: Keyspace, key: &[u8], value: Option<&[u8]>) {
        let map = self.by_keyspace.entry(keyspace).or_default();
        match value {
            Some(value) => {
                map.insert(key.to_vec(), value.to_vec());
            }
            None => {
                map.remove(key);
            }
        }
    }
}

/// Where the payload of a frame begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    segment: u32,
    payload: u64,
}

impl Place {
    pub(crate) const fn in_frame(segment: u32, frame_offset: u64) -> Self {
        Self { segment, payload: frame_offset + FRAME_HEADER as u64 }
    }
}

/// Where the newest version of every record lies.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_keyspace: BTreeMap<Keyspace, BTreeMap<Box<[u8]>, Located>>,
    /// Octets of newest versions in each segment.
    live: BTreeMap<u32, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Located {
    segment: u32,
    offset: u32,
    len: u32,
}

impl Index {
    pub(crate) fn apply(&mut self, payload: &[u8], place: Place) {
        for entry in batch::entries(payload) {
            let offset = (place.payload + entry.offset as u64) as u32;
            let located = Located { segment: place.segment, offset, len: entry.len as u32 };
            self.set(entry.keyspace, entry.key, entry.value.map(|_| located));
        }
    }

    /// Nothing is under a key any more.
    pub(crate) fn forget(&mut self, keyspace: Keyspace, key: &[u8]) {
        self.set(keyspace, key, None);
    }

    fn set(&mut self, keyspace: Keyspace, key: &[u8], located: Option<Located>) {
        let map = self.by_keyspace.entry(keyspace).or_default();
        let before = match located {
            Some(located) => {
                *self.live.entry(located.segment).or_default() += u64::from(located.len);
                match map.get_mut(key) {
                    Some(there) => Some(std::mem::replace(there, located)),
                    None => map.insert(key.into(), located),
                }
            }
            None => map.remove(key),
        };
        if let Some(before) = before
            && let Some(live) = self.live.get_mut(&before.segment)
        {
            *live -= u64::from(before.len);
        }
    }

    /// Whether the newest version of a record is the one that lies there.
    pub(crate) fn is_newest(&self, entry: &batch::Entry<'_>, place: Place) -> bool {
        let located = self.by_keyspace.get(&entry.keyspace).and_then(|map| map.get(entry.key));
        let offset = (place.payload + entry.offset as u64) as u32;
        located.is_some_and(|located| located.segment == place.segment && located.offset == offset)
    }

    pub(crate) fn live_in(&self, segment: u32) -> u64 {
        self.live.get(&segment).copied().unwrap_or(0)
    }

    pub(crate) fn forget_segment(&mut self, segment: u32) {
        self.live.remove(&segment);
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.live.values().sum()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_keyspace.values().map(BTreeMap::len).sum()
    }
}
