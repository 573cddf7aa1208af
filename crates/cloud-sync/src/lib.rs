//! The gateway's side of its conversation with the orchestrator, as a pure `step(now, input, out)`.
//!
//! ```text
//!   no identity ──Join──► enrolling ──Issued──► waiting ──due──► opening ──Opened──► talking
//!                                                 ▲  ▲             │                   │
//!                            certificate ran out: │  └─ back-off ◄─┴──── Closed ───────┘
//!                                    re-enrolling ┘
//! ```
//! It decides when to enrol, to renew (at two thirds of the certificate's life, with jitter), to re-enrol with the device key,
//! to connect and to wait; compares digests, hands pages to the driver and tells when they are durable; keeps events, state
//! and metrics for the next moment with a link, in bounded memory; reads usage from the gateway's ledger and acknowledges there
//! what is durable at the orchestrator.
//!
//! What it deliberately is not: a transport, a store or a judge of what a page means. The driver (`crates/cloud-link`) owns sockets,
//! TLS and keys; the daemon owns the subscribers.
//!
//! Invariants: nothing here keeps the gateway from serving phones; a page is acknowledged after it is durable, never before;
//! usage is acknowledged to the ledger after it is durable at the orchestrator, never before; memory is bounded however long
//! the link is away; no state is final: whatever is refused is tried again.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod backoff;
mod machine;
mod message;
mod outbox;
mod phones;
mod talk;

pub use machine::{Memory, Now, Settings, Sync};
pub use message::{
    Command, CommandState, Denial, Down, Effect, Event, Identity, Input, Link, Page, Phone, Progress, Put, REFUSALS,
    Refusal, Up, UsageRecord, place,
};
