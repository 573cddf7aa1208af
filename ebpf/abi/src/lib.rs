//! Keys and values of the BPF maps: what the XDP programs and the gateway daemon agree on, octet by octet.
//!
//! What it is: plain `repr(C)` values without padding holes, their sizes asserted at compile time, and the few rules that both
//! sides must follow to share them without locks. What it deliberately is not: packet logic (that is `ebpf/pipeline`) or a
//! loader (`agw/dataplane`).
//!
//! Invariants:
//! - A map value changes its meaning only together with [`SCHEMA_VERSION`]; the loader refuses to reuse pinned maps of another.
//! - Every field that one side writes while the other reads is a [`Shared32`] or [`Shared64`], so neither side can see half a word.
//! - A record is published by one store (its `teid`, its `state`) and guarded against tearing by the sequence number where several
//!   fields must be seen together ([`Downlink::sequence`]).
//! - Addresses are kept in the byte order of the wire ([`Address`]), so that the programs compare what they load without swapping.
//!
//! ```
//! use basalt_ebpf_abi::TeidLayout;
//! let layout = TeidLayout::new(17).unwrap();
//! let teid = layout.compose(5, 0x2a5a).unwrap();
//! assert_eq!(layout.index(teid), 5);
//! assert_eq!(layout.generation(teid), 0x2a5a);
//! ```
#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![cfg_attr(target_arch = "bpf", expect(unsafe_code, reason = "BPF has no atomics in core"))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod address;
mod bench;
mod destinations;
mod downlink;
mod framed;
mod handover;
mod layout;
mod meter;
mod nat;
mod next_hop;
mod policy;
mod reasons;
mod settings;
mod shared;
mod teid;
mod uplink;
mod watch;

pub use address::{Address, Prefix};
pub use bench::BenchPlan;
pub use destinations::{Class, Destinations};
pub use downlink::{Downlink, DownlinkFlags, DownlinkState};
pub use framed::{Framed, Key};
pub use handover::{HANDOVER_CLASSES, HandoverHeader, Notice};
pub use layout::{Described, LAYOUT_MAGIC, LAYOUT_WORDS, layout};
pub use meter::Meter;
pub use nat::{
    Block, External, FRAGMENTS, Filtering, Fragment, MAX_BLOCK_BITS, MAX_BLOCKS, MAX_EXTERNAL_ADDRESSES, MAX_EXTERNALS,
    MIN_BLOCK_BITS, Mapping, Nat, Phase,
};
pub use next_hop::{KERNEL_NEXT_HOP, Mac, NextHop, ON_LINK_NEXT_HOP};
pub use policy::{
    BEARER_BLOCK, Bearer, Intervals, Intervals6, MAX_DEDICATED, MAX_FLOWS, Policy, PolicyFlags, Quota, RuleState,
};
pub use reasons::{DropReason, PuntReason, REASON_SLOTS};
pub use settings::{
    Layout, MAX_FORBIDDEN6, MAX_POOLS, MAX_POOLS6, MAX_RULES, Network6, Place6, Pool, Pool6, Rule, SettingFlags,
    Settings,
};
pub use shared::{Shared32, Shared64};
pub use teid::TeidLayout;
pub use uplink::{Uplink, UplinkFlags};
pub use watch::{Point, Watch, WatchedHeader};

/// Version of everything in this crate. Raised with every change of layout or meaning.
pub const SCHEMA_VERSION: u32 = 5;

