//! A phone: the other side of EMM and ESM, written from the specifications.
//!
//! [`Ue`] is a plain value with one entry, `step(now, input, out)`: what the network, the radio and the user do goes in, NAS
//! messages, radio wishes and events come out. Inside are a USIM ([`Usim`]), the mobility and session procedures of TS 24.301
//! with the UE's own timers, and NAS security that trusts nothing: every protected message is verified, the replayed
//! capabilities are compared, null integrity is refused, and the access keys a base station got are compared with its own.
//!
//! It deliberately is not: a radio, a modem command set, or a friend of the network. It can be told to misbehave
//! ([`Fault`]), because a gateway has to live with that.
//!
//! Invariants: no NAS COUNT is used twice with one key; nothing that came unprotected is acted on once security stands, apart
//! from what TS 24.301 §4.4.4.2 lists; nothing a network sends reaches a panic.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod attach;
mod authentication;
mod common;
mod detach;
mod esm;
mod fault;
mod filters;
mod io;
mod mutation;
mod profile;
mod radio;
mod receive;
mod reject;
mod security_mode;
mod send;
mod service;
mod session;
mod timer;
mod ue;
mod update;
mod usim;

pub use fault::{Fault, Misdeed, Uplink};
pub use filters::bearer_for;
pub use io::{
    AttachKind, Configuration, Connect, DetachKind, Effect, EstablishmentCause, Event, Input, Page, ProtocolSurprise,
    RadioSecurity,
};
pub use mutation::Mutation;
pub use profile::{Capability, Profile};
pub use session::Session;
pub use timer::{Timer, TimerValues};
pub use ue::{EmmState, Snapshot, Ue};
pub use usim::{AkaFault, Usim};
