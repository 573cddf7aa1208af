//! A NAS message of either sublayer: what is inside a security envelope.

use crate::emm::EmmMessage;
use crate::esm::EsmPdu;
use crate::{DecodeError, Direction, EncodeError};

/// A plain NAS message, of mobility or of session management.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a message lives for one step; boxing would allocate on each")]
pub enum NasMessage {
    /// EPS mobility management.
    Emm(EmmMessage),
    /// EPS session management.
    Esm(EsmPdu),
}

impl NasMessage {
    /// Reads a plain message by its protocol discriminator.
    ///
    /// # Errors
    /// What is wrong, with the header as far as it could be read. Another discriminator than the two of EPS NAS is reported
    /// as a mobility management message with that error.
    pub fn decode(octets: &[u8], direction: Direction) -> Result<Self, DecodeError> {
        if octets.first().is_some_and(|first| first & 0x0f == 2) {
            EsmPdu::decode(octets, direction).map(Self::Esm)
        } else {
            EmmMessage::decode(octets, direction).map(Self::Emm)
        }
    }

    /// The octets of the message.
    ///
    /// # Errors
    /// [`EncodeError`] when a value does not fit its length indicator.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Emm(message) => message.encode(),
            Self::Esm(message) => message.encode(),
        }
    }

    /// Name of the message as the specification writes it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Emm(message) => message.name(),
            Self::Esm(pdu) => pdu.message.name(),
        }
    }
}

impl<T: Into<EmmMessage>> From<T> for NasMessage {
    fn from(message: T) -> Self {
        Self::Emm(message.into())
    }
}

impl From<EsmPdu> for NasMessage {
    fn from(message: EsmPdu) -> Self {
        Self::Esm(message)
    }
}
