//! Session management as the phone sees it (TS 24.301 §6).
//!
//! ```text
//!  phone                                            network
//!    | PDN CONNECTIVITY REQUEST --------------------> |   T3482; the first one inside ATTACH REQUEST
//!    | <--------------------- ESM INFORMATION REQUEST |   when the phone asked for secrecy
//!    | ESM INFORMATION RESPONSE --------------------> |
//!    | <--- ACTIVATE DEFAULT EPS BEARER CONTEXT REQ.  |
//!    | ... ACCEPT ----------------------------------> |
//!    | PDN DISCONNECT REQUEST ----------------------> |   T3492
//!    | <------ DEACTIVATE EPS BEARER CONTEXT REQUEST  |
//!    | ... ACCEPT ----------------------------------> |
//! ```

use basalt_ids::{Apn, Ebi, Pti};
use basalt_nas::esm::{
    ActivateDedicatedEpsBearerContextAccept, ActivateDedicatedEpsBearerContextReject,
    ActivateDedicatedEpsBearerContextRequest, ActivateDefaultEpsBearerContextAccept,
    ActivateDefaultEpsBearerContextRequest, DeactivateEpsBearerContextAccept, DeactivateEpsBearerContextRequest,
    EsmInformationResponse, EsmStatus, ModifyEpsBearerContextAccept, ModifyEpsBearerContextReject,
    ModifyEpsBearerContextRequest, PdnDisconnectRequest,
};
use basalt_nas::ie::{AccessPointName, EsmCause, LinkedEbi};
use basalt_nas::{EsmMessage, EsmPdu};
use basalt_sansio::Time;

use crate::fault::Uplink;
use crate::filters;
use crate::io::{EstablishmentCause, Event, ProtocolSurprise};
use crate::send::about_bearer;
use crate::session::{Session, Transaction};
use crate::timer::Timer;
use crate::ue::{EmmState, Out, Ue};

/// Repetitions before a request is given up (TS 24.301 §6.5.1.5, §6.5.2.5).
const MOST_REPETITIONS: u8 = 4;

impl Ue {
    pub(crate) fn esm(&mut self, now: Time, pdu: EsmPdu, out: &mut Out) {
        let EsmPdu { ebi, pti, message } = pdu;
        match (message, ebi) {
            (EsmMessage::ActivateDefaultEpsBearerContextRequest(request), Some(ebi)) => {
                let answer = self.activate_default(ebi, pti, &request, out);
                self.send_esm(Uplink::BearerAnswer, &answer, out);
            }
            (EsmMessage::ActivateDedicatedEpsBearerContextRequest(request), Some(ebi)) => {
                self.activate_dedicated(ebi, pti, &request, out);
            }
            (EsmMessage::ModifyEpsBearerContextRequest(request), Some(ebi)) => self.modify(ebi, pti, &request, out),
            (EsmMessage::DeactivateEpsBearerContextRequest(request), Some(ebi)) => {
                self.deactivate(now, ebi, pti, &request, out);
            }
            (EsmMessage::EsmInformationRequest(_), _) => self.esm_information(pti, out),
            (EsmMessage::PdnConnectivityReject(reject), _) => self.pdn_refused(pti, reject.cause, out),
            (EsmMessage::PdnDisconnectReject(reject), _) => {
                self.end_transaction(pti);
                self.tell(Event::SessionStatus(reject.cause), out);
            }
            (EsmMessage::EsmStatus(status), _) => self.tell(Event::SessionStatus(status.cause), out),
            (EsmMessage::Notification(_) | EsmMessage::EsmDummyMessage(_), _) => {}
            (other, ebi) => {
                self.distrust(ProtocolSurprise::Unexpected(other.name()), out);
                self.esm_status(ebi, pti, EsmCause::MessageTypeNotCompatibleWithState, out);
            }
        }
    }

    /// The bearer inside ATTACH ACCEPT, and the answer that goes into ATTACH COMPLETE.
    pub(crate) fn attach_bearer(&mut self, inner: EsmPdu, out: &mut Out) -> Option<EsmPdu> {
        match inner {
            EsmPdu { ebi: Some(ebi), pti, message: EsmMessage::ActivateDefaultEpsBearerContextRequest(request) } => {
                Some(self.activate_default(ebi, pti, &request, out))
            }
            other => {
                self.distrust(ProtocolSurprise::Unexpected(other.message.name()), out);
                None
            }
        }
    }

