//! Cause (TS 36.413 §9.2.1.3): why something is done or refused.

use super::enums::enumerated;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Why, in one of five groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// The radio network layer.
    RadioNetwork(RadioNetworkCause),
    /// The transport layer.
    Transport(TransportCause),
    /// NAS.
    Nas(NasCause),
    /// This protocol.
    Protocol(ProtocolCause),
    /// Anything else.
    Misc(MiscCause),
}

impl fmt::Display for Cause {
    /// `radio network: user inactivity`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::RadioNetwork(cause) => write!(f, "radio network: {cause}"),
            Cause::Transport(cause) => write!(f, "transport: {cause}"),
            Cause::Nas(cause) => write!(f, "NAS: {cause}"),
            Cause::Protocol(cause) => write!(f, "protocol: {cause}"),
            Cause::Misc(cause) => write!(f, "miscellaneous: {cause}"),
        }
    }
}

macro_rules! group {
    ($($group:ident($cause:ident)),*) => {
        $(impl From<$cause> for Cause {
            fn from(cause: $cause) -> Self {
                Cause::$group(cause)
            }
        })*
    };
}
group!(
    RadioNetwork(RadioNetworkCause),
    Transport(TransportCause),
    Nas(NasCause),
    Protocol(ProtocolCause),
    Misc(MiscCause)
);

enumerated! {
    /// Causes of the radio network layer.
    RadioNetworkCause, root 36, extensible {
        /// Nothing more specific applies.
        Unspecified = 0 "unspecified",
        /// TX2RELOCOverall ran out.
        Tx2RelocOverallExpiry = 1 "TX2RELOCOverall expiry",
        /// The handover worked.
        SuccessfulHandover = 2 "successful handover",
        /// The E-UTRAN wants the release.
        ReleaseDueToEutranGeneratedReason = 3 "release due to E-UTRAN generated reason",
        /// The source cancelled the handover.
        HandoverCancelled = 4 "handover cancelled",
        /// Not all bearers could be handed over.
        PartialHandover = 5 "partial handover",
        /// The target failed in the handover.
        HandoverFailureInTarget = 6 "handover failure in target EPC, eNB or target system",
        /// The target may not be used.
        HandoverTargetNotAllowed = 7 "handover target not allowed",
        /// TS1RELOCoverall ran out.
        Ts1RelocOverallExpiry = 8 "TS1RELOCoverall expiry",
        /// TS1RELOCprep ran out.
        Ts1RelocPrepExpiry = 9 "TS1RELOCprep expiry",
        /// The cell is not available.
        CellNotAvailable = 10 "cell not available",
        /// The target is not known.
        UnknownTargetId = 11 "unknown target ID",
        /// The target cell has no radio resources.
        NoRadioResourcesAvailableInTargetCell = 12 "no radio resources available in target cell",
        /// The MME UE S1AP ID is not known.
        UnknownMmeUeS1apId = 13 "unknown or already allocated MME UE S1AP ID",
        /// The eNB UE S1AP ID is not known.
        UnknownEnbUeS1apId = 14 "unknown or already allocated eNB UE S1AP ID",
        /// The two ids do not belong together.
        UnknownPairUeS1apId = 15 "unknown or inconsistent pair of UE S1AP IDs",
        /// The radio wants the handover.
        HandoverDesirableForRadioReason = 16 "handover desirable for radio reasons",
        /// The handover is urgent.
        TimeCriticalHandover = 17 "time critical handover",
        /// The handover spreads load.
        ResourceOptimisationHandover = 18 "resource optimisation handover",
        /// The handover takes load off the cell.
        ReduceLoadInServingCell = 19 "reduce load in serving cell",
        /// The UE was silent for some time.
        UserInactivity = 20 "user inactivity",
        /// The UE is out of reach.
        RadioConnectionWithUeLost = 21 "radio connection with UE lost",
        /// The UE is to go to another MME by TAU.
        LoadBalancingTauRequired = 22 "load balancing TAU required",
        /// The UE falls back to circuit switching.
        CsFallbackTriggered = 23 "CS fallback triggered",
        /// The UE cannot be served with packets.
        UeNotAvailableForPsService = 24 "UE not available for PS service",
        /// There are no radio resources.
        RadioResourcesNotAvailable = 25 "radio resources not available",
        /// A procedure on the radio failed.
        FailureInRadioInterfaceProcedure = 26 "failure in the radio interface procedure",
        /// The QoS parameters contradict each other.
        InvalidQosCombination = 27 "invalid QoS combination",
        /// The UE is sent to another radio access technology.
        InterRatRedirection = 28 "inter-RAT redirection",
        /// Another procedure is running.
        InteractionWithOtherProcedure = 29 "interaction with other procedure",
        /// The E-RAB is not known.
        UnknownErabId = 30 "unknown E-RAB ID",
        /// One E-RAB is named more than once.
        MultipleErabIdInstances = 31 "multiple E-RAB ID instances",
        /// The eNodeB has none of the algorithms.
        AlgorithmsNotSupported = 32 "encryption and/or integrity protection algorithms not supported",
        /// An S1 handover within E-UTRAN was started.
        S1IntraSystemHandoverTriggered = 33 "S1 intra system handover triggered",
        /// An S1 handover to another system was started.
        S1InterSystemHandoverTriggered = 34 "S1 inter system handover triggered",
        /// An X2 handover was started.
        X2HandoverTriggered = 35 "X2 handover triggered",
        /// The UE is sent to 1xRTT.
        RedirectionTowards1xRtt = 36 "redirection towards 1xRTT",
        /// The eNodeB does not know the QCI.
        NotSupportedQciValue = 37 "not supported QCI value",
        /// The CSG is not valid.
        InvalidCsgId = 38 "invalid CSG ID",
        /// Another bearer was more important.
        ReleaseDueToPreEmption = 39 "release due to pre-emption",
        /// There is no N26.
        N26InterfaceNotAvailable = 40 "N26 interface not available",
        /// The UE cannot do it.
        InsufficientUeCapabilities = 41 "insufficient UE capabilities",
        /// Bearers were pre-empted too often.
        MaximumBearerPreEmptionRateExceeded = 42 "maximum bearer pre-emption rate exceeded",
        /// User plane integrity protection is not possible.
        UpIntegrityProtectionNotPossible = 43 "UP integrity protection not possible",
        /// The satellite leaves.
        ReleaseDueToDiscontinuousCoverage = 44 "release due to discontinuous coverage",
    }
}

