//! Packet decisions of the user plane: what to check, what to count, how to rewrite.
//!
//! What it is: plain functions, generic over [`Packet`] (the octets) and [`Tables`] (the maps), without allocation, panic or
//! unbounded loop. Compiled for BPF they *are* the XDP programs; natively they are the software plane, the slow path of user space
//! and the oracle against which the loaded object is tested. What it deliberately is not: sockets, rings, redirects; the callers
//! act on the [`Verdict`].
//!
//! Invariants:
//! - Uplink: nothing leaves a tunnel before the whole TEID, the outer peer, the inner source, the inner lengths and the
//!   destination have been checked. GTP-U never comes out of GTP-U.
//! - Downlink: a packet for a phone is sent, handed to user space, passed to the kernel or dropped with a counted reason.
//! - A refused packet changes no octet. Octets are counted as inner IP total length, and only for what went out.
//!
//! ```
//! use basalt_pipeline::{Frame, Packet};
//! let mut storage = [0u8; 64];
//! let mut frame = Frame::new(&mut storage, 32, 20).unwrap();
//! frame.store32(0, 7).unwrap();
//! frame.shift(-8).unwrap();
//! assert_eq!((frame.len(), frame.load32(8)), (28, Some(7)));
//! ```
#![cfg_attr(not(test), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod access;
mod bucket;
mod downlink;
mod entries;
mod frame;
mod framed;
mod inner;
mod inner6;
mod meter;
mod nat;
mod onward;
mod segment;
mod service;
mod uplink;
mod wire;

#[cfg(test)]
mod tests;

pub use access::{access, age};
pub use downlink::{Downlinked, FLUSH_ROOM, Origin, Tunnel, container, downlink, encapsulation, select, towards_phone};
pub use entries::{ENTRIES, Entries};
pub use frame::Frame;
pub use nat::{Rewrite, inside_of, late, leave};
pub use onward::{Resolved, charge, deliver, onward, resolve, word};
pub use segment::clamp;
pub use service::Charge;
pub use uplink::{Pending, Uplinked, uplink};
pub use wire::{GTP_HEADER, GTP_PORT, TUNNEL_OVERHEAD};

use basalt_ebpf_abi::{
    Bearer, Block, Bucket, Destinations, Downlink, DropReason, Fragment, Framed, Mapping, Nat, NextHop, Notice, Policy,
    PuntReason, RuleState, Settings, Shared64, UeMeters, Uplink,
};

/// The octets of a packet. Words are in memory order (loaded natively), offsets count from the front. A word that does not lie
/// inside the packet is `None`, and so may be one beyond its first part where it is in several, as jumbo frames are: headers are in
/// the first. There is no access to single octets: a one-octet bound is what BPF verifiers get wrong.
pub trait Packet {
    /// Number of octets, also of those that no word can be loaded of.
    fn len(&self) -> u32;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are at least so many octets.
    fn holds(&self, octets: u32) -> bool {
        octets <= self.len()
    }

    /// Two octets.
    fn load16(&self, offset: usize) -> Option<u16>;
    /// Four octets.
    fn load32(&self, offset: usize) -> Option<u32>;
    /// Eight octets.
    fn load64(&self, offset: usize) -> Option<u64>;
    /// `4 * N` octets, which is cheaper than each word with a bound of its own.
    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]>;
    /// Overwrites two octets.
    fn store16(&mut self, offset: usize, value: u16) -> Option<()>;
    /// Overwrites four octets.
    fn store32(&mut self, offset: usize, value: u32) -> Option<()>;
    /// Overwrites `4 * N` octets.
    fn store_words<const N: usize>(&mut self, offset: usize, words: [u32; N]) -> Option<()>;
    /// Moves the front: strips `delta` octets, or makes room for `-delta` (of any content).
    fn shift(&mut self, delta: i32) -> Option<()>;
    /// Goes on with [`onward()`], in another program where that takes one.
    fn onward<'t, T: Tables>(&mut self, tables: &'t T, pending: Pending) -> Verdict<'t>
    where
        Self: Sized,
    {
        onward(self, tables, pending)
    }
    /// Goes on with [`deliver`], as [`Packet::onward`].
    fn deliver<'t, T: Tables>(&mut self, tables: &'t T, resolved: Resolved) -> Verdict<'t>
    where
        Self: Sized,
    {
        deliver(self, tables, resolved)
    }
}

/// What a loop does.
pub trait Step<T: Tables> {
    /// Goes round once; whether that was the last time.
    fn step(&mut self, tables: &T) -> bool;
}

