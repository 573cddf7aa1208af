//! Bearers on which phone and gateway may not agree for a moment.
//!
//! A phone moves a flow to another bearer when it reads the request, the gateway hears of it with the answer, and packets may be on their
//! way by the old bearer even then. So while a dedicated bearer is set up, changed or taken away, and for a little while after, what
//! belongs on it may come by the default bearer, and the other way round: nothing is lost for a procedure.

use crate::{SessionOut, Sessions, UeSessions};
use agw_types::{Session, TimerName, UeId};
use basalt_ids::Ebi;
use basalt_sansio::{Duration, Time};

/// How long packets that a phone has sent by the old bearer may be on their way: radio and base station keep them for no longer.
const SETTLE: Duration = Duration::from_secs(2);

impl Sessions {
    /// A procedure of this bearer is over.
    pub(crate) fn settle(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        held.settling.retain(|(other, _)| *other != ebi);
        held.settling.push((ebi, now + SETTLE));
        if let [_] = held.settling.as_slice() {
            out.arm(ue, TimerName::BearerSettling, SETTLE);
        }
    }

    /// Packets that were on their way have arrived.
    pub(crate) fn settled(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let (over, rest): (Vec<_>, Vec<_>) = held.settling.drain(..).partition(|(_, until)| *until <= now);
        if let Some(next) = rest.iter().map(|(_, until)| *until).min() {
            out.arm(ue, TimerName::BearerSettling, next.since(now));
        }
        held.settling = rest;
        let of = |ebi: Ebi| held.list.iter().find(|session| session.bearers.iter().any(|bearer| bearer.ebi == ebi));
        let sessions: Vec<Ebi> = over.iter().filter_map(|(ebi, _)| of(*ebi)).map(|session| session.ebi).collect();
        for session in sessions {
            self.serve(ue, session, out);
        }
    }
}

impl UeSessions {
    /// Dedicated bearers of a session that settle.
    pub(crate) fn settling_of(&self, session: &Session) -> Vec<Ebi> {
        let changing = self.changing.as_ref().map(|running| running.ebi);
        let settles = |ebi: Ebi| changing == Some(ebi) || self.settling.iter().any(|(other, _)| *other == ebi);
        session.bearers.iter().map(|bearer| bearer.ebi).filter(|ebi| settles(*ebi)).collect()
    }
}
