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

use crate::codec::table::dispatch;
use crate::{DecodeError, Direction, EncodeError, ErrorKind, Header};

/// Protocol discriminator of EPS mobility management (TS 24.007 §11.2.3.1.1).
const DISCRIMINATOR: u8 = 7;

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

dispatch! {
    EmmMessage {
        0x41 => AttachRequest "ATTACH REQUEST",
        0x42 => AttachAccept "ATTACH ACCEPT",
        0x43 => AttachComplete "ATTACH COMPLETE",
        0x44 => AttachReject "ATTACH REJECT",
        0x46 => DetachAccept "DETACH ACCEPT",
        0x48 => TrackingAreaUpdateRequest "TRACKING AREA UPDATE REQUEST",
        0x49 => TrackingAreaUpdateAccept "TRACKING AREA UPDATE ACCEPT",
        0x4a => TrackingAreaUpdateComplete "TRACKING AREA UPDATE COMPLETE",
        0x4b => TrackingAreaUpdateReject "TRACKING AREA UPDATE REJECT",
        0x4c => ExtendedServiceRequest "EXTENDED SERVICE REQUEST",
        0x4d => ControlPlaneServiceRequest "CONTROL PLANE SERVICE REQUEST",
        0x4e => ServiceReject "SERVICE REJECT",
        0x4f => ServiceAccept "SERVICE ACCEPT",
        0x50 => GutiReallocationCommand "GUTI REALLOCATION COMMAND",
        0x51 => GutiReallocationComplete "GUTI REALLOCATION COMPLETE",
        0x52 => AuthenticationRequest "AUTHENTICATION REQUEST",
        0x53 => AuthenticationResponse "AUTHENTICATION RESPONSE",
        0x54 => AuthenticationReject "AUTHENTICATION REJECT",
        0x55 => IdentityRequest "IDENTITY REQUEST",
        0x56 => IdentityResponse "IDENTITY RESPONSE",
        0x5c => AuthenticationFailure "AUTHENTICATION FAILURE",
        0x5d => SecurityModeCommand "SECURITY MODE COMMAND",
        0x5e => SecurityModeComplete "SECURITY MODE COMPLETE",
        0x5f => SecurityModeReject "SECURITY MODE REJECT",
        0x60 => EmmStatus "EMM STATUS",
        0x61 => EmmInformation "EMM INFORMATION",
        0x62 => DownlinkNasTransport "DOWNLINK NAS TRANSPORT",
        0x63 => UplinkNasTransport "UPLINK NAS TRANSPORT",
        0x64 => CsServiceNotification "CS SERVICE NOTIFICATION",
        0x68 => DownlinkGenericNasTransport "DOWNLINK GENERIC NAS TRANSPORT",
        0x69 => UplinkGenericNasTransport "UPLINK GENERIC NAS TRANSPORT",
    }
    by_direction { 0x45 => uplink DetachRequestUe downlink DetachRequestNetwork "DETACH REQUEST" }
}

impl EmmMessage {
    /// Reads a plain message, header octets included.
    ///
    /// # Errors
    /// What is wrong, with the message type when it could be read.
    pub fn decode(octets: &[u8], direction: Direction) -> Result<Self, DecodeError> {
        let error = |header, kind| DecodeError { header, kind };
        let Some((&first, rest)) = octets.split_first() else {
            return Err(error(Header::None, ErrorKind::TooShort));
        };
        let kind = match (first & 0x0f, first >> 4) {
            (DISCRIMINATOR, 0) => None,
            (DISCRIMINATOR, header_type) => Some(ErrorKind::SecurityHeaderType(header_type)),
            (other, _) => Some(ErrorKind::ProtocolDiscriminator(other)),
        };
        if let Some(kind) = kind {
            return Err(error(Header::None, kind));
        }
        let Some((&message_type, body)) = rest.split_first() else {
            return Err(error(Header::None, ErrorKind::TooShort));
        };
        Self::read_body(message_type, body, direction).map_err(|kind| error(Header::Emm { message_type }, kind))
    }

    /// The octets of the plain message.
    ///
    /// # Errors
    /// [`EncodeError`] when a value does not fit its length indicator.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(96);
        out.extend([DISCRIMINATOR, self.message_type()]);
        self.write_body(&mut out)?;
        Ok(out)
    }
}
