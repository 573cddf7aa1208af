//! The driver of `crates/cloud-sync`: the device key, TLS, gRPC, the clock.
//!
//! What it is: one task per gateway that steps the core, carries out what it wants and brings back what came of it. What it
//! deliberately is not: a judge of what is said (the core is), or a store and a list of subscribers (the daemon is, through
//! [`Site`]). The simulated gateways of the benchmark and the tests run this same driver over another [`Dial`].
//!
//! Invariants: the device key leaves its file for signatures only; nobody is spoken to whose certificate does not come from the
//! authority that the token named; nothing that the orchestrator says can end the task.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod certify;
mod convert;
mod dial;
mod drive;
mod key;
#[cfg(test)]
mod skew;
mod tls;

pub use certify::secure_channel;
pub use dial::{Dial, TcpDial};
pub use drive::{Handle, Plan, Site, Status, spawn};
pub use key::{DeviceKey, KeyError};
pub use tls::{client_config, server_config};
