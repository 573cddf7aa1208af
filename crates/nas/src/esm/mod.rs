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

use basalt_ids::{Ebi, Pti};

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
