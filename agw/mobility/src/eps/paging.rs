//! Paging (TS 24.301 §5.6.2).
//!
//! ```text
//!   UE      eNBs of the area list            MME                     data plane
//!    │                 │                      │◄ DownlinkWaiting ─────────┤  the first packet for an idle UE
//!    │   page          │               Page   │
//!    │◄────────────────┤◄─────────────────────┤  T3413, some attempts
//!    │ SERVICE REQUEST │                      │
//!    ├─────────────────┴─────────────────────►│  service.rs; what waits is delivered
//!    │             or nothing                 │  Discard ─────────────────►│  and no page for a while
//! ```

use super::detach::{self, Wish};
use crate::collision::{Arriving, Resolution, resolve};
use crate::cx::{Cx, Want};
use crate::page_rate::Turn;
use crate::ue::{Emm, Task, Ue};
use agw_types::{Event, Metric, Outcome, PagingId, Procedure, RadioCommand, TimerName};
use basalt_sansio::{Duration, Time};

/// How long a UE is on its way from its connection to listening for pages: a page in that time is not heard.
const SETTLE: Duration = Duration::from_millis(200);

/// A page that runs.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    started: Time,
    sent: u8,
    /// The UE is called to be detached.
    then: Option<Box<Wish>>,
}

/// Packets wait for a UE.
pub(crate) fn call(ue: &mut Ue, cx: &mut Cx<'_>) {
    if !ue.is_registered() {
        // Nobody to call: what waits is of no use.
        cx.out.push(Want::Discard(cx.id));
        return;
    }
    let running = resolve(ue.running(), Arriving::Call) == Resolution::Continue;
    match &ue.connection {
        // The word crossed with the bearers that it asks for.
        Some(connection) if connection.access_keys.is_some() && !running => {}
        // A connection is on its way, or there without bearers. Should it end like that, the UE is called then.
        Some(_) => ue.called = true,
        None if running || ue.paging_backoff => ue.called |= ue.paging_backoff,
        None => {
            let idle_for = cx.now.mono - ue.idle_since;
            if idle_for < SETTLE {
                ue.called = true;
                ue.paging_backoff = true;
                cx.arm(TimerName::PagingBackoff, SETTLE - idle_for);
            } else if core::mem::take(&mut ue.page_turn) {
                start(ue, None, cx);
            } else {
                take_turn(ue, cx);
            }
        }
    }
}

/// Calls a UE when it is its turn.
fn take_turn(ue: &mut Ue, cx: &mut Cx<'_>) {
    match cx.pages.turn(cx.now.mono, cx.config.paging.per_second) {
        Turn::Now => start(ue, None, cx),
        Turn::After(wait) => {
            (ue.called, ue.paging_backoff, ue.page_turn) = (true, true, true);
            cx.arm(TimerName::PagingBackoff, wait);
        }
        Turn::Never => {
            cx.ended(Procedure::Paging, Outcome::Failure);
            hold_back(ue, cx);
        }
    }
}

/// What waits is dropped, and further packets do not page for a while.
fn hold_back(ue: &mut Ue, cx: &mut Cx<'_>) {
    cx.out.push(Want::Discard(cx.id));
    ue.called = false;
    ue.paging_backoff = true;
    cx.arm(TimerName::PagingBackoff, cx.config.paging.backoff);
}

/// An operator wants a UE called, held back or not. False when that is not possible.
pub(crate) fn call_by_operator(ue: &mut Ue, cx: &mut Cx<'_>) -> bool {
    let possible = ue.connection.is_none() && matches!(ue.emm, Emm::Registered(None));
    if possible {
        start(ue, None, cx);
    }
    possible
}

/// An idle UE is called to be detached.
pub(crate) fn call_to_detach(ue: &mut Ue, wish: Wish, cx: &mut Cx<'_>) {
    start(ue, Some(Box::new(wish)), cx);
}

fn start(ue: &mut Ue, then: Option<Box<Wish>>, cx: &mut Cx<'_>) {
    ue.emm = Emm::Registered(Some(Task::Paging(Paging { started: cx.now.mono, sent: 1, then })));
    page(ue, cx);
}

fn page(ue: &Ue, cx: &mut Cx<'_>) {
    let Some(imsi) = ue.imsi else { return };
    cx.arm(TimerName::T3413, cx.config.timers.t3413);
    // With a promise that was never confirmed, the UE may listen to either identity (§5.4.1.4, §5.4.1.6): to both at once, since
    // one after the other would take T3413 longer.
    for guti in [ue.guti, ue.pending_guti].into_iter().flatten() {
        cx.radio(RadioCommand::Page(agw_types::Paging {
            id: PagingId::STmsi(guti.s_tmsi()),
            ue_index: (imsi.value() % 1024) as u16,
            areas: ue.areas.to_vec(),
            drx: ue.drx,
        }));
    }
}

/// A trusted message of the UE ends a page. Gives what the UE was called for, if not for packets.
pub(crate) fn answered(ue: &mut Ue, cx: &mut Cx<'_>) -> Option<Box<Wish>> {
    let Emm::Registered(task) = &mut ue.emm else { return None };
    let Some(Task::Paging(paging)) = task else { return None };
    let (started, then) = (paging.started, paging.then.take());
    *task = None;
    cx.stop(TimerName::T3413);
    cx.succeeded(Procedure::Paging, started);
    then
}

/// T3413: again, or given up.
pub(crate) fn t3413(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Paging(paging))) = &mut ue.emm else { return };
    if paging.sent < cx.config.paging.attempts {
        paging.sent += 1;
        cx.count(Metric::Retransmitted("Paging"));
        page(ue, cx);
        return;
    }
    let (attempts, then) = (paging.sent, paging.then.take());
    ue.emm = Emm::Registered(None);
    cx.ended(Procedure::Paging, Outcome::Timeout);
    if let Some(imsi) = ue.imsi {
        cx.tell(Event::PagingFailed { imsi, attempts });
    }
    if let Some(wish) = then {
        detach::finish_unheard(ue, &wish, cx);
        return;
    }
    hold_back(ue, cx);
}

/// Pages are not held back any more; packets that came meanwhile page now.
pub(crate) fn backoff_over(ue: &mut Ue, cx: &mut Cx<'_>) {
    ue.paging_backoff = false;
    if core::mem::take(&mut ue.called) {
        call(ue, cx);
    }
    // One that it waits for from now on is kept.
    ue.page_turn &= ue.paging_backoff;
}
