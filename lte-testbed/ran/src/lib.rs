//! An eNodeB: the other side of S1AP, written from the specifications.
//!
//! [`Enb`] is a plain value with one entry, `step(now, input, out)`: what an MME, its phones and its operator do goes in, S1AP
//! messages, radio messages and events come out. The radio itself is a stand-in: phones are numbers, a radio connection is a
//! message, radio bearers and AS security are one [`Effect::Configure`] that the phone confirms. [`gtpu`] has the few octets
//! of GTP-U that an eNodeB needs.
//!
//! It deliberately is not: a scheduler, a PHY, an S1AP codec, or a look inside NAS. It can be told to misbehave
//! ([`Faults`]), because a gateway has to live with that.
//!
//! Invariants: an eNB UE S1AP ID and a TEID stand for one phone at a time; a connection that is released in either direction
//! leaves nothing behind; nothing an MME sends reaches a panic.
//!
//! ```
//! use basalt_ids::{EnbId, GlobalEnbId, Plmn, Tac};
//! use basalt_sansio::{Outbox, Time};
//! use testbed_ran::{Effect, Enb, EnbConfig, Input};
//!
//! let plmn = Plmn::new(1, 1, 2).unwrap();
//! let id = GlobalEnbId { plmn, enb: EnbId::Macro(0x19b) };
//! let mut enb = Enb::new(EnbConfig::new("enb-1", id, Tac(1), [10, 91, 1, 1].into()));
//! let mut out = Outbox::new();
//! enb.step(Time::ZERO, Input::LinkUp, &mut out);
//! assert!(matches!(out.as_slice(), [Effect::Send { .. }])); // S1 SETUP REQUEST
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod bearer;
mod config;
mod connection;
mod context;
mod enb;
pub mod gtpu;
mod handover;
mod interface;
mod io;
mod relocation;
mod trouble;

pub use config::{EnbConfig, Faults};
pub use connection::{Bearer, ConnectionInfo, ConnectionState};
pub use enb::{Enb, LinkState};
pub use handover::HandoverContext;
pub use io::{Configuration, ConnectRequest, Effect, Event, Input, PhoneId, RadioSecurity};
pub use relocation::Downlink;
