//! Digests by which two sides find what they do not have in common, without sending what they have.
//!
//! A tree of two floors: items lie in [`BUCKETS`] buckets by a digest of their key; a bucket's digest covers its items, the
//! root covers the buckets. One changed item among a million changes one bucket digest and the root.
//!
//! What it deliberately is not: a store of the items, or a message. Orchestrator and gateway both compute with it, so it lies
//! between them.
//!
//! Invariants: the same items give the same root in whatever order they came, on every machine and in every version.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use core::fmt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Buckets of a tree: 20,000 subscribers of a large site lie about 80 to a bucket.
pub const BUCKETS: usize = 256;

/// The first 16 octets of a SHA-256: beyond chance and beyond a subscriber who chooses his own field values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Digest(pub [u8; 16]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What an item is called: the collection and the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemKey {
    /// The collection of its kind.
    pub collection: String,
    /// Its name.
    pub name: String,
}

/// The digest of an object: of its body in canonical form, and of a mark of its secrets (a revision, never the secrets).
///
/// Canonical means: keys in the order of their octets, no white space; the same on every machine.
#[must_use]
pub fn object_digest(body: &Value, secrets_mark: u64) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"basalt object v1\0");
    canonical(body, &mut hash);
    hash.update(secrets_mark.to_be_bytes());
    shorten(hash)
}

fn canonical(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Array(list) => {
            hash.update(format!("[{}:", list.len()));
            list.iter().for_each(|value| canonical(value, hash));
        }
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            hash.update(format!("{{{}:", sorted.len()));
            for (key, value) in sorted {
                hash.update(format!("{}:{key}", key.len()));
                canonical(value, hash);
            }
        }
        Value::String(text) => hash.update(format!("\"{}:{text}", text.len())),
        scalar => hash.update(format!("={scalar};")),
    }
}

fn shorten(hash: Sha256) -> Digest {
    let full: [u8; 32] = hash.finalize().into();
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    Digest(short)
}

/// The digests of many items. The same items give the same tree, in whatever order they came.
#[derive(Debug, Clone)]
pub struct DigestTree {
    buckets: Vec<Bucket>,
}

#[derive(Debug, Clone, Default)]
struct Bucket {
    /// In the order of their keys. Buckets are small, and an orchestrator has thousands of trees: no room is kept for more.
    items: Vec<(ItemKey, Digest)>,
    /// The digest of the items, unless they have changed since it was computed.
    digest: OnceLock<Digest>,
}

impl Bucket {
    fn place(&self, key: &ItemKey) -> Result<usize, usize> {
        self.items.binary_search_by(|(held, _)| held.cmp(key))
    }
}

impl PartialEq for DigestTree {
    fn eq(&self, other: &Self) -> bool {
        self.buckets.iter().zip(&other.buckets).all(|(ours, theirs)| ours.items == theirs.items)
    }
}

impl Eq for DigestTree {}

/// One item that the other side must change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Send it: the other side has none, or another.
    Send(ItemKey),
    /// Tell that it is gone.
    Remove(ItemKey),
}

impl Default for DigestTree {
    fn default() -> Self {
        Self { buckets: vec![Bucket::default(); BUCKETS] }
    }
}

impl DigestTree {
    /// Puts an item in, or replaces it; the digest that it had before.
    pub fn insert(&mut self, key: ItemKey, digest: Digest) -> Option<Digest> {
        let bucket = &mut self.buckets[bucket_of(&key)];
        let former = match bucket.place(&key) {
            Ok(place) => bucket.items.get_mut(place).map(|(_, held)| core::mem::replace(held, digest)),
            Err(place) => {
                bucket.items.reserve_exact(1);
                bucket.items.insert(place, (key, digest));
                None
            }
        };
        if former != Some(digest) {
            bucket.digest = OnceLock::new();
        }
        former
    }

    /// Takes an item out. False when there is none.
    pub fn remove(&mut self, key: &ItemKey) -> bool {
        let bucket = &mut self.buckets[bucket_of(key)];
        let Ok(place) = bucket.place(key) else { return false };
        bucket.items.remove(place);
        bucket.digest = OnceLock::new();
        true
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.items.len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The digest of an item; `None` when there is no such item.
    #[must_use]
    pub fn get(&self, key: &ItemKey) -> Option<Digest> {
        let bucket = &self.buckets[bucket_of(key)];
        bucket.items.get(bucket.place(key).ok()?).map(|(_, digest)| *digest)
    }

    /// All items, in an order that is always the same.
    pub fn iter(&self) -> impl Iterator<Item = (&ItemKey, Digest)> {
        (0..BUCKETS).flat_map(|index| self.bucket(index))
    }

    /// The digest of everything. Equal roots mean equal items.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut hash = Sha256::new();
        hash.update(b"basalt root v1\0");
        self.bucket_digests().iter().for_each(|digest| hash.update(digest.0));
        shorten(hash)
    }