    fn activate_default(
        &mut self,
        ebi: Ebi,
        pti: Pti,
        request: &ActivateDefaultEpsBearerContextRequest,
        out: &mut Out,
    ) -> EsmPdu {
        let accept = EsmMessage::ActivateDefaultEpsBearerContextAccept(ActivateDefaultEpsBearerContextAccept::new());
        let session = Session::given(ebi, request);
        let repeated = self.session_mut(ebi).is_some_and(|known| *known == session);
        if !repeated && !self.transactions.iter().any(|transaction| transaction.pti == pti) {
            self.distrust(ProtocolSurprise::WrongTransaction, out);
            let status = EsmMessage::EsmStatus(EsmStatus::new(EsmCause::PtiMismatch));
            return about_bearer(ebi, pti, status);
        }
        self.end_transaction(pti);
        if !repeated {
            // A bearer of that number from before is gone (TS 24.301 §6.4.1.6).
            self.remove_session(ebi, out);
            self.sessions.push(session.clone());
            self.tell(Event::SessionUp(session), out);
        }
        about_bearer(ebi, Pti(0), accept)
    }

    fn activate_dedicated(
        &mut self,
        ebi: Ebi,
        pti: Pti,
        request: &ActivateDedicatedEpsBearerContextRequest,
        out: &mut Out,
    ) {
        let linked = request.linked_ebi.ebi().filter(|linked| self.session_mut(*linked).is_some());
        let Some(linked) = linked else {
            self.esm_status(Some(ebi), pti, EsmCause::InvalidEpsBearerIdentity, out);
            return;
        };
        if self.session_mut(ebi).is_none() {
            let mut filters = Vec::new();
            if let Err(cause) = filters::apply(&mut filters, &request.tft, true) {
                let reject = ActivateDedicatedEpsBearerContextReject::new(cause);
                let answer = EsmMessage::ActivateDedicatedEpsBearerContextReject(reject);
                self.send_esm(Uplink::BearerAnswer, &about_bearer(ebi, Pti(0), answer), out);
                return;
            }
            let session = Session::dedicated(ebi, linked, filters);
            self.sessions.push(session.clone());
            self.tell(Event::SessionUp(session), out);
        }
        let accept = ActivateDedicatedEpsBearerContextAccept::new();
        let answer = EsmMessage::ActivateDedicatedEpsBearerContextAccept(accept);
        self.send_esm(Uplink::BearerAnswer, &about_bearer(ebi, Pti(0), answer), out);
    }

    fn modify(&mut self, ebi: Ebi, pti: Pti, request: &ModifyEpsBearerContextRequest, out: &mut Out) {
        let Some(session) = self.session_mut(ebi) else {
            self.esm_status(Some(ebi), pti, EsmCause::InvalidEpsBearerIdentity, out);
            return;
        };
        if let Some(tft) = &request.tft
            && let Err(cause) = filters::apply(&mut session.filters, tft, false)
        {
            let answer = EsmMessage::ModifyEpsBearerContextReject(ModifyEpsBearerContextReject::new(cause));
            self.send_esm(Uplink::BearerAnswer, &about_bearer(ebi, Pti(0), answer), out);
            return;
        }
        if let Some(ambr) = &request.apn_ambr {
            session.ambr = Some((ambr.downlink(), ambr.uplink()));
        }
        let answer = EsmMessage::ModifyEpsBearerContextAccept(ModifyEpsBearerContextAccept::new());
        self.send_esm(Uplink::BearerAnswer, &about_bearer(ebi, Pti(0), answer), out);
    }

