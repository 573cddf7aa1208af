//! The security envelope (TS 24.301 §9.1, §9.3.1): what a received NAS message is before anyone has checked it.

use crate::emm::ServiceRequest;
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
