//! A whole network in one thread under a virtual clock, with faults and checkers.
//!
//! [`run`] takes a [`Scenario`] and gives a [`Report`]: phones and base stations of the testbed, the real gateway core with a
//! daemon around it that behaves as `agwd` does, a log on a disk that fails, a keeper, and a data plane of tables. Users attach,
//! send, get called, walk, and pull plugs, while messages get lost, processes die and power goes. After every effect something
//! is checked; afterwards, when the faults have ended, everybody must get service. Same scenario, same effects.
//!
//! What it deliberately is not: a model of the gateway. What runs is its core, octet for octet; only sockets, the clock, the
//! disk and the packet path are stand-ins. It does not judge speed.
//!
//! Invariants: nothing here depends on anything but the scenario; a failed check ends the run with the command that repeats it.
//!
//! ```
//! use testbed_sim::{Scenario, run};
//!
//! let report = run(&Scenario::smooth(1, 5, 1))?;
//! assert!(report.count("attaches") >= 5);
//! # Ok::<(), testbed_sim::Failure>(())
//! ```
#![allow(clippy::wrong_self_convention, reason = "`to_` and `from_` say where a message goes and where it comes from")]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod canary;
mod check;
mod diary;
mod gateway;
mod plane;
mod radio;
mod report;
mod scenario;
mod world;

pub use canary::{CanaryReport, with_canary};
pub use report::{Failure, Report, run};
pub use scenario::{Faults, Scenario};

use basalt_ids::{Guti, MmeUeS1apId};

/// Comes between phones, base stations and the gateway, and changes what passes: for fuzzing. What it returns is sent in place
/// of what it was given; nothing is silence.
pub trait Tap {
    /// A NAS message leaves a phone.
    fn nas(&mut self, phone: usize, nas: Vec<u8>) -> Vec<Vec<u8>>;
    /// An S1AP message leaves a base station.
    fn s1ap(&mut self, station: usize, pdu: Vec<u8>) -> Vec<Vec<u8>>;
    /// What an attacker may learn of the canary: its temporary identity, and the gateway's number for its connection.
    fn canary(&mut self, guti: Option<Guti>, mme_ue_id: Option<MmeUeS1apId>) {
        let _ = (guti, mme_ue_id);
    }
}
