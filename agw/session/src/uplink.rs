//! ESM messages of a trusted UE, sorted to their procedures; what fits none is answered by ESM STATUS (TS 24.301 §7).

use crate::connectivity::Phase;
use crate::{SessionOut, Sessions};
use agw_types::{Effect, Metric, Policy, Profile, Session, TimerName, UeId};
use basalt_ids::{Ebi, Pti};
use basalt_nas::esm::{EsmMessage, EsmPdu, EsmStatus};
use basalt_nas::ie::EsmCause;
use basalt_nas::{DecodeError, Direction, Header};
use basalt_sansio::Time;

impl Sessions {
    pub(crate) fn uplink(
        &mut self,
        now: Time,
        policy: &dyn Policy,
        ue: UeId,
        esm: &[u8],
        profile: &Profile,
        out: &mut SessionOut,
    ) {
        let EsmPdu { ebi, pti, message } = match EsmPdu::decode(esm, Direction::Uplink) {
            Ok(pdu) => pdu,
            Err(error) => return unreadable(ue, &error, out),
        };
        match message {
            EsmMessage::PdnConnectivityRequest(request) => {
                self.connect(now, policy, ue, false, pti, request, profile, out);
            }
            EsmMessage::EsmInformationResponse(response) => {
                self.information(now, policy, ue, pti, response, out);
            }
            EsmMessage::ActivateDefaultEpsBearerContextAccept(_) => match self.known(ue, ebi, pti, out) {
                Some(ebi) => self.accepted(now, ue, ebi, out),
                None => unexpected("ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT", out),
            },
            EsmMessage::ActivateDefaultEpsBearerContextReject(_) => match self.known(ue, ebi, pti, out) {
                Some(ebi) => self.refused(now, ue, ebi, out),
                None => unexpected("ACTIVATE DEFAULT EPS BEARER CONTEXT REJECT", out),
            },
            EsmMessage::DeactivateEpsBearerContextAccept(_) => {
                let running = ebi
                    .is_some_and(|ebi| self.deactivated(now, ue, ebi, out) || self.dedicated_ended(now, ue, ebi, out));
                if !running {
                    unexpected("DEACTIVATE EPS BEARER CONTEXT ACCEPT", out);
                    self.known(ue, ebi, pti, out);
                }
            }
            EsmMessage::PdnDisconnectRequest(request) => {
                self.disconnect(ue, pti, request.linked_ebi.ebi(), out);
            }
            EsmMessage::ActivateDedicatedEpsBearerContextAccept(_) => {
                let running = ebi.is_some_and(|ebi| self.dedicated_accepted(now, ue, ebi, out));
                self.expected(running, "ACTIVATE DEDICATED EPS BEARER CONTEXT ACCEPT", ue, ebi, pti, out);
            }
            EsmMessage::ActivateDedicatedEpsBearerContextReject(reject) => {
                let running = ebi.is_some_and(|ebi| self.dedicated_rejected(now, ue, ebi, reject.cause, out));
                self.expected(running, "ACTIVATE DEDICATED EPS BEARER CONTEXT REJECT", ue, ebi, pti, out);
            }
            EsmMessage::ModifyEpsBearerContextAccept(_) => {
                let running = ebi.is_some_and(|ebi| self.modification_accepted(now, ue, ebi, out));
                self.expected(running, "MODIFY EPS BEARER CONTEXT ACCEPT", ue, ebi, pti, out);
            }
            EsmMessage::ModifyEpsBearerContextReject(reject) => {
                let running = ebi.is_some_and(|ebi| self.modification_rejected(now, ue, ebi, reject.cause, out));
                self.expected(running, "MODIFY EPS BEARER CONTEXT REJECT", ue, ebi, pti, out);
            }
            EsmMessage::BearerResourceAllocationRequest(request) => {
                self.allocate_resource(now, policy, ue, pti, &request, out);
            }
            EsmMessage::BearerResourceModificationRequest(request) => {
                self.modify_resource(now, ue, pti, &request, out);
            }
            EsmMessage::EsmStatus(status) => self.status(now, ue, ebi, pti, status.cause, out),
            _ => {
                // Messages that only a network sends, and answers to what this gateway never asks.
                unexpected("ESM message of the other direction or of no procedure", out);
                send_status(ue, ebi, pti, EsmCause::MessageTypeNotCompatibleWithState, out);
            }
        }
    }

