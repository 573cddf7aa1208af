//! The conversations with gateways: certificates, one stream each, desired state down, reports up.
//!
//! ```text
//!   TLS ──name──► enrolment (token, device key)          REST ──► database ──feed──► watcher ──► catalogs
//!             └─► conversation (certificate) ◄──────────────── nudges ◄──────────────┘
//! ```
//! What it is: the listener for gateways, the authority that signs their certificates, and for each stream one task that knows
//! what its gateway should have and sends the difference in pages. What it deliberately is not: REST (`orchestrator/api` reads
//! and queues in the database), or a cluster: replicas share nothing but the database, and find there what others changed.
//!
//! Invariants: no call is worked on whose certificate is not that of the gateway it speaks for; a report is acknowledged after
//! it is durable; a usage record is stored once, however often it comes; a gateway is sent nothing of another network and only
//! the subscribers that it needs.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod alarm;
mod authority;
mod automatic;
mod catalog;
mod config_rollouts;
mod enrol;
mod fleet;
mod identity;
mod listen;
mod neighbours;
mod overlay;
mod registry;
mod relay;
mod releases;
mod replicas;
mod reports;
mod rollouts;
mod talk;
mod watch;

pub use authority::{
    Authority, Overview, SEALED_AS as AUTHORITY_SEALED_AS, SETTING as AUTHORITY_SETTING,
    holds_key as holds_authority_key,
};
pub use fleet::{Fleet, Settings};
pub use listen::{Accept, TcpAccept};
pub use neighbours::{Io, Reach, Reached, TcpReach};
