//! Octets that are carried without being read here.

use crate::codec::Element;
use crate::{DecodeError, Direction, EsmPdu};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Octets whose content `Debug` does not show: they may hold identities or passwords.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OctetString(pub Vec<u8>);

/// An ESM message inside an EMM message (ESM message container, TS 24.301 §9.9.3.15), not decoded.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EsmContainer(pub Vec<u8>);

/// An SMS message inside an EMM message (NAS message container, TS 24.301 §9.9.3.22), not decoded.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NasContainer(pub Vec<u8>);

macro_rules! octets_forms {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} octets)"), self.0.len())
            }
        }

        impl From<Vec<u8>> for $name {
            fn from(octets: Vec<u8>) -> Self {
                Self(octets)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    )*};
}
octets_forms!(OctetString, EsmContainer, NasContainer);

/// An optional information element that the message type here has no field for, or one that a receiver does not act on
/// (repeated, or malformed: TS 24.301 §7.6.3, §7.7.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawIe {
    /// The identifier octet as it came; for a one-octet element (IEI 0x80 and above) it holds the value too.
    pub iei: u8,
    /// The octets after the identifier, length indicator included where the format has one.
    pub octets: Vec<u8>,
}

impl fmt::Debug for RawIe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawIe({:#04x}, {} octets)", self.iei, self.octets.len())
    }
}

/// The elements of a message beside its fields, and the order in which all optional elements came when it was not the order
/// of the specification's table. Empty for a usual message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OtherIes {
    pub(crate) entries: Vec<Placed>,
}

/// One optional element in the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Placed {
    /// The element of the message's field with this identifier.
    Field(u8),
    /// Another element.
    Raw(RawIe),
}

impl OtherIes {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// The elements without a field, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &RawIe> {
        self.entries.iter().filter_map(|entry| match entry {
            Placed::Raw(ie) => Some(ie),
            Placed::Field(_) => None,
        })
    }

    /// The first element with this identifier (for one-octet elements the upper half counts).
    #[must_use]
    pub fn get(&self, iei: u8) -> Option<&RawIe> {
        let same = |ie: &&RawIe| {
            if iei >= 0x80 { ie.iei & 0xf0 == iei & 0xf0 } else { ie.iei == iei }
        };
        self.iter().find(same)
    }

    /// True when there is no element without a field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Adds an element after all others.
    pub fn push(&mut self, ie: RawIe) {
        self.entries.push(Placed::Raw(ie));
    }
}

impl EsmContainer {
    /// Reads the message inside.
    ///
    /// # Errors
    /// As [`EsmPdu::decode`].
    pub fn decode(&self, direction: Direction) -> Result<EsmPdu, DecodeError> {
        EsmPdu::decode(&self.0, direction)
    }
}

impl Element for OctetString {
    fn read(octets: &[u8]) -> Option<Self> {
        Some(Self(octets.to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Element for EsmContainer {
    /// At least the three header octets (TS 24.301 §8.2.4: length 5-n).
    fn read(octets: &[u8]) -> Option<Self> {
        (octets.len() >= 3).then(|| Self(octets.to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Element for NasContainer {
    /// At least two octets (TS 24.301 §9.9.3.22: length 4-253 with identifier).
    fn read(octets: &[u8]) -> Option<Self> {
        (octets.len() >= 2).then(|| Self(octets.to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
