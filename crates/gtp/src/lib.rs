//! GTP-U (TS 29.281): header, extension headers and messages as values.
//!
//! What it is: `octets ↔ Datagram`, for the slow path of the gateway, for base stations of the testbed and for tests. What it
//! deliberately is not: the fast path (`ebpf/pipeline` looks at headers in place and decides), sockets, timers, path management.
//!
//! Invariants: decoding never panics and never allocates more than the datagram is long; what [`Datagram::encode`] writes,
//! [`Datagram::decode`] reads back as the same value; unknown extension headers and information elements survive.
//!
//! ```
//! use basalt_gtp::{Datagram, Header, Message};
//! use basalt_ids::Teid;
//! let ping = Datagram { header: Header::with_sequence(Teid(0), 7), message: Message::EchoRequest { others: vec![] } };
//! let octets = ping.encode().unwrap();
//! assert_eq!(octets, [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 7, 0, 0]);
//! assert_eq!(Datagram::decode(&octets).unwrap(), ping);
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod datagram;
mod element;
mod extension;
mod header;

#[cfg(test)]
mod tests;

pub use datagram::{Datagram, Message, MessageType};
pub use element::Element;
pub use extension::{Extension, PduSession};
pub use header::Header;

/// The UDP port of GTP-U (TS 29.281 §4.4.2).
pub const PORT: u16 = 2152;

/// Why octets are no GTP-U datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The datagram ends inside the named part.
    #[error("ends inside {0}")]
    Truncated(&'static str),
    /// Not version 1 (TS 29.281 §5.1).
    #[error("version {0}, not 1")]
    Version(u8),
    /// Protocol type 0 is GTP' (TS 32.295).
    #[error("GTP' instead of GTP")]
    GtpPrime,
    /// The length field and the datagram disagree.
    #[error("length field says {stated}, there are {present} octets")]
    Length {
        /// Octets after the mandatory header, as stated.
        stated: usize,
        /// As present.
        present: usize,
    },
    /// An extension header of length 0 or with contents that contradict its type (TS 29.281 §5.2).
    #[error("extension header {0:#04x} is malformed")]
    Extension(u8),
    /// A mandatory information element is absent.
    #[error("{0} is absent")]
    Absent(&'static str),
    /// An information element whose contents contradict its type, or of unknown fixed length (TS 29.281 §8.1).
    #[error("information element {0} is malformed")]
    Element(u8),
    /// A message type that GTP-U does not have.
    #[error("message type {0}")]
    MessageType(u8),
}

/// Why a value has no GTP-U form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More than 65535 octets after the mandatory header.
    #[error("longer than a GTP-U datagram can be")]
    TooLong,
    /// An extension header or information element longer than its length field can say, or a number beyond its field.
    #[error("{0} does not fit")]
    Range(&'static str),
}
