//! What the fuzz harnesses have in common: where inputs start from, and how they are changed.
//!
//! The harnesses themselves are tests (`tests/harnesses`). Under `cargo test` each runs a bounded number of random inputs;
//! `cargo bolero test NAME` lets coverage guide the same code for as long as it is let. Every input is a structured change to
//! a recorded message, or bare octets, so that both start where real conversations are.
//!
//! Invariant: a harness that fails prints the input, and `BOLERO_RANDOM_SEED` repeats it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod change;
mod element;
#[path = "../../crates/s1ap/tests/common/recording.rs"]
#[allow(missing_docs, clippy::panic, reason = "a file of another room's tests, which reads captures")]
mod recording;
mod seed;

pub use change::{Change, Changes};
pub use element::{Element, ElementChange, Elements};
pub use seed::{Way, diameter, nas, s1ap};