enumerated! {
    /// Causes of the transport layer.
    TransportCause, root 2, extensible {
        /// A resource of the transport is not available.
        TransportResourceUnavailable = 0 "transport resource unavailable",
        /// Nothing more specific applies.
        Unspecified = 1 "unspecified",
    }
}

enumerated! {
    /// Causes of NAS.
    NasCause, root 4, extensible {
        /// The release is normal.
        NormalRelease = 0 "normal release",
        /// Authentication failed.
        AuthenticationFailure = 1 "authentication failure",
        /// The UE detached.
        Detach = 2 "detach",
        /// Nothing more specific applies.
        Unspecified = 3 "unspecified",
        /// The UE may no longer use the CSG.
        CsgSubscriptionExpiry = 4 "CSG subscription expiry",
        /// The UE is outside of the area of its network.
        UeNotInPlmnServingArea = 5 "UE not in PLMN serving area",
        /// The IAB node is not authorized.
        IabNotAuthorized = 6 "IAB not authorized",
    }
}

enumerated! {
    /// Causes of this protocol (§10).
    ProtocolCause, root 7, extensible {
        /// The octets could not be decoded.
        TransferSyntaxError = 0 "transfer syntax error",
        /// Something was not comprehended or missing, and the procedure is rejected.
        AbstractSyntaxErrorReject = 1 "abstract syntax error (reject)",
        /// Something was not comprehended or missing, and the procedure goes on.
        AbstractSyntaxErrorIgnoreAndNotify = 2 "abstract syntax error (ignore and notify)",
        /// The message does not fit the state.
        MessageNotCompatibleWithReceiverState = 3 "message not compatible with receiver state",
        /// The content contradicts itself or the state.
        SemanticError = 4 "semantic error",
        /// IEs came in the wrong order, too often, or where they must not be.
        AbstractSyntaxErrorFalselyConstructedMessage = 5 "abstract syntax error (falsely constructed message)",
        /// Nothing more specific applies.
        Unspecified = 6 "unspecified",
    }
}

enumerated! {
    /// Other causes.
    MiscCause, root 6, extensible {
        /// The control plane is overloaded.
        ControlProcessingOverload = 0 "control processing overload",
        /// The user plane is overloaded.
        NotEnoughUserPlaneProcessingResources = 1 "not enough user plane processing resources",
        /// Hardware failed.
        HardwareFailure = 2 "hardware failure",
        /// The operator wants it.
        OmIntervention = 3 "O&M intervention",
        /// Nothing more specific applies.
        Unspecified = 4 "unspecified",
        /// None of the networks is served here.
        UnknownPlmn = 5 "unknown PLMN",
    }
}