/// Names of the maps, as in the object file and as pinned.
pub mod maps {
    /// Array of one [`super::Settings`]; says, too, who made these maps, and how large they are.
    pub const SETTINGS: &str = "SETTINGS";
    /// Array of [`super::Uplink`], indexed by the TEID's index.
    pub const UPLINK: &str = "UPLINK";
    /// Array of [`super::Downlink`], indexed by the slot that [`super::Settings::slot`] finds.
    pub const DOWNLINK: &str = "DOWNLINK";
    /// Array of [`super::NextHop`].
    pub const NEXT_HOPS: &str = "NEXT_HOPS";
    /// Array of one [`super::Destinations`].
    pub const DESTINATIONS: &str = "DESTINATIONS";
    /// Array of [`super::UeMeters`]; entry 0 is never used.
    pub const UE_METERS: &str = "UE_METERS";
    /// Array of [`super::Policy`]; entry 0 is never used.
    pub const POLICIES: &str = "POLICIES";
    /// Array of [`super::RuleState`], a run of them for a session.
    pub const RULE_STATES: &str = "RULE_STATES";
    /// Array of [`super::Bearer`], [`super::BEARER_BLOCK`] for a session; block 0 is never used.
    pub const BEARERS: &str = "BEARERS";
    /// Array of downlink slots ([`super::Shared64`], since the kernel gives values a multiple of eight octets), one more than the number, by the place that [`super::Settings::place6`] finds; 0 for none.
    pub const PREFIXES: &str = "PREFIXES";
    /// Array of [`super::Framed`], two for an interval.
    pub const FRAMED: &str = "FRAMED";
    /// Array of one [`super::Nat`].
    pub const NAT: &str = "NAT";
    /// Array of [`super::Block`]: external port `p` of address `n` is in block `(n << 16 | p) >> block_bits`.
    pub const NAT_BLOCKS: &str = "NAT_BLOCKS";
    /// Array of [`super::Mapping`]: external port `p` of address `n` is number `n << 16 | p`.
    pub const NAT_MAPPINGS: &str = "NAT_MAPPINGS";
    /// Array of [`super::Fragment`].
    pub const NAT_FRAGMENTS: &str = "NAT_FRAGMENTS";
    /// Per-CPU array of [`super::REASON_SLOTS`] counters.
    pub const REASONS: &str = "REASONS";
    /// Per-CPU array of the slow path's token buckets.
    pub const BUCKETS: &str = "BUCKETS";
    /// Ring buffer of packets handed to user space.
    pub const HANDOVER: &str = "HANDOVER";
    /// Array of programs: [`super::programs::STAGES`].
    pub const STAGES: &str = "STAGES";
    /// Array of one [`super::Watch`]; not pinned.
    pub const WATCH: &str = "WATCH";
    /// Ring buffer of frames that watching programs tell of; not pinned.
    pub const WATCHED: &str = "WATCHED";
    /// All of them that are pinned, in the order above.
    pub const ALL: [&str; 19] = [
        SETTINGS,
        UPLINK,
        DOWNLINK,
        NEXT_HOPS,
        DESTINATIONS,
        UE_METERS,
        POLICIES,
        RULE_STATES,
        BEARERS,
        PREFIXES,
        FRAMED,
        NAT,
        NAT_BLOCKS,
        NAT_MAPPINGS,
        NAT_FRAGMENTS,
        REASONS,
        BUCKETS,
        HANDOVER,
        STAGES,
    ];
}

/// Names of the XDP programs in the object file.
pub mod programs {
    /// On the radio side (S1-U, N3): strips GTP-U.
    pub const ACCESS: &str = "basalt_access";
    /// On the internet side (SGi, N6), routed mode only: adds GTP-U to packets that go straight to a phone.
    pub const INTERNET: &str = "basalt_internet";
    /// Entered from [`ACCESS`] for phones with a way of their own to the internet: translates, tags.
    pub const ONWARD: &str = "basalt_onward";
    /// Entered from [`ONWARD`]: limits, counts, sends.
    pub const DELIVER: &str = "basalt_deliver";
    /// Programs in the places of [`super::maps::STAGES`].
    pub const STAGES: [&str; 2] = [ONWARD, DELIVER];
    /// On the gateway's own veth peer: adds GTP-U to packets that the kernel routed to a phone.
    pub const KERNEL: &str = "basalt_kernel";
    /// What stands in the place of each of the others while somebody watches a phone.
    pub const WATCHING: [(&str, &str); 5] = [
        (ACCESS, "basalt_access_watch"),
        (INTERNET, "basalt_internet_watch"),
        (KERNEL, "basalt_kernel_watch"),
        (ONWARD, "basalt_onward_watch"),
        (DELIVER, "basalt_deliver_watch"),
    ];
}

/// A token bucket of one CPU. Times are nanoseconds of the kernel's monotonic clock.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Bucket {
    /// Last refill.
    pub refilled: Shared64,
    /// Tokens left, in billionths.
    pub level: Shared64,
}

/// The limits of one UE over all its sessions (UE-AMBR, TS 23.401 §4.7.3).
#[repr(C, align(32))]
#[derive(Debug, Default)]
pub struct UeMeters {
    /// From the UE.
    pub uplink: Meter,
    /// To the UE.
    pub downlink: Meter,
}

const _: () = {
    assert!(size_of::<BenchPlan>() == 48);
    assert!(size_of::<Bucket>() == 16);
    assert!(size_of::<Uplink>() == 128);
    assert!(size_of::<Downlink>() == 128);
    assert!(size_of::<RuleState>() == 128);
    assert!(size_of::<Bearer>() == 128);
    assert!(size_of::<Policy>() == 64 + 256 + 4096 + 3 * 3072 + 6144);
    assert!(size_of::<Meter>() == 16);
    assert!(size_of::<UeMeters>() == 32);
    assert!(size_of::<NextHop>() == 32);
    assert!(size_of::<Framed>() == 24);
    assert!(size_of::<Nat>() == 16 + 32 + 16 + 128);
    assert!(size_of::<Block>() == 64);
    assert!(size_of::<Mapping>() == 16);
    assert!(size_of::<Fragment>() == 16);
    assert!(size_of::<Pool>() == 16);
    assert!(size_of::<Rule>() == 16);
    assert!(size_of::<Settings>() == 848 + 96 + 256 + 256);
    assert!(size_of::<Destinations>() == 1 << 16);
    assert!(size_of::<HandoverHeader>() == 24);
};
