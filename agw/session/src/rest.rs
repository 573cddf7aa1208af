//! What UEs gave back lately: their records tell of it, so that it rests over a restart too (TS 33.250 §4.2.6.3).

use crate::Sessions;
use agw_types::{Now, StoredRest, UeAddress, UeId};
use basalt_ids::{Apn, Teid};
use basalt_sansio::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};

/// An address and a tunnel that rest.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) until: Time,
    pub(crate) apn: Apn,
    pub(crate) address: UeAddress,
    pub(crate) teid: Teid,
}

/// All that rests, by the UE that had it; forgotten when its time is over.
#[derive(Debug, Default)]
pub(crate) struct Resting {
    by_ue: BTreeMap<UeId, Vec<Rest>>,
    /// When to look at a UE again; in the order of the ends, but for what a restart brought back.
    ends: VecDeque<(Time, UeId)>,
}

impl Resting {
    pub(crate) fn add(&mut self, now: Time, ue: UeId, rest: Rest) {
        while let Some((_, over)) = self.ends.pop_front_if(|(until, _)| *until <= now) {
            self.wake(now, over);
        }
        self.ends.push_back((rest.until, ue));
        self.by_ue.entry(ue).or_insert_with(|| Vec::with_capacity(1)).push(rest);
    }

    /// What a UE gave back is this one's: they are one subscriber.
    pub(crate) fn follow(&mut self, former: UeId, ue: UeId) {
        if former == ue {
            return;
        }
        let rests = self.by_ue.remove(&former).unwrap_or_default();
        self.ends.extend(rests.iter().map(|rest| (rest.until, ue)));
        if !rests.is_empty() {
            self.by_ue.entry(ue).or_default().extend(rests);
        }
    }

    /// The tunnels that a UE gave back and that rest, the latest first.
    pub(crate) fn teids(&self, now: Time, ue: UeId) -> impl Iterator<Item = Teid> {
        let rests = self.by_ue.get(&ue).map_or(&[][..], Vec::as_slice);
        rests.iter().rev().filter(move |rest| rest.until > now).map(|rest| rest.teid)
    }

    fn wake(&mut self, now: Time, ue: UeId) {
        let Some(rests) = self.by_ue.get_mut(&ue) else { return };
        rests.retain(|rest| rest.until > now);
        if rests.is_empty() {
            self.by_ue.remove(&ue);
        }
    }
}

impl Sessions {
    /// What a UE gave back and what still rests, as it is kept.
    #[must_use]
    pub fn resting(&self, now: Now, ue: UeId) -> Vec<StoredRest> {
        let rests = self.resting.by_ue.get(&ue).map_or(&[][..], Vec::as_slice);
        let kept = rests.iter().filter(|rest| rest.until > now.mono).map(|rest| StoredRest {
            apn: rest.apn.clone(),
            address: rest.address,
            teid: rest.teid,
            // Seconds have fractions on either side.
            until: now.unix_secs + (rest.until - now.mono).as_secs() + 2,
        });
        kept.collect()
    }

    /// Lets rest what a UE gave back before the gateway started. To be called once all sessions were restored: what is in use
    /// does not rest.
    pub fn restore_resting(&mut self, now: Now, ue: UeId, stored: &[StoredRest]) {
        let quarantine = self.config.timers.quarantine;
        for rest in stored {
            // A clock that was set back makes nothing rest for longer than usual.
            let left = Duration::from_secs(rest.until.saturating_sub(now.unix_secs)).min(quarantine);
            let until = now.mono + left;
            if left.is_zero() {
                continue;
            }
            if let Some(pool) = self.pools.get_mut(&rest.apn) {
                pool.rest(until, rest.address);
            }
            self.teids.rest(until, rest.teid);
            let rest = Rest { until, apn: rest.apn.clone(), address: rest.address, teid: rest.teid };
            self.resting.add(now.mono, ue, rest);
        }
    }
}
