//! An HSS with an EIR (TS 29.272), for tests: written from the specification, never by calling the gateway's code.
//!
//! What it is: subscribers out of a file, Milenage vectors, locations, and a list of what it is to do otherwise than asked
//! ([`Behaviour`]). What it deliberately is not: a product; it keeps nothing.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod answer;
mod behaviour;
mod config;
mod hss;
mod name;
mod order;
mod server;

pub use behaviour::{Action, Behaviour, Odd};
pub use config::{Config, Subscriber};
pub use hss::{Hss, Response, Seen};
pub use order::Order;
pub use server::{Server, Tell, start, start_telling};
