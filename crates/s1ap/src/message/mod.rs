//! The messages of S1AP (TS 36.413 §9.1), one struct each.
//!
//! A field is an `Option`, or a list that may be empty, where a receiver has to go on without the IE: optional and conditional
//! IEs, and mandatory ones of criticality *ignore* (TS 36.413 §10.3.5). A sender fills in the mandatory ones all the same:
//! `new` of each message takes them.

mod bearer;
mod context;
mod handover;
mod interface;
mod mobility;
mod other;
mod table;
mod transport;

pub use bearer::*;
pub use context::*;
pub use handover::*;
pub use interface::*;
pub use mobility::*;
pub use other::*;
pub use transport::*;

use crate::codec::{EncodeError, IeWriter, Ies, Message};
use crate::value::{Criticality, TriggeringMessage, UeIds};
use oxirush_aper::Writer;
use serde::{Deserialize, Serialize};

macro_rules! pdu {
    ($($name:ident,)*) => {
        /// One S1AP-PDU.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "each variant is the message it names")]
        pub enum Pdu {
            $($name($name),)*
            /// A procedure without a struct here, or one that this release of the standard does not have.
            Other(OtherPdu),
        }

        $(impl From<$name> for Pdu {
            fn from(message: $name) -> Self {
                Pdu::$name(message)
            }
        })*

        impl From<OtherPdu> for Pdu {
            fn from(message: OtherPdu) -> Self {
                Pdu::Other(message)
            }
        }

        impl Pdu {
            /// Code of the procedure (TS 36.413 §9.3.6).
            #[must_use]
            pub const fn procedure_code(&self) -> u8 {
                match self {
                    $(Pdu::$name(_) => $name::PROCEDURE_CODE,)*
                    Pdu::Other(other) => other.procedure_code,
                }
            }

            /// Which message of the procedure it is.
            #[must_use]
            pub const fn kind(&self) -> TriggeringMessage {
                match self {
                    $(Pdu::$name(_) => $name::KIND,)*
                    Pdu::Other(other) => other.kind,
                }
            }

            /// Name of the message as the standard's ASN.1 writes it; of the procedure for [`Pdu::Other`].
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Pdu::$name(_) => $name::NAME,)*
                    Pdu::Other(other) => other.name(),
                }
            }

            /// What a receiver does that does not comprehend the procedure.
            #[must_use]
            pub const fn criticality(&self) -> Criticality {
                match self {
                    $(Pdu::$name(_) => $name::CRITICALITY,)*
                    Pdu::Other(other) => other.criticality,
                }
            }

            /// The UE association ids that the message has outside of lists.
            #[must_use]
            pub fn ue_ids(&self) -> UeIds {
                match self {
                    $(Pdu::$name(message) => message.ue_ids(),)*
                    Pdu::Other(other) => other.ue_ids(),
                }
            }

            /// Reads the IEs of a message that has a struct here; `None` for another message, `Some(None)` when an IE that the
            /// struct cannot be without is missing or not usable.
            pub(crate) fn read(kind: TriggeringMessage, procedure_code: u8, ies: &mut Ies<'_>) -> Option<Option<Self>> {
                match (kind, procedure_code) {
                    $(($name::KIND, $name::PROCEDURE_CODE) => Some($name::read(ies).map(Pdu::$name)),)*
                    _ => None,
                }
            }

            /// Writes the message as the open type that follows the head of the PDU.
            pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                match self {
                    $(Pdu::$name(message) => {
                        IeWriter::message(writer, $name::NAME, message, &message.other_ies, &message.received_criticalities)
                    },)*
                    Pdu::Other(other) => {
                        writer.open_type(&other.raw);
                        Ok(())
                    }
                }
            }
        }
    };
}

pdu! {
    S1SetupRequest,
    S1SetupResponse,
    S1SetupFailure,
    EnbConfigurationUpdate,
    EnbConfigurationUpdateAcknowledge,
    EnbConfigurationUpdateFailure,
    MmeConfigurationUpdate,
    MmeConfigurationUpdateAcknowledge,
    MmeConfigurationUpdateFailure,
    Reset,
    ResetAcknowledge,
    ErrorIndication,
    OverloadStart,
    OverloadStop,
    InitialUeMessage,
    DownlinkNasTransport,
    UplinkNasTransport,
    NasNonDeliveryIndication,
    InitialContextSetupRequest,
    InitialContextSetupResponse,
    InitialContextSetupFailure,
    UeContextReleaseRequest,
    UeContextReleaseCommand,
    UeContextReleaseComplete,
    UeContextModificationRequest,
    UeContextModificationResponse,
    UeContextModificationFailure,
    UeCapabilityInfoIndication,
    Paging,
    ErabSetupRequest,
    ErabSetupResponse,
    ErabModifyRequest,
    ErabModifyResponse,
    ErabReleaseCommand,
    ErabReleaseResponse,
    ErabReleaseIndication,
    PathSwitchRequest,
    PathSwitchRequestAcknowledge,
    PathSwitchRequestFailure,
    HandoverRequired,
    HandoverCommand,
    HandoverPreparationFailure,
    HandoverRequest,
    HandoverRequestAcknowledge,
    HandoverFailure,
    HandoverNotify,
    HandoverCancel,
    HandoverCancelAcknowledge,
    EnbStatusTransfer,
    MmeStatusTransfer,
    ErabModificationIndication,
    ErabModificationConfirm,
    UeContextResumeFailure,
}
