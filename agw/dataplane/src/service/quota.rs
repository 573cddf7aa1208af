//! Quotas of sessions, to the octet.
//!
//! What a quota leaves and what the session has counted are two numbers that packets change one after the other. Their sum is what was
//! granted: it stands still while packets pass, so a quota is changed by the difference of what is granted, and nothing that passes
//! meanwhile is lost or given.

use super::bearers::bearers;
use super::{rule_volume, states};
use crate::error::Error;
use crate::limits::{Limits, mark, write};
use crate::rules::{Allowance, Service};
use crate::sessions::Sessions;
use crate::tables::{Tables, tick};
use agw_types::{RATING_GROUP, UeAddress};
use basalt_ebpf_abi::{Downlink, DownlinkFlags, Quota, RuleState, Uplink, UplinkFlags};
use basalt_ids::Teid;

/// Looks at the sum when a quota begins. A packet between its two additions makes it too large for that moment, so the smallest counts.
const LOOKS: usize = 64;
/// Programs take what is left as a signed number.
const MOST: u64 = i64::MAX.unsigned_abs();

impl Sessions {
    /// Gives a session a quota, or takes it away: so many octets from when it had counted `counted`.
    pub(crate) fn allow(
        &self,
        tables: &Tables,
        teid: Teid,
        address: UeAddress,
        counted: u64,
        quota: Option<Allowance>,
    ) -> Result<(), Error> {
        let (uplink, _, downlink) = self.records(tables, teid, address)?;
        if uplink.teid.get() != teid.0 || downlink.owner.get() != teid.0 {
            return Err(Error::NoSession(teid.0));
        }
        let Some(quota) = quota else {
            self.mark_quota(tables, uplink, downlink, false);
            downlink.granted.set(0);
            return Ok(());
        };
        let granted = counted.saturating_add(quota.octets).min(MOST);
        let had = UplinkFlags(uplink.flags.get()).has(UplinkFlags::QUOTA);
        uplink.quota.threshold.set(quota.threshold.min(MOST));
        let before = match downlink.granted.get() {
            before if had && before != 0 => before,
            _ => {
                if !had {
                    uplink.quota.left.set(granted.wrapping_sub(self.counted(tables, uplink, downlink)));
                }
                self.mark_quota(tables, uplink, downlink, true);
                let sum = || {
                    // First what is left: a packet whose octets are missing there was counted before.
                    let left = uplink.quota.left.get();
                    left.wrapping_add(self.counted(tables, uplink, downlink)).cast_signed()
                };
                (0..LOOKS).map(|_| sum()).min().unwrap_or(0).cast_unsigned()
            }
        };
        uplink.quota.left.add(granted.wrapping_sub(before));
        downlink.granted.set(granted);
        Ok(())
    }

    /// What is left of a session's quota.
    pub(crate) fn allowance(&self, tables: &Tables, teid: Teid, address: UeAddress) -> Option<u64> {
        let (uplink, _, _) = self.records(tables, teid, address).ok()?;
        let has = uplink.teid.get() == teid.0 && UplinkFlags(uplink.flags.get()).has(UplinkFlags::QUOTA);
        has.then(|| u64::try_from(uplink.quota.left.get().cast_signed()).unwrap_or(0))
    }

    /// Gives a rating group of a session a quota, or takes it away, as [`Sessions::allow`].
    pub(crate) fn allow_group(
        &self,
        tables: &Tables,
        (teid, address): (Teid, UeAddress),
        group: u32,
        counted: u64,
        quota: Option<Allowance>,
    ) -> Result<(), Error> {
        let state = self.group(tables, teid, address, group).ok_or(Error::NoSession(teid.0))?;
        let Some(quota) = quota else {
            mark(&state.flags, RuleState::QUOTA, false);
            return Ok(());
        };
        let granted = counted.saturating_add(quota.octets).min(MOST);
        state.quota.threshold.set(quota.threshold.min(MOST));
        if state.flags.get() & RuleState::QUOTA == 0 {
            state.quota.left.set(granted.wrapping_sub(rule_volume(state).octets()));
            mark(&state.flags, RuleState::QUOTA, true);
        }
        // A packet is counted first: what is missing of its octets in what is left makes the sum too large.
        let sum = || state.quota.left.get().wrapping_add(rule_volume(state).octets()).cast_signed();
        let before = (0..LOOKS).map(|_| sum()).min().unwrap_or(0).cast_unsigned();
        state.quota.left.add(granted.wrapping_sub(before));
        Ok(())
    }

    /// Makes all rules of a rating group keep to these limits together, in place of their own; or to their own again.
    pub(crate) fn slow_group(
        &self,
        tables: &Tables,
        (teid, address): (Teid, UeAddress),
        group: u32,
        limits: Option<&Limits>,
    ) -> Result<(), Error> {
        let state = self.group(tables, teid, address, group).ok_or(Error::NoSession(teid.0))?;
        if let Some(limits) = limits {
            write(&state.uplink, limits.uplink, tick());
            write(&state.downlink, limits.downlink, tick());
        }
        mark(&state.flags, RuleState::SLOW, limits.is_some());
        Ok(())
    }

    fn group<'t>(&self, tables: &'t Tables, teid: Teid, address: UeAddress, group: u32) -> Option<&'t RuleState> {
        let (uplink, _, _) = self.records(tables, teid, address).ok()?;
        if uplink.teid.get() != teid.0 {
            return None;
        }
        states(tables, uplink).find(|state| state.rule.get() == RATING_GROUP | group)
    }

    /// Octets that a session has counted on all its bearers.
    fn counted(&self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) -> u64 {
        let dedicated = self.dedicated_volume(tables, downlink).octets();
        uplink.bytes.get().wrapping_add(downlink.bytes.get()).wrapping_add(dedicated)
    }

    fn mark_quota(&self, tables: &Tables, uplink: &Uplink, downlink: &Downlink, on: bool) {
        mark(&uplink.flags, UplinkFlags::QUOTA, on);
        mark(&downlink.flags, DownlinkFlags::QUOTA, on);
        for bearer in bearers(tables, downlink) {
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                mark(&record.flags, UplinkFlags::QUOTA, on);
            }
        }
    }
}

/// Whether a session has a quota once it is served: one of the service, or the one it has and keeps.
pub(super) fn has_quota(uplink: &Uplink, service: &Service) -> bool {
    service.quota.is_some() || service.keep_quota && UplinkFlags(uplink.flags.get()).has(UplinkFlags::QUOTA)
}

/// Sets a quota to so much, whatever passes meanwhile.
pub(super) fn grant(quota: &Quota, allowance: &Allowance) {
    quota.threshold.set(allowance.threshold.min(MOST));
    quota.left.set(allowance.octets.min(MOST));
}
