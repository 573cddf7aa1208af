//! GUTI reallocation (TS 24.301 §5.4.1): alone, or as a part of attach and update.
//!
//! ```text
//!   UE                              MME
//!    │    GUTI REALLOCATION COMMAND  │  when an earlier promise was never confirmed
//!    │◄──────────────────────────────┤  T3450; both GUTIs are valid
//!    │ GUTI REALLOCATION COMPLETE    │
//!    ├──────────────────────────────►│  only the new one is; Save
//! ```

use super::{settled, tai_list};
use crate::common::TRANSMISSIONS;
use crate::cx::Cx;
use crate::ue::{Emm, Task, Ue};
use agw_types::{Metric, Outcome, Procedure, TimerName};
use basalt_ids::{Gummei, Guti};
use basalt_nas::EmmMessage;
use basalt_nas::emm::GutiReallocationCommand;
use basalt_sansio::Time;

/// A reallocation that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reallocation {
    started: Time,
    sent: u8,
}

/// Promises the UE a new temporary identity. The one it has stays valid until it confirms.
pub(crate) fn allocate(ue: &mut Ue, cx: &mut Cx<'_>) -> Guti {
    let quarantine = cx.config.timers.quarantine;
    // A promise that was never confirmed gives way to the new one.
    if let Some(older) = ue.pending_guti.take() {
        cx.index.release(cx.now.mono, quarantine, older.m_tmsi);
    }
    let own = ue.imsi.and_then(|imsi| cx.config.plmns.iter().find(|plmn| imsi.belongs_to(**plmn)));
    let plmn = own.or(cx.config.plmns.first()).copied().unwrap_or(ue.area.tai.plmn);
    let gummei = Gummei { plmn, group: cx.config.group, code: cx.config.code };
    let guti = Guti { gummei, m_tmsi: cx.index.allocate(cx.now.mono, cx.id, cx.rng) };
    ue.pending_guti = Some(guti);
    guti
}

/// The UE confirmed its new identity: the old one is not valid any more.
pub(crate) fn confirm_pending(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Some(new) = ue.pending_guti.take() else { return };
    if let Some(old) = ue.guti.replace(new) {
        cx.index.release(cx.now.mono, cx.config.timers.quarantine, old.m_tmsi);
    }
}

/// The UE used one of its identities in a trusted message: a promised one is confirmed by that (§5.4.1.4).
pub(crate) fn used(ue: &mut Ue, guti: Guti, cx: &mut Cx<'_>) {
    if ue.pending_guti == Some(guti) {
        confirm_pending(ue, cx);
    }
}

/// Starts a reallocation of a registered, connected UE: again with what was promised before.
pub(crate) fn start(ue: &mut Ue, cx: &mut Cx<'_>) {
    ue.emm = Emm::Registered(Some(Task::Reallocating(Reallocation { started: cx.now.mono, sent: 1 })));
    send(ue, cx);
}

fn send(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Some(guti) = ue.pending_guti else { return };
    let mut command = GutiReallocationCommand::new(guti);
    command.tai_list = Some(tai_list(&ue.areas));
    cx.arm(TimerName::T3450, cx.config.timers.t3450);
    ue.send(EmmMessage::GutiReallocationCommand(command), cx);
}

/// GUTI REALLOCATION COMPLETE.
pub(crate) fn complete(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Reallocating(reallocation))) = &ue.emm else {
        cx.count(Metric::Unexpected("GUTI REALLOCATION COMPLETE"));
        return;
    };
    let started = reallocation.started;
    cx.stop(TimerName::T3450);
    ue.emm = Emm::Registered(None);
    confirm_pending(ue, cx);
    cx.save();
    cx.succeeded(Procedure::GutiReallocation, started);
    settled(ue, cx);
}

/// T3450: again, or given up with both identities valid (§5.4.1.6 b).
pub(crate) fn t3450(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Reallocating(reallocation))) = &mut ue.emm else { return };
    if reallocation.sent >= TRANSMISSIONS {
        ue.emm = Emm::Registered(None);
        cx.ended(Procedure::GutiReallocation, Outcome::Timeout);
        return;
    }
    reallocation.sent += 1;
    cx.count(Metric::Retransmitted("GUTI REALLOCATION COMMAND"));
    send(ue, cx);
}
