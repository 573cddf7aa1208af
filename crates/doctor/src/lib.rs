//! Looks at a machine and says what keeps a gateway from working on it.
//!
//! Two halves that never mix: [`Facts::gather`] reads the machine (files of `/proc`, a handful of system calls, nothing that
//! changes anything but a file of its own in the state directory), and [`judge`] turns facts into findings without touching
//! the machine, so that every finding is tested with made-up facts. Both `basalt doctor` and the daemon use it, each with
//! its own rights and in its own network namespace. [`service`] has what orchestrators and federation gateways are asked.
//!
//! What it deliberately is not: a repair tool (it says what to do, the operator does it), a monitor, or a place that knows
//! phones; what needs a running gateway is judged in `agwd`.
//!
//! Invariants: every finding that is not [`Level::Ok`] has a cause and a fix; gathering never fails, what cannot be read is
//! an absent fact; no key material is ever read.
//!
//! ```
//! use basalt_doctor::{Facts, Level, Wanted, judge};
//! let facts = Facts { kernel_release: "4.19.0-amd64".to_owned(), ..Facts::default() };
//! let findings = judge(&Wanted::default(), &facts);
//! let kernel = findings.iter().find(|finding| finding.check == "kernel").unwrap();
//! assert_eq!(kernel.level, Level::Warning); // an error if the configuration insists on XDP
//! assert!(kernel.fix.contains("5.15"));
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod checks;
mod facts;
mod finding;
mod gather;
pub mod service;
mod wanted;

pub use checks::judge;
pub use facts::{
    Attempt, BpfFs, Clock, Errno, Facts, FileFacts, Forwarding, Interface, Limits, Link, Memory, Sockets, StateDir,
    XdpSupport,
};
pub use finding::{Finding, Level, worst};
pub use gather::{Host, host};
pub use wanted::{DataPlane, SctpBackend, Wanted};

/// Gathers and judges: what is true of this machine for a gateway that wants this.
#[must_use]
pub fn machine_findings(wanted: &Wanted) -> Vec<Finding> {
    judge(wanted, &Facts::gather(wanted))
}
