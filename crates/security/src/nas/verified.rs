//! What came out of a check, and how it was protected.

use serde::{Deserialize, Serialize};

/// How a message is protected: security header type (TS 24.301 table 9.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protection {
    /// Integrity protected (1).
    Integrity,
    /// Integrity protected and ciphered (2).
    IntegrityCiphered,
    /// Integrity protected with a new context (3).
    IntegrityNew,
    /// Integrity protected and ciphered with a new context (4).
    IntegrityCipheredNew,
    /// The short form of SERVICE REQUEST (12).
    ServiceRequest,
}

impl Protection {
    /// The four bits.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Integrity => 1,
            Self::IntegrityCiphered => 2,
            Self::IntegrityNew => 3,
            Self::IntegrityCipheredNew => 4,
            Self::ServiceRequest => 12,
        }
    }

    /// The form of a message with a full envelope; `None` for other codes.
    pub(crate) const fn of_envelope(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Integrity),
            2 => Some(Self::IntegrityCiphered),
            3 => Some(Self::IntegrityNew),
            4 => Some(Self::IntegrityCipheredNew),
            _ => None,
        }
    }

    /// True when the payload is ciphered, with whatever algorithm was chosen (also EEA0).
    #[must_use]
    pub const fn is_ciphered(self) -> bool {
        matches!(self, Self::IntegrityCiphered | Self::IntegrityCipheredNew)
    }
}

/// Something whose MAC was right. Only this crate makes one; [`Verified::map`] carries the trust on to what is decoded from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    count: u32,
    protection: Protection,
}

impl<T> Verified<T> {
    pub(crate) const fn new(value: T, count: u32, protection: Protection) -> Self {
        Self { value, count, protection }
    }

    /// The content.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.value
    }

    /// The content, without the proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }

    /// NAS COUNT of the message, 0 to 2^24 - 1.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How the message was protected.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.protection
    }

    /// Something made from the content, as trusted as it.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Verified<U> {
        Verified::new(f(self.value), self.count, self.protection)
    }

    /// Something made from the content, as trusted as it, when it can be made.
    ///
    /// # Errors
    /// The error of `f`.
    pub fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Verified<U>, E> {
        let (count, protection) = (self.count, self.protection);
        f(self.value).map(|value| Verified::new(value, count, protection))
    }
}
