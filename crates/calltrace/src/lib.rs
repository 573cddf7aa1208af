//! Call traces: what is said about one phone, by one base station or at a whole gateway.
//!
//! What it is: the form of a recorded message ([`Record`], a line of JSON on its way to whoever reads it), the taking out of keys
//! ([`redact`]), the finding of whom a message is about before its identity is known ([`Correlator`]), a buffer that drops the oldest
//! ([`Ring`]), and views of the same records: a ladder with decoded messages and procedures ([`ladder()`]), a capture that Wireshark
//! opens without setup ([`capture()`]), and procedures given out as they end ([`Follow`]). What it deliberately is not: a tap. Who records gives octets, times and identities.
//!
//! Invariants: a record is made of redacted octets only; everything is bounded; nothing that comes from outside makes it panic; the
//! same records give the same ladder and the same capture.
//!
//! ```
//! use basalt_calltrace::{Protocol, Record, ladder};
//! let attach = Record::new(1, Protocol::Nas, false, vec![0x07, 0x45, 0x09, 0x00]);
//! let ladder = ladder(&[attach], 100);
//! assert_eq!(ladder.messages[0].protocol, "NAS");
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod capture;
mod correlate;
mod diameter;
mod follow;
mod frame;
mod ladder;
mod nas;
mod procedures;
mod record;
pub mod redact;
mod ring;
mod s1ap;
#[cfg(test)]
mod tests;

pub use capture::{Capture, capture};
pub use correlate::Correlator;
pub use follow::{FOLLOWED, Follow, Story};
pub use ladder::{Ladder, Message, Participant, ladder};
pub use procedures::Procedure;
pub use record::{Protocol, Record, gap, parse};
pub use ring::Ring;
pub use s1ap::{Carried, Told, look};
