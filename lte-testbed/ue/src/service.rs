//! Service request and paging as the phone sees them (TS 24.301 §5.6).
//!
//! ```text
//!  phone                                            network
//!    | <----------------------------------- (page)    |
//!    | SERVICE REQUEST -----------------------------> |   T3417
//!    | <------------- radio bearers, or SERVICE REJECT|
//! ```

use basalt_nas::emm::ServiceReject;
use basalt_sansio::Time;

use crate::attach::MOST_ATTEMPTS;
use crate::io::{AttachKind, EstablishmentCause, Event, Page, ProtocolSurprise};
use crate::timer::Timer;
use crate::ue::{EmmState, Out, Ue};

impl Ue {
    pub(crate) fn want_bearers(&mut self, now: Time, cause: EstablishmentCause, out: &mut Out) {
        if self.bearers_up {
            return;
        }
        if self.sessions.is_empty() {
            self.attach_anew(now, out);
            return;
        }
        match self.state {
            EmmState::Registered if !self.connected => self.request_service(now, cause, out),
            EmmState::Registered | EmmState::TrackingAreaUpdatingInitiated => self.postponed.data = Some(cause),
            _ => {}
        }
    }

    /// Without a PDN connection a phone is not registered (TS 23.401 §4.6.2.3): what it had went without a word of the network's.
    fn attach_anew(&mut self, now: Time, out: &mut Out) {
        if self.state == EmmState::Registered && !self.connected {
            self.lose_registration(out);
            self.state = EmmState::Deregistered;
            self.attach(now, out);
        }
    }

    fn request_service(&mut self, now: Time, cause: EstablishmentCause, out: &mut Out) {
        if !self.send_service_request(cause, out) {
            // Without keys nobody can be asked for service; the way back is to attach.
            self.lose_registration(out);
            self.state = EmmState::Deregistered;
            self.attach(now, out);
            return;
        }
        self.running.stop(Timer::T3412);
        self.state = EmmState::ServiceRequestInitiated;
        self.start(now, Timer::T3417, self.profile.timers.t3417);
    }

    /// The radio bearers stand: that is the acceptance (TS 24.301 §5.6.1.4).
    pub(crate) fn service_accepted(&mut self, now: Time, out: &mut Out) {
        if self.state != EmmState::ServiceRequestInitiated {
            return;
        }
        self.running.stop(Timer::T3417);
        self.state = EmmState::Registered;
        self.service_attempts = 0;
        self.postponed.data = None;
        self.send_waiting_transactions(now, out);
        self.carry_out_postponed(now, out);
    }

    pub(crate) fn service_reject(&mut self, now: Time, reject: &ServiceReject, out: &mut Out) {
        if self.state != EmmState::ServiceRequestInitiated {
            self.distrust(ProtocolSurprise::Unexpected("SERVICE REJECT"), out);
            return;
        }
        self.running.stop(Timer::T3417);
        self.state = EmmState::Registered;
        self.tell(Event::ServiceRejected(reject.cause), out);
        let back_off = reject.t3346.and_then(|timer| timer.duration());
        self.start(now, Timer::T3440, self.profile.timers.t3440);
        self.act_on_cause(now, reject.cause, back_off, out);
    }

    /// T3417 expired (TS 24.301 §5.6.1.6 a): idle again; data that still waits asks once more.
    pub(crate) fn service_not_answered(&mut self, now: Time, out: &mut Out) {
        self.service_attempts += 1;
        let again = self.service_attempts < MOST_ATTEMPTS;
        self.postponed.data = again.then_some(EstablishmentCause::MoData);
        if !again {
            self.service_attempts = 0;
        }
        self.fail_procedure(now, "T3417 expired", out);
        self.release_locally(now, out);
    }

    pub(crate) fn paged(&mut self, now: Time, page: Page, out: &mut Out) {
        match page {
            Page::STmsi(s_tmsi) => {
                let mine = self.guti.is_some_and(|guti| guti.s_tmsi() == s_tmsi);
                if !mine || self.connected || self.state != EmmState::Registered {
                    return;
                }
                self.tell(Event::Paged, out);
                self.request_service(now, EstablishmentCause::MtAccess, out);
            }
            Page::Imsi(imsi) => {
                let registered = !matches!(self.state, EmmState::Null | EmmState::Deregistered);
                if imsi != self.imsi() || self.connected || !registered {
                    return;
                }
                // The network lost the phone (TS 24.301 §5.6.2.2.2): detach locally, attach with the IMSI.
                self.tell(Event::Paged, out);
                self.lose_registration(out);
                self.guti = None;
                self.areas = None;
                self.last_visited = None;
                self.forget_keys();
                self.state = EmmState::Deregistered;
                self.kind = AttachKind::Imsi;
                self.attach(now, out);
            }
        }
    }
}
