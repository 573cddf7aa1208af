//! Why octets are no message, with what an answer needs.

use crate::ie::{EmmCause, EsmCause};
use thiserror::Error;

/// Why octets could not be read as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{header}: {kind}")]
pub struct DecodeError {
    /// What could be read of the header.
    pub header: Header,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What could be read of a message's header, for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Nothing.
    None,
    /// A message of mobility management.
    Emm {
        /// Message type octet.
        message_type: u8,
    },
    /// A message of session management.
    Esm {
        /// EPS bearer identity, 0 to 15.
        ebi: u8,
        /// Procedure transaction identity, when there was an octet for it.
        pti: Option<u8>,
        /// Message type octet, when there was one.
        message_type: Option<u8>,
    },
}

impl core::fmt::Display for Header {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Header::None => f.write_str("NAS message"),
            Header::Emm { message_type } => write!(f, "EMM message {message_type:#04x}"),
            Header::Esm { ebi, message_type: Some(message_type), .. } => {
                write!(f, "ESM message {message_type:#04x} of bearer {ebi}")
            }
            Header::Esm { ebi, .. } => write!(f, "ESM message of bearer {ebi}"),
        }
    }
}

/// What is wrong with the octets of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ErrorKind {
    /// Shorter than a complete header: the message is ignored (TS 24.301 §7.2).
    #[error("too short for a message")]
    TooShort,
    /// Not the protocol discriminator that is expected here (TS 24.007 §11.2.3.1.1).
    #[error("protocol discriminator {0} is not expected")]
    ProtocolDiscriminator(u8),
    /// A security header type that is not expected here (TS 24.301 §9.3.1).
    #[error("security header type {0} is not expected")]
    SecurityHeaderType(u8),
    /// No message has this type, or it is not implemented (TS 24.301 §7.4).
    #[error("message type is unknown")]
    MessageType,
    /// A mandatory element is absent (TS 24.301 §7.5.1).
    #[error("mandatory element `{0}` is missing")]
    MissingMandatory(&'static str),
    /// A mandatory element is cut short or syntactically incorrect (TS 24.301 §7.5.1).
    #[error("mandatory element `{0}` is malformed")]
    InvalidMandatory(&'static str),
    /// An element that is not known must be understood to handle the message (TS 24.007 §11.2.5, TS 24.301 §7.5.1).
    #[error("element {0:#04x} is unknown and comprehension of it is required")]
    ComprehensionRequired(u8),
}

impl ErrorKind {
    /// Cause of the status or reject message to answer with; `None` when the message is ignored in silence.
    #[must_use]
    pub const fn emm_cause(self) -> Option<EmmCause> {
        match self {
            Self::TooShort | Self::SecurityHeaderType(_) => None,
            Self::ProtocolDiscriminator(_) | Self::MessageType => Some(EmmCause::MessageTypeNonExistent),
            Self::MissingMandatory(_) | Self::InvalidMandatory(_) | Self::ComprehensionRequired(_) => {
                Some(EmmCause::InvalidMandatoryInformation)
            }
        }
    }

    /// The same as [`ErrorKind::emm_cause`] for session management.
    #[must_use]
    pub const fn esm_cause(self) -> Option<EsmCause> {
        match self {
            Self::TooShort | Self::SecurityHeaderType(_) => None,
            Self::ProtocolDiscriminator(_) | Self::MessageType => Some(EsmCause::MessageTypeNonExistent),
            Self::MissingMandatory(_) | Self::InvalidMandatory(_) | Self::ComprehensionRequired(_) => {
                Some(EsmCause::InvalidMandatoryInformation)
            }
        }
    }
}

/// Why a message value has no octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// The value of this element is longer than its length indicator can say.
    #[error("element `{0}` is too long to encode")]
    TooLong(&'static str),
}
