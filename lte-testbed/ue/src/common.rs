//! Identification, GUTI reallocation, and what camping and the loss of the radio mean (TS 24.301 §5.4.1, §5.4.4, §5.3.1).

use basalt_ids::Tai;
use basalt_nas::emm::{GutiReallocationCommand, GutiReallocationComplete, IdentityRequest, IdentityResponse};
use basalt_nas::ie::{IdentityType, MobileIdentity};
use basalt_sansio::Time;

use crate::fault::Uplink;
use crate::io::Event;
use crate::timer::Timer;
use crate::ue::{EmmState, Out, Ue};

impl Ue {
    pub(crate) fn identity_request(&mut self, request: &IdentityRequest, out: &mut Out) {
        let imei = || {
            let fourteen: String = self.imeisv.to_string().chars().take(14).collect();
            fourteen.parse().ok().map(MobileIdentity::Imei)
        };
        let identity = match request.identity_type {
            IdentityType::Imei => imei().unwrap_or(MobileIdentity::None),
            IdentityType::Imeisv => MobileIdentity::Imeisv(self.imeisv),
            IdentityType::Tmsi => self.guti.map_or(MobileIdentity::None, |guti| MobileIdentity::Tmsi(guti.m_tmsi)),
            // Reserved types count as IMSI (TS 24.008 table 10.5.5.9).
            _ => MobileIdentity::Imsi(self.imsi()),
        };
        self.send_emm(Uplink::IdentityResponse, IdentityResponse::new(identity), out);
    }

    pub(crate) fn guti_reallocation(&mut self, command: &GutiReallocationCommand, out: &mut Out) {
        self.guti = Some(command.guti);
        if let Some(areas) = &command.tai_list {
            self.areas = Some(areas.clone());
        }
        self.send_emm(Uplink::GutiReallocationComplete, GutiReallocationComplete::new(), out);
        self.tell(Event::NewGuti(Some(command.guti)), out);
    }

    /// Whether an area is in the list that the network gave.
    pub(crate) fn is_in_registered_area(&self, area: Tai) -> bool {
        self.areas.as_ref().is_some_and(|areas| areas.contains(area))
    }

    pub(crate) fn camp(&mut self, now: Time, cell: Tai, out: &mut Out) {
        let before = self.cell.replace(cell);
        match self.state {
            EmmState::Registered if !self.is_in_registered_area(cell) => self.update(now, false, out),
            EmmState::Deregistered if self.wanted && !self.connected && before != Some(cell) && !self.barred => {
                self.attach(now, out);
            }
            _ => {}
        }
    }

    pub(crate) fn out_of_coverage(&mut self, now: Time, out: &mut Out) {
        self.cell = None;
        if self.connected {
            self.released(now, out);
        }
    }

    /// The radio connection is gone: EMM-IDLE, or the end of a procedure that needed it.
    pub(crate) fn released(&mut self, now: Time, out: &mut Out) {
        if !self.connected {
            return;
        }
        self.lose_connection(now, out);
        self.fail_procedure(now, "the radio connection was released", out);
        self.go_on_idle(now, out);
    }

    /// The radio connection that was asked for never came.
    pub(crate) fn connect_failed(&mut self, now: Time, out: &mut Out) {
        if !self.connected {
            return;
        }
        self.lose_connection(now, out);
        self.fail_procedure(now, "no radio connection", out);
    }

    fn lose_connection(&mut self, now: Time, out: &mut Out) {
        self.connected = false;
        self.bearers_up = false;
        self.security.secure = false;
        self.security.partial = None;
        self.security.chain = None;
        for timer in [Timer::T3440, Timer::T3418, Timer::T3420, Timer::T3416] {
            self.running.stop(timer);
        }
        self.security.answered = None;
        if self.state == EmmState::Registered {
            self.start_periodic(now);
        }
        self.tell(Event::Idle, out);
    }

    /// T3412 runs in EMM-IDLE (TS 24.301 §5.3.5).
    pub(crate) fn start_periodic(&mut self, now: Time) {
        if let Some(period) = self.t3412.filter(|period| !period.is_zero()) {
            self.start(now, Timer::T3412, period);
        }
    }

    fn go_on_idle(&mut self, now: Time, out: &mut Out) {
        match self.state {
            EmmState::Registered => self.carry_out_postponed(now, out),
            EmmState::Deregistered if self.attach_when_free && self.wanted && !self.barred => self.attach(now, out),
            _ => {}
        }
    }

    /// Wishes that had to wait for a procedure to end.
    pub(crate) fn carry_out_postponed(&mut self, now: Time, out: &mut Out) {
        if let Some(kind) = self.postponed.detach.take() {
            self.detach(now, kind, out);
        } else if let Some(active) = self.postponed.update.take() {
            self.update(now, active, out);
        } else if !self.connected
            && let Some(cause) = self.postponed.data.take()
        {
            self.want_bearers(now, cause, out);
        }
    }
}
