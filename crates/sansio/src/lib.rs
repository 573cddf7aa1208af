//! Furniture of sans-IO cores: time, timers, ids, randomness, effects, recordings.
//!
//! What every pure `step(now, input, out)` needs and must not take from the operating system. Each piece is a plain
//! value: it can be cloned, compared, put into a simulator, and gives the same results for the same inputs.
//!
//! | piece | for |
//! |---|---|
//! | [`Time`] | the driver's monotonic clock, as a number |
//! | [`Timers`] | any number of armed timers, earliest first, nothing stale |
//! | [`SlotTable`], [`SlotId`], [`IdLayout`] | UE and session tables whose ids carry shard, slot and generation |
//! | [`IdScrambler`] | ids that are shown on the air, without their order |
//! | [`Rng`]: [`SecureRng`], [`SimRng`] | randomness from a seed handed in |
//! | [`DetHashMap`] | a hash map whose seed is chosen by its owner |
//! | [`Outbox`] | the effects of a step |
//! | [`Recorder`], [`replay`], [`Fingerprint`] | recordings, and their digest |
//!
//! What it deliberately is not: a runtime. It reads no clock, opens nothing, starts no thread and asks no operating
//! system for entropy; the driver does, and passes the result in.
//!
//! Invariants: a cancelled or re-armed timer never fires; a removed id never resolves again until its generation has
//! wrapped; no iteration order depends on anything but the inputs.
//!
//! ```
//! use basalt_sansio::{Duration, Time, Timers};
//!
//! let mut timers: Timers<&str> = Timers::new();
//! let now = Time::ZERO;
//! timers.arm("t3450", now + Duration::from_secs(6));
//! timers.arm("t3460", now + Duration::from_secs(6));
//! timers.cancel(&"t3450");
//! assert_eq!(timers.next_wakeup(), Some(Time::from_secs(6)));
//! assert_eq!(timers.pop_expired(Time::from_secs(6)), Some("t3460"));
//! assert_eq!(timers.pop_expired(Time::from_secs(6)), None);
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod hash;
mod outbox;
mod recording;
mod rng;
mod scramble;
mod slot;
mod time;
mod timers;

pub use core::time::Duration;

pub use hash::{DetHashMap, DetHashSet, DetState, Fingerprint};
pub use outbox::Outbox;
pub use recording::{Entry, Recorder, RecordingError, RecordingHeader, Replay, replay};
pub use rng::{Rng, SecureRng, SecureSeed, SimRng};
pub use scramble::IdScrambler;
pub use slot::{IdLayout, IdLayoutError, IdParts, InsertAtError, SlotId, SlotTable};
pub use time::Time;
pub use timers::Timers;
