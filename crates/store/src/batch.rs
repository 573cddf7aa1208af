//! What is saved together.

use core::fmt;

/// One of 256 separate key spaces. Which is which, their user says (`agw/types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keyspace(pub u8);

/// The number of a batch: 1 for the first that a store ever took, then without gaps. 0 is before all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Puts and deletes that become durable together or not at all, in the order in which they were added.
///
/// Held in the form in which it is written. Values are not shown by `Debug`: they may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch {
    encoded: Vec<u8>,
    entries: u32,
    /// A key of more than 64 KiB or a value of more than 4 GiB was offered.
    oversize: bool,
}

/// A put or a delete inside an encoded batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) keyspace: Keyspace,
    pub(crate) key: &'a [u8],
    /// `None` deletes.
    pub(crate) value: Option<&'a [u8]>,
    /// Where the entry begins in the encoded batch.
    pub(crate) offset: usize,
    /// How many octets it takes there.
    pub(crate) len: usize,
}

/// Operation (1), keyspace (1), key length (2), value length (4), checksum of these and of the key (4).
///
/// The batch as a whole has a checksum of its own; this one tells which keys a damaged batch was about.
const ENTRY_HEADER: usize = 12;
const OP_PUT: u8 = 1;
const OP_DELETE: u8 = 2;

impl Batch {
    /// A batch of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { encoded: Vec::new(), entries: 0, oversize: false }
    }

    /// Adds a put: `value` replaces what is under `key`. Keys up to 65,535 octets.
    #[must_use]
    pub fn put(mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Self {
        self.add_put(keyspace, key, value);
        self
    }

    /// Adds a delete: nothing is under `key` any more.
    #[must_use]
    pub fn delete(mut self, keyspace: Keyspace, key: &[u8]) -> Self {
        self.add_delete(keyspace, key);
        self
    }

    /// [`put`](Self::put) for a batch that is built in a loop.
    pub fn add_put(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) {
        self.push(OP_PUT, keyspace, key, value);
    }

    /// [`delete`](Self::delete) for a batch that is built in a loop.
    pub fn add_delete(&mut self, keyspace: Keyspace, key: &[u8]) {
        self.push(OP_DELETE, keyspace, key, &[]);
    }

    /// How many puts and deletes it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries as usize
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Octets that it will take in the log, without the frame.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(crate) const fn is_oversize(&self) -> bool {
        self.oversize
    }

    fn push(&mut self, op: u8, keyspace: Keyspace, key: &[u8], value: &[u8]) {
        let (Ok(key_len), Ok(value_len)) = (u16::try_from(key.len()), u32::try_from(value.len())) else {
            self.oversize = true;
            return;
        };
        let begin = self.encoded.len();
        self.encoded.extend_from_slice(&[op, keyspace.0]);
        self.encoded.extend_from_slice(&key_len.to_le_bytes());
        self.encoded.extend_from_slice(&value_len.to_le_bytes());
        let checksum = entry_checksum(&self.encoded[begin..], key);
        self.encoded.extend_from_slice(&checksum.to_le_bytes());
        self.encoded.extend_from_slice(key);
        self.encoded.extend_from_slice(value);
        self.entries += 1;
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("entries", &self.entries).field("octets", &self.encoded.len()).finish()
    }
}

/// The entries of an encoded batch, as far as they can be read.
///
/// Zero octets at the end are the frame's padding. Stops at what is no entry, so that what can be read of a damaged batch is.
pub(crate) fn entries(encoded: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let entry = entry_at(encoded, offset)?;
        offset += entry.len;
        Some(entry)
    })
}

/// The entry at `offset`, if there is a whole one.
pub(crate) fn entry_at(encoded: &[u8], offset: usize) -> Option<Entry<'_>> {
    let rest = encoded.get(offset..)?;
    let (header, body) = rest.split_first_chunk::<ENTRY_HEADER>()?;
    let [op, keyspace, k0, k1, v0, v1, v2, v3, checksum @ ..] = *header;
    let key_len = usize::from(u16::from_le_bytes([k0, k1]));
    let value_len = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
    let (key, after) = body.split_at_checked(key_len)?;
    let value = after.get(..value_len)?;
    if entry_checksum(&header[..8], key) != u32::from_le_bytes(checksum) {
        return None;
    }
    let value = match op {
        OP_PUT => Some(value),
        OP_DELETE if value.is_empty() => None,
        _ => return None,
    };
    Some(Entry { keyspace: Keyspace(keyspace), key, value, offset, len: ENTRY_HEADER + key_len + value_len })
}

fn entry_checksum(fixed: &[u8], key: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(fixed);
    hasher.update(key);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_is_too_long_marks_the_batch() {
        let batch = Batch::new().put(Keyspace(1), &vec![0; 65_536], b"");
        assert!(batch.is_oversize() && batch.is_empty());
        assert!(!Batch::new().put(Keyspace(1), &vec![0; 65_535], b"").is_oversize());
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", Batch::new().put(Keyspace(1), b"key", b"secret"));
        assert_eq!(shown, "Batch { entries: 1, octets: 21 }");
    }

    proptest! {
        #[test]
        fn what_is_added_is_read_back(parts: Vec<(u8, Vec<u8>, Option<Vec<u8>>)>, padding in 0..8usize) {
            let mut batch = Batch::new();
            for (keyspace, key, value) in &parts {
                match value {
                    Some(value) => batch.add_put(Keyspace(*keyspace), key, value),
                    None => batch.add_delete(Keyspace(*keyspace), key),
                }
            }
            let mut encoded = batch.encoded().to_vec();
            encoded.resize(encoded.len() + padding, 0);
            let read: Vec<_> = entries(&encoded)
                .map(|it| (it.keyspace.0, it.key.to_vec(), it.value.map(<[u8]>::to_vec)))
                .collect();
            prop_assert_eq!(read, parts);
        }

        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            let total: usize = entries(&bytes).map(|it| it.len).sum();
            prop_assert!(total <= bytes.len());
        }
    }
}
