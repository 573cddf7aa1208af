//! Coming back: records first, then what base stations and the data plane say, and repairs through the usual effects.
//!
//! 1. [`Core::restore`] takes the records. UEs with a radio connection are connected again if their base station has a record.
//! 2. The driver tells of associations: `LinkUp` with `resumed` for those that live, `LinkDown` for those that do not.
//! 3. [`Core::reconcile`] ends what no association was named for, has base stations release what was not taken over, goes on with
//!    dedicated bearers that were half-done, and makes the data plane what the sessions say.

use crate::Core;
use agw_types::{
    Area, DataplaneChange, Effect, Effects, Event, Now, RadioId, SessionRequest, SessionService, StoredBearers,
    StoredLink, StoredUe, Tunnel, TunnelState, UeId,
};
use basalt_ids::Teid;
use std::collections::{BTreeMap, BTreeSet};

impl Core {
    /// Takes the records of rules and bearers of an earlier life: before [`Core::restore`], which gives them back to their UEs.
    pub fn remember_bearers(&mut self, records: Vec<StoredBearers>) {
        self.with_bearers.extend(records.iter().map(|record| record.imsi));
        self.remembered = records.into_iter().map(|record| (record.imsi, record)).collect();
    }

    /// Takes the records of an earlier life.
    pub fn restore(&mut self, now: Now, links: Vec<StoredLink>, ues: Vec<StoredUe>, out: &mut Effects) {
        for link in links {
            self.ran.restore_link(link, &self.config.areas);
        }
        // Connections that go on take their ids first: a record may still name one whose end it did not hear of, and by then its
        // ids may be another's.
        let restored: Vec<_> = ues.iter().filter_map(|stored| Some((stored, self.restore_ue(now, stored)?))).collect();
        for (stored, (ue, connected)) in restored {
            self.sessions.restore_resting(now, ue, &stored.resting);
            if let (false, Some(radio), Some(area)) = (connected, stored.radio, last_area(stored)) {
                self.ran.restore_stale(radio, area);
                // The next life must not look for it again.
                self.dirty.push(ue);
            }
        }
        self.finish(now, out);
    }

    /// Takes one record. Gives the UE and whether its connection goes on.
    fn restore_ue(&mut self, now: Now, stored: &StoredUe) -> Option<(UeId, bool)> {
        let Some(ue) = self.mobility.restore(now, stored, &mut self.wants) else {
            self.repaired("a phone's record could not be used and was left out; the phone attaches again");
            return None;
        };
        let refused = self.sessions.restore(ue, stored.imsi, stored.ambr, stored.sessions.clone());
        if !refused.is_empty() {
            self.repaired("a session's address or tunnel was given to another; the session was ended");
            self.dirty.push(ue);
        }
        if let Some(bearers) = self.remembered.remove(&stored.imsi)
            && !self.sessions.restore_bearers(ue, &bearers)
        {
            self.repaired("a dedicated bearer's tunnel was given to another; its rules ask for it again");
            self.dirty.push(ue);
        }
        let connected = self.restore_radio(now, ue, stored);
        if !connected && stored.sessions.iter().any(|session| session.remote.is_some()) {
            self.session(now, SessionRequest::Idle { ue });
        }
        self.carry_all(now);
        Some((ue, connected))
    }

    /// Brings a UE's connection back. False when there is none to bring back, or nothing of it that could be gone on with.
    fn restore_radio(&mut self, now: Now, ue: UeId, stored: &StoredUe) -> bool {
        let connected = stored.sessions.iter().filter(|session| session.remote.is_some());
        let mut bearers: Vec<_> = connected.map(|session| session.ebi).collect();
        let dedicated = self.sessions.of(ue).iter().flat_map(|session| &session.bearers);
        // One that was offered may stand without this gateway's having heard of it.
        let offered = !bearers.is_empty();
        let stands = |bearer: &&agw_types::Bearer| bearer.remote.is_some() || (offered && !bearer.confirmed);
        bearers.extend(dedicated.filter(stands).map(|bearer| bearer.ebi));
        let (Some(radio), Some(area)) = (stored.radio, last_area(stored)) else { return false };
        if bearers.is_empty() || !self.ran.restore_connection(radio, ue, area, bearers) {
            return false;
        }
        self.mobility.restore_connection(now, ue, stored, RadioId(radio.radio), &mut self.wants);
        true
    }

