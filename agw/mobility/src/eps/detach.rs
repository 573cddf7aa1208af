//! Detach (TS 24.301 §5.5.2): by the UE, by the network, and implicitly.
//!
//! ```text
//!   UE                              MME                       other rooms
//!    │ DETACH REQUEST                │
//!    ├──────────────────────────────►│  ─ Release ─► session
//!    │             (DETACH ACCEPT)   │  none when the UE is switched off
//!    │◄──────────────────────────────┤  connection released; keys and GUTI are kept
//!
//!    │              DETACH REQUEST   │  an operator, a subscription that is gone; an idle UE is paged first
//!    │◄──────────────────────────────┤  T3422
//!    │ DETACH ACCEPT                 │
//!    ├──────────────────────────────►│
//! ```

use super::{attach, paging, release};
use crate::collision::{Arriving, Resolution, resolve};
use crate::common::TRANSMISSIONS;
use crate::cx::{Cx, Fate};
use crate::ue::{Emm, Task, Ue};
use agw_types::{Event, Metric, Outcome, Procedure, RadioCause, RadioCommand, SessionRequest, TimerName};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{DetachAccept, DetachRequestNetwork, DetachRequestUe};
use basalt_nas::ie::{DetachKindUe, DetachTypeNetwork, EmmCause};
use basalt_sansio::Time;

/// A detach that the network wants.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The UE shall attach again.
    pub(crate) reattach: bool,
    /// Why, for the UE.
    pub(crate) cause: Option<EmmCause>,
    /// Nothing of the UE is kept: its subscription is gone.
    pub(crate) purge: bool,
    /// Why, for people.
    pub(crate) reason: &'static str,
}

/// A UE that is being detached.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    wish: Wish,
    started: Time,
    sent: u8,
}

impl Leaving {
    pub(crate) const fn reattach(&self) -> bool {
        self.wish.reattach
    }
}

/// DETACH REQUEST of a trusted UE.
pub(crate) fn by_ue(ue: &mut Ue, request: &DetachRequestUe, cx: &mut Cx<'_>) {
    let switch_off = request.detach_type.switch_off;
    if request.detach_type.kind == DetachKindUe::Imsi && !switch_off {
        // From CS services, to which nobody is attached here: EPS services stay (§5.5.2.2.3).
        ue.send(EmmMessage::DetachAccept(DetachAccept::new()), cx);
        return;
    }
    let started = cx.now.mono;
    match resolve(ue.running(), Arriving::DetachByUe) {
        Resolution::Complete => cx.ended(Procedure::Detach, Outcome::Superseded),
        _ => release::abort_running(ue, Some(Outcome::Superseded), cx),
    }
    if !switch_off {
        ue.send(EmmMessage::DetachAccept(DetachAccept::new()), cx);
    }
    cx.succeeded(Procedure::Detach, started);
    finish(ue, if switch_off { "the phone was switched off" } else { "the phone detached" }, cx);
}

/// The network wants a UE gone.
pub(crate) fn start(ue: &mut Ue, wish: Wish, cx: &mut Cx<'_>) {
    match &ue.emm {
        Emm::Claiming(_) => return,
        Emm::Deregistered => {
            if wish.purge {
                cx.fate = Fate::Purge;
            }
            return;
        }
        Emm::Attaching(_) | Emm::Registered(_) | Emm::Leaving(_) => {}
    }
    if resolve(ue.running(), Arriving::DetachByNetwork) == Resolution::Continue {
        if let Emm::Leaving(leaving) = &mut ue.emm {
            leaving.wish.purge |= wish.purge;
        }
        return;
    }
    let attaching = matches!(ue.emm, Emm::Attaching(_));
    release::abort_running(ue, Some(Outcome::Superseded), cx);
    if attaching {
        // The UE is not registered yet, so there is nothing to detach it from: the attach is refused.
        let cause = wish.cause.unwrap_or(EmmCause::NetworkFailure);
        if wish.purge {
            cx.fate = Fate::Purge;
        }
        attach::reject(ue, cause, wish.reason.to_owned(), cx);
        return;
    }
    if ue.connection.is_none() {
        paging::call_to_detach(ue, wish, cx);
        return;
    }
    ue.emm = Emm::Leaving(Box::new(Leaving { wish, started: cx.now.mono, sent: 1 }));
    send(ue, cx);
}

