//! What the tables have against what they should have.

use crate::error::Error;
use crate::plane::Shared;
use agw_types::{DataplaneChange, Tunnel, TunnelState, UeAddress};
use basalt_ids::Teid;
use std::collections::{BTreeMap, BTreeSet};

/// What was found different, and repaired.
#[derive(Debug, Default)]
pub struct Differences {
    /// Sessions that the tables had not.
    pub missing: Vec<Teid>,
    /// Sessions that were otherwise in the tables.
    pub wrong: Vec<Teid>,
    /// Sessions in the tables that nobody wants.
    pub foreign: Vec<Teid>,
    /// What could not be repaired, and why.
    pub failed: Vec<(Teid, Error)>,
}

impl Differences {
    /// Whether the tables were as they should be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.wrong.is_empty() && self.foreign.is_empty() && self.failed.is_empty()
    }
}

impl Shared {
    /// Makes the tables hold exactly these sessions; `equip` gives one that was not right its limits, rules and bearers.
    pub(crate) fn reconcile(&self, wanted: &[Tunnel], equip: impl Fn(&Tunnel) -> Result<(), Error>) -> Differences {
        let (found, halves) = {
            let mut state = self.state();
            let found = state.sessions.installed(&self.tables);
            (found, state.sessions.halves(&self.tables))
        };
        let mut found: BTreeMap<(Teid, UeAddress), _> =
            found.into_iter().map(|session| ((session.teid, session.address), session)).collect();
        let mut differences = Differences::default();
        for tunnel in wanted {
            match found.remove(&(tunnel.teid, tunnel.address)) {
                Some(session)
                    if session.state == tunnel.state
                        && session.ebi == Some(tunnel.ebi)
                        && session.framed_routes == tunnel.framed_routes =>
                {
                    self.translate(&mut self.state(), tunnel);
                    continue;
                }
                Some(_) => differences.wrong.push(tunnel.teid),
                None => differences.missing.push(tunnel.teid),
            }
            if let Err(error) = self.repair(tunnel, &equip) {
                differences.failed.push((tunnel.teid, error));
            }
        }
        let known: BTreeSet<Teid> = wanted.iter().map(|tunnel| tunnel.teid).collect();
        let unwanted = found.into_keys().chain(halves);
        for (teid, address) in unwanted.filter(|(teid, _)| !known.contains(teid)) {
            differences.foreign.push(teid);
            if let Err(error) = self.apply(&DataplaneChange::Remove { teid, address }) {
                differences.failed.push((teid, error));
            }
        }
        self.release_others(&known);
        differences
    }

    /// Sets a session anew. It is idle until it has all that belongs to it, so what comes for it meanwhile waits: it would leave by the
    /// wrong bearer, past rules and rates.
    fn repair(&self, tunnel: &Tunnel, equip: impl Fn(&Tunnel) -> Result<(), Error>) -> Result<(), Error> {
        let idle = Tunnel { state: TunnelState::Idle, ..tunnel.clone() };
        self.apply(&DataplaneChange::Set(idle))?;
        equip(tunnel)?;
        if tunnel.state != TunnelState::Idle {
            self.apply(&DataplaneChange::Set(tunnel.clone()))?;
        }
        Ok(())
    }

    /// Takes blocks of external ports back from sessions that are no more.
    fn release_others(&self, known: &BTreeSet<Teid>) {
        if let Some(nat) = &mut self.state().nat {
            for inside in nat.others(|teid| known.contains(&Teid(teid))) {
                nat.release(&self.tables, inside);
            }
        }
    }
}
