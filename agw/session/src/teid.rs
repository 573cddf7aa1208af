//! The gateway's tunnel endpoint identifiers: an index into the data plane's table below, random bits above.

use basalt_ids::Teid;
use basalt_sansio::{Duration, Rng, Time};
use std::collections::VecDeque;

/// Bits of a TEID that are its index: a million tunnels.
pub(crate) const INDEX_BITS: u32 = 20;
const GENERATIONS: u32 = 1 << (32 - INDEX_BITS);

/// Gives TEIDs out.
///
/// The upper bits are random and differ from the slot's last ones, so that an old TEID finds nothing and a guessed one has
/// a chance of one in 4095 for a slot that is in use (TS 33.250 §4.2.3.5.1). Index 0 is not used: no TEID is 0.
#[derive(Debug)]
pub(crate) struct Teids {
    limit: u32,
    /// Last generation of each slot that was ever used; index 0 of this list is slot 1.
    generations: Vec<Slot>,
    /// Indices that may be used again, and when. An entry whose slot is used by now (restored) is skipped.
    resting: VecDeque<(Time, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    generation: u16,
    used: bool,
}

impl Teids {
    /// At most `limit` tunnels at a time (and at most a million).
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit: limit.min((1 << INDEX_BITS) - 1), generations: Vec::new(), resting: VecDeque::new() }
    }

    /// A fresh TEID; `None` when all are used or resting.
    pub(crate) fn take(&mut self, now: Time, rng: &mut impl Rng) -> Option<Teid> {
        let index = match self.next_rested(now) {
            Some(index) => index,
            None => self.next_unused()?,
        };
        let slot = self.generations.get_mut(index as usize - 1)?;
        let step = 1 + (rng.next_u64() % u64::from(GENERATIONS - 2)) as u32;
        let mut generation = (u32::from(slot.generation) + step) % GENERATIONS;
        if generation == 0 {
            generation = 1;
        }
        *slot = Slot { generation: generation as u16, used: true };
        Some(Teid(generation << INDEX_BITS | index))
    }

    fn next_rested(&mut self, now: Time) -> Option<u32> {
        while let Some((until, index)) = self.resting.front().copied() {
            if until > now {
                return None;
            }
            self.resting.pop_front();
            if self.generations.get(index as usize - 1).is_some_and(|slot| !slot.used) {
                return Some(index);
            }
        }
        None
    }

    fn next_unused(&mut self) -> Option<u32> {
        let index = u32::try_from(self.generations.len()).ok()? + 1;
        if index > self.limit {
            return None;
        }
        self.generations.push(Slot { generation: 0, used: false });
        Some(index)
    }

    /// Takes the TEID of a stored session. False when its slot is taken or it is none of ours.
    pub(crate) fn restore(&mut self, teid: Teid) -> bool {
        let index = teid.0 & ((1 << INDEX_BITS) - 1);
        if index == 0 || index > self.limit {
            return false;
        }
        while (self.generations.len() as u32) < index {
            let unused = self.generations.len() as u32 + 1;
            self.generations.push(Slot { generation: 0, used: false });
            if unused != index {
                self.resting.push_front((Time::ZERO, unused));
            }
        }
        match self.generations.get_mut(index as usize - 1) {
            Some(slot) if !slot.used => {
                *slot = Slot { generation: (teid.0 >> INDEX_BITS) as u16, used: true };
                true
            }
            _ => false,
        }
    }

    /// Gives a TEID back; its slot rests until `now + quarantine`.
    pub(crate) fn release(&mut self, now: Time, quarantine: Duration, teid: Teid) {
        let index = teid.0 & ((1 << INDEX_BITS) - 1);
        if let Some(slot) = (index as usize).checked_sub(1).and_then(|i| self.generations.get_mut(i)) {
            if slot.used {
                slot.used = false;
                self.resting.push_back((now + quarantine, index));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_sansio::SimRng;

    const REST: Duration = Duration::from_secs(60);

    #[test]
    fn a_slot_comes_back_after_its_rest_with_another_generation() {
        let mut rng = SimRng::new(1);
        let mut teids = Teids::new(1);
        let first = teids.take(Time::ZERO, &mut rng).unwrap();
        assert_eq!(teids.take(Time::ZERO, &mut rng), None);
        teids.release(Time::ZERO, REST, first);
        assert_eq!(teids.take(Time::from_secs(59), &mut rng), None);
        let second = teids.take(Time::from_secs(60), &mut rng).unwrap();
        assert_ne!(first, second);
        assert_eq!(first.0 & 0xf_ffff, second.0 & 0xf_ffff);
    }

    #[test]
    fn many_are_distinct_and_never_zero() {
        let mut rng = SimRng::new(2);
        let mut teids = Teids::new(10_000);
        let mut seen: Vec<u32> = (0..10_000).map(|_| teids.take(Time::ZERO, &mut rng).unwrap().0).collect();
        assert!(seen.iter().all(|teid| teid >> INDEX_BITS != 0));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn restored_ones_are_not_given_again() {
        let mut rng = SimRng::new(3);
        let mut teids = Teids::new(3);
        assert!(teids.restore(Teid(0x1230_0002)));
        assert!(!teids.restore(Teid(0x4560_0002)));
        assert!(!teids.restore(Teid(0x1230_0000)));
        let mut given: Vec<u32> = (0..2).map(|_| teids.take(Time::ZERO, &mut rng).unwrap().0 & 0xf_ffff).collect();
        given.sort_unstable();
        assert_eq!(given, [1, 3]);
        assert_eq!(teids.take(Time::ZERO, &mut rng), None);
    }
}