/// The UE is elsewhere: nothing is said to it, and nothing of it is kept (TS 23.401 §5.3.8.4, §5.3.2.1 step 9).
pub(crate) fn silently(ue: &mut Ue, reason: &str, cx: &mut Cx<'_>) {
    match &ue.emm {
        // Whoever claims to be the UE here now proves it later than what was cancelled.
        Emm::Claiming(_) | Emm::Attaching(_) => return,
        Emm::Deregistered => {}
        Emm::Registered(_) | Emm::Leaving(_) => {
            release::abort_running(ue, Some(Outcome::Superseded), cx);
            finish(ue, reason, cx);
        }
    }
    cx.fate = Fate::Purge;
}

fn send(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Leaving(leaving) = &ue.emm else { return };
    let kind = if leaving.wish.reattach {
        DetachTypeNetwork::ReattachRequired
    } else {
        DetachTypeNetwork::ReattachNotRequired
    };
    let mut request = DetachRequestNetwork::new(kind);
    request.cause = leaving.wish.cause;
    cx.arm(TimerName::T3422, cx.config.timers.t3422);
    ue.send(EmmMessage::DetachRequestNetwork(request), cx);
}

/// The UE came over another connection meanwhile: it is asked to leave there.
pub(crate) fn resend(ue: &mut Ue, cx: &mut Cx<'_>) {
    send(ue, cx);
}

/// DETACH ACCEPT.
pub(crate) fn accepted(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Leaving(leaving) = &ue.emm else {
        cx.count(Metric::Unexpected("DETACH ACCEPT"));
        return;
    };
    let started = leaving.started;
    cx.succeeded(Procedure::Detach, started);
    finish_leaving(ue, cx);
}

/// T3422: again, or the UE is gone without an answer (§5.5.2.3.5 a).
pub(crate) fn t3422(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Leaving(leaving) = &mut ue.emm else { return };
    if leaving.sent >= TRANSMISSIONS {
        cx.ended(Procedure::Detach, Outcome::Timeout);
        finish_leaving(ue, cx);
        return;
    }
    leaving.sent += 1;
    cx.count(Metric::Retransmitted("DETACH REQUEST"));
    send(ue, cx);
}

/// A detach by the network is over, with or without an answer.
pub(crate) fn finish_leaving(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Leaving(leaving) = &ue.emm else { return };
    let (purge, reason) = (leaving.wish.purge, leaving.wish.reason);
    finish(ue, reason, cx);
    if purge {
        cx.fate = Fate::Purge;
    }
}

/// A page for a detach went unanswered: the UE is detached without being told.
pub(crate) fn finish_unheard(ue: &mut Ue, wish: &Wish, cx: &mut Cx<'_>) {
    finish(ue, wish.reason, cx);
    if wish.purge {
        cx.fate = Fate::Purge;
    }
}

/// The UE is detached. Its keys and temporary identity are kept, so that it is known when it comes back.
pub(crate) fn finish(ue: &mut Ue, reason: &str, cx: &mut Cx<'_>) {
    for timer in [TimerName::T3422, TimerName::MobileReachable, TimerName::ImplicitDetach, TimerName::PagingBackoff] {
        cx.stop(timer);
    }
    ue.emm = Emm::Deregistered;
    ue.called = false;
    ue.paging_backoff = false;
    if let Some(connection) = ue.connection.take() {
        cx.radio(RadioCommand::Release { radio: connection.radio, cause: RadioCause::Detach });
    }
    cx.session(SessionRequest::Release { ue: cx.id });
    cx.save();
    if let Some(imsi) = ue.imsi {
        cx.tell(Event::Detached { imsi, reason: reason.to_owned() });
    }
}

/// Mobile reachable timer: the UE missed its periodic update, it is given a little longer (§5.3.5).
pub(crate) fn unreachable(ue: &Ue, cx: &mut Cx<'_>) {
    if ue.is_registered() && ue.connection.is_none() {
        cx.arm(TimerName::ImplicitDetach, cx.config.timers.implicit_detach);
    }
}

/// Implicit detach timer.
pub(crate) fn implicit(ue: &mut Ue, cx: &mut Cx<'_>) {
    if !ue.is_registered() || ue.connection.is_some() {
        return;
    }
    if let Emm::Registered(Some(Task::Paging(_))) = &ue.emm {
        release::abort_running(ue, Some(Outcome::Superseded), cx);
    }
    cx.ended(Procedure::Detach, Outcome::Timeout);
    finish(ue, "the phone was not heard of for too long (implicit detach)", cx);
}
