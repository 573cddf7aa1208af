//! What has no type of its own: whole messages and single IEs, kept as octets.

use crate::value::{Criticality, TriggeringMessage, UeIds};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A message without a struct here. It re-encodes to the octets it came from.
///
/// `Debug` shows how many octets it has, not which: some of these messages carry keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherPdu {
    /// Which message of the procedure.
    pub kind: TriggeringMessage,
    /// Procedure.
    pub procedure_code: u8,
    /// What a receiver does that does not comprehend the procedure.
    pub criticality: Criticality,
    /// The encoded message, as it is in the open type of the PDU.
    pub raw: Vec<u8>,
}

/// An IE of a message that its struct has no field for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherIe {
    /// Identifier of the IE.
    pub id: u16,
    /// What a receiver does that does not comprehend it.
    pub criticality: Criticality,
    /// The encoded value.
    pub value: Vec<u8>,
    /// Place among all IEs of the message, from 0. Encoding puts the IE there, or at the end if the message is shorter.
    pub position: u16,
}

/// The criticality that the sender of a message gave one of its IEs, where it is not the one of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedCriticality {
    /// Identifier of the IE.
    pub id: u16,
    /// Criticality.
    pub criticality: Criticality,
}

impl OtherIe {
    /// An IE for the end of a message.
    #[must_use]
    pub const fn last(id: u16, criticality: Criticality, value: Vec<u8>) -> Self {
        Self { id, criticality, value, position: u16::MAX }
    }
}

impl fmt::Debug for OtherPdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, procedure_code, criticality, raw } = self;
        write!(f, "OtherPdu({}, procedure {procedure_code}, {kind}, {criticality}, {} octets)", self.name(), raw.len())
    }
}

impl OtherPdu {
    /// Name of the procedure as the standard's ASN.1 writes it; `Unknown` for one that it does not have.
    #[must_use]
    pub fn name(&self) -> &'static str {
        crate::codec::procedure_name(self.procedure_code)
    }

    /// The UE association ids that the message has outside of lists.
    #[must_use]
    pub fn ue_ids(&self) -> UeIds {
        crate::codec::scan_ue_ids(&self.raw)
    }
}
