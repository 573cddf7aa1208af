//! What is counted. Labels are enumerations of this crate: no identity and nothing a peer chose becomes a label.

use serde::{Deserialize, Serialize};

/// One thing that happened, to be added to a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Metric {
    /// A procedure ended.
    Procedure {
        /// Which.
        procedure: Procedure,
        /// How.
        outcome: Outcome,
    },
    /// How long a successful procedure took, from its first message to its last, microseconds.
    Duration {
        /// Which.
        procedure: Procedure,
        /// Microseconds.
        micros: u64,
    },
    /// A message was received, by name in the specification's words.
    Received(&'static str),
    /// A message was sent, by name.
    Sent(&'static str),
    /// A message did not fit the state it met and was answered as the collision table says.
    Unexpected(&'static str),
    /// A message was dropped before it reached a UE, with the reason.
    Discarded(&'static str),
    /// A timer expired and its message was sent again.
    Retransmitted(&'static str),
}

/// Procedures with an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Procedure {
    /// S1 Setup.
    S1Setup,
    /// Attach.
    Attach,
    /// Authentication.
    Authentication,
    /// Security mode control.
    SecurityMode,
    /// Identification.
    Identification,
    /// Service request.
    ServiceRequest,
    /// Tracking area update.
    TrackingAreaUpdate,
    /// Detach.
    Detach,
    /// Paging.
    Paging,
    /// Default bearer activation (PDN connectivity).
    PdnConnectivity,
    /// Dedicated bearer activation.
    DedicatedBearer,
    /// Modification of a dedicated bearer.
    BearerModification,
    /// Deactivation of a dedicated bearer.
    BearerDeactivation,
    /// Admission of guaranteed rates: refused ones count as `Failure`.
    Admission,
    /// Initial context setup.
    InitialContextSetup,
    /// UE context release.
    ContextRelease,
    /// GUTI reallocation.
    GutiReallocation,
    /// X2 path switch.
    PathSwitch,
    /// S1 handover.
    Handover,
    /// E-RAB modification indication.
    BearerMove,
    /// UE context modification.
    ContextModification,
}

/// How a procedure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// As wanted.
    Success,
    /// Refused with an EMM cause (TS 24.301 §9.9.3.9).
    EmmCause(u8),
    /// Refused with an ESM cause (TS 24.301 §9.9.4.4).
    EsmCause(u8),
    /// The peer did not answer in time.
    Timeout,
    /// The radio connection went away in the middle.
    RadioLost,
    /// Another procedure took its place.
    Superseded,
    /// The peer refused.
    PeerRefused,
    /// Refused for another reason.
    Failure,
}