    /// Compares the data plane with the sessions and repairs it: `installed` is what was read back from it. To be called once after
    /// the driver has told of every association that lives.
    pub fn reconcile(&mut self, now: Now, installed: &[Tunnel], out: &mut Effects) {
        self.with_ran(now, |ran, cx| ran.end_remembered(cx));
        self.carry_all(now);
        self.sessions.take_up(now.mono, &mut self.session_out);
        self.carry_session(now);
        self.carry_all(now);
        let mut wanted: BTreeMap<Teid, Tunnel> = self.tunnels().map(|tunnel| (tunnel.teid, tunnel)).collect();
        let mut removed = 0u32;
        for tunnel in installed {
            match wanted.get(&tunnel.teid) {
                Some(right) if right == tunnel => {
                    wanted.remove(&tunnel.teid);
                }
                Some(right) if right.address == tunnel.address => {}
                // Another address behind the same endpoint, or nobody's: it goes before what is right comes.
                _ => {
                    removed += 1;
                    let change = DataplaneChange::Remove { teid: tunnel.teid, address: tunnel.address };
                    self.effects.push(Effect::Dataplane(change));
                }
            }
        }
        let set = wanted.len();
        self.set_tunnels(wanted);
        if removed > 0 || set > 0 {
            self.repaired(&format!(
                "the data plane did not agree with the sessions: {set} tunnels set, {removed} removed"
            ));
        }
        self.finish(now, out);
    }

    /// Sets tunnels, and what all sessions have besides: that is not read back, and changes nothing where it is right.
    fn set_tunnels(&mut self, wanted: BTreeMap<Teid, Tunnel>) {
        let services: Vec<DataplaneChange> = self.services().collect();
        let with_bearers: BTreeSet<Teid> = services.iter().filter_map(bearers_of).collect();
        let mut later = Vec::new();
        for tunnel in wanted.into_values() {
            let mut now = tunnel.clone();
            if tunnel.state != TunnelState::Idle && with_bearers.contains(&tunnel.teid) {
                // What waits for the phone leaves with its tunnel: those of its bearers come first.
                now.state = TunnelState::Idle;
                later.push(DataplaneChange::Set(tunnel));
            }
            self.effects.push(Effect::Dataplane(DataplaneChange::Set(now)));
        }
        self.effects.extend(services.into_iter().chain(later).map(Effect::Dataplane));
    }

    /// What the data plane shall hold, as the sessions are now. It does once the effects of every step are carried out, but for
    /// sessions whose base station has not answered for the first time: their tunnels come with its answer.
    pub fn tunnels(&self) -> impl Iterator<Item = Tunnel> {
        self.sessions.tunnels()
    }

    /// What the data plane shall know of sessions besides their tunnels, where there is anything.
    pub fn services(&self) -> impl Iterator<Item = DataplaneChange> {
        self.sessions.iter().filter_map(|(ue, _, session)| {
            let service = self.sessions.service(ue, session);
            (service != SessionService::default()).then(|| DataplaneChange::Serve {
                teid: session.local.1,
                address: session.address,
                service: Box::new(service),
            })
        })
    }

    fn repaired(&mut self, what: &str) {
        self.effects.push(Effect::Tell(Box::new(Event::Repaired { what: what.to_owned() })));
    }
}

/// The session of a service that has dedicated bearers.
fn bearers_of(change: &DataplaneChange) -> Option<Teid> {
    match change {
        DataplaneChange::Serve { teid, service, .. } if !service.bearers.is_empty() => Some(*teid),
        _ => None,
    }
}

/// Where a UE was last.
fn last_area(stored: &StoredUe) -> Option<Area> {
    stored.areas.first().map(|tai| Area { tai: *tai, cell: stored.cell })
}
