//! The gateway's tunnel endpoint identifiers: an index into the data plane's table below, random bits above.

use basalt_ids::Teid;
use basalt_sansio::{Duration, Rng, Time};
use std::collections::VecDeque;

/// Fewest and most bits of a TEID that are its index; as `basalt_ebpf_abi::TeidLayout::for_sessions`.
const INDEX_BITS: core::ops::RangeInclusive<u32> = 4..=20;

/// Gives TEIDs out.
///
/// The upper bits are random and differ from the slot's last ones, so that an old TEID finds nothing and a guessed one hardly
/// ever hits (TS 33.250 §4.2.3.5.1). Index 0 and the last generation are not used: no TEID is 0 or all ones.
#[derive(Debug)]
pub(crate) struct Teids {
    index_bits: u32,
    limit: u32,
    /// Each slot that was ever used; index 0 of this list is slot 1.
    slots: Vec<Slot>,
    /// Indices that may be used again, and when. An entry whose slot is used by now (restored) is skipped.
    resting: VecDeque<(Time, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    generation: u32,
    used: bool,
    /// When it may be used again; what `resting` says of another time is out of date.
    rests_until: Time,
}

impl Teids {
    /// At most `limit` tunnels at a time, as far as the index has bits for them.
    pub(crate) fn new(limit: u32) -> Self {
        let index_bits = INDEX_BITS.into_iter().find(|bits| limit <= 1 << bits).unwrap_or(*INDEX_BITS.end());
        Self { index_bits, limit: limit.min((1 << index_bits) - 1), slots: Vec::new(), resting: VecDeque::new() }
    }

    const fn index(&self, teid: Teid) -> u32 {
        teid.0 & ((1 << self.index_bits) - 1)
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut((index as usize).checked_sub(1)?)
    }

    /// A fresh TEID; `None` when all are used or resting.
    pub(crate) fn take(&mut self, now: Time, rng: &mut impl Rng) -> Option<Teid> {
        let index = match self.next_rested(now) {
            Some(index) => index,
            None => self.next_unused()?,
        };
        self.renew(index, rng)
    }

    /// Another TEID in the slot of one that its last owner gave back, while that rests: nobody else gets it early, and the old TEID, which
    /// a base station may still send by, finds nothing. `None` when the slot went on to somebody else.
    pub(crate) fn take_again(&mut self, last: Teid, rng: &mut impl Rng) -> Option<Teid> {
        let (index, generation) = (self.index(last), last.0 >> self.index_bits);
        self.slot(index).filter(|slot| !slot.used && slot.generation == generation)?;
        self.renew(index, rng)
    }

    /// The slot is used from now on, by another TEID than its last one.
    fn renew(&mut self, index: u32, rng: &mut impl Rng) -> Option<Teid> {
        // Generations 1 to the last but one, never the one the slot had.
        let count = (1_u64 << (32 - self.index_bits)) - 2;
        let draw = rng.next_u64() % (count - 1);
        let index_bits = self.index_bits;
        let slot = self.slot(index)?;
        let generation = (u64::from(slot.generation) + draw) % count + 1;
        let generation = generation as u32;
        *slot = Slot { generation, used: true, ..*slot };
        Some(Teid(generation << index_bits | index))
    }

    fn next_rested(&mut self, now: Time) -> Option<u32> {
        while let Some((until, index)) = self.resting.front().copied() {
            if until > now {
                return None;
            }
            self.resting.pop_front();
            if self.slot(index).is_some_and(|slot| !slot.used && slot.rests_until == until) {
                return Some(index);
            }
        }
        None
    }

    fn next_unused(&mut self) -> Option<u32> {
        let index = u32::try_from(self.slots.len()).ok()? + 1;
        if index > self.limit {
            return None;
        }
        self.slots.push(Slot { generation: 0, used: false, rests_until: Time::ZERO });
        Some(index)
    }

    /// Takes the TEID of a stored session. False when its slot is taken or it is none of ours.
    pub(crate) fn restore(&mut self, teid: Teid) -> bool {
        let index = self.index(teid);
        if index == 0 || index > self.limit {
            return false;
        }
        self.grow(index);
        let generation = teid.0 >> self.index_bits;
        match self.slot(index) {
            Some(slot) if !slot.used => {
                *slot = Slot { generation, used: true, ..*slot };
                true
            }
            _ => false,
        }
    }

    /// Lets the slot of a TEID rest that was given back before the gateway started. One that is in use again is left alone.
    pub(crate) fn rest(&mut self, until: Time, teid: Teid) {
        let index = self.index(teid);
        if index > self.limit {
            return;
        }
        self.grow(index);
        let generation = teid.0 >> self.index_bits;
        if let Some(slot) = self.slot(index).filter(|slot| !slot.used && slot.rests_until < until) {
            *slot = Slot { generation, used: false, rests_until: until };
            let place = self.resting.partition_point(|(other, _)| *other <= until);
            self.resting.insert(place, (until, index));
        }
    }

    /// Slots up to `index`: who had one of them lately says so ([`Teids::rest`]), the others are free.
    fn grow(&mut self, index: u32) {
        while (self.slots.len() as u32) < index {
            self.slots.push(Slot { generation: 0, used: false, rests_until: Time::ZERO });
            self.resting.push_front((Time::ZERO, self.slots.len() as u32));
        }
    }

