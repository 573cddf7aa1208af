//! The radio's side of a session: endpoints come with a connection and go with it.

use crate::{SessionOut, Sessions, UeSessions, bearer_setup, dedicated};
use agw_types::{
    BearerEndpoint, BearerFailure, DataplaneChange, Outcome, Peer, Procedure, Session, SessionReply, SessionService,
    TimerName, Tunnel, TunnelState, UeId,
};
use basalt_ids::Ebi;
use basalt_sansio::Time;

impl Sessions {
    /// What the data plane shall hold of all sessions.
    pub fn tunnels(&self) -> impl Iterator<Item = Tunnel> {
        self.ues.values().flat_map(|held| held.list.iter().map(|session| held.tunnel(session)))
    }

    /// The base station told its endpoints, after a setup or a path switch. What waits for a UE that was idle leaves as soon as its session
    /// has a tunnel: the tunnels of its other bearers come first.
    pub(crate) fn connected(
        &mut self,
        now: Time,
        ue: UeId,
        bearers: &[BearerEndpoint],
        failed: &[BearerFailure],
        switched: bool,
        out: &mut SessionOut,
    ) {
        let returning = self.sessions_connected(ue, bearers, out);
        let dedicated = bearers.iter().filter(|bearer| self.bearer_connected(ue, bearer)).count();
        self.bearers_failed(now, ue, failed, out);
        let is_failed = |ebi: Ebi| failed.iter().any(|failure| failure.ebi == ebi);
        self.end_where(now, ue, "the base station could not set the bearer up", |s| is_failed(s.ebi), out);
        if dedicated > 0 {
            self.rehome(now, ue, out);
        }
        self.serve_all(ue, out);
        for ebi in returning {
            self.set_tunnel_of(ue, ebi, out);
        }
        if switched {
            self.ask_again(ue, out);
        }
        self.end_again(ue, bearers, out);
        out.reply(SessionReply::Changed { ue });
        self.pump(now, ue, out);
    }

    /// Tells the data plane of the tunnels of default bearers. Gives those of sessions that were idle and have other bearers: they follow when
    /// the data plane knows these.
    fn sessions_connected(&mut self, ue: UeId, bearers: &[BearerEndpoint], out: &mut SessionOut) -> Vec<Ebi> {
        let mut returning = Vec::new();
        let Some(held) = self.ues.get_mut(&ue) else { return returning };
        for bearer in bearers {
            let Some(session) = held.session(bearer.ebi) else { continue };
            let returns = session.remote.is_none() && !session.bearers.is_empty();
            if returns {
                // Bearers have no tunnel without their session, which may be new to the data plane.
                held.set_tunnel(session, out);
                returning.push(bearer.ebi);
            }
            if let Some(session) = held.session_mut(bearer.ebi) {
                session.remote = Some((bearer.address, bearer.teid));
            }
            if !returns && let Some(session) = held.session(bearer.ebi) {
                held.set_tunnel(session, out);
            }
        }
        returning
    }

    /// Tells the data plane how a session's tunnel stands, if the session is there.
    fn set_tunnel_of(&self, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        if let Some(held) = self.ues.get(&ue)
            && let Some(session) = held.session(ebi)
        {
            held.set_tunnel(session, out);
        }
    }

    /// The connection is gone: packets for the UE are kept, and raise a page. The data plane hears it of every session, also of one
    /// whose bearer never stood, and of one that was idle before: what it told of waiting packets was answered by the connection
    /// that ended, so it tells again.
    pub(crate) fn idle(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        self.interrupt(now, ue, out);
        self.stop_forwarding(now, ue, out);
        let Some(held) = self.ues.get_mut(&ue) else { return };
        for session in &mut held.list {
            session.remote = None;
            session.bearers.iter_mut().for_each(|bearer| bearer.remote = None);
        }
        held.set_tunnels(out);
        self.serve_all(ue, out);
        out.reply(SessionReply::Changed { ue });
    }

    /// What a context setup for a returning UE contains.
    pub(crate) fn resume(&self, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else {
            let ambr = agw_types::Ambr { uplink: 0, downlink: 0 };
            out.reply(SessionReply::Resume { ue, bearers: Vec::new(), kept: Vec::new(), ambr });
            return;
        };
        let all = || held.list.iter().flat_map(|session| &session.bearers);
        let dedicated = all().filter(|bearer| bearer.confirmed);
        let bearers = held.list.iter().map(bearer_setup).chain(dedicated.map(dedicated::bearer_setup)).collect();
        let kept = held.list.iter().map(|session| session.ebi).chain(all().map(|bearer| bearer.ebi)).collect();
        out.reply(SessionReply::Resume { ue, bearers, kept, ambr: held.ambr() });
    }

