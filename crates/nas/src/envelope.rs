//! The security envelope (TS 24.301 §9.1, §9.3.1): what a received NAS message is before anyone has checked it.

use crate::emm::ServiceRequest;
use crate::{DecodeError, ErrorKind, Header};
use serde::{Deserialize, Serialize};

/// Something that came without protection, or whose protection nobody has checked. Handlers that accept it say so in their
/// signature (TS 24.301 §4.4.4.3 lists which messages that may be).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain<T>(pub T);

impl<T> Plain<T> {
    /// Turns the content into something else that is as little trusted.
    ///
    /// # Errors
    /// The error of `f`.
    pub fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Plain<U>, E> {
        f(self.0).map(Plain)
    }
}

/// Security header type of a protected message (TS 24.301 table 9.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SecurityHeaderType {
    /// Integrity protected (1).
    Integrity,
    /// Integrity protected and ciphered (2).
    IntegrityCiphered,
    /// Integrity protected with a new context (3): SECURITY MODE COMMAND.
    IntegrityNew,
    /// Integrity protected and ciphered with a new context (4): SECURITY MODE COMPLETE.
    IntegrityCipheredNew,
    /// Integrity protected and partially ciphered (5): CONTROL PLANE SERVICE REQUEST.
    IntegrityPartiallyCiphered,
}

/// A received NAS message by its envelope. Nothing in it has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope<'a> {
    /// A plain message, header octets included.
    Plain(Plain<&'a [u8]>),
    /// A message with a MAC.
    Protected(Protected<'a>),
    /// SERVICE REQUEST with its short MAC.
    ServiceRequest(ServiceRequest),
}

/// A message with a MAC that nobody has checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protected<'a> {
    /// Security header type.
    pub header_type: SecurityHeaderType,
    /// Message authentication code.
    pub mac: [u8; 4],
    /// Sequence number: the low eight bits of the sender's NAS COUNT.
    pub sequence: u8,
    /// The message inside, ciphered when the header type says so.
    pub payload: &'a [u8],
}

impl SecurityHeaderType {
    /// The four bits.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Integrity => 1,
            Self::IntegrityCiphered => 2,
            Self::IntegrityNew => 3,
            Self::IntegrityCipheredNew => 4,
            Self::IntegrityPartiallyCiphered => 5,
        }
    }

    /// True when the whole payload is ciphered.
    #[must_use]
    pub const fn is_ciphered(self) -> bool {
        matches!(self, Self::IntegrityCiphered | Self::IntegrityCipheredNew)
    }

    /// True when the message takes a new security context into use.
    #[must_use]
    pub const fn is_new_context(self) -> bool {
        matches!(self, Self::IntegrityNew | Self::IntegrityCipheredNew)
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Integrity),
            2 => Some(Self::IntegrityCiphered),
            3 => Some(Self::IntegrityNew),
            4 => Some(Self::IntegrityCipheredNew),
            5 => Some(Self::IntegrityPartiallyCiphered),
            _ => None,
        }
    }
}

/// Octets of the envelope before the payload: header, MAC, sequence number.
const ENVELOPE_LEN: usize = 6;

impl<'a> Envelope<'a> {
    /// Tells the three forms apart (TS 24.301 §9.1, §9.3.1). Header types 13 to 15 are taken for SERVICE REQUEST, as the
    /// table demands.
    ///
    /// # Errors
    /// [`ErrorKind::TooShort`] for fewer octets than the form has, or a protected message without room for a message;
    /// [`ErrorKind::SecurityHeaderType`] for reserved types; [`ErrorKind::ProtocolDiscriminator`] for what is neither EMM nor
    /// ESM. The header of the error says nothing: what stands in an unchecked envelope is not to be acted on.
    pub fn parse(octets: &'a [u8]) -> Result<Self, DecodeError> {
        let error = |kind| DecodeError { header: Header::None, kind };
        let &[first, second, ..] = octets else {
            return Err(error(ErrorKind::TooShort));
        };
        match (first & 0x0f, first >> 4) {
            (2, _) | (7, 0) => Ok(Self::Plain(Plain(octets))),
            (7, 12..) => match octets.get(2..4) {
                Some(&[high, low]) => Ok(Self::ServiceRequest(ServiceRequest {
                    ksi: second >> 5,
                    short_sequence: second & 0x1f,
                    short_mac: [high, low],
                })),
                _ => Err(error(ErrorKind::TooShort)),
            },
            (7, code) => {
                let header_type =
                    SecurityHeaderType::from_code(code).ok_or(error(ErrorKind::SecurityHeaderType(code)))?;
                Protected::parse(header_type, octets).map(Self::Protected).ok_or(error(ErrorKind::TooShort))
            }
            (other, _) => Err(error(ErrorKind::ProtocolDiscriminator(other))),
        }
    }
}

impl<'a> Protected<'a> {
    fn parse(header_type: SecurityHeaderType, octets: &'a [u8]) -> Option<Self> {
        let payload = octets.get(ENVELOPE_LEN..)?;
        // No message is shorter than discriminator and type.
        if payload.len() < 2 {
            return None;
        }
        Some(Self { header_type, mac: octets.get(1..5)?.try_into().ok()?, sequence: *octets.get(5)?, payload })
    }
}

impl ServiceRequest {
    /// The two octets that the short MAC covers (TS 24.301 §9.9.3.28).
    #[must_use]
    pub const fn covered(&self) -> [u8; 2] {
        [0xc7, self.ksi << 5 | self.short_sequence & 0x1f]
    }

    /// The four octets of the message.
    #[must_use]
    pub const fn encode(&self) -> [u8; 4] {
        let [first, second] = self.covered();
        let [high, low] = self.short_mac;
        [first, second, high, low]
    }
}
