//! Damage to a message, repeatable from a seed.

use basalt_sansio::{Rng, SimRng};

/// One way to damage octets. The same mutation of the same octets gives the same result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mutation {
    /// Chooses what is done, and where.
    pub seed: u64,
}

impl Mutation {
    /// Damages `octets`; an empty message stays empty.
    pub fn apply(self, octets: &mut Vec<u8>) {
        if octets.is_empty() {
            return;
        }
        let mut rng = SimRng::new(self.seed);
        // One fault is the usual case; a few at once reach further.
        let faults = 1 + rng.below(4).saturating_sub(1);
        for _ in 0..faults {
            Self::damage(&mut rng, octets);
        }
    }

    fn damage(rng: &mut SimRng, octets: &mut Vec<u8>) {
        let length = octets.len();
        if length == 0 {
            return;
        }
        let at = rng.below(length as u64) as usize;
        match rng.below(9) {
            0 => octets[at] ^= 1 << rng.below(8),
            1 => octets[at] = rng.next_u64() as u8,
            2 => octets[at] = [0x00, 0xff, 0x7f, 0x80, 0x01][rng.below(5) as usize],
            3 => octets.truncate(at),
            4 => octets.insert(at, rng.next_u64() as u8),
            5 => drop(octets.remove(at)),
            6 => {
                // Repeat a piece where it stands: elements twice.
                let end = (at + 1 + rng.below(16) as usize).min(length);
                let piece = octets[at..end].to_vec();
                octets.splice(at..at, piece);
            }
            7 => {
                let tail = 1 + rng.below(64) as usize;
                octets.extend((0..tail).map(|_| rng.next_u64() as u8));
            }
            _ => {
                let other = rng.below(length as u64) as usize;
                octets.swap(at, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_does_the_same_and_seeds_differ() {
        let original: Vec<u8> = (0..40).collect();
        let damaged = |seed| {
            let mut octets = original.clone();
            Mutation { seed }.apply(&mut octets);
            octets
        };
        assert_eq!(damaged(7), damaged(7));
        let changed = (0..200).filter(|seed| damaged(*seed) != original).count();
        assert!(changed > 180, "{changed}");
        Mutation { seed: 1 }.apply(&mut Vec::new());
    }
}
