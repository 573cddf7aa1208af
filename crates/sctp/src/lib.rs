//! SCTP associations over the kernel, raw IP or UDP; the application never sees which.
//!
//! The kernel's SCTP is used through `oxirush-sctp`; where the kernel has none, the sans-IO stack `dcsctp` runs
//! in this process, and this crate adds what it leaves out: sockets, demultiplexing, sealed state cookies,
//! out-of-the-blue rules, multi-homed peers. The [`keeper`] holds associations for a daemon that may die.
//!
//! It is deliberately not: an SCTP of its own, a DTLS transport, or a place that knows S1AP or NGAP.
//!
//! Invariants: a message is delivered whole or not at all; every queue is bounded in octets; nothing a peer
//! sends reaches a panic that leaves the crate; no packet is answered for a port that this process does not use.
//!
//! ```no_run
//! use basalt_sctp::{Config, Event, Message, SctpListener, ppid};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut listener = SctpListener::bind(Config::s1ap_listener([[10, 0, 0, 1].into()])).await?;
//! let (mut association, peer) = listener.accept().await?;
//! println!("{} is up, {} streams", peer.primary, peer.out_streams);
//! while let Event::Message(message) = association.recv().await {
//!     association.send(Message::new(message.stream, ppid::S1AP, message.payload)).await?;
//! }
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod association;
mod config;
mod error;
mod event;
mod impairment;
pub mod keeper;
mod kernel;
mod link;
mod probe;
mod user;

pub use association::{SctpAssociation, SctpListener, SctpReceiver, SctpSender};
pub use config::{Backend, Config, Rto, Threading, UDP_ENCAPSULATION_PORT};
pub use error::{Error, SendError};
pub use event::{AssociationInfo, Carrier, CloseReason, Event, Message, PeerInfo};
pub use impairment::{Fate, Impairment};
pub use probe::{Probe, probe};
pub use user::EndpointCounters;

/// Payload protocol identifiers (IANA registry).
pub mod ppid {
    /// S1AP (TS 36.412 §7).
    pub const S1AP: u32 = 18;
    /// NGAP (TS 38.412 §7).
    pub const NGAP: u32 = 60;
    /// Diameter in clear (RFC 6733 §4.1).
    pub const DIAMETER: u32 = 46;
    /// Diameter over DTLS (RFC 6733 §4.1).
    pub const DIAMETER_DTLS: u32 = 47;
}

/// SCTP ports (IANA registry).
pub mod port {
    /// S1AP (TS 36.412 §7).
    pub const S1AP: u16 = 36412;
    /// NGAP (TS 38.412 §7).
    pub const NGAP: u16 = 38412;
    /// Diameter (RFC 6733 §2.1).
    pub const DIAMETER: u16 = 3868;
}
