//! Durable records with group commit over a [`Disk`] seam.
//!
//! A record is a value under a key in one of 256 keyspaces. Batches of puts and deletes are appended to a log of
//! preallocated segment files; one `fdatasync` makes all that was appended durable. Memory is the truth while the gateway
//! runs: records are read once, at start ([`Store::open`]), and old versions are cleared away piece by piece behind the
//! writer. Why not a ready-made engine: none tried starts, and says so, after a damaged byte (docs/adr/0007-store.md).
//!
//! What it deliberately is not: a database. No reads while running, no ranges, no transactions beyond one batch, no
//! interpretation of values (whoever saves secrets seals them first).
//!
//! Invariants
//! - A batch is all or nothing, and what survives a power cut is a prefix of what was appended that holds everything
//!   whose [`Store::commit`] returned.
//! - Every batch has a sequence number and a checksum. A damaged batch is reported ([`OpenReport`]), a copy of its bytes is
//!   kept beside the log, and everything else is loaded.
//! - After a failed write or sync nothing more is written: the state of the file behind a failed `fdatasync` is unknown
//!   and trying again may succeed without the data being there. Every call fails until the store is opened anew.
//!
//! ```
//! use basalt_store::{Batch, Config, Keyspace, MemDisk, Store};
//!
//! # fn main() -> Result<(), basalt_store::Error> {
//! let disk = MemDisk::new(1);
//! let (mut store, _, _) = Store::open(disk.clone(), Config::default())?;
//! store.append(&Batch::new().put(Keyspace(1), b"imsi-1", b"registered"))?;
//! store.commit()?;
//! disk.power_cut();
//!
//! let (_, records, report) = Store::open(disk.rebooted(), Config::default())?;
//! assert_eq!(records.get(Keyspace(1), b"imsi-1"), Some(&b"registered"[..]));
//! assert!(report.is_clean());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod batch;
mod compact;
mod disk;
mod file_disk;
mod frame;
mod mem_disk;
mod queue;
mod records;
mod recover;
mod store;

pub use batch::{Batch, Keyspace, Seq};
pub use disk::Disk;
pub use file_disk::FileDisk;
pub use mem_disk::{Fault, MemDisk};
pub use queue::{CommitQueue, Completion, Rejected};
pub use records::Records;
pub use recover::{Damage, OpenReport, TornTail};
pub use store::{Config, Error, Status, Store};
