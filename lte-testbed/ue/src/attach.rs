//! Attach as the phone sees it (TS 24.301 §5.5.1).
//!
//! ```text
//!  phone                                            network
//!    | ATTACH REQUEST [PDN CONNECTIVITY REQUEST] ---> |   T3410
//!    | <- identification, authentication, security -> |
//!    | <--- ATTACH ACCEPT [ACTIVATE DEFAULT BEARER]   |   in INITIAL CONTEXT SETUP
//!    | ATTACH COMPLETE [... ACCEPT] ----------------> |
//!    | <------- ATTACH REJECT (cause)                 |   T3411, T3402, T3346, or never again
//! ```

use basalt_ids::Tai;
use basalt_nas::emm::{AttachAccept, AttachComplete, AttachReject, AttachRequest};
use basalt_nas::esm::PdnConnectivityRequest;
use basalt_nas::ie::{
    AccessPointName, AttachType, EpsMobileIdentity, EsmContainer, EsmInformationTransfer, GutiType, KeySetIdentifier,
    RequestType,
};
use basalt_nas::{EsmMessage, EsmPdu};
use basalt_sansio::Time;

use crate::fault::Uplink;
use crate::io::{AttachKind, Effect, EstablishmentCause, Event, ProtocolSurprise};
use crate::session::Transaction;
use crate::timer::Timer;
use crate::ue::{EmmState, Out, Ue};

/// Attempts before T3402 (TS 24.301 §5.5.1.2.6, §5.5.3.2.6).
pub(crate) const MOST_ATTEMPTS: u8 = 5;

impl Ue {
    pub(crate) fn want_service(&mut self, now: Time, kind: AttachKind, out: &mut Out) {
        self.wanted = true;
        self.kind = kind;
        self.postponed.detach = None;
        if self.barred {
            self.tell(Event::AttachFailed("the USIM is invalid"), out);
            return;
        }
        if matches!(self.state, EmmState::Null | EmmState::Deregistered) {
            self.state = EmmState::Deregistered;
            if self.running.is_running(Timer::T3440) {
                // The network, or the timer's end, releases what is left of the connection first (TS 24.301 §5.3.1.2).
                self.attach_when_free = true;
            } else {
                self.attach(now, out);
            }
        }
    }

    /// Whether this cell may be attached on.
    fn suitable(&self, cell: Tai) -> bool {
        !self.forbidden_plmns.contains(&cell.plmn) && !self.forbidden_areas.contains(&cell)
    }

    /// Attaches if it can be done now.
    pub(crate) fn attach(&mut self, now: Time, out: &mut Out) {
        let Some(cell) = self.cell else {
            self.tell(Event::AttachFailed("no cell"), out);
            return;
        };
        if !self.suitable(cell) {
            self.tell(Event::AttachFailed("no suitable cell"), out);
            return;
        }
        if self.running.is_running(Timer::T3346) {
            self.tell(Event::AttachFailed("the network is congested"), out);
            return;
        }
        for timer in [Timer::T3411, Timer::T3402] {
            self.running.stop(timer);
        }
        self.attach_when_free = false;
        self.transactions.clear();
        let Some(request) = self.attach_request() else { return };
        self.state = EmmState::RegisteredInitiated;
        self.start(now, Timer::T3410, self.profile.timers.t3410);
        self.tell(Event::AttachStarted, out);
        self.send_initial(Uplink::AttachRequest, request, EstablishmentCause::MoSignalling, out);
    }

    fn attach_request(&mut self) -> Option<AttachRequest> {
        let profile = self.profile.clone();
        let guti = self.guti.filter(|_| self.kind == AttachKind::Usual);
        let identity = guti.map_or(EpsMobileIdentity::Imsi(self.imsi()), EpsMobileIdentity::Guti);
        let attach_type = if profile.combined { AttachType::Combined } else { AttachType::Eps };
        let container = self.pdn_connectivity_request(profile.apn.clone(), true)?;
        let capability = profile.capability.network();
        let mut request = AttachRequest::new(attach_type, self.ksi(), identity, capability, container);
        request.last_visited_tai = self.last_visited;
        request.ms_network_capability = profile.capability.ms();
        request.old_guti_type = guti.map(|_| GutiType::Native);
        Some(request)
    }

    /// The key set that protects the next message, if there is one.
    pub(crate) fn ksi(&self) -> KeySetIdentifier {
        self.security.current.as_ref().map_or(KeySetIdentifier::NONE, |context| KeySetIdentifier::native(context.ksi()))
    }

    /// PDN CONNECTIVITY REQUEST of a new transaction.
    pub(crate) fn pdn_connectivity_request(
        &mut self,
        apn: Option<basalt_ids::Apn>,
        in_attach: bool,
    ) -> Option<EsmContainer> {
        let pti = self.new_pti();
        let profile = self.profile.clone();
        let mut request = PdnConnectivityRequest::new(RequestType::Initial, profile.pdn_type);
        if in_attach && profile.conceals_esm_information {
            request.information_transfer = Some(EsmInformationTransfer(true));
        } else {
            // Inside ATTACH REQUEST an access point name would be readable by everyone (TS 24.301 §6.5.1.2).
            request.apn = apn.as_ref().filter(|_| !in_attach).map(AccessPointName::from);
            request.pco = profile.options();
        }
        if in_attach && apn.is_some() {
            request.information_transfer = Some(EsmInformationTransfer(true));
        }
        self.transactions.push(Transaction { pti, apn, attempts: 0, disconnects: None, in_attach, sent: true });
        let message = EsmMessage::PdnConnectivityRequest(request);
        EsmPdu { ebi: None, pti, message }.to_container().ok()
    }

