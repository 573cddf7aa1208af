//! Status transfer and handover notification (TS 36.413 §8.4.3, §8.4.6, §8.4.7).

use super::Stage;
use crate::connection::Context;
use crate::{Cx, Guard, Ran};
use agw_types::{Area, Metric, Outcome, Procedure, RadioEventKind, RadioId};
use basalt_ids::MmeUeS1apId;
use basalt_s1ap::{EnbStatusTransfer, HandoverNotify, MmeStatusTransfer};
use basalt_sansio::Duration;

/// How long a source keeps its context after the UE has arrived elsewhere, to forward what it has left: an End Marker is long under
/// way by then (TS 23.401 §5.5.1.2.2, step 18).
const FAREWELL: Duration = Duration::from_secs(1);

impl Ran {
    /// ENB STATUS TRANSFER: to the target as it is.
    pub(crate) fn status_transfer(&mut self, source: RadioId, message: EnbStatusTransfer, cx: &mut Cx<'_>) {
        let commanded = self.handovers.get(&source).filter(|handover| handover.stage == Stage::Commanded);
        let Some(target) = commanded.and_then(|handover| handover.target) else {
            cx.count(Metric::Unexpected(EnbStatusTransfer::NAME));
            return;
        };
        let Some(connection) = self.active(target) else { return };
        let transfer = MmeStatusTransfer::new(MmeUeS1apId(target.0.0), connection.enb_id, message.container);
        cx.send(connection.link, connection.stream, transfer);
    }

    /// HANDOVER NOTIFY: the UE is at the target.
    pub(crate) fn handover_notified(&mut self, target: RadioId, message: &HandoverNotify, cx: &mut Cx<'_>) {
        let source = self
            .handover_to(target)
            .filter(|source| self.handovers.get(source).is_some_and(|handover| handover.stage == Stage::Commanded));
        let Some(source) = source else {
            cx.count(Metric::Unexpected(HandoverNotify::NAME));
            return;
        };
        let Some(handover) = self.handovers.remove(&source) else { return };
        self.guards.cancel(&Guard::Handover(source));
        let bearers = self.take_arrival(target);
        self.depart(source, cx);
        let Some(connection) = self.active(target) else { return };
        connection.ue = Some(handover.ue);
        connection.context = Context::Established;
        connection.area = Area {
            tai: message.tai.unwrap_or(connection.area.tai),
            cell: message.ecgi.unwrap_or(connection.area.cell),
        };
        let lost: Vec<_> = handover.asked.without(connection.bearers).iter().collect();
        let area = connection.area;
        cx.event(source, Some(handover.ue), RadioEventKind::HandedOver { to: target, area, bearers });
        if !lost.is_empty() {
            let kind = RadioEventKind::BearersReleased { asked: false, bearers: lost };
            cx.event(target, Some(handover.ue), kind);
        }
        cx.count(Metric::Procedure { procedure: Procedure::Handover, outcome: Outcome::Success });
        self.unhold(handover.held, target, cx);
    }

    /// The source has no UE any more: it is released in a while.
    fn depart(&mut self, source: RadioId, cx: &Cx<'_>) {
        if let Some(connection) = self.active(source) {
            connection.ue = None;
            connection.context = Context::Departed;
            self.guards.arm(Guard::Handover(source), cx.now.mono + FAREWELL);
        }
    }
}
