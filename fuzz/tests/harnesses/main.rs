//! One harness per decoder that outsiders reach, and the stateful ones.
//!
//! `cargo test` runs a bounded number of inputs of each; `cargo bolero test -T 60s s1ap::pdu_with_changed_elements` (or any other
//! name that `cargo bolero list` prints) goes on from there with coverage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails by panicking")]

mod diameter;
mod diameter_peers;
mod gtp;
mod nas;
mod pipeline;
mod s1ap;
mod stateful;
mod store;

use std::time::Duration;

/// Inputs of a cheap harness under `cargo test`.
const MANY: usize = 20_000;
/// No cheap harness goes on for longer than this under `cargo test`, however slow the machine.
const LONGEST: Duration = Duration::from_secs(8);
