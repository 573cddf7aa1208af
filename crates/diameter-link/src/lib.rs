//! Carries the nodes of `basalt-diameter` over TCP, TLS and SCTP.
//!
//! What it is: sockets, certificates and the clock around [`basalt_diameter::node::Node`], with bounds on all of them, and
//! counters of what each peer does. What it deliberately is not: a protocol decision, or the meaning of a message.
//!
//! ```text
//!   request ──► commands ─┐                     ┌─► connection task (TCP, TLS, SCTP) ──► peer
//!   answer  ──►  (bounded)├─► loop: Node::step ─┤     │ octets out are bounded: who does not read is closed
//!   connection tasks ─────┘                     └─► events: answers to who asked, requests of peers (bounded)
//! ```
//!
//! Invariants: one task owns the node; every queue is bounded; a peer that does not read, does not finish its TLS handshake or
//! sends what cannot be cut into messages loses its connection and nothing else; a request is answered once, by its deadline.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod connection;
mod counters;
mod dial;
mod drive;
mod sctp;
mod settings;
mod tls;

pub use counters::{BUCKETS_MICROS, PeerStatus};
pub use drive::{Answered, Arrived, Ended, Handler, Requests, spawn};
pub use settings::{Listen, Remote, Settings, StartError, Transport};
pub use tls::{Tls, TlsError};
