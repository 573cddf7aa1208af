//! Ids that are shown on the air, without their order.

use core::fmt;

use crate::SlotId;
use crate::hash::fold_mul;

/// A keyed bijection between [`SlotId`]s and the 32-bit numbers that phones are told.
///
/// An M-TMSI that counted slots would tell an observer how many phones there are and which were served one after the
/// other; through a scrambler successive ids look unrelated, and the way back is arithmetic instead of a table. The key
/// comes from the driver (32 octets of entropy, kept with the other secrets: ids that phones hold must still resolve
/// after a restart).
///
/// Neither 0 nor all ones is ever produced, as neither is a [`SlotId`] that a table gives out (TS 23.003 §2.4: a TMSI
/// of all ones means that there is none). It hides order; it is no encryption of the id and nothing may rely on it for
/// authentication.
#[derive(Clone)]
pub struct IdScrambler {
    round_keys: [u64; ROUNDS],
}

const ROUNDS: usize = 8;

impl fmt::Debug for IdScrambler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdScrambler(..)")
    }
}

impl IdScrambler {
    /// A scrambler with the given key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let mut words = [0u64; 4];
        for (word, bytes) in words.iter_mut().zip(key.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let [a, b, c, d] = words;
        let mut round_keys = [0; ROUNDS];
        let mut state = a;
        for (key, number) in round_keys.iter_mut().zip(1u64..) {
            state = fold_mul(state ^ b, c | 1).wrapping_add(d ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            *key = state;
        }
        Self { round_keys }
    }

    /// The number to tell the phone.
    #[must_use]
    pub fn scramble(&self, id: SlotId) -> u32 {
        let mut value = id.0;
        // Cycle walking: applying the permutation until it leaves the two reserved values keeps it a bijection of the
        // rest. The loop is bounded by the two values to leave.
        for _ in 0..3 {
            value = self.permute(value);
            if !is_reserved(value) {
                break;
            }
        }
        value
    }

    /// The id behind a number that a phone names. Any number has one; whether it was given out, its table knows.
    #[must_use]
    pub fn unscramble(&self, number: u32) -> SlotId {
        let mut value = number;
        for _ in 0..3 {
            value = self.permute_back(value);
            if !is_reserved(value) {
                break;
            }
        }
        SlotId(value)
    }

    /// A balanced Feistel network over two 16-bit halves.
    fn permute(&self, value: u32) -> u32 {
        let (mut left, mut right) = ((value >> 16) as u16, value as u16);
        for key in &self.round_keys {
            (left, right) = (right, left ^ round(right, *key));
        }
        join(left, right)
    }

    fn permute_back(&self, value: u32) -> u32 {
        let (mut left, mut right) = ((value >> 16) as u16, value as u16);
        for key in self.round_keys.iter().rev() {
            (left, right) = (right ^ round(left, *key), left);
        }
        join(left, right)
    }
}

const fn is_reserved(value: u32) -> bool {
    value == 0 || value == u32::MAX
}

const fn join(left: u16, right: u16) -> u32 {
    ((left as u32) << 16) | right as u32
}

const fn round(half: u16, key: u64) -> u16 {
    let mixed = fold_mul(key ^ half as u64, 0xa076_1d64_78bd_642f ^ (half as u64) << 40);
    (mixed >> 24) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_key_gives_other_numbers_and_neighbours_look_unrelated() {
        let (one, two) = (IdScrambler::new(&[1; 32]), IdScrambler::new(&[2; 32]));
        let ids: Vec<_> = (0x100..0x140).map(SlotId).collect();
        let numbers: Vec<_> = ids.iter().map(|id| one.scramble(*id)).collect();
        assert!(ids.iter().zip(&numbers).all(|(id, number)| two.scramble(*id) != *number));
        let flipped: u32 = numbers.windows(2).map(|pair| (pair[0] ^ pair[1]).count_ones()).sum();
        assert!((14..=18).contains(&(flipped / 63)), "{flipped} bits flipped over 63 steps");
    }

    proptest! {
        #[test]
        fn there_and_back(key: [u8; 32], raw in 1..u32::MAX) {
            let scrambler = IdScrambler::new(&key);
            let number = scrambler.scramble(SlotId(raw));
            prop_assert!(!is_reserved(number));
            prop_assert_eq!(scrambler.unscramble(number), SlotId(raw));
        }

        /// The values that map to a reserved one take another step; check them too.
        #[test]
        fn there_and_back_around_the_reserved_values(key: [u8; 32]) {
            let scrambler = IdScrambler::new(&key);
            for reserved in [0, u32::MAX] {
                for near in [scrambler.permute_back(reserved), scrambler.permute(reserved)] {
                    if !is_reserved(near) {
                        let number = scrambler.scramble(SlotId(near));
                        prop_assert!(!is_reserved(number));
                        prop_assert_eq!(scrambler.unscramble(number), SlotId(near));
                    }
                }
            }
        }
    }
}