/// The maps. A method gives `None` where there is no such entry.
pub trait Tables: Sized {
    /// The settings.
    fn settings(&self) -> Option<&Settings>;
    /// The uplink record of a TEID index.
    fn uplink(&self, index: u32) -> Option<&Uplink>;
    /// The downlink record of a slot.
    fn downlink(&self, slot: u32) -> Option<&Downlink>;
    /// A next hop.
    fn next_hop(&self, index: u32) -> Option<&NextHop>;
    /// Classes of destinations.
    fn destinations(&self) -> Option<&Destinations>;
    /// A token bucket ([`PuntReason::bucket`]).
    fn bucket(&self, index: u32) -> Option<&Bucket>;
    /// The limits of a UE.
    fn ue_meters(&self, index: u32) -> Option<&UeMeters>;
    /// Rules.
    fn policy(&self, index: u32) -> Option<&Policy>;
    /// A session's state of a rule.
    fn rule_state(&self, index: u32) -> Option<&RuleState>;
    /// Has the processor fetch a session's state of a rule, which is looked at later, while it fetches what else is far away.
    fn fetch_rule_state(&self, index: u32) {
        let _ = index;
    }
    /// A dedicated bearer.
    fn bearer(&self, index: u32) -> Option<&Bearer>;
    /// The downlink slot of an IPv6 prefix, one more than its number.
    fn prefix(&self, place: u32) -> Option<&Shared64>;
    /// Where networks behind phones begin and end.
    fn framed(&self, index: u32) -> Option<&Framed>;
    /// How addresses are translated.
    fn nat(&self) -> Option<&Nat>;
    /// A block of external ports.
    fn nat_block(&self, number: u32) -> Option<&Block>;
    /// The mapping of an external port.
    fn nat_mapping(&self, number: u32) -> Option<&Mapping>;
    /// Where fragments from the internet go.
    fn nat_fragment(&self, place: u32) -> Option<&Fragment>;
    /// The same value, but verifiers do not know which any more: they would follow every one that it may have through all that comes after.
    fn any(&self, value: u32) -> u32 {
        value
    }
    /// Takes steps until one is the last, at most so many. A loop that verifiers look at once, however often it goes round.
    fn repeat<S: Step<Self>>(&self, most: u32, state: &mut S) {
        let mut i = 0;
        while i < most && !state.step(self) {
            i += 1;
        }
    }
    /// Tells user space of a quota. Rare; lost when nobody listens.
    fn notice(&self, notice: Notice);
    /// Adds one to a counter ([`DropReason::slot`], [`PuntReason::slot`]).
    fn count(&self, slot: u32);
    /// Monotonic clock, nanoseconds. Asked on the slow path only.
    fn now(&self) -> u64;
    /// The same clock at the kernel's last tick, which is far cheaper. Asked once for a packet to which a limit applies.
    fn tick(&self) -> u64;
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy)]
pub enum Verdict<'t> {
    /// To the kernel as it is.
    Pass,
    /// Nowhere. Counted already.
    Drop(DropReason),
    /// Rewritten; out of this interface.
    Redirect(u32),
    /// To user space.
    HandOver(HandOver<'t>),
}

/// A packet for a phone that user space must see.
#[derive(Debug, Clone, Copy)]
pub struct HandOver<'t> {
    /// The phone's record; `None` as long as nobody knows whose it is.
    pub record: Option<&'t Downlink>,
    /// Its slot, or [`basalt_ebpf_abi::HandoverHeader::EARLY`].
    pub slot: u32,
    /// Why.
    pub reason: PuntReason,
    /// Where the inner IP packet starts.
    pub offset: usize,
    /// Its total length.
    pub length: u32,
    /// VLAN that it came by, where there is no record.
    pub vlan: u32,
    /// The kernel has it, too: it may be the gateway's own.
    pub pass: bool,
}

/// Counts a drop.
#[inline(always)]
pub(crate) fn drop<'t, T: Tables>(tables: &T, reason: DropReason) -> Verdict<'t> {
    tables.count(reason.slot());
    Verdict::Drop(reason)
}

/// Lets a packet take the slow path, if its token bucket allows.
#[inline(always)]
pub(crate) fn punt<'t, T: Tables>(tables: &T, settings: &Settings, reason: PuntReason) -> Verdict<'t> {
    if let Some(index) = reason.bucket()
        && !tables.bucket(index).is_some_and(|bucket| bucket::take(bucket, settings, tables.now()))
    {
        return drop(tables, DropReason::SlowPathRate);
    }
    tables.count(reason.slot());
    Verdict::Pass
}
