//! Which messages may be acted on without protection (TS 24.301 §4.4.4.3).
//!
//! [`Untrusted`] is the whole list: a message that is not in it cannot be made into one, and only the handlers of its variants
//! take a [`Plain`] value. Everything else reaches a handler as [`Verified`], which only `basalt-security` makes, from a MAC that
//! was right.

use basalt_nas::emm::{
    AttachRequest, AuthenticationFailure, AuthenticationResponse, DetachRequestUe, IdentityResponse,
    SecurityModeReject, TrackingAreaUpdateRequest,
};
use basalt_nas::{EmmMessage, Plain};
pub(crate) use basalt_security::Verified;

/// A message from the list of §4.4.4.3 whose sender has proven nothing.
///
/// Handlers may use it to find out who the sender is. None of them changes anything of a known UE.
#[allow(clippy::large_enum_variant, reason = "a message lives for one step; boxing would allocate on each")]
pub(crate) enum Untrusted {
    AttachRequest(Plain<AttachRequest>),
    TrackingAreaUpdateRequest(Plain<TrackingAreaUpdateRequest>),
    DetachRequest(Plain<DetachRequestUe>),
    ExtendedServiceRequest,
    IdentityResponse(Plain<IdentityResponse>),
    AuthenticationResponse(Plain<AuthenticationResponse>),
    AuthenticationFailure(Plain<AuthenticationFailure>),
    SecurityModeReject(Plain<SecurityModeReject>),
    DetachAccept,
}

impl Untrusted {
    /// The message, if it is one of the list.
    pub(crate) fn admit(message: Plain<EmmMessage>) -> Option<Self> {
        Some(match message.0 {
            EmmMessage::AttachRequest(message) => Self::AttachRequest(Plain(message)),
            EmmMessage::TrackingAreaUpdateRequest(message) => Self::TrackingAreaUpdateRequest(Plain(message)),
            EmmMessage::DetachRequestUe(message) => Self::DetachRequest(Plain(message)),
            EmmMessage::ExtendedServiceRequest(_) => Self::ExtendedServiceRequest,
            EmmMessage::IdentityResponse(message) => Self::IdentityResponse(Plain(message)),
            EmmMessage::AuthenticationResponse(message) => Self::AuthenticationResponse(Plain(message)),
            EmmMessage::AuthenticationFailure(message) => Self::AuthenticationFailure(Plain(message)),
            EmmMessage::SecurityModeReject(message) => Self::SecurityModeReject(Plain(message)),
            EmmMessage::DetachAccept(_) => Self::DetachAccept,
            _ => return None,
        })
    }
}
