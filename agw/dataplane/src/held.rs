//! How many packets wait in this process that nothing else knows of, told in the pinned counters. A daemon that starts finds there what was
//! lost with the one before, however that ended; it stays counted, as dropped.

use aya::Pod;
use aya::maps::{Map, MapData, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;
use basalt_ebpf_abi::{REASON_SLOTS, maps};
use std::path::Path;

/// A counter of [`maps::REASONS`] that no program touches: it belongs to no reason.
pub(crate) const SLOT: u32 = REASON_SLOTS - 1;

/// What waits.
pub(crate) struct Held {
    counters: PerCpuArray<MapData, u64>,
    /// With all daemons before.
    lost: u64,
    now: u64,
}

impl Held {
    /// Goes on with the pinned counters; `lost` is [`lost`] of those before, of which these may have taken the place.
    pub(crate) fn open(pins: &Path, lost: u64) -> Option<Self> {
        let mut held = Self { counters: counters(pins)?, lost, now: 0 };
        held.write();
        Some(held)
    }

    /// So many wait now.
    pub(crate) fn set(&mut self, now: u64) {
        if std::mem::replace(&mut self.now, now) != now {
            self.write();
        }
    }

    fn write(&mut self) {
        let told = values(self.lost + self.now).map(|values| self.counters.set(SLOT, values, 0));
        if !matches!(told, Some(Ok(()))) {
            tracing::debug!("what waits here cannot be told to a successor");
        }
    }
}

/// What has been lost with daemons that ended.
pub(crate) fn lost(pins: &Path) -> u64 {
    let found = counters(pins).and_then(|counters| counters.get(&SLOT, 0).ok());
    found.map_or(0, |values| values.iter().sum())
}

fn counters(pins: &Path) -> Option<PerCpuArray<MapData, u64>> {
    let map = MapData::from_pin(pins.join(maps::REASONS)).ok()?;
    PerCpuArray::try_from(Map::PerCpuArray(map)).ok()
}

/// One processor's share is all of it: nobody else writes here.
fn values<T: Pod + Default>(all: T) -> Option<PerCpuValues<T>> {
    let mut values = vec![T::default(); nr_cpus().ok()?];
    *values.first_mut()? = all;
    PerCpuValues::try_from(values).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_ebpf_abi::{DropReason, PuntReason};

    #[test]
    fn the_counter_is_no_reason_s() {
        assert!(DropReason::ALL.iter().all(|reason| reason.slot() != SLOT));
        assert!(PuntReason::ALL.iter().all(|reason| reason.slot() != SLOT));
    }
}