    /// The digests of all buckets, [`BUCKETS`] of them.
    #[must_use]
    pub fn bucket_digests(&self) -> Vec<Digest> {
        self.buckets.iter().map(|bucket| *bucket.digest.get_or_init(|| bucket_digest(&bucket.items))).collect()
    }

    /// The items of a bucket with their digests; empty beyond the last bucket.
    pub fn bucket(&self, index: usize) -> impl Iterator<Item = (&ItemKey, Digest)> {
        let bucket = self.buckets.get(index).into_iter();
        bucket.flat_map(|bucket| &bucket.items).map(|(key, digest)| (key, *digest))
    }

    /// The buckets that differ from those of the other side. A list of another length differs everywhere.
    #[must_use]
    pub fn differing_buckets(&self, theirs: &[Digest]) -> Vec<usize> {
        let ours = self.bucket_digests();
        if theirs.len() != BUCKETS {
            return (0..BUCKETS).collect();
        }
        ours.iter().zip(theirs).enumerate().filter(|(_, (a, b))| a != b).map(|(index, _)| index).collect()
    }

    /// What the other side must change in one bucket, given the items it has there, at most `most` of them: a page. Fewer than
    /// `most` means that there is no more.
    #[must_use]
    pub fn differences(&self, bucket: usize, theirs: &BTreeMap<ItemKey, Digest>, most: usize) -> Vec<Difference> {
        let none = Bucket::default();
        let ours = self.buckets.get(bucket).unwrap_or(&none);
        let send = ours.items.iter().filter(|(key, digest)| theirs.get(key) != Some(digest));
        let send = send.map(|(key, _)| Difference::Send(key.clone()));
        let gone = theirs.keys().filter(|key| ours.place(key).is_err());
        let gone = gone.map(|key| Difference::Remove(key.clone()));
        send.chain(gone).take(most).collect()
    }
}

fn bucket_digest(items: &[(ItemKey, Digest)]) -> Digest {
    if items.is_empty() {
        return Digest::default();
    }
    let mut hash = Sha256::new();
    hash.update(b"basalt bucket v1\0");
    for (key, digest) in items {
        hash.update(format!("{}:{}{}:{}", key.collection.len(), key.collection, key.name.len(), key.name));
        hash.update(digest.0);
    }
    shorten(hash)
}

/// The bucket that an item lies in.
#[must_use]
pub fn bucket_of(key: &ItemKey) -> usize {
    let mut hash = Sha256::new();
    hash.update(key.collection.as_bytes());
    hash.update([0]);
    hash.update(key.name.as_bytes());
    usize::from(shorten(hash).0[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn key(name: &str) -> ItemKey {
        ItemKey { collection: "subscribers".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn the_digest_of_an_object_is_fixed_for_ever() {
        let one: Value = serde_json::from_str(r#"{"b":[1,"x",null],"a":{"y":true,"x":1.5}}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"a":{"x":1.5,"y":true},"b":[1,"x",null]}"#).unwrap();
        assert_eq!(object_digest(&one, 7), object_digest(&other, 7));
        assert_ne!(object_digest(&one, 7), object_digest(&one, 8));
        assert_eq!(object_digest(&json!({}), 0).to_string(), FIXED);
    }

    #[test]
    fn neighbouring_values_do_not_run_into_each_other() {
        let all =
            [json!([1, 23]), json!([12, 3]), json!(["1", 23]), json!([[1], 23]), json!({"1": 23}), json!("[1,23]")];
        for (index, one) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                assert_ne!(object_digest(one, 0), object_digest(other, 0), "{one} {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn following_the_differences_ends_in_equality(
            ours in proptest::collection::btree_map(0u16..300, any::<u8>(), 0..200),
            theirs in proptest::collection::btree_map(0u16..300, any::<u8>(), 0..200),
            page in 1usize..7,
        ) {
            let tree = |items: &BTreeMap<u16, u8>| {
                let mut tree = DigestTree::default();
                for (name, value) in items {
                    tree.insert(key(&name.to_string()), object_digest(&json!(value), 0));
                }
                tree
            };
            let (ours, mut theirs) = (tree(&ours), tree(&theirs));
            for bucket in ours.differing_buckets(&theirs.bucket_digests()) {
                loop {
                    let has: BTreeMap<ItemKey, Digest> = theirs.bucket(bucket).map(|(key, digest)| (key.clone(), digest)).collect();
                    let steps = ours.differences(bucket, &has, page);
                    for step in &steps {
                        match step {
                            Difference::Remove(key) => { theirs.remove(key); }
                            Difference::Send(key) => {
                                let digest = ours.bucket(bucket).find(|(own, _)| *own == key).map(|(_, digest)| digest);
                                theirs.insert(key.clone(), digest.unwrap_or_default());
                            }
                        }
                    }
                    if steps.len() < page {
                        break;
                    }
                }
            }
            prop_assert_eq!(theirs.root(), ours.root());
            prop_assert_eq!(theirs, ours);
        }
    }

    /// Written down once: gateways of other versions compute the same.
    const FIXED: &str = "f993fd915a1c7041f0bff17ef78854a3";
}