    pub(crate) fn attach_accept(&mut self, now: Time, accept: AttachAccept, out: &mut Out) {
        // A second ATTACH ACCEPT means that ATTACH COMPLETE was lost: it is answered again.
        if !matches!(self.state, EmmState::RegisteredInitiated | EmmState::Registered) {
            self.distrust(ProtocolSurprise::Unexpected("ATTACH ACCEPT"), out);
            return;
        }
        let Ok(inner) = accept.esm_container.decode(basalt_nas::Direction::Downlink) else {
            self.distrust(ProtocolSurprise::Malformed, out);
            return;
        };
        let Some(answer) = self.attach_bearer(inner, out) else { return };
        let Ok(container) = answer.to_container() else { return };
        self.running.stop(Timer::T3410);
        self.state = EmmState::Registered;
        self.attempts = 0;
        self.areas = Some(accept.tai_list);
        self.last_visited = self.cell;
        self.t3412 = accept.t3412.duration();
        self.t3402 = accept.t3402.and_then(|timer| timer.duration()).or(self.t3402);
        if let Some(guti) = accept.guti {
            self.guti = Some(guti);
            self.tell(Event::NewGuti(Some(guti)), out);
        }
        self.send_emm(Uplink::AttachComplete, AttachComplete::new(container), out);
        self.tell(Event::Attached { eps_only: accept.cause }, out);
        self.carry_out_postponed(now, out);
    }

    pub(crate) fn attach_reject(&mut self, now: Time, reject: &AttachReject, out: &mut Out) {
        if self.state != EmmState::RegisteredInitiated {
            self.distrust(ProtocolSurprise::Unexpected("ATTACH REJECT"), out);
            return;
        }
        if let Some(container) = &reject.esm_container {
            self.esm_container(now, container.as_ref(), out);
        }
        self.state = EmmState::Deregistered;
        self.lose_registration(out);
        self.t3402 = reject.t3402.and_then(|timer| timer.duration()).or(self.t3402);
        self.tell(Event::AttachRejected(reject.cause), out);
        let back_off = reject.t3346.and_then(|timer| timer.duration());
        self.act_on_cause(now, reject.cause, back_off, out);
    }

    /// T3410 expired (TS 24.301 §5.5.1.2.6 c).
    pub(crate) fn attach_not_answered(&mut self, now: Time, out: &mut Out) {
        self.fail_procedure(now, "T3410 expired", out);
        self.release_locally(now, out);
    }

    /// A timer says that what failed may be tried again.
    pub(crate) fn try_again(&mut self, now: Time, out: &mut Out) {
        if !self.wanted || !self.profile.persistent {
            return;
        }
        match self.state {
            EmmState::Deregistered => self.attach(now, out),
            EmmState::Registered => self.update(now, false, out),
            _ => {}
        }
    }

    /// What the network does not answer, or the radio does not carry: counted, and tried again later
    /// (TS 24.301 §5.5.1.2.6, §5.5.3.2.6).
    pub(crate) fn fail_procedure(&mut self, now: Time, why: &'static str, out: &mut Out) {
        match self.state {
            EmmState::RegisteredInitiated => {
                self.lose_registration(out);
                self.state = EmmState::Deregistered;
                self.tell(Event::AttachFailed(why), out);
                self.count_attempt(now);
            }
            EmmState::TrackingAreaUpdatingInitiated => {
                self.running.stop(Timer::T3430);
                self.state = EmmState::Registered;
                self.tell(Event::UpdateFailed, out);
                self.count_attempt(now);
            }
            EmmState::ServiceRequestInitiated => {
                self.running.stop(Timer::T3417);
                self.state = EmmState::Registered;
                self.tell(Event::ServiceFailed, out);
            }
            EmmState::DeregisteredInitiated => self.detached_locally(out),
            EmmState::Null | EmmState::Deregistered | EmmState::Registered => {}
        }
    }

    pub(crate) fn count_attempt(&mut self, now: Time) {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts < MOST_ATTEMPTS {
            self.start(now, Timer::T3411, self.profile.timers.t3411);
            return;
        }
        if self.state == EmmState::Deregistered {
            // TS 24.301 §5.5.1.2.6: after the fifth failure, identity and keys go.
            self.guti = None;
            self.areas = None;
            self.last_visited = None;
            self.forget_keys();
        }
        self.attempts = 0;
        self.start(now, Timer::T3402, self.t3402.unwrap_or(self.profile.timers.t3402));
    }

    /// Lets the radio connection go without waiting for the network.
    pub(crate) fn release_locally(&mut self, now: Time, out: &mut Out) {
        if self.connected {
            out.push(Effect::Abandon);
            self.released(now, out);
        }
    }
}
