//! EPS session management messages (TS 24.301 §8.3).

mod bearer;
mod connection;

pub use bearer::{
    ActivateDedicatedEpsBearerContextAccept, ActivateDedicatedEpsBearerContextReject,
    ActivateDedicatedEpsBearerContextRequest, ActivateDefaultEpsBearerContextAccept,
    ActivateDefaultEpsBearerContextReject, ActivateDefaultEpsBearerContextRequest, DeactivateEpsBearerContextAccept,
    DeactivateEpsBearerContextRequest, ModifyEpsBearerContextAccept, ModifyEpsBearerContextReject,
    ModifyEpsBearerContextRequest,
};
pub use connection::{
    BearerResourceAllocationReject, BearerResourceAllocationRequest, BearerResourceModificationReject,
    BearerResourceModificationRequest, EsmDummyMessage, EsmInformationRequest, EsmInformationResponse, EsmStatus,
    Notification, PdnConnectivityReject, PdnConnectivityRequest, PdnDisconnectReject, PdnDisconnectRequest,
};

use crate::codec::table::dispatch;
use crate::ie::EsmContainer;
use crate::{DecodeError, Direction, EncodeError, ErrorKind, Header};
use basalt_ids::{Ebi, Pti};

/// Protocol discriminator of EPS session management (TS 24.007 §11.2.3.1.1).
const DISCRIMINATOR: u8 = 2;

/// A message of session management with its header (TS 24.301 §9.3.2, §9.4): which bearer and which transaction it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EsmPdu {
    /// EPS bearer identity; `None` when none is assigned (0 on the wire).
    pub ebi: Option<Ebi>,
    /// Procedure transaction identity; 0 when none is assigned.
    pub pti: Pti,
    /// The message.
    pub message: EsmMessage,
}

/// A message of session management.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant holds the message of its name")]
#[allow(clippy::large_enum_variant, reason = "a message lives for one step; boxing would allocate on each")]
pub enum EsmMessage {
    ActivateDefaultEpsBearerContextRequest(ActivateDefaultEpsBearerContextRequest),
    ActivateDefaultEpsBearerContextAccept(ActivateDefaultEpsBearerContextAccept),
    ActivateDefaultEpsBearerContextReject(ActivateDefaultEpsBearerContextReject),
    ActivateDedicatedEpsBearerContextRequest(ActivateDedicatedEpsBearerContextRequest),
    ActivateDedicatedEpsBearerContextAccept(ActivateDedicatedEpsBearerContextAccept),
    ActivateDedicatedEpsBearerContextReject(ActivateDedicatedEpsBearerContextReject),
    ModifyEpsBearerContextRequest(ModifyEpsBearerContextRequest),
    ModifyEpsBearerContextAccept(ModifyEpsBearerContextAccept),
    ModifyEpsBearerContextReject(ModifyEpsBearerContextReject),
    DeactivateEpsBearerContextRequest(DeactivateEpsBearerContextRequest),
    DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept),
    PdnConnectivityRequest(PdnConnectivityRequest),
    PdnConnectivityReject(PdnConnectivityReject),
    PdnDisconnectRequest(PdnDisconnectRequest),
    PdnDisconnectReject(PdnDisconnectReject),
    BearerResourceAllocationRequest(BearerResourceAllocationRequest),
    BearerResourceAllocationReject(BearerResourceAllocationReject),
    BearerResourceModificationRequest(BearerResourceModificationRequest),
    BearerResourceModificationReject(BearerResourceModificationReject),
    EsmInformationRequest(EsmInformationRequest),
    EsmInformationResponse(EsmInformationResponse),
    Notification(Notification),
    EsmDummyMessage(EsmDummyMessage),
    EsmStatus(EsmStatus),
}