    /// Bearers that the UE no longer has end here too, without signalling (TS 24.301 §5.5.3.2.4, §5.6.1.4).
    pub(crate) fn synchronise(&mut self, now: Time, ue: UeId, active: u16, out: &mut SessionOut) {
        let held = self.ues.get(&ue);
        let dedicated = held.into_iter().flat_map(|held| &held.list).flat_map(|session| &session.bearers);
        let lost = |ebi: Ebi| active >> ebi.value() & 1 == 0;
        let gone: Vec<Ebi> =
            dedicated.filter(|bearer| bearer.confirmed && lost(bearer.ebi)).map(|bearer| bearer.ebi).collect();
        for ebi in gone {
            self.lost_by_phone(now, ue, ebi, out);
        }
        self.end_where(now, ue, "the phone no longer has the bearer", |s| lost(s.ebi), out);
    }

    /// Tells the data plane the service of each session that has more than a default bearer.
    pub(crate) fn serve_all(&self, ue: UeId, out: &mut SessionOut) {
        for session in self.of(ue) {
            if self.service(ue, session) != SessionService::default() {
                self.serve(ue, session.ebi, out);
            }
        }
    }

    /// Ends the sessions that `which` picks, without signalling.
    pub(crate) fn end_where(
        &mut self,
        now: Time,
        ue: UeId,
        reason: &str,
        which: impl Fn(&Session) -> bool,
        out: &mut SessionOut,
    ) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let (imsi, limits) = (held.imsi, held.limits());
        let (gone, kept): (Vec<_>, Vec<_>) = held.list.drain(..).partition(which);
        held.list = kept;
        let none_left = held.list.is_empty();
        if gone.is_empty() {
            return;
        }
        // What was still being said about them is said no more.
        let is_gone = |ebi: Ebi| gone.iter().any(|session| session.ebi == ebi);
        if held.connecting.take_if(|running| running.offers().is_some_and(is_gone)).is_some() {
            out.stop(ue, TimerName::T3485);
            out.ended(Procedure::PdnConnectivity, Outcome::Failure);
        }
        let dedicated = |ebi: Ebi| gone.iter().any(|session| session.bearers.iter().any(|bearer| bearer.ebi == ebi));
        if held.changing.take_if(|running| dedicated(running.ebi)).is_some() {
            out.stop(ue, TimerName::DedicatedBearer);
        }
        held.requested.retain(|request| !is_gone(request.session));
        if held.ending.take_if(|ending| is_gone(ending.ebi)).is_some() {
            out.stop(ue, TimerName::T3495);
        }
        for session in &gone {
            self.forget(now, ue, imsi, session, reason, out);
        }
        if let Some(held) = self.ues.get(&ue).filter(|held| held.limits() != limits) {
            held.set_tunnels(out);
        }
        out.reply(SessionReply::Changed { ue });
        if none_left {
            out.reply(SessionReply::LastSessionGone { ue });
        }
    }
}

impl UeSessions {
    /// How a session's tunnel stands.
    pub(crate) fn tunnel(&self, session: &Session) -> Tunnel {
        let state = match session.remote {
            Some((address, teid)) => TunnelState::Connected(Peer { address, teid }),
            None => TunnelState::Idle,
        };
        let (ambr, ue_ambr) = self.limits_of(session);
        Tunnel {
            teid: session.local.1,
            address: session.address,
            framed_routes: session.framed_routes.clone(),
            ebi: session.ebi,
            imsi: self.imsi,
            state,
            ambr,
            ue_ambr,
        }
    }

    /// Tells the data plane how a tunnel stands.
    pub(crate) fn set_tunnel(&self, session: &Session, out: &mut SessionOut) {
        out.dataplane(DataplaneChange::Set(self.tunnel(session)));
    }

    /// Tells it of all of them.
    pub(crate) fn set_tunnels(&self, out: &mut SessionOut) {
        self.list.iter().for_each(|session| self.set_tunnel(session, out));
    }
}
