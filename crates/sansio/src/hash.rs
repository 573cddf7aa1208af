//! Hash maps whose seed is chosen by their owner, and a digest for comparing runs.
// tidy: allow-file(pure): this is the one place that pairs std's maps with a hasher that is not randomly seeded
#![allow(
    clippy::disallowed_types,
    reason = "this is the one place that pairs std's maps with a hasher that is not randomly seeded"
)]

use core::hash::{BuildHasher, Hasher};
use std::collections::{HashMap, HashSet};
use std::io;

/// A hash map that behaves the same in every run with the same key and the same operations.
///
/// Make one with `DetHashMap::with_hasher(DetState::keyed(..))`, or `DetHashMap::default()` where the keys are our own
/// numbers. Its iteration order is repeatable but means nothing: whatever leaves a core in order comes from a `Vec` or
/// a `BTreeMap`.
pub type DetHashMap<K, V> = HashMap<K, V, DetState>;

/// The set that goes with [`DetHashMap`].
pub type DetHashSet<K> = HashSet<K, DetState>;

/// Builds the hashers of a [`DetHashMap`] from a 128-bit key.
///
/// Keyed by the driver from operating-system entropy, a peer cannot choose colliding keys without seeing the
/// buckets; that is all it promises. It is no cryptographic hash. The default key is fixed and suits keys that no peer chooses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DetState {
    k0: u64,
    k1: u64,
}

impl DetState {
    /// A state with its own key.
    #[must_use]
    pub const fn keyed(k0: u64, k1: u64) -> Self {
        Self { k0, k1 }
    }
}

impl Default for DetState {
    fn default() -> Self {
        Self::keyed(0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344)
    }
}

impl core::fmt::Debug for DetState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DetState(..)")
    }
}

impl BuildHasher for DetState {
    type Hasher = DetHasher;

    fn build_hasher(&self) -> DetHasher {
        DetHasher { state: self.k0, key: self.k1 }
    }
}

/// The hasher of [`DetState`]: the folded 64 x 64 multiplication of the wyhash family.
#[derive(Clone, Debug)]
pub struct DetHasher {
    state: u64,
    key: u64,
}

/// Both halves of the 128-bit product, folded. Zero on one side would swallow the other: callers add a key first.
pub(crate) const fn fold_mul(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for DetHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        // The length keeps "a" and "a\0" apart.
        self.write_u64(u64::from_le_bytes(word) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.state = fold_mul(self.state ^ n, self.key ^ ODD) ^ self.state.rotate_left(23);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn finish(&self) -> u64 {
        fold_mul(self.state ^ self.key, ODD) ^ self.state.rotate_left(29)
    }
}

/// A 64-bit digest of a stream of bytes: "did two runs do the same?"
///
/// It is a writer, so a [`Recorder`](crate::Recorder) can record into it. FNV-1a: the same on every machine, and not
/// for anything an adversary chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The digest of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The digest so far.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}

impl io::Write for Fingerprint {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.update(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_give_equal_order_and_another_key_another() {
        let order = |state: DetState| {
            let mut map = DetHashMap::with_hasher(state);
            map.extend((0..1000u32).map(|n| (n, ())));
            map.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(order(DetState::keyed(1, 2)), order(DetState::keyed(1, 2)));
        assert_ne!(order(DetState::keyed(1, 2)), order(DetState::keyed(1, 3)));
    }

    #[test]
    fn structured_keys_spread_over_low_and_high_bits() {
        // hashbrown takes buckets from the low bits and tags from the top seven.
        for (shift, step) in [(0, 1u64), (0, 256), (57, 1), (57, 1 << 20), (0, 1 << 48), (57, 1 << 48)] {
            let mut seen = [0u32; 128];
            for n in 0..12_800u64 {
                let hash = DetState::default().hash_one(n * step);
                seen[(hash >> shift) as usize & 127] += 1;
            }
            let fullest = seen.iter().max().copied().unwrap_or(0);
            assert!(seen.iter().all(|count| *count > 50), "shift {shift} step {step}: an almost empty bucket");
            assert!(fullest < 200, "shift {shift} step {step}: {fullest} where 100 are expected");
        }
    }

    #[test]
    fn byte_strings_that_differ_only_in_trailing_zeros_differ() {
        let state = DetState::default();
        let hashes: DetHashSet<u64> = (0..64).map(|len| state.hash_one(&vec![0u8; len][..])).collect();
        assert_eq!(hashes.len(), 64);
    }

    #[test]
    fn fingerprint_is_fnv1a() {
        let mut print = Fingerprint::new();
        print.update(b"foobar");
        assert_eq!(print.value(), 0x8594_4171_f739_67e8);
    }
}