dispatch! {
    EsmMessage {
        0xc1 => ActivateDefaultEpsBearerContextRequest "ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST",
        0xc2 => ActivateDefaultEpsBearerContextAccept "ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT",
        0xc3 => ActivateDefaultEpsBearerContextReject "ACTIVATE DEFAULT EPS BEARER CONTEXT REJECT",
        0xc5 => ActivateDedicatedEpsBearerContextRequest "ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST",
        0xc6 => ActivateDedicatedEpsBearerContextAccept "ACTIVATE DEDICATED EPS BEARER CONTEXT ACCEPT",
        0xc7 => ActivateDedicatedEpsBearerContextReject "ACTIVATE DEDICATED EPS BEARER CONTEXT REJECT",
        0xc9 => ModifyEpsBearerContextRequest "MODIFY EPS BEARER CONTEXT REQUEST",
        0xca => ModifyEpsBearerContextAccept "MODIFY EPS BEARER CONTEXT ACCEPT",
        0xcb => ModifyEpsBearerContextReject "MODIFY EPS BEARER CONTEXT REJECT",
        0xcd => DeactivateEpsBearerContextRequest "DEACTIVATE EPS BEARER CONTEXT REQUEST",
        0xce => DeactivateEpsBearerContextAccept "DEACTIVATE EPS BEARER CONTEXT ACCEPT",
        0xd0 => PdnConnectivityRequest "PDN CONNECTIVITY REQUEST",
        0xd1 => PdnConnectivityReject "PDN CONNECTIVITY REJECT",
        0xd2 => PdnDisconnectRequest "PDN DISCONNECT REQUEST",
        0xd3 => PdnDisconnectReject "PDN DISCONNECT REJECT",
        0xd4 => BearerResourceAllocationRequest "BEARER RESOURCE ALLOCATION REQUEST",
        0xd5 => BearerResourceAllocationReject "BEARER RESOURCE ALLOCATION REJECT",
        0xd6 => BearerResourceModificationRequest "BEARER RESOURCE MODIFICATION REQUEST",
        0xd7 => BearerResourceModificationReject "BEARER RESOURCE MODIFICATION REJECT",
        0xd9 => EsmInformationRequest "ESM INFORMATION REQUEST",
        0xda => EsmInformationResponse "ESM INFORMATION RESPONSE",
        0xdb => Notification "NOTIFICATION",
        0xdc => EsmDummyMessage "ESM DUMMY MESSAGE",
        0xe8 => EsmStatus "ESM STATUS",
    }
}

impl EsmPdu {
    /// Reads a message, header octets included.
    ///
    /// # Errors
    /// What is wrong, with bearer, transaction and message type as far as they could be read.
    pub fn decode(octets: &[u8], direction: Direction) -> Result<Self, DecodeError> {
        let error = |header, kind| DecodeError { header, kind };
        let Some(&first) = octets.first() else {
            return Err(error(Header::None, ErrorKind::TooShort));
        };
        if first & 0x0f != DISCRIMINATOR {
            let kind = ErrorKind::ProtocolDiscriminator(first & 0x0f);
            return Err(error(Header::None, kind));
        }
        let header = Header::Esm { ebi: first >> 4, pti: octets.get(1).copied(), message_type: octets.get(2).copied() };
        let &[_, pti, message_type, ref body @ ..] = octets else {
            return Err(error(header, ErrorKind::TooShort));
        };
        let message = EsmMessage::read_body(message_type, body, direction).map_err(|kind| error(header, kind))?;
        Ok(Self { ebi: Ebi::new(first >> 4).ok(), pti: Pti(pti), message })
    }

    /// The octets of the message.
    ///
    /// # Errors
    /// [`EncodeError`] when a value does not fit its length indicator.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(96);
        let ebi = self.ebi.map_or(0, Ebi::value);
        out.extend([ebi << 4 | DISCRIMINATOR, self.pti.0, self.message.message_type()]);
        self.message.write_body(&mut out)?;
        Ok(out)
    }

    /// The message in the container of an EMM message.
    ///
    /// # Errors
    /// [`EncodeError`] when a value does not fit its length indicator.
    pub fn to_container(&self) -> Result<EsmContainer, EncodeError> {
        self.encode().map(EsmContainer)
    }
}
