//! Who is known by which identity, and how many have not proven theirs.

use agw_types::UeId;
use basalt_ids::{Imsi, MTmsi};
use basalt_sansio::{DetHashMap, DetState, Duration, Rng, SecureRng, Time};
use std::collections::VecDeque;

/// The identities of all UEs of a shard. Only proven UEs are in it.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    by_imsi: DetHashMap<Imsi, UeId>,
    /// `None` while a temporary identity rests after its last use.
    by_tmsi: DetHashMap<u32, Option<UeId>>,
    resting: VecDeque<(Time, u32)>,
    shard: u32,
    /// UEs that have not proven who they are.
    pub(crate) half_open: u32,
}

/// Bits 31 and 30 of an M-TMSI, which a mapping to a P-TMSI needs to be ones (TS 23.003 §2.8.2.1.2).
const TOP: u32 = 0xc000_0000;
/// Bits that name the shard.
const SHARD: u32 = 0xf;

impl Index {
    /// Nobody known. `key` keeps phones from choosing colliding keys.
    pub(crate) fn new(key: (u64, u64), shard: u32) -> Self {
        let state = DetState::keyed(key.0, key.1);
        Self {
            by_imsi: DetHashMap::with_hasher(state),
            by_tmsi: DetHashMap::with_hasher(state),
            resting: VecDeque::new(),
            shard: shard & SHARD,
            half_open: 0,
        }
    }

    pub(crate) fn imsi(&self, imsi: Imsi) -> Option<UeId> {
        self.by_imsi.get(&imsi).copied()
    }

    pub(crate) fn tmsi(&self, tmsi: MTmsi) -> Option<UeId> {
        self.by_tmsi.get(&tmsi.0).copied().flatten()
    }

    pub(crate) fn set_imsi(&mut self, imsi: Imsi, ue: UeId) {
        self.by_imsi.insert(imsi, ue);
    }

    /// Forgets an IMSI, if it is still this UE's.
    pub(crate) fn clear_imsi(&mut self, imsi: Imsi, ue: UeId) {
        if self.imsi(imsi) == Some(ue) {
            self.by_imsi.remove(&imsi);
        }
    }

    /// Gives a UE a new temporary identity: unpredictable, and unused for the quarantine.
    pub(crate) fn allocate(&mut self, now: Time, ue: UeId, rng: &mut SecureRng) -> MTmsi {
        self.wake(now);
        loop {
            // 26 random bits against at most some hundred thousand UEs: the loop ends soon.
            let tmsi = rng.next_u32() & !SHARD | TOP | self.shard;
            if tmsi != u32::MAX && !self.by_tmsi.contains_key(&tmsi) {
                self.by_tmsi.insert(tmsi, Some(ue));
                return MTmsi(tmsi);
            }
        }
    }

    /// Takes a stored temporary identity over. False when it is another UE's.
    pub(crate) fn claim(&mut self, tmsi: MTmsi, ue: UeId) -> bool {
        match self.by_tmsi.get(&tmsi.0) {
            Some(Some(other)) if *other != ue => false,
            _ => {
                self.by_tmsi.insert(tmsi.0, Some(ue));
                true
            }
        }
    }

    /// A temporary identity is not valid any more; nobody gets it before the quarantine is over.
    pub(crate) fn release(&mut self, now: Time, quarantine: Duration, tmsi: MTmsi) {
        self.wake(now);
        if let Some(owner) = self.by_tmsi.get_mut(&tmsi.0) {
            *owner = None;
            self.resting.push_back((now + quarantine, tmsi.0));
        }
    }

    fn wake(&mut self, now: Time) {
        while let Some((until, tmsi)) = self.resting.front().copied() {
            if until > now {
                break;
            }
            self.resting.pop_front();
            if self.by_tmsi.get(&tmsi) == Some(&None) {
                self.by_tmsi.remove(&tmsi);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_sansio::SlotId;

    const REST: Duration = Duration::from_secs(60);

    #[test]
    fn temporary_identities_are_unique_never_all_ones_and_name_the_shard() {
        let mut index = Index::new((1, 2), 3);
        let mut rng = SecureRng::for_simulation(1);
        let mut seen = std::collections::BTreeSet::new();
        for slot in 0..5000 {
            let tmsi = index.allocate(Time::ZERO, UeId(SlotId(slot)), &mut rng);
            assert!(seen.insert(tmsi.0) && tmsi.0 != u32::MAX && tmsi.0 & SHARD == 3 && tmsi.0 >= TOP);
            assert_eq!(index.tmsi(tmsi), Some(UeId(SlotId(slot))));
        }
    }

    #[test]
    fn a_released_identity_is_nobodys_and_comes_back_after_its_rest() {
        let mut index = Index::new((1, 2), 0);
        let mut rng = SecureRng::for_simulation(1);
        let ue = UeId(SlotId(1));
        let tmsi = index.allocate(Time::ZERO, ue, &mut rng);
        index.release(Time::ZERO, REST, tmsi);
        assert_eq!(index.tmsi(tmsi), None);
        assert!(index.by_tmsi.contains_key(&tmsi.0));
        index.allocate(Time::from_secs(60), ue, &mut rng);
        assert!(!index.by_tmsi.contains_key(&tmsi.0));
    }
}