    fn deactivate(
        &mut self,
        now: Time,
        ebi: Ebi,
        pti: Pti,
        request: &DeactivateEpsBearerContextRequest,
        out: &mut Out,
    ) {
        self.end_transaction(pti);
        let apn = self.session_mut(ebi).and_then(|session| session.apn.clone());
        // A bearer that is not there is accepted to be gone all the same (TS 24.301 §6.4.4.3).
        let answer = EsmMessage::DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept::new());
        self.send_esm(Uplink::BearerAnswer, &about_bearer(ebi, Pti(0), answer), out);
        self.remove_session(ebi, out);
        if request.cause == EsmCause::ReactivationRequested && self.profile.persistent {
            self.connect_pdn(now, apn, out);
        }
    }

    /// Forgets a bearer, and with a default bearer all that belong to it.
    pub(crate) fn remove_session(&mut self, ebi: Ebi, out: &mut Out) {
        let gone: Vec<Ebi> = self
            .sessions
            .iter()
            .filter(|session| session.ebi == ebi || session.linked == Some(ebi))
            .map(|session| session.ebi)
            .collect();
        self.sessions.retain(|session| !gone.contains(&session.ebi));
        for ebi in gone {
            self.tell(Event::SessionDown(ebi), out);
        }
    }

    fn esm_information(&mut self, pti: Pti, out: &mut Out) {
        let Some(transaction) = self.transactions.iter().find(|transaction| transaction.pti == pti) else {
            self.distrust(ProtocolSurprise::WrongTransaction, out);
            self.esm_status(None, pti, EsmCause::InvalidPtiValue, out);
            return;
        };
        let mut response = EsmInformationResponse::new();
        response.apn = transaction.apn.as_ref().map(AccessPointName::from);
        if self.profile.conceals_esm_information {
            response.pco = self.profile.options();
        }
        let message = EsmMessage::EsmInformationResponse(response);
        self.send_esm(Uplink::EsmInformationResponse, &EsmPdu { ebi: None, pti, message }, out);
    }

    fn pdn_refused(&mut self, pti: Pti, cause: EsmCause, out: &mut Out) {
        if self.end_transaction(pti) {
            self.tell(Event::SessionRefused(cause), out);
        } else {
            self.distrust(ProtocolSurprise::WrongTransaction, out);
        }
    }

    fn esm_status(&mut self, ebi: Option<Ebi>, pti: Pti, cause: EsmCause, out: &mut Out) {
        let message = EsmMessage::EsmStatus(EsmStatus::new(cause));
        self.send_esm(Uplink::EsmStatus, &EsmPdu { ebi, pti, message }, out);
    }

    /// True if there was one.
    fn end_transaction(&mut self, pti: Pti) -> bool {
        let before = self.transactions.len();
        self.transactions.retain(|transaction| transaction.pti != pti);
        if self.transactions.iter().all(|transaction| transaction.in_attach) {
            self.running.stop(Timer::T3482);
            self.running.stop(Timer::T3492);
        }
        self.transactions.len() < before
    }

    pub(crate) fn connect_pdn(&mut self, now: Time, apn: Option<Apn>, out: &mut Out) {
        if self.state != EmmState::Registered && self.state != EmmState::ServiceRequestInitiated {
            return;
        }
        let pti = self.new_pti();
        self.transactions.push(Transaction { pti, apn, attempts: 0, disconnects: None, in_attach: false, sent: false });
        self.send_waiting_transactions(now, out);
    }

    pub(crate) fn disconnect_pdn(&mut self, now: Time, ebi: Ebi, out: &mut Out) {
        if self.session_mut(ebi).is_none() {
            return;
        }
        let pti = self.new_pti();
        let disconnects = Some(ebi);
        self.transactions.push(Transaction { pti, apn: None, attempts: 0, disconnects, in_attach: false, sent: false });
        self.send_waiting_transactions(now, out);
    }

    /// Sends requests that wait for a connection; asks for one if there is none.
    pub(crate) fn send_waiting_transactions(&mut self, now: Time, out: &mut Out) {
        if self.transactions.iter().all(|transaction| transaction.sent) {
            return;
        }
        if !self.connected || !self.security.secure && self.state != EmmState::Registered {
            self.want_bearers(now, EstablishmentCause::MoSignalling, out);
            return;
        }
        let waiting: Vec<Transaction> =
            self.transactions.iter().filter(|transaction| !transaction.sent).cloned().collect();
        for transaction in waiting {
            self.send_transaction(now, &transaction, out);
        }
    }

    fn send_transaction(&mut self, now: Time, transaction: &Transaction, out: &mut Out) {
        let timers = self.profile.timers;
        for known in &mut self.transactions {
            known.sent |= known.pti == transaction.pti;
        }
        let pti = transaction.pti;
        match transaction.disconnects {
            Some(ebi) => {
                let message = EsmMessage::PdnDisconnectRequest(PdnDisconnectRequest::new(LinkedEbi(ebi.value())));
                self.start(now, Timer::T3492, timers.t3492);
                self.send_esm(Uplink::PdnDisconnectRequest, &EsmPdu { ebi: None, pti, message }, out);
            }
            None => {
                let profile = self.profile.clone();
                let mut request = basalt_nas::esm::PdnConnectivityRequest::new(
                    basalt_nas::ie::RequestType::Initial,
                    profile.pdn_type,
                );
                request.apn = transaction.apn.as_ref().map(AccessPointName::from);
                request.pco = profile.options();
                let message = EsmMessage::PdnConnectivityRequest(request);
                self.start(now, Timer::T3482, timers.t3482);
                self.send_esm(Uplink::PdnConnectivityRequest, &EsmPdu { ebi: None, pti, message }, out);
            }
        }
    }

    /// T3482 or T3492 expired: again, four times.
    pub(crate) fn transaction_not_answered(&mut self, now: Time, timer: Timer, out: &mut Out) {
        let disconnects = timer == Timer::T3492;
        let waiting: Vec<Transaction> = self
            .transactions
            .iter()
            .filter(|transaction| !transaction.in_attach && transaction.disconnects.is_some() == disconnects)
            .cloned()
            .collect();
        for transaction in waiting {
            if transaction.attempts >= MOST_REPETITIONS {
                self.end_transaction(transaction.pti);
                // A disconnection that nobody answers is done locally (TS 24.301 §6.5.2.5).
                match transaction.disconnects {
                    Some(ebi) => self.remove_session(ebi, out),
                    None => self.tell(Event::SessionRefused(EsmCause::NetworkFailure), out),
                }
                continue;
            }
            for known in &mut self.transactions {
                known.attempts += u8::from(known.pti == transaction.pti);
            }
            if self.connected {
                self.send_transaction(now, &transaction, out);
            }
        }
    }
}
