//! Accounting: what sessions carried, counted exactly once.
//!
//! ```text
//!   counters in the tables ── every so often, and at each end ──► ledger ──► records, baselines, sums: one batch
//!                                                                               │ durable
//!            counters of ended sessions are given up ◄──────────────────────────┘
//! ```
//! Memory is ahead of the disk by the batches under way, and everything goes to the disk in one order. So a crash loses a suffix:
//! records together with the baselines that say that they were written. What they would have said, the counters still say.
//! Only counters are given up on the disk's word.
//!
//! What it is not: charging. Records are kept for whoever charges, until they are acknowledged (`control`).

mod accounts;
mod calendar;
mod collect;
mod groups;
mod plans;
mod show;
mod stored;
#[cfg(test)]
mod tests;

pub use accounts::{Loaded, load};
pub use collect::{Usage, collect, conflict, settle_first};
pub use groups::served;
pub use plans::{check, grant, lacks_quota, noticed, replanned, set_plan, slowed, top_up};
pub use show::{is_waiting, list, of, page, state, waiting};
pub use stored::{StoredPlan, StoredTerm};
