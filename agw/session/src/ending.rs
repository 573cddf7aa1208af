//! The end of a session by signalling (TS 24.301 §6.4.4, §6.5.2).
//!
//! ```text
//!   UE                                        network
//!    │ PDN DISCONNECT REQUEST                    │   or by the network's will
//!    │──────────────────────────────────────────►│
//!    │ DEACTIVATE EPS BEARER CONTEXT REQUEST T3495 │
//!    │◄──────────────────────────────────────────│
//!    │ … ACCEPT                                  │
//!    │──────────────────────────────────────────►│   address and tunnel rest
//! ```

use crate::{SessionOut, Sessions, UeSessions, encode};
use agw_types::{BearerEndpoint, Effect, Metric, SessionReply, TimerName, UeId};
use basalt_ids::{Ebi, Pti};
use basalt_nas::esm::{DeactivateEpsBearerContextRequest, EsmMessage, PdnDisconnectReject};
use basalt_nas::ie::EsmCause;
use basalt_sansio::Time;

/// A session on its way out.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) ebi: Ebi,
    /// The request, for repetition.
    esm: Vec<u8>,
    sent: u8,
}

/// Transmissions of DEACTIVATE EPS BEARER CONTEXT REQUEST (TS 24.301 §6.4.4.5).
const ATTEMPTS: u8 = 5;

const REQUEST: &str = "DEACTIVATE EPS BEARER CONTEXT REQUEST";

impl Sessions {
    /// PDN DISCONNECT REQUEST.
    pub(crate) fn disconnect(&mut self, ue: UeId, pti: Pti, linked: Option<Ebi>, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else { return };
        let known = linked.filter(|ebi| held.session(*ebi).is_some());
        let refusal = match known {
            None => Some(EsmCause::InvalidEpsBearerIdentity),
            Some(_) if held.list.len() == 1 => Some(EsmCause::LastPdnDisconnectionNotAllowed),
            Some(_) => None,
        };
        match (refusal, known) {
            (None, Some(ebi)) => self.start_ending(ue, ebi, pti, EsmCause::RegularDeactivation, out),
            (cause, _) => {
                let cause = cause.unwrap_or(EsmCause::InvalidEpsBearerIdentity);
                out.send(ue, None, pti, EsmMessage::PdnDisconnectReject(PdnDisconnectReject::new(cause)));
            }
        }
    }

    /// By the network's will. The last session cannot go this way: then the UE is to be detached.
    pub(crate) fn deactivate(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else { return };
        if held.session(ebi).is_none() {
            self.end_rules_of(now, ue, ebi, out);
            return;
        }
        if held.list.len() == 1 {
            out.reply(SessionReply::LastSessionGone { ue });
            return;
        }
        self.start_ending(ue, ebi, Pti(0), EsmCause::RegularDeactivation, out);
    }

    /// A dedicated bearer ends by the operator's will: so do the rules that it is for.
    fn end_rules_of(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some((session, rules)) = self.ues.get(&ue).and_then(|held| held.rules_of(ebi)) else { return };
        if let Some(home) = self.ues.get_mut(&ue).and_then(|held| held.session_mut(session)) {
            home.rules.retain(|active| !rules.contains(&active.id));
        }
        out.reply(SessionReply::Changed { ue });
        self.pump(now, ue, out);
    }

    fn start_ending(&mut self, ue: UeId, ebi: Ebi, pti: Pti, cause: EsmCause, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        if held.ending.is_some() {
            // One at a time: a UE that asks again is answered when the running one is over (its own timer repeats).
            return;
        }
        let message = DeactivateEpsBearerContextRequest::new(cause);
        let Some(esm) = encode(Some(ebi), pti, EsmMessage::DeactivateEpsBearerContextRequest(message)) else {
            return;
        };
        held.ending = Some(Box::new(Ending { ebi, esm: esm.clone(), sent: 1 }));
        // Its dedicated bearers end with it, and are not talked of any more (TS 24.301 §6.4.4.3).
        let bearers = held.bearers_with(ebi);
        if held.changing.take_if(|running| bearers.contains(&running.ebi)).is_some() {
            out.stop(ue, TimerName::DedicatedBearer);
        }
        out.arm(ue, TimerName::T3495, self.config.timers.t3495);
        out.reply(SessionReply::BearerEnding { ue, esm: Some(esm), bearers });
    }

    /// The phone is at a base station, with these bearers: a request that waited for it, or was lost with its last connection, is said
    /// now. What the last transmission asked for is not asked for any longer.
    pub(crate) fn end_again(&mut self, ue: UeId, standing: &[BearerEndpoint], out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(ending) = &mut held.ending else { return };
        if standing.iter().all(|bearer| bearer.ebi != ending.ebi) {
            return;
        }
        if ending.sent < ATTEMPTS {
            ending.sent += 1;
            out.arm(ue, TimerName::T3495, self.config.timers.t3495);
        }
        out.effects.push(Effect::Count(Metric::Retransmitted(REQUEST)));
        let (ebi, esm) = (ending.ebi, ending.esm.clone());
        let bearers = held.bearers_with(ebi);
        out.reply(SessionReply::BearerEnding { ue, esm: Some(esm), bearers });
    }

    /// DEACTIVATE EPS BEARER CONTEXT ACCEPT. False when no such procedure runs.
    pub(crate) fn deactivated(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) -> bool {
        let Some(held) = self.ues.get_mut(&ue) else { return false };
        if held.ending.take_if(|ending| ending.ebi == ebi).is_none() {
            return false;
        }
        out.stop(ue, TimerName::T3495);
        self.end_where(now, ue, "deactivated", |session| session.ebi == ebi, out);
        self.end_withdrawn(now, ue, out);
        true
    }

    /// T3495: ask again, or end the session without an answer. A base station that has the bearer gives it up, and the phone with it
    /// (TS 24.301 §6.4.4.6); a phone that is idle drops it when it returns and finds no radio bearer for it (§5.6.1.4).
    pub(crate) fn ending_expired(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(ending) = &mut held.ending else { return };
        if ending.sent < ATTEMPTS {
            ending.sent += 1;
            let esm = ending.esm.clone();
            out.effects.push(Effect::Count(Metric::Retransmitted(REQUEST)));
            out.arm(ue, TimerName::T3495, self.config.timers.t3495);
            out.reply(SessionReply::Send { ue, esm });
            return;
        }
        let ebi = ending.ebi;
        held.ending = None;
        let bearers = held.bearers_with(ebi);
        out.reply(SessionReply::BearerEnding { ue, esm: None, bearers });
        self.end_where(now, ue, "deactivated without an answer of the phone", |session| session.ebi == ebi, out);
        self.end_withdrawn(now, ue, out);
    }
}

impl UeSessions {
    /// A session's default bearer and its dedicated ones.
    fn bearers_with(&self, ebi: Ebi) -> Vec<Ebi> {
        let dedicated = self.session(ebi).map_or(&[][..], |session| session.bearers.as_slice());
        core::iter::once(ebi).chain(dedicated.iter().map(|bearer| bearer.ebi)).collect()
    }
}
