//! Timers: which procedure each belongs to.

use crate::common::NO_ANSWER;
use crate::cx::{Cx, Want};
use crate::eps::{attach, detach, esm, guti, paging, release, tau};
use crate::ue::{Emm, Task, Ue};
use crate::{Mobility, claim};
use agw_types::{Answer, AuthFailure, Now, SessionRequest, TimerName, UeId, Unavailable};
use basalt_sansio::Outbox;

impl Mobility {
    /// A timer of a UE expired. One of a UE that is gone, or of a procedure that is over, does nothing.
    pub fn expired(&mut self, now: Now, id: UeId, timer: TimerName, out: &mut Outbox<Want>) {
        self.with(id, now, out, |ue, cx| expired(ue, timer, cx));
    }
}

fn expired(ue: &mut Ue, timer: TimerName, cx: &mut Cx<'_>) {
    match timer {
        TimerName::T3413 => paging::t3413(ue, cx),
        TimerName::T3422 => detach::t3422(ue, cx),
        TimerName::T3450 => match &ue.emm {
            Emm::Attaching(_) => attach::t3450(ue, cx),
            Emm::Registered(Some(Task::Updating(_))) => tau::t3450(ue, cx),
            _ => guti::t3450(ue, cx),
        },
        TimerName::T3460 | TimerName::T3470 => {
            claim::prove(ue, cx, |proof, line, cx| proof.expired(timer, line, cx));
        }
        TimerName::T3485
        | TimerName::DedicatedBearer
        | TimerName::BearerSettling
        | TimerName::T3489
        | TimerName::T3495
        | TimerName::RuleRetry
        | TimerName::Forwarding => {
            cx.session(SessionRequest::Expired { ue: cx.id, timer });
        }
        TimerName::MobileReachable => detach::unreachable(ue, cx),
        TimerName::ImplicitDetach => detach::implicit(ue, cx),
        TimerName::RadioSetup => release::setup_expired(ue, cx),
        TimerName::Question => unanswered(ue, cx),
        TimerName::Procedure => release::procedure_expired(ue, cx),
        TimerName::PagingBackoff => paging::backoff_over(ue, cx),
    }
}

/// The subscriber side did not answer in time.
fn unanswered(ue: &mut Ue, cx: &mut Cx<'_>) {
    let none = Answer::NoProfile(AuthFailure::Unavailable(Unavailable::Timeout));
    if esm::profile(ue, None, &none, cx) {
        return;
    }
    match &ue.emm {
        Emm::Attaching(_) => attach::profile(ue, None, none, cx),
        _ => claim::prove(ue, cx, |proof, line, cx| proof.vector(None, NO_ANSWER, line, cx)),
    }
}
