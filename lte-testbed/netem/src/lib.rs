//! A link that loses, delays, duplicates and reorders, from a seed.
//!
//! One [`Link`] is one direction between two parties. It is a value: messages go in with the time, and come out when
//! their time has come. What a message is, the link does not know: octets of a datagram or decoded PDUs.
//!
//! What it deliberately is not: a model of a radio or of congestion. Impairments are independent from message to message;
//! a cut of the link is [`Link::set_profile`] with [`Profile::CUT`].
//!
//! Invariants
//! - Same seed, same profile, same calls: same deliveries.
//! - A message comes out at most twice, never before its delay, and never changed.
//! - Messages that are not picked for reordering come out in the order in which they went in, whatever the jitter.
//!
//! ```
//! use basalt_sansio::{Duration, Time};
//! use testbed_netem::{Link, Profile};
//!
//! let profile = Profile { delay: Duration::from_millis(20), ..Profile::PERFECT };
//! let mut link = Link::new(profile, 42);
//! link.send(Time::ZERO, "paging");
//! assert_eq!(link.receive(Time::from_millis(19)), None);
//! assert_eq!(link.next_wakeup(), Some(Time::from_millis(20)));
//! assert_eq!(link.receive(Time::from_millis(20)), Some("paging"));
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod link;

pub use link::{Link, PerMillion, Profile, Stats};
