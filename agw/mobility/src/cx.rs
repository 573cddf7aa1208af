//! What every handler is given, and what handlers want done.

use crate::index::Index;
use crate::page_rate::PageRate;
use crate::reject::{Rejections, advice_for};
use agw_types::{
    Effect, Event, GatewayConfig, Metric, Now, Outcome, Procedure, Question, RadioCommand, RejectInfo, SessionRequest,
    Ticket, TimerName, UeId,
};
use basalt_ids::Imsi;
use basalt_nas::ie::EmmCause;
use basalt_sansio::{Duration, Outbox, SecureRng};
use basalt_security::{AlgorithmOrder, Provider};

/// Something mobility wants. The core carries it to the room it is for, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// For the radio room.
    Radio(RadioCommand),
    /// For the session room.
    Session(SessionRequest),
    /// For the subscriber side.
    Ask {
        /// For the answer.
        ticket: Ticket,
        /// What.
        question: Question,
    },
    /// A timer is to expire after a while; one of that name that runs is replaced.
    Arm {
        /// Whose.
        ue: UeId,
        /// Which.
        timer: TimerName,
        /// When.
        after: Duration,
    },
    /// A timer is to stop.
    Stop {
        /// Whose.
        ue: UeId,
        /// Which.
        timer: TimerName,
    },
    /// The UE is to be stored before anything else of this step leaves.
    Save(UeId),
    /// The record of a UE is to be dropped.
    Forget(Imsi),
    /// The entry is gone: its timers and sessions go too.
    Gone(UeId),
    /// Packets that wait for the UE are to be dropped.
    Discard(UeId),
    /// To be counted, told or answered.
    Effect(Effect),
}

/// What becomes of a UE's entry after a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    Stay,
    /// It goes: nothing is known of the UE that is worth keeping.
    Remove,
    /// It has proven who it is and takes the place of whatever is known of that UE.
    Proven,
    /// It is detached, and the network wanted so because of the subscription: nothing stays.
    Purge,
}

/// The surroundings of one handler.
pub(crate) struct Cx<'a> {
    /// Whose handler it is.
    pub(crate) id: UeId,
    pub(crate) now: Now,
    pub(crate) config: &'a GatewayConfig,
    pub(crate) algorithms: &'a AlgorithmOrder,
    pub(crate) provider: Provider,
    pub(crate) index: &'a mut Index,
    pub(crate) rng: &'a mut SecureRng,
    pub(crate) rejections: &'a mut Rejections,
    /// Turns of calls over all UEs.
    pub(crate) pages: &'a mut PageRate,
    /// Numbers questions over all UEs.
    pub(crate) asked: &'a mut u16,
    pub(crate) out: &'a mut Outbox<Want>,
    pub(crate) fate: Fate,
}

impl Cx<'_> {
    pub(crate) fn radio(&mut self, command: RadioCommand) {
        self.out.push(Want::Radio(command));
    }

    pub(crate) fn session(&mut self, request: SessionRequest) {
        self.out.push(Want::Session(request));
    }

    /// Asks the subscriber side; the answer names the number given back.
    pub(crate) fn ask(&mut self, question: Question) -> u16 {
        *self.asked = self.asked.wrapping_add(1);
        let ticket = Ticket { ue: self.id, sequence: *self.asked };
        self.out.push(Want::Ask { ticket, question });
        self.arm(TimerName::Question, self.config.timers.question);
        ticket.sequence
    }

    pub(crate) fn arm(&mut self, timer: TimerName, after: Duration) {
        self.out.push(Want::Arm { ue: self.id, timer, after });
    }

    pub(crate) fn stop(&mut self, timer: TimerName) {
        self.out.push(Want::Stop { ue: self.id, timer });
    }

    pub(crate) fn save(&mut self) {
        self.out.push(Want::Save(self.id));
    }

    pub(crate) fn count(&mut self, metric: Metric) {
        self.out.push(Want::Effect(Effect::Count(metric)));
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.out.push(Want::Effect(Effect::Tell(Box::new(event))));
    }

    /// Counts how a procedure ended.
    pub(crate) fn ended(&mut self, procedure: Procedure, outcome: Outcome) {
        self.count(Metric::Procedure { procedure, outcome });
    }

    /// Counts a procedure that succeeded, and how long it took.
    pub(crate) fn succeeded(&mut self, procedure: Procedure, since: basalt_sansio::Time) -> u64 {
        self.ended(procedure, Outcome::Success);
        let micros = u64::try_from((self.now.mono - since).as_micros()).unwrap_or(u64::MAX);
        self.count(Metric::Duration { procedure, micros });
        micros
    }

    /// Remembers and tells a refusal.
    pub(crate) fn rejected(&mut self, refusal: Refusal) {
        let outcome = match (refusal.esm_cause, refusal.emm_cause) {
            (Some(cause), _) => Outcome::EsmCause(cause),
            (None, Some(cause)) => Outcome::EmmCause(cause.code()),
            (None, None) => Outcome::Failure,
        };
        self.ended(refusal.procedure, outcome);
        let info = refusal.info(self.now);
        self.rejections.note(info.clone());
        self.tell(Event::Rejected(info));
    }
}

/// A refusal, to be remembered and told.
pub(crate) struct Refusal {
    pub(crate) imsi: Option<Imsi>,
    pub(crate) procedure: Procedure,
    pub(crate) emm_cause: Option<EmmCause>,
    pub(crate) esm_cause: Option<u8>,
    /// What went wrong, in words.
    pub(crate) reason: String,
}

impl Refusal {
    /// The refusal in words, with advice.
    pub(crate) fn info(self, now: Now) -> RejectInfo {
        RejectInfo {
            imsi: self.imsi,
            procedure: name(self.procedure).to_owned(),
            emm_cause: self.emm_cause.map(EmmCause::code),
            esm_cause: self.esm_cause,
            reason: self.reason,
            advice: self.emm_cause.map_or(NO_CAUSE, |cause| advice_for(cause, self.esm_cause)).to_owned(),
            unix_secs: now.unix_secs,
        }
    }
}

/// Advice where no cause was sent: the phone or the radio fell silent.
const NO_CAUSE: &str = "check the radio (coverage, base station's log); the phone tries again by itself";

/// A procedure's name as people say it.
const fn name(procedure: Procedure) -> &'static str {
    match procedure {
        Procedure::S1Setup => "S1 setup",
        Procedure::Attach => "attach",
        Procedure::Authentication => "authentication",
        Procedure::SecurityMode => "security mode control",
        Procedure::Identification => "identification",
        Procedure::ServiceRequest => "service request",
        Procedure::TrackingAreaUpdate => "tracking area update",
        Procedure::Detach => "detach",
        Procedure::Paging => "paging",
        Procedure::PdnConnectivity => "PDN connectivity",
        Procedure::DedicatedBearer => "dedicated bearer activation",
        Procedure::BearerModification => "bearer modification",
        Procedure::BearerDeactivation => "bearer deactivation",
        Procedure::Admission => "admission",
        Procedure::InitialContextSetup => "initial context setup",
        Procedure::ContextRelease => "context release",
        Procedure::GutiReallocation => "GUTI reallocation",
        Procedure::PathSwitch => "path switch",
        Procedure::Handover => "handover",
        Procedure::BearerMove => "bearer move",
        Procedure::ContextModification => "context modification",
    }
}
