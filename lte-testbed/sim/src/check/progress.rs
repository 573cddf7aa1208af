//! Every procedure ends, and the data plane is what the sessions say.

use std::collections::BTreeMap;

use agw_core::Core;
use agw_types::{Tunnel, TunnelState, UeState};
use basalt_ids::{Imsi, Teid};
use basalt_sansio::{Duration, Time};

/// Nothing goes on for longer: the guard of a whole procedure is 60 seconds, and a sweep comes every few seconds.
const LONGEST: Duration = Duration::from_secs(75);

#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Phones that are halfway, since when, and doing what.
    halfway: BTreeMap<Imsi, (Time, String)>,
}

impl Progress {
    pub(super) fn sweep(&mut self, now: Time, core: &Core) -> Option<String> {
        let mut halfway = BTreeMap::new();
        let mut problem = None;
        for view in core.ues() {
            let Some(imsi) = view.imsi else { continue };
            let at_rest = match view.state {
                UeState::Attaching | UeState::Paging | UeState::Detaching => false,
                UeState::Connected | UeState::Idle | UeState::Detached => {
                    ["attached and", "not attached", "refused"].iter().any(|rest| view.description.starts_with(rest))
                }
            };
            if at_rest {
                continue;
            }
            let since = match self.halfway.remove(&imsi) {
                Some((since, doing)) if doing == view.description => since,
                _ => now,
            };
            if now.since(since) > LONGEST {
                problem = Some(format!("{imsi:?} has been {:?} for {:?}", view.description, now.since(since)));
            }
            halfway.insert(imsi, (since, view.description));
        }
        self.halfway = halfway;
        problem
    }
}

/// Whether every session has its tunnel, and every tunnel its session.
pub(super) fn compare(core: &Core, tunnels: &[Tunnel]) -> Option<String> {
    let mut installed: BTreeMap<Teid, &Tunnel> = tunnels.iter().map(|tunnel| (tunnel.teid, tunnel)).collect();
    for wanted in core.tunnels() {
        match installed.remove(&wanted.teid) {
            Some(tunnel) if *tunnel == wanted => {}
            // A session whose base station has not answered for the first time has no tunnel yet; the phone's own answer may
            // have overtaken it.
            None if wanted.state == TunnelState::Idle && is_connected(core, wanted.imsi) => {}
            other => return Some(format!("the data plane has {other:?} for the session {wanted:?}")),
        }
    }
    installed.values().next().map(|tunnel| format!("the data plane has {tunnel:?}, which belongs to no session"))
}

fn is_connected(core: &Core, imsi: Imsi) -> bool {
    core.ue(imsi).is_some_and(|view| matches!(view.state, UeState::Connected | UeState::Attaching | UeState::Detaching))
}
