//! The end of a radio connection, wanted or not (TS 23.401 §5.3.5, TS 24.301 §5.3.1.2).
//!
//! ```text
//!   eNB                             MME                       other rooms
//!    │ (inactivity) ReleaseRequested │
//!    ├──────────────────────────────►│
//!    │                       Release │  ─ Idle ─► session: tunnels go idle
//!    │◄──────────────────────────────┤  mobile reachable timer; Save
//! ```
//!
//! Whatever ran for the UE ends with its connection: a claim is forgotten, an attach is undone, a registered UE is idle, a UE on
//! its way out is gone (lower layer failure: §5.4.2.7 a, §5.4.3.7 a, §5.5.1.2.7 a, §5.5.2.3.5 b, §5.5.3.2.7 a, §5.6.1.7 a).

use super::{detach, paging};
use crate::cx::{Cx, Fate};
use crate::ue::{Emm, Task, Ue};
use agw_types::{Event, Metric, Outcome, Procedure, RadioCause, RadioCommand, SessionRequest, TimerName};

/// The network ends the connection. What ran was counted by whoever decided so.
pub(crate) fn disconnect(ue: &mut Ue, cause: RadioCause, cx: &mut Cx<'_>) {
    if let Some(connection) = ue.connection.take() {
        cx.radio(RadioCommand::Release { radio: connection.radio, cause });
    }
    at_rest(ue, None, cx);
}

/// The connection is gone already.
pub(crate) fn lost(ue: &mut Ue, cx: &mut Cx<'_>) {
    ue.connection = None;
    at_rest(ue, Some(Outcome::RadioLost), cx);
}

/// The base station asks for the end of the connection. In the middle of a procedure it is right as well: without a radio the
/// procedure cannot go on.
pub(crate) fn requested(ue: &mut Ue, cause: RadioCause, cx: &mut Cx<'_>) {
    if let Some(connection) = ue.connection.take() {
        cx.radio(RadioCommand::Release { radio: connection.radio, cause });
    }
    at_rest(ue, Some(Outcome::RadioLost), cx);
}

/// What a UE is without a connection.
fn at_rest(ue: &mut Ue, outcome: Option<Outcome>, cx: &mut Cx<'_>) {
    abort_running(ue, outcome, cx);
    match &ue.emm {
        Emm::Claiming(_) => cx.fate = Fate::Remove,
        Emm::Deregistered => {}
        Emm::Attaching(_) => {
            ue.emm = Emm::Deregistered;
            cx.session(SessionRequest::Release { ue: cx.id });
            cx.save();
        }
        Emm::Registered(_) => idle(ue, cx),
        Emm::Leaving(_) => detach::finish_leaving(ue, cx),
    }
}

/// A registered UE went idle.
fn idle(ue: &mut Ue, cx: &mut Cx<'_>) {
    let timers = &cx.config.timers;
    ue.idle_since = cx.now.mono;
    cx.session(SessionRequest::Idle { ue: cx.id });
    cx.arm(TimerName::MobileReachable, timers.t3412 + timers.mobile_reachable_margin);
    cx.save();
    if let Some(imsi) = ue.imsi {
        cx.tell(Event::Idle { imsi });
    }
    if core::mem::take(&mut ue.called) {
        paging::call(ue, cx);
    }
}

/// Ends what runs: its timers stop, and how it ended is counted unless that was done already. A UE's state stays, without the
/// procedure.
pub(crate) fn abort_running(ue: &mut Ue, outcome: Option<Outcome>, cx: &mut Cx<'_>) {
    let (procedure, timers): (_, &[TimerName]) = match &ue.emm {
        Emm::Deregistered | Emm::Registered(None) => return,
        Emm::Claiming(claim) => {
            claim.proof.abort(cx);
            (claim.purpose.procedure(), &[TimerName::Procedure])
        }
        Emm::Attaching(_) => {
            (Procedure::Attach, &[TimerName::Question, TimerName::T3450, TimerName::RadioSetup, TimerName::Procedure])
        }
        Emm::Leaving(_) => (Procedure::Detach, &[TimerName::T3422]),
        Emm::Registered(Some(task)) => match task {
            Task::Renewing(proof) => {
                proof.abort(cx);
                (Procedure::Authentication, &[])
            }
            Task::Updating(_) => {
                (Procedure::TrackingAreaUpdate, &[TimerName::T3450, TimerName::RadioSetup, TimerName::Procedure])
            }
            Task::Serving(_) => (Procedure::ServiceRequest, &[TimerName::RadioSetup]),
            Task::Reallocating(_) => (Procedure::GutiReallocation, &[TimerName::T3450]),
            Task::Paging(_) => (Procedure::Paging, &[TimerName::T3413]),
        },
    };
    timers.iter().for_each(|timer| cx.stop(*timer));
    // A claim is not counted as an attach before it is somebody's: floods of them have a counter of their own.
    match (&ue.emm, outcome) {
        (Emm::Claiming(_), Some(_)) => cx.count(Metric::Discarded("unproven claim")),
        (_, Some(outcome)) => cx.ended(procedure, outcome),
        (_, None) => {}
    }
    if let Emm::Registered(task) = &mut ue.emm {
        *task = None;
    }
}

/// The base station did not answer a context setup in time: it has lost the UE.
pub(crate) fn setup_expired(ue: &mut Ue, cx: &mut Cx<'_>) {
    cx.ended(Procedure::InitialContextSetup, Outcome::Timeout);
    if let Some(connection) = ue.connection.take() {
        cx.radio(RadioCommand::Release { radio: connection.radio, cause: RadioCause::RadioConnectionLost });
    }
    at_rest(ue, Some(Outcome::Timeout), cx);
}

/// A whole procedure took too long: no half-open UE stays.
pub(crate) fn procedure_expired(ue: &mut Ue, cx: &mut Cx<'_>) {
    if let Some(connection) = ue.connection.take() {
        cx.radio(RadioCommand::Release { radio: connection.radio, cause: RadioCause::NasUnspecified });
    }
    at_rest(ue, Some(Outcome::Timeout), cx);
}
