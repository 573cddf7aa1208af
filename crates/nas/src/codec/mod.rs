//! How octets become message values and back (TS 24.007 §11.2.1.1, §11.2.4).

pub(crate) mod optional;
pub(crate) mod read;
pub(crate) mod table;
pub(crate) mod write;

use crate::{EncodeError, ErrorKind};

/// A message after its header.
pub(crate) trait Body: Sized {
    /// Reads the octets after the message type.
    fn read(octets: &[u8]) -> Result<Self, ErrorKind>;
    /// Appends the octets after the message type.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// The value part of an information element of whole octets.
pub(crate) trait Element: Sized {
    /// Reads the whole value; `None` when it is syntactically incorrect.
    fn read(octets: &[u8]) -> Option<Self>;
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);
}

/// The value of an information element of half an octet (type 1).
pub(crate) trait HalfOctet: Sized {
    /// Reads the low four bits.
    fn from_half(bits: u8) -> Self;
    /// The four bits.
    fn half(&self) -> u8;
}

impl Element for u8 {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.first().copied()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
}

impl HalfOctet for u8 {
    fn from_half(bits: u8) -> Self {
        bits & 0x0f
    }

    fn half(&self) -> u8 {
        *self & 0x0f
    }
}
