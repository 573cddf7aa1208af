//! Elements of authentication and security mode control.

use crate::codec::{Element, HalfOctet};
use core::fmt;
use serde::{Deserialize, Serialize};

/// NAS key set identifier (TS 24.301 §9.9.3.21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeySetIdentifier {
    /// TSC: true for a mapped security context (KSI_SGSN), false for a native one (KSI_ASME).
    pub mapped: bool,
    /// The identifier, 0 to 6; 7 means "no key is available".
    pub value: u8,
}

impl KeySetIdentifier {
    /// "No key is available" (7).
    pub const NONE: Self = Self { mapped: false, value: 7 };

    /// A native identifier, 0 to 6; only the low three bits count.
    #[must_use]
    pub const fn native(value: u8) -> Self {
        Self { mapped: false, value: value & 7 }
    }

    /// True unless it says that no key is available.
    #[must_use]
    pub const fn is_available(self) -> bool {
        self.value != 7
    }
}

/// Selected NAS security algorithms (TS 24.301 §9.9.3.23), algorithm numbers 0 to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SelectedNasAlgorithms {
    /// EEA number.
    pub ciphering: u8,
    /// EIA number.
    pub integrity: u8,
}

/// Random challenge (TS 24.008 §10.5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rand(pub [u8; 16]);

/// Authentication token (TS 24.008 §10.5.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Autn(pub [u8; 16]);

/// Authentication response parameter (TS 24.301 §9.9.3.4): RES of 4 to 16 octets. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Res(pub Vec<u8>);

impl fmt::Debug for Res {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Res({} octets)", self.0.len())
    }
}

/// Authentication failure parameter (TS 24.008 §10.5.3.2.2): AUTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AuthenticationFailureParameter(pub [u8; 14]);

/// Nonce (TS 24.301 §9.9.3.25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Nonce(pub u32);

impl HalfOctet for KeySetIdentifier {
    fn from_half(bits: u8) -> Self {
        Self { mapped: bits & 8 != 0, value: bits & 7 }
    }

    fn half(&self) -> u8 {
        u8::from(self.mapped) << 3 | self.value & 7
    }
}

impl Element for SelectedNasAlgorithms {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.first().map(|octet| Self { ciphering: octet >> 4 & 7, integrity: octet & 7 })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push((self.ciphering & 7) << 4 | self.integrity & 7);
    }
}

/// Codec of values that are a fixed count of octets.
macro_rules! fixed {
    ($($name:ident),*) => {$(
        impl Element for $name {
            fn read(octets: &[u8]) -> Option<Self> {
                octets.try_into().ok().map(Self)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.0);
            }
        }
    )*};
}
fixed!(Rand, Autn, AuthenticationFailureParameter);

impl Element for Res {
    /// 4 to 16 octets (TS 33.401 §6.1.1).
    fn read(octets: &[u8]) -> Option<Self> {
        (4..=16).contains(&octets.len()).then(|| Self(octets.to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Element for Nonce {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(u32::from_be_bytes).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0.to_be_bytes());
    }
}
