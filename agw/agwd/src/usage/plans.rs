//! Data plans: how much a subscriber may use, and what happens then.
//!
//! The bound is kept at the packet: each session has a quota in the data plane, which the packet that uses up the last octet closes.
//! With several sessions, what is left is shared among them evenly, and shared anew when one has used its part.

use super::collect::collect;
use super::stored::{StoredPlan, StoredTerm};
use super::{calendar, groups};
use crate::gateway::{Gateway, Job};
use crate::tables;
use agw_dataplane::{Allowance, Report};
use agw_types::{Event, Tunnel};
use basalt_ids::Imsi;
use basalt_store::Batch;

/// A report comes when so much of a plan is left, in parts of a hundred.
const WARN_PERCENT: u64 = 20;

/// What may still be used of a plan in its term.
fn left(gateway: &Gateway, plan: &StoredPlan, session: u64) -> u64 {
    gateway.usage.accounts.left(plan, session, gateway.now().unix_secs)
}

/// What a subscriber may still use, octets; of its latest session where the plan is for each session. `None` without a plan.
#[must_use]
pub(super) fn remaining(gateway: &Gateway, imsi: Imsi) -> Option<u64> {
    let plan = gateway.usage.accounts.plans.get(&imsi)?;
    let latest = gateway.usage.accounts.sessions_of(imsi).next().map_or(0, |session| session.number);
    Some(left(gateway, plan, latest))
}

/// The rate, bit/s, that a subscriber is slowed to; `None` for one that is not.
#[must_use]
pub fn slowed(gateway: &Gateway, imsi: Imsi) -> Option<u64> {
    gateway.usage.slowed(imsi)
}

/// Whether a session has not the quota of its subscriber's plan that it should have. That of one that is slowed has none, unless the plan is
/// for each session, and this one has something left.
#[must_use]
pub fn lacks_quota(gateway: &Gateway, tunnel: &Tunnel) -> bool {
    let Some(plan) = gateway.usage.accounts.plans.get(&tunnel.imsi) else { return false };
    let own = || gateway.usage.accounts.session(tunnel.teid).map_or(0, |session| session.number);
    let none = || plan.term != StoredTerm::Session || left(gateway, plan, own()) == 0;
    gateway.dataplane.allowance(tunnel.teid, tunnel.address).is_none()
        && (self::slowed(gateway, tunnel.imsi).is_none() || !none())
}

/// Looks after plans every few seconds: new days and months, and sessions whose tables were made anew.
pub fn check(gateway: &mut Gateway) {
    if gateway.usage.accounts.plans.is_empty() {
        return;
    }
    let day = calendar::day(gateway.now().unix_secs);
    let new_day = gateway.usage.day != day;
    gateway.usage.day = day;
    let planned: Vec<Imsi> = gateway.usage.accounts.plans.keys().copied().collect();
    for imsi in planned {
        if new_day || tunnels(gateway, imsi).iter().any(|tunnel| lacks_quota(gateway, tunnel)) {
            collect(gateway, None);
            grant(gateway, imsi);
        }
    }
}

fn tunnels(gateway: &Gateway, imsi: Imsi) -> Vec<Tunnel> {
    gateway.core.tunnels().filter(|tunnel| tunnel.imsi == imsi).collect()
}

