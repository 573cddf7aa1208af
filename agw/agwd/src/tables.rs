//! The data plane's tables: changes with their rates, and a regular look at whether they are what the sessions say.

use crate::gateway::Gateway;
use crate::usage::{self, Usage};
use agw_dataplane::{Differences, Error, Limited, Limits};
use agw_types::{Ambr, DataplaneChange, Effect, Event, Record, Tunnel, TunnelState, UeState};
use basalt_ids::Teid;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Between two looks: what differs is found and repaired within 5 s, also where a look comes late.
const EVERY: Duration = Duration::from_secs(3);
/// The loop gives them no more than one part in so many of its time, however many sessions there are.
const SHARE: u32 = 100;

/// Carries out a change. A tunnel gets its session's APN-AMBR, in both directions, and its share of the UE-AMBR (TS 23.401 §4.7.3), or what
/// is left of them when its subscriber's data is used up. No packet of a new one passes without them, nor without its plan's quota.
///
/// # Errors
/// Those of [`agw_dataplane::Dataplane::apply`] and [`agw_dataplane::Dataplane::set`].
pub fn apply(gateway: &mut Gateway, change: &DataplaneChange) -> Result<Option<agw_dataplane::Usage>, Error> {
    let DataplaneChange::Set(tunnel) = change else {
        let last = gateway.dataplane.apply(change)?;
        match change {
            DataplaneChange::Remove { .. } => gateway.usage.hurry(),
            DataplaneChange::Serve { teid, address, service } => usage::served(gateway, *teid, *address, service),
            _ => {}
        }
        return Ok(last);
    };
    if tunnel.state != TunnelState::Idle && usage::lacks_quota(gateway, tunnel) {
        set(gateway, &Tunnel { state: TunnelState::Idle, ..tunnel.clone() })?;
        usage::grant(gateway, tunnel.imsi);
    }
    set(gateway, tunnel)?;
    if usage::lacks_quota(gateway, tunnel) {
        usage::grant(gateway, tunnel.imsi);
    }
    Ok(None)
}

fn set(gateway: &Gateway, tunnel: &Tunnel) -> Result<(), Error> {
    let slowed = usage::slowed(gateway, tunnel.imsi);
    gateway.dataplane.set(&limited(tunnel.clone(), slowed, gateway.effective.burst_ms))
}

/// Tells the data plane of tunnels that base stations are about to be told: a phone that has its ATTACH ACCEPT sends at once, and its packets
/// may overtake the base station's answer for as long as this process lacks processor or disk.
pub fn expect(gateway: &Gateway, effects: &[Effect]) {
    for effect in effects {
        let Effect::Save(record) = effect else { continue };
        let Record::Ue(ue) = record.as_ref() else { continue };
        for session in ue.sessions.iter().filter(|session| session.remote.is_none()) {
            gateway.dataplane.expect(session.local.1);
        }
    }
}

/// Sets the rates of a session, and those that it shares with the other sessions of its UE.
///
/// # Errors
/// Those of [`agw_dataplane::Dataplane::limit`].
pub fn limit(gateway: &Gateway, tunnel: &Tunnel) -> Result<(), Error> {
    let slowed = usage::slowed(gateway, tunnel.imsi);
    let Limited { tunnel, session, ue } = limited(tunnel.clone(), slowed, gateway.effective.burst_ms);
    gateway.dataplane.limit(tunnel.teid, tunnel.address, &session, ue.map(|ue| (tunnel.imsi, ue)))
}

/// A tunnel with its rates, of a subscriber who may be slowed (bit/s).
pub fn limited(tunnel: Tunnel, slowed: Option<u64>, burst_ms: u64) -> Limited {
    let most = slowed.unwrap_or(u64::MAX);
    let most = Ambr { uplink: most, downlink: most };
    let limits = |ambr: Ambr| Limits::of(ambr.lesser(most)).with_burst(Duration::from_millis(burst_ms));
    let (session, ue) = (limits(tunnel.ambr), tunnel.ue_ambr.map(limits));
    Limited { tunnel, session, ue }
}

