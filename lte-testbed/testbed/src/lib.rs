//! Everything on the other side of a gateway: radio, phones, internet, and the lab they meet in.
//!
//! The protocol state machines are [`testbed_ran`] and [`testbed_ue`], which touch no operating system. Here they get
//! sockets, clocks, network namespaces and TUN devices, and become the `testbed` command. It is deliberately no part of
//! the gateway and imports nothing of it: what it knows about the gateway it learns over S1AP, GTP-U, and what an
//! operator could see.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

/// Prints a line. Who reads it may have gone (`… | head`): what was made is taken down in order all the same.
macro_rules! tell {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

pub mod attack;
pub mod bench;
pub mod capture;
pub mod cli;
pub mod collector;
pub mod demo;
pub mod federated;
pub mod federation_kills;
pub mod feg;
pub mod fuzz;
pub mod gateway;
pub mod home;
pub mod internet;
pub mod kills;
pub mod lab;
pub mod load;
pub mod managed;
pub mod network;
pub mod orchestrator;
pub mod probe;
pub mod radio;
pub mod rates;
pub mod scenario;
pub mod stop;
pub mod sys;
mod traced;
mod upgrades;
