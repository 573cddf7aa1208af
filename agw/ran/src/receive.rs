//! From octets to the procedure that handles them.
//!
//! Three questions are asked of every message, in this order: can it be read, and if not, what does clause 10 of TS 36.413 want
//! done; does it fit the state of the association; and, when it is about a UE, do its ids name a connection over it.

use crate::connection::Context;
use crate::s1_setup::TIME_TO_WAIT;
use crate::{Cx, Ran};
use agw_types::{LinkId, Metric, Outcome, RadioCause, RadioEventKind, RadioId};
use basalt_s1ap::{
    Cause, Criticality, DecodeError, HandoverRequestAcknowledge, InitialContextSetupRequest, OtherPdu, Pdu,
    ProtocolCause, RadioNetworkCause, Reaction, UeContextReleaseComplete, UeIds, decode, reaction,
};
use basalt_sansio::SlotId;

impl Ran {
    /// An S1AP message from a base station.
    pub fn receive(&mut self, link: LinkId, stream: u16, octets: &[u8], cx: &mut Cx<'_>) {
        let Some(state) = self.links.get(&link) else {
            cx.count(Metric::Discarded("message over an unknown association"));
            return;
        };
        // Answers go back on the stream the message came on, where there is such a stream in our direction.
        let stream = if stream < state.info.streams { stream } else { 0 };
        self.report = None;
        match decode(octets) {
            Ok(decoded) => {
                cx.count(Metric::Received(decoded.pdu.name()));
                let act = match reaction(&decoded.diagnostics) {
                    Reaction::Ignore => true,
                    Reaction::Report(report) => {
                        self.report = Some(report);
                        true
                    }
                    Reaction::Notify(indication) => {
                        cx.send(link, stream, *indication);
                        !decoded.diagnostics.unknown_procedure
                    }
                    Reaction::Reject(answer) => {
                        cx.protocol_error(link, decoded.pdu.name(), format!("{} was refused", decoded.pdu.name()));
                        cx.send(link, stream, with_time_to_wait(*answer));
                        false
                    }
                    Reaction::LocalError => false,
                };
                if act {
                    self.dispatch(link, stream, decoded.pdu, cx);
                }
            }
            Err(error) => self.unusable(link, stream, &error, cx),
        }
    }

    /// Nothing of the message may be executed.
    fn unusable(&mut self, link: LinkId, stream: u16, error: &DecodeError, cx: &mut Cx<'_>) {
        cx.count(Metric::Discarded("s1ap message that cannot be acted on"));
        match reaction(error) {
            Reaction::Reject(answer) => {
                cx.protocol_error(link, "undecodable", error.to_string());
                cx.send(link, stream, with_time_to_wait(*answer));
            }
            Reaction::LocalError => self.failed_locally(link, error, cx),
            Reaction::Ignore | Reaction::Report(_) | Reaction::Notify(_) => {}
        }
    }

    /// The base station's answer is of no use, so the procedure failed (§10.3.4.2).
    fn failed_locally(&mut self, link: LinkId, error: &DecodeError, cx: &mut Cx<'_>) {
        cx.protocol_error(link, "unusable answer", error.to_string());
        let found = &error.diagnostics;
        let Ok(radio) = self.pair(link, found.ue_ids) else { return };
        let handover = HandoverRequestAcknowledge::PROCEDURE_CODE;
        if found.header.is_some_and(|header| header.procedure_code == handover) && self.is_arriving(radio) {
            self.handover_refused(radio, None, cx);
            return;
        }
        let setup =
            found.header.is_some_and(|header| header.procedure_code == InitialContextSetupRequest::PROCEDURE_CODE);
        let Some(connection) =
            self.active(radio).filter(|connection| setup && connection.context == Context::Requested)
        else {
            return;
        };
        connection.context = Context::None;
        let kind = RadioEventKind::ContextFailed { cause: RadioCause::Unspecified };
        cx.event(radio, connection.ue, kind);
    }

