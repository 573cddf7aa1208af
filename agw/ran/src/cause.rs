//! Causes of S1AP (TS 36.413 §9.2.1.3) and what both radio rooms call them.

use agw_types::RadioCause;
use basalt_s1ap::{Cause, NasCause, RadioNetworkCause, TransportCause};

/// What a base station's cause means to mobility.
pub(crate) fn from_s1ap(cause: Option<Cause>) -> RadioCause {
    use RadioNetworkCause as Radio;
    match cause {
        Some(Cause::RadioNetwork(cause)) => match cause {
            Radio::UserInactivity => RadioCause::UserInactivity,
            Radio::RadioConnectionWithUeLost | Radio::FailureInRadioInterfaceProcedure => {
                RadioCause::RadioConnectionLost
            }
            Radio::X2HandoverTriggered
            | Radio::S1IntraSystemHandoverTriggered
            | Radio::S1InterSystemHandoverTriggered => RadioCause::Handover,
            Radio::SuccessfulHandover => RadioCause::SuccessfulHandover,
            Radio::CsFallbackTriggered | Radio::UeNotAvailableForPsService => RadioCause::CsFallback,
            Radio::UnknownMmeUeS1apId | Radio::UnknownEnbUeS1apId | Radio::UnknownPairUeS1apId => RadioCause::UnknownId,
            Radio::RadioResourcesNotAvailable
            | Radio::NoRadioResourcesAvailableInTargetCell
            | Radio::InvalidQosCombination
            | Radio::NotSupportedQciValue
            | Radio::AlgorithmsNotSupported => RadioCause::RadioResources,
            _ => RadioCause::Unspecified,
        },
        Some(Cause::Transport(_)) => RadioCause::TransportResources,
        Some(Cause::Nas(cause)) => match cause {
            NasCause::NormalRelease => RadioCause::NormalRelease,
            NasCause::Detach => RadioCause::Detach,
            NasCause::AuthenticationFailure => RadioCause::AuthenticationFailure,
            _ => RadioCause::NasUnspecified,
        },
        Some(Cause::Protocol(_) | Cause::Misc(_)) | None => RadioCause::Unspecified,
    }
}

/// The cause to tell a base station.
pub(crate) const fn to_s1ap(cause: RadioCause) -> Cause {
    match cause {
        RadioCause::NormalRelease | RadioCause::Superseded => Cause::Nas(NasCause::NormalRelease),
        RadioCause::Detach => Cause::Nas(NasCause::Detach),
        RadioCause::AuthenticationFailure => Cause::Nas(NasCause::AuthenticationFailure),
        RadioCause::NasUnspecified => Cause::Nas(NasCause::Unspecified),
        RadioCause::UserInactivity => Cause::RadioNetwork(RadioNetworkCause::UserInactivity),
        RadioCause::RadioConnectionLost => Cause::RadioNetwork(RadioNetworkCause::RadioConnectionWithUeLost),
        RadioCause::SuccessfulHandover => Cause::RadioNetwork(RadioNetworkCause::SuccessfulHandover),
        RadioCause::HandoverCancelled => Cause::RadioNetwork(RadioNetworkCause::HandoverCancelled),
        RadioCause::Handover => Cause::RadioNetwork(RadioNetworkCause::X2HandoverTriggered),
        RadioCause::CsFallback => Cause::RadioNetwork(RadioNetworkCause::CsFallbackTriggered),
        RadioCause::UnknownId => Cause::RadioNetwork(RadioNetworkCause::UnknownPairUeS1apId),
        RadioCause::RadioResources => Cause::RadioNetwork(RadioNetworkCause::RadioResourcesNotAvailable),
        RadioCause::LinkLost | RadioCause::Unspecified => Cause::RadioNetwork(RadioNetworkCause::Unspecified),
        RadioCause::TransportResources => Cause::Transport(TransportCause::TransportResourceUnavailable),
    }
}
