//! EPS mobility management messages (TS 24.301 §8.2).

mod attach;
mod common;
mod service;
mod update;

pub use attach::{
    AttachAccept, AttachComplete, AttachReject, AttachRequest, DetachAccept, DetachRequestNetwork, DetachRequestUe,
};
pub use common::{
    AuthenticationFailure, AuthenticationReject, AuthenticationRequest, AuthenticationResponse,
    DownlinkGenericNasTransport, DownlinkNasTransport, EmmInformation, EmmStatus, GutiReallocationCommand,
    GutiReallocationComplete, IdentityRequest, IdentityResponse, SecurityModeCommand, SecurityModeComplete,
    SecurityModeReject, UplinkGenericNasTransport, UplinkNasTransport,
};
pub use service::{
    ControlPlaneServiceRequest, CsServiceNotification, ExtendedServiceRequest, ServiceAccept, ServiceReject,
    ServiceRequest,
};
pub use update::{
    TrackingAreaUpdateAccept, TrackingAreaUpdateComplete, TrackingAreaUpdateReject, TrackingAreaUpdateRequest,
};

/// A message of mobility management, without its security envelope. SERVICE REQUEST is not here: it has its own form
/// ([`crate::Envelope::ServiceRequest`]).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant holds the message of its name")]
#[allow(clippy::large_enum_variant, reason = "a message lives for one step; boxing would allocate on each")]
pub enum EmmMessage {
    AttachRequest(AttachRequest),
    AttachAccept(AttachAccept),
    AttachComplete(AttachComplete),
    AttachReject(AttachReject),
    DetachRequestUe(DetachRequestUe),
    DetachRequestNetwork(DetachRequestNetwork),
    DetachAccept(DetachAccept),
    TrackingAreaUpdateRequest(TrackingAreaUpdateRequest),
    TrackingAreaUpdateAccept(TrackingAreaUpdateAccept),
    TrackingAreaUpdateComplete(TrackingAreaUpdateComplete),
    TrackingAreaUpdateReject(TrackingAreaUpdateReject),
    ExtendedServiceRequest(ExtendedServiceRequest),
    ControlPlaneServiceRequest(ControlPlaneServiceRequest),
    ServiceReject(ServiceReject),
    ServiceAccept(ServiceAccept),
    GutiReallocationCommand(GutiReallocationCommand),
    GutiReallocationComplete(GutiReallocationComplete),
    AuthenticationRequest(AuthenticationRequest),
    AuthenticationResponse(AuthenticationResponse),
    AuthenticationReject(AuthenticationReject),
    AuthenticationFailure(AuthenticationFailure),
    IdentityRequest(IdentityRequest),
    IdentityResponse(IdentityResponse),
    SecurityModeCommand(SecurityModeCommand),
    SecurityModeComplete(SecurityModeComplete),
    SecurityModeReject(SecurityModeReject),
    EmmStatus(EmmStatus),
    EmmInformation(EmmInformation),
    DownlinkNasTransport(DownlinkNasTransport),
    UplinkNasTransport(UplinkNasTransport),
    CsServiceNotification(CsServiceNotification),
    DownlinkGenericNasTransport(DownlinkGenericNasTransport),
    UplinkGenericNasTransport(UplinkGenericNasTransport),
}
