//! Applies data-plane effects.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod bench;
mod buffer;
mod config;
mod dataplane;
mod destinations;
mod error;
mod hops;
mod host;
pub mod object;
#[cfg(test)]
mod oracle;
mod peers;
mod plane;
mod pools;
mod region;
mod resolver;
mod sessions;
mod slowpath;
mod sockets;
mod tables;
mod threads;
mod xdp;

pub use config::{Config, Egress, Plane};
pub use dataplane::{Dataplane, PlaneMode};
pub use error::Error;
pub use sessions::{Installed, Usage};