    /// An answer to a procedure that does not run: counted, and a bearer that the UE has not is told (TS 24.301 §7.3.2).
    fn expected(&self, running: bool, what: &'static str, ue: UeId, ebi: Option<Ebi>, pti: Pti, out: &mut SessionOut) {
        if !running {
            unexpected(what, out);
            self.known(ue, ebi, pti, out);
        }
    }

    /// The bearer, if the UE has it; ESM STATUS #43 otherwise (TS 24.301 §7.3.2).
    fn known(&self, ue: UeId, ebi: Option<Ebi>, pti: Pti, out: &mut SessionOut) -> Option<Ebi> {
        let has =
            |session: &Session, ebi: Ebi| session.ebi == ebi || session.bearers.iter().any(|bearer| bearer.ebi == ebi);
        let known = ebi.filter(|ebi| self.of(ue).iter().any(|session| has(session, *ebi)));
        if known.is_none() {
            send_status(ue, ebi, pti, EsmCause::InvalidEpsBearerIdentity, out);
        }
        known
    }

    /// ESM STATUS (TS 24.301 §6.7.2): the procedure it speaks of is over, a bearer unknown to the UE is gone.
    fn status(&mut self, now: Time, ue: UeId, ebi: Option<Ebi>, pti: Pti, cause: EsmCause, out: &mut SessionOut) {
        let stops = matches!(
            cause,
            EsmCause::InvalidEpsBearerIdentity | EsmCause::InvalidPtiValue | EsmCause::MessageTypeNonExistent
        );
        if !stops {
            return;
        }
        let Some(held) = self.ues.get_mut(&ue) else { return };
        if let Some(running) = held.connecting.take_if(|running| running.pti == pti) {
            out.stop(ue, TimerName::T3489);
            out.stop(ue, TimerName::T3485);
            if let Phase::Activation { ebi, .. } = running.phase {
                self.end_where(now, ue, "the phone does not know the procedure", |s| s.ebi == ebi, out);
            }
        }
        if let (EsmCause::InvalidEpsBearerIdentity, Some(ebi)) = (cause, ebi) {
            self.deactivated(now, ue, ebi, out);
            self.lost_by_phone(now, ue, ebi, out);
            self.end_where(now, ue, "the phone does not know the bearer", |s| s.ebi == ebi, out);
        }
    }

    pub(crate) fn expired(&mut self, now: Time, ue: UeId, timer: TimerName, out: &mut SessionOut) {
        match timer {
            TimerName::T3489 => self.information_expired(ue, out),
            TimerName::T3485 => self.activation_expired(now, ue, out),
            TimerName::DedicatedBearer => self.dedicated_expired(now, ue, out),
            TimerName::BearerSettling => self.settled(now, ue, out),
            TimerName::T3495 => self.ending_expired(now, ue, out),
            TimerName::RuleRetry => self.retry(now, ue, out),
            TimerName::Forwarding => self.stop_forwarding(now, ue, out),
            _ => {}
        }
    }
}

fn unexpected(what: &'static str, out: &mut SessionOut) {
    out.effects.push(Effect::Count(Metric::Unexpected(what)));
}

fn send_status(ue: UeId, ebi: Option<Ebi>, pti: Pti, cause: EsmCause, out: &mut SessionOut) {
    out.send(ue, ebi, pti, EsmMessage::EsmStatus(EsmStatus::new(cause)));
}

/// Answers octets that are no message: nothing when they are too short, ESM STATUS otherwise.
fn unreadable(ue: UeId, error: &DecodeError, out: &mut SessionOut) {
    out.effects.push(Effect::Count(Metric::Discarded("unreadable ESM message")));
    if let (Header::Esm { ebi, pti, .. }, Some(cause)) = (error.header, error.kind.esm_cause()) {
        send_status(ue, Ebi::new(ebi).ok(), Pti(pti.unwrap_or(0)), cause, out);
    }
}
