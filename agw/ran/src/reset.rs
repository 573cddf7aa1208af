//! Reset (TS 36.413 §8.7.1), from either side.
//!
//! ```text
//!   eNB                                   MME
//!    │ RESET (all, or a list of UEs)       │
//!    ├────────────────────────────────────►│  own connections of the list end; what is not known is confirmed all the same
//!    │                   RESET ACKNOWLEDGE │
//!    │◄────────────────────────────────────┤
//!
//!    │                         RESET (all) │  an operator wants it: every connection ends first
//!    │◄────────────────────────────────────┤  again if there is no answer, three times in all
//!    │ RESET ACKNOWLEDGE                   │
//!    ├────────────────────────────────────►│
//! ```

use crate::cause::from_s1ap;
use crate::{Cx, Guard, Ran};
use agw_types::{LinkId, Metric, RadioCause, RadioId};
use basalt_ids::GlobalEnbId;
use basalt_s1ap::{Cause, MiscCause, Reset, ResetAcknowledge, ResetType, UeIds};
use basalt_sansio::SlotId;

/// How often a RESET is sent before the gateway stops asking.
const RESETS: u8 = 3;

impl Ran {
    /// RESET from a base station.
    pub(crate) fn reset_by_enb(&mut self, link: LinkId, reset: Reset, cx: &mut Cx<'_>) {
        let mut acknowledge = ResetAcknowledge::new();
        acknowledge.criticality_diagnostics = self.report.take();
        match reset.reset_type {
            ResetType::Full => {
                self.end_connections(link, RadioCause::LinkLost, cx);
            }
            ResetType::Partial(list) => {
                for ids in &list {
                    if let Some(radio) = self.named(link, *ids) {
                        self.end_connection(radio, partial_cause(reset.cause), cx);
                    }
                }
                // Every association of the list is confirmed, known or not, in its order (§8.7.1.2.1).
                acknowledge.connections = list;
            }
        }
        cx.send(link, 0, acknowledge);
    }

    /// The connection over `link` that an item of a partial reset names: by either id, and never against the other one.
    fn named(&self, link: LinkId, ids: UeIds) -> Option<RadioId> {
        let radio = match (ids.mme, ids.enb) {
            (Some(mme), _) => RadioId(SlotId(mme.0)),
            (None, Some(enb)) => self.by_enb_id(link, enb)?,
            (None, None) => return None,
        };
        let connection = self.connections.get(radio.0)?;
        let same_enb_id = ids.enb.is_none_or(|enb| enb == connection.enb_id);
        (connection.link == link && same_enb_id).then_some(radio)
    }

    /// Resets a base station's whole interface. False when there is no such base station.
    pub fn reset_enb(&mut self, enb: GlobalEnbId, cx: &mut Cx<'_>) -> bool {
        let Some(&link) = self.by_enb.get(&enb) else { return false };
        self.end_connections(link, RadioCause::LinkLost, cx);
        self.send_reset(link, cx);
        true
    }

    fn send_reset(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.resets += 1;
        self.guards.arm(Guard::Reset(link), cx.now.mono + cx.config.timers.radio);
        cx.send(link, 0, Reset::new(Cause::Misc(MiscCause::OmIntervention), ResetType::Full));
    }

    /// RESET ACKNOWLEDGE.
    pub(crate) fn reset_acknowledged(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        if self.guards.cancel(&Guard::Reset(link)).is_none() {
            cx.count(Metric::Unexpected("ResetAcknowledge"));
        }
        if let Some(state) = self.links.get_mut(&link) {
            state.resets = 0;
        }
    }

    /// No RESET ACKNOWLEDGE in time (§8.7.1.3: the procedure may be started again).
    pub(crate) fn reset_expired(&mut self, link: LinkId, cx: &mut Cx<'_>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if state.resets < RESETS {
            cx.count(Metric::Retransmitted("Reset"));
            self.send_reset(link, cx);
        } else {
            state.resets = 0;
            cx.protocol_error(link, "Reset", format!("RESET was not acknowledged {RESETS} times"));
        }
    }
}

/// A UE that its base station reset is out of reach, whatever the reason given.
fn partial_cause(cause: Option<Cause>) -> RadioCause {
    match from_s1ap(cause) {
        RadioCause::UserInactivity => RadioCause::UserInactivity,
        _ => RadioCause::RadioConnectionLost,
    }
}
