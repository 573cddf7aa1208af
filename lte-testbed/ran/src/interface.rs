//! The interface itself: setup, configuration, overload (TS 36.413 §8.7).
//!
//! ```text
//!  eNodeB                                    MME
//!    | S1 SETUP REQUEST ---------------------> |   at association, and when the MME restarted it
//!    | <-- S1 SETUP RESPONSE / S1 SETUP FAILURE|   failure: again after Time to Wait
//!    | ENB CONFIGURATION UPDATE -------------> |
//!    | <-- ...ACKNOWLEDGE / ...FAILURE         |
//! ```

use basalt_s1ap::{
    CnDomain, EnbConfigurationUpdate, EnbConfigurationUpdateFailure, MmeConfigurationUpdateAcknowledge, Name,
    OverloadAction, Paging, RrcEstablishmentCause, S1SetupFailure, S1SetupRequest, S1SetupResponse, SupportedTa,
};
use basalt_sansio::{Duration, Time};

use crate::enb::{Enb, LinkState, Out, Timer};
use crate::io::{Effect, Event};

/// How long a refused eNodeB waits when the MME names no time.
const PATIENCE: Duration = Duration::from_secs(10);

impl Enb {
    pub(crate) fn link_up(&mut self, now: Time, out: &mut Out) {
        self.link = LinkState::SettingUp;
        let config = &self.config;
        let mut request = S1SetupRequest::new(config.id, config.supported_tas.clone(), config.paging_drx);
        request.enb_name = Name::new(config.name.clone()).ok();
        self.timers.arm(Timer::Setup, now + self.config.answer_timer);
        self.send(request, out);
    }

    pub(crate) fn link_down(&mut self, out: &mut Out) {
        self.link = LinkState::Down;
        self.overload = None;
        self.timers.cancel(&Timer::Setup);
        self.timers.cancel(&Timer::Update);
        for id in self.connections.ids() {
            self.drop_connection(id, basalt_s1ap::TransportCause::TransportResourceUnavailable.into(), out);
        }
    }

    pub(crate) fn setup_done(&mut self, message: S1SetupResponse, out: &mut Out) {
        if self.link != LinkState::SettingUp {
            out.push(Effect::Event(Event::Unexpected(S1SetupResponse::NAME)));
            return;
        }
        self.timers.cancel(&Timer::Setup);
        self.link = LinkState::Ready;
        let mme = message.mme_name.map(|name| name.as_str().to_owned());
        out.push(Effect::Event(Event::SetupDone { mme, capacity: message.relative_mme_capacity }));
    }

    pub(crate) fn setup_failed(&mut self, now: Time, message: &S1SetupFailure, out: &mut Out) {
        if self.link != LinkState::SettingUp {
            out.push(Effect::Event(Event::Unexpected(S1SetupFailure::NAME)));
            return;
        }
        self.link = LinkState::Refused;
        let wait = message.time_to_wait.and_then(basalt_s1ap::TimeToWait::seconds);
        self.timers.arm(Timer::Setup, now + wait.map_or(PATIENCE, |seconds| Duration::from_secs(seconds.into())));
        out.push(Effect::Event(Event::SetupFailed { cause: message.cause, time_to_wait: message.time_to_wait }));
    }

    /// The answer did not come, or the time to wait is over.
    pub(crate) fn setup_again(&mut self, now: Time, out: &mut Out) {
        if self.link == LinkState::SettingUp {
            out.push(Effect::Event(Event::NoAnswer(S1SetupRequest::NAME)));
        }
        if self.link != LinkState::Down {
            self.link_up(now, out);
        }
    }

    pub(crate) fn update(
        &mut self,
        now: Time,
        supported_tas: Option<Vec<SupportedTa>>,
        name: Option<String>,
        out: &mut Out,
    ) {
        let mut message = EnbConfigurationUpdate::new();
        message.enb_name = name.as_ref().and_then(|name| Name::new(name.clone()).ok());
        message.supported_tas.clone_from(&supported_tas);
        message.default_paging_drx = Some(self.config.paging_drx);
        if let Some(supported_tas) = supported_tas {
            self.config.supported_tas = supported_tas;
        }
        if let Some(name) = name {
            self.config.name = name;
        }
        self.timers.arm(Timer::Update, now + self.config.answer_timer);
        self.send(message, out);
    }

    pub(crate) fn update_done(&mut self, out: &mut Out) {
        self.timers.cancel(&Timer::Update);
        out.push(Effect::Event(Event::UpdateDone));
    }

    pub(crate) fn update_failed(&mut self, message: &EnbConfigurationUpdateFailure, out: &mut Out) {
        self.timers.cancel(&Timer::Update);
        out.push(Effect::Event(Event::UpdateFailed { cause: message.cause, time_to_wait: message.time_to_wait }));
    }

    pub(crate) fn mme_update(&mut self, out: &mut Out) {
        self.send(MmeConfigurationUpdateAcknowledge::new(), out);
        out.push(Effect::Event(Event::MmeUpdated));
    }

    pub(crate) fn overload_start(&mut self, action: OverloadAction, out: &mut Out) {
        self.overload = Some(action);
        out.push(Effect::Event(Event::Overload(true)));
    }

    pub(crate) fn overload_stop(&mut self, out: &mut Out) {
        self.overload = None;
        out.push(Effect::Event(Event::Overload(false)));
    }

    /// Whether a radio connection may be set up now (TS 36.413 §8.7.6.2).
    pub(crate) fn admits(&self, cause: RrcEstablishmentCause) -> bool {
        use RrcEstablishmentCause as Why;
        let Some(action) = self.overload else { return true };
        match action {
            OverloadAction::RejectNonEmergencyMoData => !matches!(cause, Why::MoData | Why::DelayTolerantAccess),
            OverloadAction::RejectSignalling => {
                !matches!(cause, Why::MoData | Why::MoSignalling | Why::DelayTolerantAccess)
            }
            OverloadAction::RejectDelayTolerantAccess => cause != Why::DelayTolerantAccess,
            OverloadAction::PermitHighPriorityAndMtOnly
            | OverloadAction::PermitHighPriorityAndExceptionReportingAndMtOnly => {
                matches!(cause, Why::HighPriorityAccess | Why::MtAccess | Why::MoExceptionData)
            }
            _ => matches!(cause, Why::Emergency | Why::MtAccess),
        }
    }

    pub(crate) fn paging(&mut self, message: Paging, out: &mut Out) {
        if self.config.faults.ignore_paging {
            return;
        }
        let serves = |tai: &basalt_ids::Tai| {
            self.config.supported_tas.iter().any(|ta| ta.tac == tai.tac && ta.broadcast_plmns.contains(&tai.plmn))
        };
        if !message.tais.iter().any(serves) {
            out.push(Effect::Event(Event::ProtocolError("paged in an area that is not served here".to_owned())));
            return;
        }
        let Some(identity) = message.identity else {
            out.push(Effect::Event(Event::ProtocolError("a page for nobody".to_owned())));
            return;
        };
        let circuit_switched = message.cn_domain == Some(CnDomain::Cs);
        out.push(Effect::Page { identity, circuit_switched, tais: message.tais });
    }
}
