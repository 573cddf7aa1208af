//! S1AP (TS 36.413): octets to our own message values and back.
//!
//! What it is: the only room that knows the S1AP codec. [`decode`] turns one S1AP-PDU into a [`Pdu`] of plain structs,
//! [`encode`] writes it back, and [`reaction`] says what clause 10 wants done about what was wrong with it. What it
//! deliberately is not: a procedure, a timer or a socket; it keeps no state and looks inside no NAS-PDU.
//!
//! Invariants:
//! - no octets from outside make it panic, and memory is bounded by the length of the input;
//! - a PDU without fault re-encodes to the octets it came from, IEs we do not model included;
//! - no key is visible in `Debug`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod codec;
mod fault;
pub mod message;
mod reaction;
pub mod value;

pub use codec::{Decoded, EncodeError, decode, encode, encode_into};
pub use fault::{DecodeError, DecodeErrorKind, Diagnostics, FaultKind, Header, IeFault};
pub use message::*;
pub use reaction::{Found, Reaction, reaction};
pub use value::*;
