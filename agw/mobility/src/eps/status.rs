//! EMM STATUS (TS 24.301 §5.7, §7): answers to what cannot be acted on, and what the UE reports.
//!
//! Only a UE with keys is answered, and a status is never answered.

use crate::cx::Cx;
use crate::ue::Ue;
use agw_types::Metric;
use basalt_nas::emm::EmmStatus;
use basalt_nas::ie::EmmCause;
use basalt_nas::{DecodeError, EmmMessage};

/// A trusted message that cannot be read (§7.2 to §7.5).
pub(crate) fn unreadable(ue: &mut Ue, error: &DecodeError, cx: &mut Cx<'_>) {
    match error.kind.emm_cause() {
        Some(cause) => send(ue, cause, "unreadable NAS message", cx),
        None => cx.count(Metric::Discarded("NAS message too short")),
    }
}

/// A trusted message that only the network sends, or that no procedure here takes (§7.4).
pub(crate) fn not_implemented(ue: &mut Ue, cx: &mut Cx<'_>) {
    send(ue, EmmCause::MessageTypeNonExistent, "NAS message not implemented", cx);
}

/// A trusted message that does not fit the state (§7.4).
pub(crate) fn wrong_state(ue: &mut Ue, name: &'static str, cx: &mut Cx<'_>) {
    send(ue, EmmCause::MessageTypeNotCompatibleWithState, name, cx);
}

fn send(ue: &mut Ue, cause: EmmCause, name: &'static str, cx: &mut Cx<'_>) {
    cx.count(Metric::Unexpected(name));
    if ue.keys.is_some() {
        ue.send(EmmMessage::EmmStatus(EmmStatus::new(cause)), cx);
    }
}

/// EMM STATUS from the UE: counted, no answer, no change (§5.7).
pub(crate) fn received(cx: &mut Cx<'_>) {
    cx.count(Metric::Unexpected("EMM STATUS"));
}
