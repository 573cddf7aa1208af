//! Authentication as the phone sees it (TS 24.301 §5.4.2).
//!
//! ```text
//!  phone                                            network
//!    | <----------------- AUTHENTICATION REQUEST      |
//!    | AUTHENTICATION RESPONSE ---------------------> |
//!    | AUTHENTICATION FAILURE (#20, #21, #26) ------> |   T3418, T3420: another request must come
//!    | <------------------ AUTHENTICATION REJECT      |   the USIM is invalid from here on
//! ```

use basalt_nas::emm::{AuthenticationFailure, AuthenticationRequest, AuthenticationResponse};
use basalt_nas::ie::{AuthenticationFailureParameter, EmmCause, Res};
use basalt_sansio::Time;
use basalt_security::UsimFailure;

use crate::fault::{Misdeed, Uplink};
use crate::io::{Event, ProtocolSurprise};
use crate::timer::Timer;
use crate::ue::{Answered, EmmState, Out, PartialContext, Ue};

/// After so many failures in a row the network counts as not authentic (TS 24.301 §5.4.2.7 c to e).
const MOST_FAILURES: u8 = 3;

impl Ue {
    pub(crate) fn authentication_request(&mut self, now: Time, request: &AuthenticationRequest, out: &mut Out) {
        let (rand, autn) = (request.rand.0, request.autn.0);
        self.tell(Event::Challenged(rand), out);
        // The same challenge again: the answer was lost (TS 24.301 §5.4.2.3).
        if let Some(answered) = self.security.answered.as_ref().filter(|answered| answered.rand == rand) {
            let res = answered.res.expose().clone();
            self.authentication_response(res, out);
            return;
        }
        match self.usim.answer(&rand, &autn) {
            Ok(answer) => {
                let Some(serving) = self.cell.map(|cell| cell.plmn) else { return };
                self.authentication_failures = 0;
                self.running.stop(Timer::T3418);
                self.running.stop(Timer::T3420);
                let partial = PartialContext { ksi: request.ksi.value, kasme: answer.kasme(serving) };
                self.security.partial = Some(partial);
                self.security.answered = Some(Answered { rand, res: answer.res.clone() });
                self.start(now, Timer::T3416, self.profile.timers.t3416);
                self.restart_main_timer(now);
                self.authentication_response(answer.res.expose().clone(), out);
            }
            Err(failure) => self.authentication_failure(now, failure, out),
        }
    }

    fn authentication_response(&mut self, mut res: Vec<u8>, out: &mut Out) {
        let wrong = |fault: &crate::Fault| {
            fault.misdeed == Misdeed::WrongRes && fault.at.is_none_or(|at| at == Uplink::AuthenticationResponse)
        };
        if let Some(position) = self.faults.iter().position(wrong) {
            if self.faults[position].times == 1 {
                self.faults.remove(position);
            }
            if let Some(first) = res.first_mut() {
                *first ^= 0xff;
            }
        }
        self.send_emm(Uplink::AuthenticationResponse, AuthenticationResponse::new(Res(res)), out);
    }

    fn authentication_failure(&mut self, now: Time, failure: UsimFailure, out: &mut Out) {
        let timers = self.profile.timers;
        let (cause, auts, surprise, timer, duration) = match failure {
            UsimFailure::Mac => (EmmCause::MacFailure, None, ProtocolSurprise::AutnMac, Timer::T3418, timers.t3418),
            UsimFailure::Synch { auts } => {
                let auts = Some(AuthenticationFailureParameter(auts));
                (EmmCause::SynchFailure, auts, ProtocolSurprise::SynchFailure, Timer::T3420, timers.t3420)
            }
            UsimFailure::NotForEps => {
                let cause = EmmCause::NonEpsAuthenticationUnacceptable;
                (cause, None, ProtocolSurprise::SeparationBit, Timer::T3418, timers.t3418)
            }
        };
        self.distrust(surprise, out);
        let mut message = AuthenticationFailure::new(cause);
        message.auts = auts;
        self.send_emm(Uplink::AuthenticationFailure, message, out);
        self.authentication_failures += 1;
        if self.authentication_failures >= MOST_FAILURES {
            self.network_not_authentic(now, out);
            return;
        }
        // The procedure's own timer rests while the network tries again (TS 24.301 §5.4.2.7 c).
        self.stop_main_timer();
        self.start(now, timer, duration);
    }

    /// T3418 or T3420 expired, or too many failures: the cell is left alone for a while (TS 24.301 §5.4.2.7).
    pub(crate) fn network_not_authentic(&mut self, now: Time, out: &mut Out) {
        self.authentication_failures = 0;
        self.running.stop(Timer::T3418);
        self.running.stop(Timer::T3420);
        self.fail_procedure(now, "the network is not authentic", out);
        self.release_locally(now, out);
    }

    pub(crate) fn authentication_reject(&mut self, out: &mut Out) {
        // TS 24.301 §5.4.2.5: all temporary identities and keys go; the USIM is invalid until it is taken out.
        self.guti = None;
        self.areas = None;
        self.last_visited = None;
        self.security = crate::ue::Security::default();
        self.barred = true;
        self.running.stop_all();
        self.lose_registration(out);
        self.state = EmmState::Deregistered;
        self.tell(Event::AuthenticationRejected, out);
    }

    /// The timer of the procedure that authentication interrupts.
    fn main_timer(&self) -> Option<(Timer, basalt_sansio::Duration)> {
        let timers = &self.profile.timers;
        match self.state {
            EmmState::RegisteredInitiated => Some((Timer::T3410, timers.t3410)),
            EmmState::TrackingAreaUpdatingInitiated => Some((Timer::T3430, timers.t3430)),
            EmmState::ServiceRequestInitiated => Some((Timer::T3417, timers.t3417)),
            EmmState::DeregisteredInitiated => Some((Timer::T3421, timers.t3421)),
            EmmState::Null | EmmState::Deregistered | EmmState::Registered => None,
        }
    }

    fn stop_main_timer(&mut self) {
        if let Some((timer, _)) = self.main_timer() {
            self.running.stop(timer);
        }
    }

    fn restart_main_timer(&mut self, now: Time) {
        if let Some((timer, duration)) = self.main_timer()
            && !self.running.is_running(timer)
        {
            self.start(now, timer, duration);
        }
    }
}