/// Gives a subscriber's sessions what their plan leaves. Its counters were just read.
pub fn grant(gateway: &mut Gateway, imsi: Imsi) {
    let tunnels = tunnels(gateway, imsi);
    let plan = gateway.usage.accounts.plans.get(&imsi).copied();
    let was_exhausted = gateway.usage.exhausted.remove(&imsi);
    if let Some(plan) = plan {
        let of = |gateway: &Gateway, tunnel: &Tunnel| {
            let number = gateway.usage.accounts.session(tunnel.teid).map_or(0, |session| session.number);
            left(gateway, &plan, number)
        };
        let most = tunnels.iter().map(|tunnel| of(gateway, tunnel)).max();
        if most.or_else(|| remaining(gateway, imsi)) == Some(0) {
            gateway.usage.exhausted.insert(imsi);
        }
    }
    let exhausted = gateway.usage.exhausted.contains(&imsi);
    for tunnel in &tunnels {
        let quota = plan.and_then(|plan| {
            if exhausted && plan.slow.is_some() {
                return None;
            }
            let number = gateway.usage.accounts.session(tunnel.teid).map_or(0, |session| session.number);
            let sharers = if plan.term == StoredTerm::Session { 1 } else { tunnels.len() as u64 };
            let octets = left(gateway, &plan, number).div_ceil(sharers);
            let threshold = plan.octets.saturating_mul(WARN_PERCENT) / 100 / sharers;
            Some(Allowance { octets, threshold: if octets > threshold { threshold } else { 0 } })
        });
        // What was used since the counters were read is charged to what is granted now.
        let counted = gateway.usage.counted(tunnel.teid);
        if let Err(error) = gateway.dataplane.allow(tunnel.teid, tunnel.address, counted, quota) {
            // It is not in the tables yet; it gets it when it is.
            tracing::debug!(%error, "a session gets no quota now");
        } else if let Err(error) = tables::limit(gateway, tunnel) {
            tracing::warn!(%error, "the rate of a session cannot be set");
        }
    }
    if exhausted && !was_exhausted {
        gateway.tell(Event::DataUsedUp { imsi, slowed: plan.and_then(|plan| plan.slow) });
    }
}

/// The data plane tells of a quota.
pub fn noticed(gateway: &mut Gateway, report: Report) {
    let (teid, exhausted) = match report {
        Report::Quota { teid, rule: None, exhausted } => (teid, exhausted),
        Report::Quota { teid, rule: Some(rule), exhausted } => return groups::noticed(gateway, teid, rule, exhausted),
        _ => return,
    };
    let Some(imsi) = gateway.usage.accounts.session(teid).map(|session| session.imsi) else { return };
    collect(gateway, None);
    if exhausted {
        grant(gateway, imsi);
    } else if let Some(left) = remaining(gateway, imsi) {
        gateway.tell(Event::DataLow { imsi, left });
    }
}

/// Gives a subscriber a plan, or takes it away; `done` when it is durable and in force.
pub fn set_plan(gateway: &mut Gateway, imsi: Imsi, plan: Option<StoredPlan>, done: Job) {
    let mut batch = Batch::new();
    gateway.usage.accounts.put_plan(imsi, plan, &mut batch);
    gateway.save(batch, Box::new(move |gateway| renew(gateway, imsi, done)));
}

/// Adds octets to a subscriber's plan for its present term; `done` when that is durable and in force. Does nothing without a plan.
pub fn top_up(gateway: &mut Gateway, imsi: Imsi, octets: u64, done: Job) {
    let Some(plan) = gateway.usage.accounts.plans.get(&imsi).copied() else { return };
    let usage = gateway.usage.accounts.subscriber(imsi, gateway.now().unix_secs);
    let term = match plan.term {
        StoredTerm::Session => gateway.usage.accounts.sessions_of(imsi).next().map_or(0, |session| session.number),
        StoredTerm::Day => usage.day,
        StoredTerm::Month => usage.month,
    };
    let before = if plan.extra_for == term { plan.extra } else { 0 };
    let plan = StoredPlan { extra: before.saturating_add(octets), extra_for: term, ..plan };
    set_plan(gateway, imsi, Some(plan), done);
}

/// A subscriber's plan was changed durably: it holds from now on.
pub fn replanned(gateway: &mut Gateway, imsi: Imsi) {
    renew(gateway, imsi, Box::new(|_| {}));
}

/// Puts a plan in force, with counters of now.
fn renew(gateway: &mut Gateway, imsi: Imsi, done: Job) {
    collect(gateway, None);
    grant(gateway, imsi);
    done(gateway);
}
