//! Tracking area update as the phone sees it (TS 24.301 §5.5.3).
//!
//! ```text
//!  phone                                            network
//!    | TRACKING AREA UPDATE REQUEST ----------------> |   T3430
//!    | <---------------- TRACKING AREA UPDATE ACCEPT  |
//!    | TRACKING AREA UPDATE COMPLETE ---------------> |   when a GUTI came with it
//!    | <---------------- TRACKING AREA UPDATE REJECT  |
//! ```

use basalt_nas::emm::{
    TrackingAreaUpdateAccept, TrackingAreaUpdateComplete, TrackingAreaUpdateReject, TrackingAreaUpdateRequest,
};
use basalt_nas::ie::{EpsBearerContextStatus, EpsMobileIdentity, GutiType, TauKind, TauType};
use basalt_sansio::Time;

use crate::fault::Uplink;
use crate::io::{EstablishmentCause, Event, ProtocolSurprise};
use crate::timer::Timer;
use crate::ue::{EmmState, Out, Ue};

impl Ue {
    pub(crate) fn want_update(&mut self, now: Time, active: bool, out: &mut Out) {
        match self.state {
            EmmState::Registered => self.update(now, active, out),
            EmmState::RegisteredInitiated | EmmState::ServiceRequestInitiated => self.postponed.update = Some(active),
            _ => {}
        }
    }

    /// T3412 expired.
    pub(crate) fn periodic_update(&mut self, now: Time, out: &mut Out) {
        if self.state == EmmState::Registered && !self.connected {
            self.send_update(now, TauKind::Periodic, false, out);
        }
    }

    pub(crate) fn update(&mut self, now: Time, active: bool, out: &mut Out) {
        let kind = if self.profile.combined { TauKind::CombinedTaLa } else { TauKind::Ta };
        self.send_update(now, kind, active, out);
    }

    fn send_update(&mut self, now: Time, kind: TauKind, active: bool, out: &mut Out) {
        let Some(guti) = self.guti else { return };
        let update_type = TauType { kind, active };
        let mut request = TrackingAreaUpdateRequest::new(update_type, self.ksi(), EpsMobileIdentity::Guti(guti));
        request.last_visited_tai = self.last_visited;
        request.ue_network_capability = Some(self.profile.capability.network());
        request.ms_network_capability = self.profile.capability.ms();
        request.bearer_status = Some(self.bearer_status());
        request.old_guti_type = Some(GutiType::Native);
        for timer in [Timer::T3412, Timer::T3411, Timer::T3402] {
            self.running.stop(timer);
        }
        self.state = EmmState::TrackingAreaUpdatingInitiated;
        self.start(now, Timer::T3430, self.profile.timers.t3430);
        self.send_initial(Uplink::TrackingAreaUpdateRequest, request, EstablishmentCause::MoSignalling, out);
    }

    pub(crate) fn bearer_status(&self) -> EpsBearerContextStatus {
        self.sessions.iter().map(|session| session.ebi).collect()
    }

    pub(crate) fn update_accept(&mut self, now: Time, accept: &TrackingAreaUpdateAccept, out: &mut Out) {
        if !matches!(self.state, EmmState::TrackingAreaUpdatingInitiated | EmmState::Registered) {
            self.distrust(ProtocolSurprise::Unexpected("TRACKING AREA UPDATE ACCEPT"), out);
            return;
        }
        self.running.stop(Timer::T3430);
        self.state = EmmState::Registered;
        self.attempts = 0;
        if let Some(areas) = &accept.tai_list {
            self.areas = Some(areas.clone());
        }
        self.last_visited = self.cell;
        if let Some(timer) = accept.t3412 {
            self.t3412 = timer.duration();
        }
        self.t3402 = accept.t3402.and_then(|timer| timer.duration()).or(self.t3402);
        if let Some(status) = accept.bearer_status {
            self.keep_bearers(status, out);
        }
        if let Some(guti) = accept.guti {
            self.guti = Some(guti);
            self.tell(Event::NewGuti(Some(guti)), out);
            self.send_emm(Uplink::TrackingAreaUpdateComplete, TrackingAreaUpdateComplete::new(), out);
        }
        self.tell(Event::Updated, out);
        if !self.bearers_up {
            // The network lets the connection go, or sets bearers up; the phone does not wait for ever (§5.3.1.2).
            self.start(now, Timer::T3440, self.profile.timers.t3440);
        }
        if self.postponed.detach.is_some() {
            self.carry_out_postponed(now, out);
        }
    }

    /// Bearers that the network does not have are gone here too (TS 24.301 §5.5.3.2.4).
    fn keep_bearers(&mut self, status: EpsBearerContextStatus, out: &mut Out) {
        let gone: Vec<_> =
            self.sessions.iter().map(|session| session.ebi).filter(|ebi| !status.contains(*ebi)).collect();
        self.sessions.retain(|session| status.contains(session.ebi));
        for ebi in gone {
            self.tell(Event::SessionDown(ebi), out);
        }
    }

    pub(crate) fn update_reject(&mut self, now: Time, reject: &TrackingAreaUpdateReject, out: &mut Out) {
        if self.state != EmmState::TrackingAreaUpdatingInitiated {
            self.distrust(ProtocolSurprise::Unexpected("TRACKING AREA UPDATE REJECT"), out);
            return;
        }
        self.running.stop(Timer::T3430);
        self.state = EmmState::Registered;
        self.tell(Event::UpdateRejected(reject.cause), out);
        let back_off = reject.t3346.and_then(|timer| timer.duration());
        self.start(now, Timer::T3440, self.profile.timers.t3440);
        self.act_on_cause(now, reject.cause, back_off, out);
    }

    /// T3430 expired (TS 24.301 §5.5.3.2.6 c).
    pub(crate) fn update_not_answered(&mut self, now: Time, out: &mut Out) {
        self.fail_procedure(now, "T3430 expired", out);
        self.release_locally(now, out);
    }
}