    fn dispatch(&mut self, link: LinkId, stream: u16, pdu: Pdu, cx: &mut Cx<'_>) {
        let ready = self.links.get(&link).is_some_and(|link| link.ready().is_some());
        match pdu {
            Pdu::S1SetupRequest(request) => self.s1_setup(link, &request, cx),
            Pdu::ErrorIndication(error) => self.error_from_enb(link, &error, cx),
            // S1 setup is the first procedure (§8.7.3.1).
            pdu if !ready => cx.wrong_state(link, stream, &pdu),
            Pdu::EnbConfigurationUpdate(update) => self.configuration_update(link, &update, cx),
            Pdu::Reset(reset) => self.reset_by_enb(link, reset, cx),
            Pdu::ResetAcknowledge(_) => self.reset_acknowledged(link, cx),
            Pdu::MmeConfigurationUpdateAcknowledge(_) => {}
            Pdu::MmeConfigurationUpdateFailure(failure) => self.update_refused(link, &failure, cx),
            Pdu::InitialUeMessage(message) => {
                self.note_stream(link, stream, cx);
                self.initial_ue(link, stream, message, cx);
            }
            Pdu::PathSwitchRequest(request) => self.path_switch(link, stream, &request, cx),
            Pdu::Other(other) => self.unsupported(link, stream, other, cx),
            pdu => self.ue_associated(link, stream, pdu, cx),
        }
    }

    /// Messages about one UE: both ids must name one connection over this association.
    fn ue_associated(&mut self, link: LinkId, stream: u16, pdu: Pdu, cx: &mut Cx<'_>) {
        let radio = match self.pair(link, pdu.ue_ids()) {
            Ok(radio) => radio,
            Err(_) if matches!(pdu, Pdu::UeContextReleaseComplete(_)) => {
                // It is gone on both sides, only later than expected.
                cx.count(Metric::Unexpected(UeContextReleaseComplete::NAME));
                return;
            }
            Err(cause) => {
                if !is_from_mme(&pdu) {
                    cx.error(link, stream, pdu.ue_ids(), cause, pdu.name());
                } else {
                    cx.wrong_state(link, stream, &pdu);
                }
                return;
            }
        };
        self.note_stream(link, stream, cx);
        if !self.fits(radio, &pdu) {
            cx.count(Metric::Unexpected("message about a phone that is not there"));
            return;
        }
        match pdu {
            Pdu::UplinkNasTransport(message) => self.uplink_nas(radio, message, cx),
            Pdu::NasNonDeliveryIndication(message) => self.not_delivered(radio, message, cx),
            Pdu::UeCapabilityInfoIndication(message) => self.capability(radio, message, cx),
            Pdu::InitialContextSetupResponse(message) => self.context_ready(radio, message, cx),
            Pdu::InitialContextSetupFailure(message) => self.context_failed(radio, &message, cx),
            Pdu::UeContextReleaseRequest(message) => self.release_requested(radio, &message, cx),
            Pdu::UeContextReleaseComplete(_) => self.release_complete(radio, cx),
            Pdu::ErabSetupResponse(message) => self.bearers_ready(radio, &message, cx),
            Pdu::ErabModifyResponse(message) => self.bearers_modified(radio, &message, cx),
            Pdu::ErabReleaseResponse(message) => self.bearers_released(radio, &message, cx),
            Pdu::ErabReleaseIndication(message) => self.bearers_gone(radio, &message, cx),
            Pdu::ErabModificationIndication(message) => self.bearers_moved(radio, &message, cx),
            Pdu::UeContextModificationResponse(_) => self.context_modified(radio, Outcome::Success, cx),
            Pdu::UeContextModificationFailure(_) => self.context_modified(radio, Outcome::PeerRefused, cx),
            Pdu::HandoverRequired(message) => self.handover_required(radio, message, cx),
            Pdu::HandoverRequestAcknowledge(message) => self.handover_acknowledged(radio, message, cx),
            Pdu::HandoverFailure(message) => self.handover_refused(radio, message.cause, cx),
            Pdu::HandoverNotify(message) => self.handover_notified(radio, &message, cx),
            Pdu::HandoverCancel(message) => self.handover_cancelled(radio, &message, cx),
            Pdu::EnbStatusTransfer(message) => self.status_transfer(radio, message, cx),
            // An answer to what this gateway never asks.
            Pdu::UeContextResumeFailure(_) => cx.count(Metric::Unexpected(pdu.name())),
            pdu => cx.wrong_state(link, stream, &pdu),
        }
    }

    /// Whether a message fits a connection whose UE has not come yet, or has left: nothing that is said of a UE there counts.
    fn fits(&self, radio: RadioId, pdu: &Pdu) -> bool {
        match self.connections.get(radio.0).map(|connection| connection.context) {
            Some(Context::Arriving) => matches!(
                pdu,
                Pdu::HandoverRequestAcknowledge(_)
                    | Pdu::HandoverFailure(_)
                    | Pdu::HandoverNotify(_)
                    | Pdu::UeContextReleaseRequest(_)
            ),
            Some(Context::Departed) => matches!(pdu, Pdu::UeContextReleaseRequest(_) | Pdu::HandoverCancel(_)),
            _ => true,
        }
    }

