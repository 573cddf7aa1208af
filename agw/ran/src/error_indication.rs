//! Error Indication (TS 36.413 §8.7.2, §10), in both directions.
//!
//! ```text
//!   eNB                                   MME
//!    │ a message that cannot be acted on   │
//!    ├────────────────────────────────────►│
//!    │                    ERROR INDICATION │  at most one, and never for an ERROR INDICATION
//!    │◄────────────────────────────────────┤
//!
//!    │ ERROR INDICATION                    │
//!    ├────────────────────────────────────►│  "unknown ids": the connection is gone at the base station, so it ends here
//! ```

use crate::{Cx, Ran};
use agw_types::{LinkId, RadioCause, RadioId};
use basalt_s1ap::{Cause, CriticalityDiagnostics, ErrorIndication, Pdu, ProtocolCause, RadioNetworkCause, UeIds};
use basalt_sansio::SlotId;

impl Ran {
    /// ERROR INDICATION from a base station.
    pub(crate) fn error_from_enb(&mut self, link: LinkId, error: &ErrorIndication, cx: &mut Cx<'_>) {
        let words = error.cause.map_or_else(|| "no cause given".to_owned(), |cause| cause.to_string());
        cx.protocol_error(link, "ErrorIndication", format!("the base station reports an error: {words}"));
        let unknown_ids = matches!(
            error.cause,
            Some(Cause::RadioNetwork(
                RadioNetworkCause::UnknownMmeUeS1apId
                    | RadioNetworkCause::UnknownEnbUeS1apId
                    | RadioNetworkCause::UnknownPairUeS1apId
            ))
        );
        let Some(mme) = error.mme_ue_id.filter(|_| unknown_ids) else { return };
        let radio = RadioId(SlotId(mme.0));
        // Local release (§10.6); ids of another association touch nothing.
        if self.connections.get(radio.0).is_some_and(|connection| connection.link == link) {
            self.end_connection(radio, RadioCause::UnknownId, cx);
        }
    }
}

impl Cx<'_> {
    /// Tells a base station that its message could not be acted on.
    pub(crate) fn error(&mut self, link: LinkId, stream: u16, ids: UeIds, cause: impl Into<Cause>, what: &'static str) {
        self.error_with(link, stream, ids, cause.into(), None, what);
    }

    /// The same, with what exactly was wrong.
    pub(crate) fn error_with(
        &mut self,
        link: LinkId,
        stream: u16,
        ids: UeIds,
        cause: Cause,
        diagnostics: Option<CriticalityDiagnostics>,
        what: &'static str,
    ) {
        let mut error = ErrorIndication::new();
        error.mme_ue_id = ids.mme;
        error.enb_ue_id = ids.enb;
        error.cause = Some(cause);
        error.criticality_diagnostics = diagnostics;
        self.protocol_error(link, what, format!("{what}: answered with {cause}"));
        self.send(link, stream, error);
    }

    /// A message that does not fit the state of the association or the direction it came in.
    pub(crate) fn wrong_state(&mut self, link: LinkId, stream: u16, pdu: &Pdu) {
        self.error(link, stream, pdu.ue_ids(), ProtocolCause::MessageNotCompatibleWithReceiverState, pdu.name());
    }
}
