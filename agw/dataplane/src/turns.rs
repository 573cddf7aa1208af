//! Telling phones their IPv6 prefix: when they ask, when they are connected again, and from time to time.
//!
//! A phone takes its router for gone when it has not heard of it for the lifetime that it was told, 65,535 s at most (RFC 4861 §4.2, RFC
//! 8319), whether it is connected all the time or idle, and asks for none by itself. So each has its turn, by its place in the tables and
//! the kernel's clock alone: a daemon that starts anew goes on with the turns of the one before. An idle phone is paged, and is told
//! when it is connected.

use crate::plane::Shared;
use crate::router;
use crate::tables::tick;
use basalt_ebpf_abi::{Downlink, DownlinkState};
use std::ops::Range;
use std::time::Duration;

/// The least MTU of IPv6 (RFC 8200 §5): phones believe no smaller one.
const LEAST_MTU: u32 = 1280;

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Turns {
    round: Duration,
    /// Turns since the machine started, up to which all are over; `None` before anyone has looked.
    over: Option<u64>,
}

impl Turns {
    /// With so much time for a round.
    pub(crate) fn new(round: Duration) -> Self {
        Self { round, over: None }
    }

    /// The turns that are new at this time of the kernel's clock, nanoseconds, modulo `slots` the places: not more than all of them once.
    fn new_ones(&mut self, now: u64, slots: u64) -> Range<u64> {
        let turns = u128::from(now) * u128::from(slots) / self.round.as_nanos().max(1);
        let turns = u64::try_from(turns).unwrap_or(u64::MAX);
        let before = self.over.replace(turns).unwrap_or(turns);
        before.max(turns.saturating_sub(slots))..turns
    }
}

impl Shared {
    /// Tells those phones their prefix whose turn it is.
    pub(crate) fn remind(&self) {
        let mut state = self.state();
        let slots = self.tables.downlink.iter().len() as u64;
        let Some(turns) = state.turns.as_mut().map(|turns| turns.new_ones(tick(), slots)) else { return };
        for turn in turns {
            let slot = turn.checked_rem(slots).and_then(|slot| u32::try_from(slot).ok()).unwrap_or(0);
            let Some(record) = self.tables.downlink.get(slot as usize) else { continue };
            if record.prefix.get() != 0 && record.state.get() == DownlinkState::IDLE {
                self.announce(&mut state, record, slot);
            } else {
                self.advertise(record);
            }
        }
    }

    /// Tells a connected phone its prefix, if it has one.
    pub(crate) fn advertise(&self, record: &Downlink) {
        let (prefix, Some(settings)) = (record.prefix.get(), self.tables.settings.get(0)) else { return };
        if prefix == 0 || record.state.get() != DownlinkState::ACTIVE {
            return;
        }
        let mtu = settings.tunnel_mtu.get().min(self.phone_mtu.into()).max(LEAST_MTU);
        self.send_down(record, router::advertisement(prefix.to_ne_bytes(), mtu, &self.dns6), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn each_place_has_its_turn_once_in_a_round() {
        let mut turns = Turns::new(Duration::from_secs(100));
        assert_eq!(turns.new_ones(5000 * SECOND, 1000), 50_000..50_000, "nobody at the start");
        let mut count = vec![0; 1000];
        for second in 1..=300 {
            for turn in turns.new_ones((5000 + second) * SECOND, 1000) {
                count[turn as usize % 1000] += 1;
            }
        }
        assert!(count.iter().all(|times| *times == 3));
        assert_eq!(turns.new_ones(5300 * SECOND, 1000).count(), 0, "no time has passed");
        // After a long sleep all have it, once.
        assert_eq!(turns.new_ones(9300 * SECOND, 1000), 92_000..93_000);
        // Another process goes on where this one was.
        let mut successor = Turns::new(Duration::from_secs(100));
        successor.new_ones(9300 * SECOND, 1000);
        assert_eq!(successor.new_ones(9301 * SECOND, 1000), turns.new_ones(9301 * SECOND, 1000));
    }

    #[test]
    fn few_places_and_no_time_are_no_harm() {
        let mut turns = Turns::new(Duration::ZERO);
        turns.new_ones(SECOND, 0);
        assert_eq!(turns.new_ones(u64::MAX, 0).count(), 0);
        assert_eq!(turns.new_ones(u64::MAX, 3).count(), 3);
        let mut turns = Turns::new(Duration::from_secs(21_600));
        turns.new_ones(0, 1);
        assert_eq!(turns.new_ones(21_599 * SECOND, 1).count(), 0);
        assert_eq!(turns.new_ones(21_600 * SECOND, 1), 0..1);
    }
}
