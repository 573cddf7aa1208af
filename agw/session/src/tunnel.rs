//! The radio's side of a session: endpoints come with a connection and go with it.

use crate::{SessionOut, Sessions, bearer_setup};
use agw_types::{
    BearerEndpoint, DataplaneChange, Outcome, Peer, Policy, Procedure, Session, SessionReply, TimerName, Tunnel,
    TunnelState, UeId,
};
use basalt_ids::{Ebi, Imsi};
use basalt_sansio::Time;

impl Sessions {
    /// The base station told its endpoints, after a setup or a path switch.
    pub(crate) fn connected(
        &mut self,
        now: Time,
        ue: UeId,
        bearers: &[BearerEndpoint],
        failed: &[Ebi],
        out: &mut SessionOut,
    ) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let imsi = held.imsi;
        for bearer in bearers {
            if let Some(session) = held.session_mut(bearer.ebi) {
                session.remote = Some((bearer.address, bearer.teid));
                set_tunnel(imsi, session, out);
            }
        }
        self.end_where(now, ue, "the base station could not set the bearer up", |s| failed.contains(&s.ebi), out);
        out.reply(SessionReply::Changed { ue });
    }

    /// The connection is gone: packets for the UE are kept, and raise a page. The data plane hears it of every session, also of one
    /// whose bearer never stood, and of one that was idle before: what it told of waiting packets was answered by the connection
    /// that ended, so it tells again.
    pub(crate) fn idle(&mut self, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let imsi = held.imsi;
        for session in &mut held.list {
            session.remote = None;
            set_tunnel(imsi, session, out);
        }
        out.reply(SessionReply::Changed { ue });
    }

    /// What a context setup for a returning UE contains.
    pub(crate) fn resume(&self, policy: &dyn Policy, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else {
            let ambr = agw_types::Ambr { uplink: 0, downlink: 0 };
            out.reply(SessionReply::Resume { ue, bearers: Vec::new(), ambr });
            return;
        };
        let bearers = held.list.iter().map(bearer_setup).collect();
        out.reply(SessionReply::Resume { ue, bearers, ambr: held.ambr(policy) });
    }

    /// Bearers that the UE no longer has end here too, without signalling (TS 24.301 §5.5.3.2.4, §5.6.1.4).
    pub(crate) fn synchronise(&mut self, now: Time, ue: UeId, active: u16, out: &mut SessionOut) {
        self.end_where(now, ue, "the phone no longer has the bearer", |s| active >> s.ebi.value() & 1 == 0, out);
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
        let imsi = held.imsi;
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
        if held.ending.take_if(|ending| is_gone(ending.ebi)).is_some() {
            out.stop(ue, TimerName::T3495);
        }
        for session in &gone {
            self.forget(now, ue, imsi, session, reason, out);
        }
        out.reply(SessionReply::Changed { ue });
        if none_left {
            out.reply(SessionReply::LastSessionGone { ue });
        }
    }
}

/// Tells the data plane how a tunnel stands.
fn set_tunnel(imsi: Imsi, session: &Session, out: &mut SessionOut) {
    let state = match session.remote {
        Some((address, teid)) => TunnelState::Connected(Peer { address, teid }),
        None => TunnelState::Idle,
    };
    let (teid, address, ebi, ambr) = (session.local.1, session.address, session.ebi, session.ambr);
    let framed_routes = session.framed_routes.clone();
    out.dataplane(DataplaneChange::Set(Tunnel { teid, address, framed_routes, ebi, imsi, state, ambr }));
}
