//! Quotas of rating groups: what the rules of a group may carry together in a session, and what happens then.
//!
//! The bound is kept at the packet, as that of plans: the data plane counts a group beside its rules, under a number of its own. So what
//! a group has used is known whichever of its rules are still there, and over restarts.

use super::collect::collect;
use crate::config::GroupQuota;
use crate::gateway::Gateway;
use agw_dataplane::{Allowance, Error, Limits};
use agw_types::{Ambr, Event, RATING_GROUP, SessionService, UeAddress};
use basalt_ids::Teid;
use std::collections::BTreeMap;
use std::time::Duration;

/// A session's rules were set: its rating groups get what their quotas leave. Setting the same again changes nothing.
pub fn served(gateway: &Gateway, teid: Teid, address: UeAddress, service: &SessionService) {
    for (group, own) in lowest(service.rules.iter().map(|rule| (rule.rating_group, rule.mbr))) {
        if let Err(error) = grant(gateway, (teid, address), group, own) {
            tracing::warn!(%error, group, "a rating group cannot get its quota");
        }
    }
}

/// The data plane tells of the quota of a rating group.
pub(super) fn noticed(gateway: &mut Gateway, teid: Teid, rule: u32, exhausted: bool) {
    let group = rule & !RATING_GROUP;
    let Some(quota) = gateway.effective.quotas.get(&group).copied().filter(|_| rule & RATING_GROUP != 0) else {
        return;
    };
    let Some(imsi) = gateway.usage.accounts.session(teid).map(|session| session.imsi) else { return };
    collect(gateway, None);
    if !exhausted {
        let left = left(gateway, teid, group, &quota);
        gateway.tell(Event::QuotaLow { imsi, rating_group: group, left });
        return;
    }
    let sessions = gateway.core.ue(imsi).map(|ue| ue.sessions).unwrap_or_default();
    let Some(session) = sessions.iter().find(|session| session.local.1 == teid) else { return };
    let rules = session.rules.iter().map(|active| (active.rule.rating_group, active.rule.mbr));
    let own = lowest(rules).remove(&group).unwrap_or(UNLIMITED);
    if let Err(error) = grant(gateway, (teid, session.address), group, own) {
        tracing::debug!(%error, group, "the rules of a rating group have gone");
    }
    gateway.tell(Event::QuotaUsedUp { imsi, rating_group: group, slowed: quota.slow });
}

/// The rating groups of a session that may have a quota, with the lowest of their rules' own rates.
fn lowest(rules: impl Iterator<Item = (u32, Ambr)>) -> BTreeMap<u32, Ambr> {
    let mut groups = BTreeMap::new();
    for (group, mbr) in rules.filter(|(group, _)| (1..RATING_GROUP).contains(group)) {
        let own = groups.entry(group).or_insert(UNLIMITED);
        *own = Ambr { uplink: own.uplink.min(mbr.uplink), downlink: own.downlink.min(mbr.downlink) };
    }
    groups
}

const UNLIMITED: Ambr = Ambr { uplink: u64::MAX, downlink: u64::MAX };

/// Octets that a group may still carry, by what was counted when the counters were read last.
fn left(gateway: &Gateway, teid: Teid, group: u32, quota: &GroupQuota) -> u64 {
    let rules = gateway.usage.accounts.session(teid).map_or(&[][..], |session| session.rules.as_slice());
    let used = rules.iter().find(|(rule, _)| *rule == RATING_GROUP | group).map_or(0, |(_, used)| used.octets());
    quota.octets.saturating_sub(used)
}

/// Gives a group what its quota leaves; slows it, or lets nothing pass, when that is nothing.
fn grant(gateway: &Gateway, session: (Teid, UeAddress), group: u32, own: Ambr) -> Result<(), Error> {
    let plane = &gateway.dataplane;
    let Some(quota) = gateway.effective.quotas.get(&group) else {
        plane.slow_group(session, group, None)?;
        return plane.allow_group(session, group, 0, None);
    };
    let octets = left(gateway, session.0, group, quota);
    if let (0, Some(rate)) = (octets, quota.slow) {
        let slow = Ambr { uplink: own.uplink.min(rate), downlink: own.downlink.min(rate) };
        let burst = Duration::from_millis(gateway.effective.burst_ms);
        plane.slow_group(session, group, Some(&Limits::of(slow).with_burst(burst)))?;
        return plane.allow_group(session, group, 0, None);
    }
    // What was used since the counters were read is charged to what is granted now.
    let counted = gateway.usage.counted_by(session.0, RATING_GROUP | group);
    let threshold = if octets > quota.warn { quota.warn } else { 0 };
    plane.allow_group(session, group, counted, Some(Allowance { octets, threshold }))?;
    plane.slow_group(session, group, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_the_lowest_rate_of_their_rules() {
        let rate = |uplink, downlink| Ambr { uplink, downlink };
        let rules = [
            (0, rate(1, 1)),
            (7, rate(9, 2)),
            (7, rate(3, 4)),
            (RATING_GROUP - 1, rate(5, 5)),
            (RATING_GROUP, rate(1, 1)),
        ];
        let groups = lowest(rules.into_iter());
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [(7, rate(3, 2)), (RATING_GROUP - 1, rate(5, 5))]);
    }
}
