//! NAS of EPS (TS 24.301): octets to our own message values and back.
//!
//! What it is: one plain struct per message of clause 8, with its information elements as values, the envelope that tells
//! plain from protected messages, and decode errors that carry what an answer needs. What it deliberately is not: procedures,
//! timers, cryptography (`basalt-security` checks and makes MACs), or a judge of meaning.
//!
//! Invariants: decoding never panics and never allocates more than the message is long, times a small constant; a decoded
//! message encodes to the octets it came from (spare bits and surplus octets apart); elements without a field are kept where they stood.
//!
//! ```
//! use basalt_nas::ie::EpsMobileIdentity;
//! use basalt_nas::{Direction, EmmMessage, Envelope, Plain};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let octets = [
//!     0x07, 0x41, 0x71, 0x08, 0x09, 0x10, 0x10, 0x00, 0x00, 0x00, 0x00, 0x10, 0x02, 0xe0, 0xe0, 0x00, 0x04, 0x02,
//!     0x01, 0xd0, 0x11,
//! ];
//! let Envelope::Plain(Plain(plain)) = Envelope::parse(&octets)? else { return Ok(()) };
//! let message = EmmMessage::decode(plain, Direction::Uplink)?;
//! if let EmmMessage::AttachRequest(request) = &message {
//!     assert!(matches!(request.identity, EpsMobileIdentity::Imsi(_)));
//!     assert_eq!(request.esm_container.decode(Direction::Uplink)?.message.name(), "PDN CONNECTIVITY REQUEST");
//! }
//! assert_eq!(message.encode()?, octets);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod codec;
pub mod emm;
mod envelope;
mod error;
pub mod esm;
pub mod ie;
mod message;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use emm::EmmMessage;
pub use envelope::{Envelope, Plain, Protected, SecurityHeaderType};
pub use error::{DecodeError, EncodeError, ErrorKind, Header};
pub use esm::{EsmMessage, EsmPdu};
pub use message::NasMessage;

/// Which way a message goes. Some octets mean different things each way (DETACH REQUEST, protocol configuration options).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    /// From the UE to the network.
    Uplink,
    /// From the network to the UE.
    Downlink,
}