    fn is_arriving(&self, radio: RadioId) -> bool {
        self.connections.get(radio.0).is_some_and(|connection| connection.context == Context::Arriving)
    }

    /// A procedure of the standard that is not offered here: by its criticality, as if it were unknown (§10.3.4.1).
    fn unsupported(&mut self, link: LinkId, stream: u16, other: OtherPdu, cx: &mut Cx<'_>) {
        let ids = other.ue_ids();
        if (ids.mme.is_some() || ids.enb.is_some())
            && let Err(cause) = self.pair(link, ids)
        {
            cx.error(link, stream, ids, cause, other.name());
            return;
        }
        match other.criticality {
            Criticality::Ignore => cx.count(Metric::Unexpected(other.name())),
            Criticality::Reject => {
                cx.error(link, stream, ids, ProtocolCause::AbstractSyntaxErrorReject, other.name());
            }
            Criticality::Notify => {
                cx.error(link, stream, ids, ProtocolCause::AbstractSyntaxErrorIgnoreAndNotify, other.name());
            }
        }
    }

    /// The connection over `link` that the ids of a message name (§10.6).
    ///
    /// An id that the message could do without is not missed. Ids of a connection over another association are unknown here,
    /// whatever they are there.
    pub(crate) fn pair(&self, link: LinkId, ids: UeIds) -> Result<RadioId, Cause> {
        let unknown = |cause: RadioNetworkCause| Cause::RadioNetwork(cause);
        let radio = match (ids.mme, ids.enb) {
            (Some(mme), _) => RadioId(SlotId(mme.0)),
            (None, Some(enb)) => {
                return self.by_enb_id(link, enb).ok_or(unknown(RadioNetworkCause::UnknownEnbUeS1apId));
            }
            (None, None) => return Err(unknown(RadioNetworkCause::UnknownPairUeS1apId)),
        };
        let connection = self.connections.get(radio.0).ok_or(unknown(RadioNetworkCause::UnknownMmeUeS1apId))?;
        let named = connection.nameless || ids.enb.is_none_or(|enb| enb == connection.enb_id);
        let ours = connection.link == link && named;
        if ours { Ok(radio) } else { Err(unknown(RadioNetworkCause::UnknownPairUeS1apId)) }
    }

    /// UE signalling belongs on the other streams (TS 36.412 §7). Base stations that use stream 0 for all are in the field, and
    /// nothing is lost by it but order between UEs: counted, not refused.
    fn note_stream(&self, link: LinkId, stream: u16, cx: &mut Cx<'_>) {
        let several = self.links.get(&link).is_some_and(|link| link.info.streams > 1);
        if stream == 0 && several {
            cx.count(Metric::Unexpected("UE message on stream 0"));
        }
    }
}

/// Messages that only an MME sends.
const fn is_from_mme(pdu: &Pdu) -> bool {
    matches!(
        pdu,
        Pdu::S1SetupResponse(_)
            | Pdu::S1SetupFailure(_)
            | Pdu::EnbConfigurationUpdateAcknowledge(_)
            | Pdu::EnbConfigurationUpdateFailure(_)
            | Pdu::MmeConfigurationUpdate(_)
            | Pdu::OverloadStart(_)
            | Pdu::OverloadStop(_)
            | Pdu::DownlinkNasTransport(_)
            | Pdu::InitialContextSetupRequest(_)
            | Pdu::UeContextReleaseCommand(_)
            | Pdu::UeContextModificationRequest(_)
            | Pdu::Paging(_)
            | Pdu::ErabSetupRequest(_)
            | Pdu::ErabModifyRequest(_)
            | Pdu::ErabReleaseCommand(_)
            | Pdu::PathSwitchRequestAcknowledge(_)
            | Pdu::PathSwitchRequestFailure(_)
            | Pdu::HandoverPreparationFailure(_)
            | Pdu::HandoverCommand(_)
            | Pdu::HandoverRequest(_)
            | Pdu::HandoverCancelAcknowledge(_)
            | Pdu::MmeStatusTransfer(_)
            | Pdu::ErabModificationConfirm(_)
    )
}

/// A base station whose setup request is broken is told to wait too, or it would ask without end (TS 36.413 §8.7.3.3).
fn with_time_to_wait(mut answer: Pdu) -> Pdu {
    if let Pdu::S1SetupFailure(failure) = &mut answer {
        failure.time_to_wait.get_or_insert(TIME_TO_WAIT);
    }
    answer
}
