//! Diameter (RFC 6733): messages, and what goes on between peers.
//!
//! What it is: a codec that looks at AVPs where they lie and copies nothing, dictionaries as tables ([`dictionary`]), and the peer
//! machine without input or output. What it deliberately is not: sockets, TLS, clocks, or the meaning of an application's
//! messages, which is its own room's.
//!
//! Invariants: reading never panics, never allocates, and never looks further than [`Limits`] permit; what is not known is kept
//! and passed on; no value of an AVP is shown by `Debug`, since some are keys.
//!
//! ```
//! use basalt_diameter::{Application, Command, Header, Limits, Message, Writer, dictionary};
//! let mut writer = Writer::new(&Header::request(Command::UPDATE_LOCATION, Application::S6A));
//! writer.text(dictionary::SESSION_ID, "feg.example;1;7").text(dictionary::USER_NAME, "001010000000001");
//! let octets = writer.finish();
//! let message = Message::decode(&octets, &Limits::default()).unwrap();
//! assert_eq!(message.need(dictionary::USER_NAME).unwrap().text(), Ok("001010000000001"));
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod avp;
mod code;
pub mod dictionary;
mod error;
mod failed;
mod message;
pub mod node;
mod writer;

pub use avp::{Avp, AvpId, Avps};
pub use code::{Application, Command, ResultCode, vendor};
pub use error::DecodeError;
pub use message::{HEADER, Header, Limits, Message, Outcome, framed};
pub use writer::Writer;

/// The port of Diameter over TCP and SCTP (RFC 6733 §2.1).
pub const PORT: u16 = 3868;
/// The port of Diameter over TLS and DTLS, as IANA registered it; RFC 6733 §2.1 itself names another by mistake (its errata).
pub const SECURE_PORT: u16 = 5868;