    /// Gives a TEID back; its slot rests until `now + quarantine`.
    pub(crate) fn release(&mut self, now: Time, quarantine: Duration, teid: Teid) {
        let (index, generation) = (self.index(teid), teid.0 >> self.index_bits);
        // An older TEID of the slot is nobody's any more: the slot's present holder keeps it.
        if let Some(slot) = self.slot(index).filter(|slot| slot.used && slot.generation == generation) {
            slot.used = false;
            slot.rests_until = now + quarantine;
            self.resting.push_back((now + quarantine, index));
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
        assert_eq!(teids.index(first), teids.index(second));
    }

    #[test]
    fn a_resting_slot_is_its_last_owner_s_alone() {
        let mut rng = SimRng::new(8);
        let mut teids = Teids::new(1);
        let first = teids.take(Time::ZERO, &mut rng).unwrap();
        assert_eq!(teids.take_again(first, &mut rng), None, "in use");
        teids.release(Time::ZERO, REST, first);
        let second = teids.take_again(first, &mut rng).unwrap();
        assert_ne!(first, second);
        assert_eq!(teids.index(first), teids.index(second));
        // What the first rest would have ended at means nothing any more.
        assert_eq!(teids.take(Time::from_secs(60), &mut rng), None, "in use");
        teids.release(Time::from_secs(61), REST, second);
        assert_eq!(teids.take_again(first, &mut rng), None, "an older TEID of the slot");
        assert_eq!(teids.take(Time::from_secs(120), &mut rng), None);
        let third = teids.take(Time::from_secs(121), &mut rng).unwrap();
        assert_eq!(teids.take_again(second, &mut rng), None, "somebody else's");
        teids.release(Time::from_secs(122), REST, third);
        assert_eq!(teids.take_again(second, &mut rng), None, "somebody else's");
    }

    #[test]
    fn many_are_distinct_and_never_zero() {
        let mut rng = SimRng::new(2);
        let mut teids = Teids::new(10_000);
        let mut seen: Vec<u32> = (0..10_000).map(|_| teids.take(Time::ZERO, &mut rng).unwrap().0).collect();
        assert_eq!(teids.index_bits, 14);
        assert!(seen.iter().all(|teid| teid >> 14 != 0 && *teid != u32::MAX));
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
        let mut given: Vec<u32> = (0..2).map(|_| teids.take(Time::ZERO, &mut rng).unwrap().0 & 0xf).collect();
        given.sort_unstable();
        assert_eq!(given, [1, 3]);
        assert_eq!(teids.take(Time::ZERO, &mut rng), None);
    }

    #[test]
    fn an_old_teid_does_not_free_its_slots_next_holder() {
        let mut rng = SimRng::new(4);
        let mut teids = Teids::new(1);
        let old = teids.take(Time::ZERO, &mut rng).unwrap();
        teids.release(Time::ZERO, REST, old);
        teids.take(Time::from_secs(60), &mut rng).unwrap();
        teids.release(Time::from_secs(60), REST, old);
        assert_eq!(teids.take(Time::from_secs(600), &mut rng), None);
    }

    #[test]
    fn a_slot_between_restored_ones_rests_anew_when_it_is_given_back() {
        let mut rng = SimRng::new(6);
        let mut teids = Teids::new(2);
        assert!(teids.restore(Teid(0x1230_0002)));
        assert!(teids.restore(Teid(0x1230_0001)));
        teids.release(Time::from_secs(30), REST, Teid(0x1230_0001));
        assert_eq!(teids.take(Time::from_secs(89), &mut rng), None);
        assert!(teids.take(Time::from_secs(90), &mut rng).is_some());
    }

    #[test]
    fn a_slot_that_was_given_back_in_a_past_life_rests() {
        let mut rng = SimRng::new(7);
        let mut teids = Teids::new(2);
        teids.rest(Time::from_secs(60), Teid(0x1230_0002));
        assert!(teids.take(Time::ZERO, &mut rng).is_some(), "the other slot does not rest");
        assert_eq!(teids.take(Time::from_secs(59), &mut rng), None);
        assert!(teids.take(Time::from_secs(60), &mut rng).is_some());
        // In use again, it is left alone.
        let mut teids = Teids::new(1);
        assert!(teids.restore(Teid(0x1230_0001)));
        teids.rest(Time::ZERO, Teid(0x4560_0001));
        assert_eq!(teids.take(Time::from_secs(600), &mut rng), None);
    }

    #[test]
    fn slots_that_nobody_had_lately_are_free_at_once() {
        let mut rng = SimRng::new(5);
        let mut teids = Teids::new(2);
        assert!(teids.restore(Teid(0x1230_0002)));
        assert!(teids.take(Time::ZERO, &mut rng).is_some());
        assert_eq!(teids.take(Time::ZERO, &mut rng), None);
        teids.release(Time::from_secs(61), REST, Teid(0x1230_0002));
        assert_eq!(teids.take(Time::from_secs(62), &mut rng), None, "a restored slot rests as others do");
    }
}
