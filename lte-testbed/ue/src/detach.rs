//! Detach as the phone sees it (TS 24.301 §5.5.2).
//!
//! ```text
//!  phone                                            network
//!    | DETACH REQUEST ------------------------------> |   T3421, five times; none for switch-off
//!    | <------------------------------ DETACH ACCEPT  |
//!    | <----------------------------- DETACH REQUEST  |   re-attach required, or a cause
//!    | DETACH ACCEPT -------------------------------> |
//! ```

use basalt_nas::emm::{DetachAccept, DetachRequestNetwork, DetachRequestUe};
use basalt_nas::ie::{DetachKindUe, DetachTypeNetwork, DetachTypeUe, EpsMobileIdentity};
use basalt_sansio::Time;

use crate::attach::MOST_ATTEMPTS;
use crate::fault::Uplink;
use crate::io::{DetachKind, EstablishmentCause, Event, ProtocolSurprise};
use crate::timer::Timer;
use crate::ue::{EmmState, Out, Postponed, Ue};

impl Ue {
    pub(crate) fn detach(&mut self, now: Time, kind: DetachKind, out: &mut Out) {
        self.wanted = false;
        self.attach_when_free = false;
        match self.state {
            EmmState::Null | EmmState::Deregistered => {
                self.running.stop_all();
                self.state = EmmState::Null;
            }
            // Before security stands nothing could be protected; afterwards nothing is lost by waiting for the end.
            EmmState::RegisteredInitiated
            | EmmState::TrackingAreaUpdatingInitiated
            | EmmState::ServiceRequestInitiated => self.postponed.detach = Some(kind),
            EmmState::DeregisteredInitiated => {}
            EmmState::Registered => {
                self.attempts = 0;
                self.switching_off = kind == DetachKind::SwitchOff;
                self.postponed = Postponed::default();
                self.send_detach_request(now, out);
            }
        }
    }

    fn send_detach_request(&mut self, now: Time, out: &mut Out) {
        let identity = self.guti.map_or(EpsMobileIdentity::Imsi(self.imsi()), EpsMobileIdentity::Guti);
        let kind = if self.profile.combined { DetachKindUe::Combined } else { DetachKindUe::Eps };
        let detach_type = DetachTypeUe { kind, switch_off: self.switching_off };
        let request = DetachRequestUe::new(detach_type, self.ksi(), identity);
        self.running.stop(Timer::T3412);
        self.state = EmmState::DeregisteredInitiated;
        self.send_initial(Uplink::DetachRequest, request, EstablishmentCause::MoSignalling, out);
        if self.switching_off {
            self.detached_locally(out);
        } else {
            self.start(now, Timer::T3421, self.profile.timers.t3421);
        }
    }

    pub(crate) fn detach_accept(&mut self, now: Time, out: &mut Out) {
        if self.state != EmmState::DeregisteredInitiated {
            self.distrust(ProtocolSurprise::Unexpected("DETACH ACCEPT"), out);
            return;
        }
        self.detached_locally(out);
        self.start(now, Timer::T3440, self.profile.timers.t3440);
    }

    /// T3421 expired (TS 24.301 §5.5.2.2.4).
    pub(crate) fn detach_not_answered(&mut self, now: Time, out: &mut Out) {
        self.attempts += 1;
        if self.attempts < MOST_ATTEMPTS {
            self.send_detach_request(now, out);
        } else {
            self.detached_locally(out);
            self.release_locally(now, out);
        }
    }

    pub(crate) fn detached_locally(&mut self, out: &mut Out) {
        self.lose_registration(out);
        self.state = EmmState::Null;
        self.attempts = 0;
        self.tell(Event::Detached { by_network: false, cause: None }, out);
    }

    pub(crate) fn network_detach(&mut self, now: Time, request: &DetachRequestNetwork, out: &mut Out) {
        self.send_emm(Uplink::DetachAccept, DetachAccept::new(), out);
        if request.detach_type == DetachTypeNetwork::Imsi {
            return;
        }
        self.lose_registration(out);
        self.state = EmmState::Deregistered;
        self.tell(Event::Detached { by_network: true, cause: request.cause }, out);
        self.start(now, Timer::T3440, self.profile.timers.t3440);
        match (request.detach_type, request.cause) {
            (DetachTypeNetwork::ReattachRequired, _) => {
                self.attach_when_free = self.wanted && self.profile.persistent;
            }
            (_, Some(cause)) => self.act_on_cause(now, cause, None, out),
            // Not required and no reason: until the user asks again.
            (_, None) => self.wanted = false,
        }
    }
}
