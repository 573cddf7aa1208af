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
//!
//! Kept of values, but not followed: IEs inside of `iE-Extensions` ([`Extension`]), and whole messages without a struct
//! ([`OtherPdu`]). Lost: extension IEs of types for which the standard defines none, and the criticality of list items and of
//! the procedure where a sender uses another than the standard's.
//!
//! ```
//! use basalt_s1ap::{Pdu, Reaction, decode, encode, reaction};
//!
//! // UE CONTEXT RELEASE REQUEST, user inactivity
//! let octets = [
//!     0x00, 0x12, 0x40, 0x15, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x02, 0x00, 0x2a, 0x00, 0x08, 0x00, 0x02, 0x00, 0x07, 0x00,
//!     0x02, 0x40, 0x02, 0x02, 0x80,
//! ];
//! let received = decode(&octets)?;
//! assert_eq!(reaction(&received.diagnostics), Reaction::Ignore);
//! let Pdu::UeContextReleaseRequest(request) = &received.pdu else { panic!("another message") };
//! assert_eq!(request.cause.map(|cause| cause.to_string()).as_deref(), Some("radio network: user inactivity"));
//! assert_eq!(encode(&received.pdu)?, octets);
//!
//! // Cut short: what to send back is part of the error.
//! let error = decode(&octets[..20]).unwrap_err();
//! assert!(matches!(reaction(&error), Reaction::Reject(answer) if matches!(*answer, Pdu::ErrorIndication(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