/// A tunnel as tables that are made anew get it at once. One that has rules, or whose plan bounds it, is idle there: its packets wait until the
/// core has said which bearers there are, and the plan what is left.
pub fn remembered(mut tunnel: Tunnel, ruled: impl Fn(&Tunnel) -> bool, usage: &Usage, burst_ms: u64) -> Limited {
    if ruled(&tunnel) || usage.is_bounded(tunnel.imsi) {
        tunnel.state = TunnelState::Idle;
    }
    let slowed = usage.slowed(tunnel.imsi);
    limited(tunnel, slowed, burst_ms)
}

/// Compares the tables with the sessions, repairs them, and sets all rates again, also those that tables of an earlier release
/// never had. Gives the time of the next look. Not to be called while steps hold effects back.
pub fn check(gateway: &mut Gateway) -> Instant {
    let began = Instant::now();
    let wanted: Vec<Tunnel> = gateway.core.tunnels().filter(|tunnel| !is_coming(gateway, tunnel)).collect();
    let services: BTreeMap<Teid, DataplaneChange> =
        gateway.core.services().filter_map(|service| Some((session_of(&service)?, service))).collect();
    let mut differences = gateway.dataplane.reconcile(&wanted, |tunnel| {
        limit(gateway, tunnel)?;
        services.get(&tunnel.teid).map_or(Ok(()), |service| gateway.dataplane.apply(service).map(drop))
    });
    let failed: BTreeSet<Teid> = differences.failed.iter().map(|(teid, _)| *teid).collect();
    for tunnel in wanted.iter().filter(|tunnel| !failed.contains(&tunnel.teid)) {
        if let Err(error) = limit(gateway, tunnel) {
            differences.failed.push((tunnel.teid, error));
        }
    }
    let there: BTreeSet<Teid> = wanted.iter().map(|tunnel| tunnel.teid).filter(|teid| !failed.contains(teid)).collect();
    for service in services.into_values() {
        let DataplaneChange::Serve { teid, address, service: wanted } = &service else { continue };
        if !there.contains(teid) {
            continue;
        }
        if let Err(error) = gateway.dataplane.apply(&service) {
            differences.failed.push((*teid, error));
        } else {
            usage::served(gateway, *teid, *address, wanted);
        }
    }
    tell(gateway, &differences);
    let now = Instant::now();
    now + EVERY.max(now.duration_since(began) * SHARE)
}

/// The session that is served.
pub fn session_of(change: &DataplaneChange) -> Option<Teid> {
    if let DataplaneChange::Serve { teid, .. } = change { Some(*teid) } else { None }
}

/// The base station has not answered for the first time: the tunnel comes with its answer.
fn is_coming(gateway: &Gateway, tunnel: &Tunnel) -> bool {
    tunnel.state == TunnelState::Idle
        && gateway.dataplane.usage(tunnel.teid, tunnel.address).is_none()
        && gateway.core.ue(tunnel.imsi).is_some_and(|ue| matches!(ue.state, UeState::Attaching | UeState::Connected))
}

fn tell(gateway: &mut Gateway, differences: &Differences) {
    if differences.is_empty() {
        return;
    }
    let Differences { missing, wrong, foreign, failed } = differences;
    let counts =
        [("missing", missing.len()), ("wrong", wrong.len()), ("foreign", foreign.len()), ("failed", failed.len())];
    for (found, count) in counts {
        gateway.metrics.repairs.with_label_values(&[found]).inc_by(count as u64);
    }
    for (teid, error) in failed {
        tracing::error!(teid = teid.0, %error, "a session's tunnel cannot be repaired");
    }
    tracing::warn!(?missing, ?wrong, ?foreign, "the data plane's tables did not agree with the sessions");
    let [missing, wrong, foreign, failed] = counts.map(|(_, count)| count);
    let what = format!(
        "the data plane did not agree with the sessions: {missing} tunnels missing, {wrong} wrong, {foreign} of nobody; \
         {failed} could not be repaired"
    );
    gateway.tell(Event::Repaired { what });
}
