//! What a phone does about a cause that the network refuses it with (TS 24.301 §5.5.1.2.5, §5.5.3.2.5, §5.6.1.5, §5.5.2.3.2).

use basalt_nas::ie::EmmCause;
use basalt_sansio::{Duration, Time};

use crate::io::Event;
use crate::timer::Timer;
use crate::ue::{EmmState, Out, Ue};

impl Ue {
    /// The registration, if there was one, is already judged; here go identity, keys and the next attempt.
    pub(crate) fn act_on_cause(&mut self, now: Time, cause: EmmCause, back_off: Option<Duration>, out: &mut Out) {
        self.last_cause = Some(cause);
        match cause {
            EmmCause::IllegalUe
            | EmmCause::IllegalMe
            | EmmCause::EpsServicesNotAllowed
            | EmmCause::EpsAndNonEpsServicesNotAllowed => {
                self.forget_identity(out);
                self.barred = true;
                self.deregister(out);
            }
            EmmCause::PlmnNotAllowed
            | EmmCause::EpsServicesNotAllowedInPlmn
            | EmmCause::ServiceOptionNotAuthorizedInPlmn => {
                self.forget_identity(out);
                self.attempts = 0;
                self.forbidden_plmns.extend(self.cell.map(|cell| cell.plmn));
                self.deregister(out);
            }
            EmmCause::TrackingAreaNotAllowed => {
                self.forget_identity(out);
                self.attempts = 0;
                self.forbidden_areas.extend(self.cell);
                self.deregister(out);
            }
            EmmCause::RoamingNotAllowedInTrackingArea | EmmCause::NoSuitableCellsInTrackingArea => {
                self.attempts = 0;
                self.areas = None;
                self.forbidden_areas.extend(self.cell);
                self.deregister(out);
            }
            EmmCause::UeIdentityCannotBeDerived => {
                self.forget_identity(out);
                self.deregister(out);
                self.attach_when_free = self.wanted && self.profile.persistent;
            }
            EmmCause::ImplicitlyDetached | EmmCause::NoEpsBearerContextActivated => {
                self.deregister(out);
                self.attach_when_free = self.wanted && self.profile.persistent;
            }
            EmmCause::Congestion if back_off.is_some_and(|back_off| !back_off.is_zero()) => {
                self.attempts = 0;
                self.start(now, Timer::T3346, back_off.unwrap_or_default());
            }
            _ => self.count_attempt(now),
        }
        if !self.connected && self.attach_when_free {
            self.attach(now, out);
        }
    }

    fn forget_identity(&mut self, out: &mut Out) {
        if self.guti.take().is_some() {
            self.tell(Event::NewGuti(None), out);
        }
        self.areas = None;
        self.last_visited = None;
        // The connection, if one stands, goes on being judged by what was established on it.
        let secure = self.security.secure;
        self.forget_keys();
        self.security.secure = secure;
    }

    fn deregister(&mut self, out: &mut Out) {
        self.lose_registration(out);
        self.state = EmmState::Deregistered;
    }
}
