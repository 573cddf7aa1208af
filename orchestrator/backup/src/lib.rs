//! Copies of the orchestrator's database that one can rely on: encrypted, verified, and brought back whole or not at all.
//!
//! A copy is one file: lines of JSON, compressed, in the format of `age` (age-encryption.org/v1), for which there are other programs.
//!
//! ```text
//! {"basalt_backup":1,"made_at":…,"schema":…}            what it is
//! {"secret":"sealing.key","value":…}                    the sealing key, where it was asked for
//! {"table":"objects","columns":[["kind","text"],…]}     a table …
//! […]                                                   … its rows, in the order of their keys
//! {"end":"objects","rows":…,"sha256":…}                 … and its end
//! {"complete":true,"tables":…,"rows":…}
//! ```
//!
//! What it is: [`create`], [`verify`], [`restore`] and [`drill`] over `orchestrator/db`. What it deliberately is not: a schedule, a place
//! to keep copies in, or a copy of a gateway (that has what it needs from the orchestrator).
//!
//! Invariants: nothing of a copy is a path or a statement (names are compared with those of the database that takes it); what a
//! stranger made is refused with a bounded use of memory; a restore that fails leaves what was there; what a copy brings back
//! is read again and compared before it holds; sessions and setup links of the past stay in the past.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod age;
mod archive;
mod digest;
mod drill;
mod error;
mod place;
mod restore;

pub use archive::{Copied, Head, create};
pub use digest::{Part, Summary};
pub use drill::{Drilled, drill};
pub use error::Error;
pub use place::{Put, put_back};
pub use restore::{restore, verify};
