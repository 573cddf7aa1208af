//! What the measuring programs of `basalt-bpf-bench` need to know.

use crate::{Shared32, Shared64};

/// The only value of [`BenchPlan::MAP`].
#[repr(C)]
#[derive(Debug, Default)]
pub struct BenchPlan {
    /// Leaves a random session's number.
    pub mask: Shared32,
    /// Added to the number gives its TEID.
    pub teid: Shared32,
    /// Added to the number gives its phone's address, host order.
    pub ue: Shared32,
    /// Total length of the inner IPv4 packet.
    pub length: Shared32,
    /// Added to the number gives the first half of its phone's IPv6 address, host order.
    pub prefix: Shared64,
    /// Number of the first session's mapping ([`crate::Mapping`]); those of the others follow by whole blocks.
    pub mapping: Shared32,
    /// Ports in a block, as a power of two.
    pub block_bits: Shared32,
    /// The first external address, host order.
    pub external: Shared32,
    /// Total length of the inner IPv6 packet.
    pub length6: Shared32,
    /// Not 0: [`BenchPlan::REFLECT_INTERNET`] lets packets through to who counts them.
    pub over: Shared32,
    /// Fills the last word.
    pub reserved: Shared32,
}

impl BenchPlan {
    /// The server's port in the closed loop.
    pub const PORT: u16 = 7000;
    /// Name of the map.
    pub const MAP: &str = "BENCH_PLAN";
    /// Passes the packet: what a test-run costs without a program.
    pub const EMPTY: &str = "bench_empty";
    /// Moves the front of the packet there and back.
    pub const SHIFT: &str = "bench_shift";
    /// Takes a random session, and restores the packet as [`Self::UPLINK`] does.
    pub const UPLINK_BASE: &str = "bench_uplink_base";
    /// The access program on a packet of a random session, and restores it.
    pub const UPLINK: &str = "bench_uplink";
    /// As [`Self::UPLINK_BASE`], of IPv6.
    pub const UPLINK6_BASE: &str = "bench_uplink6_base";
    /// As [`Self::UPLINK`], of IPv6.
    pub const UPLINK6: &str = "bench_uplink6";
    /// What [`crate::programs::STAGES`] are for the others, entered from [`Self::UPLINK`]; the last one restores the packet.
    pub const STAGES: [&str; 2] = ["bench_onward", "bench_deliver"];
    /// Takes a random session, and restores the packet as [`Self::DOWNLINK`] does.
    pub const DOWNLINK_BASE: &str = "bench_downlink_base";
    /// The internet program on a packet for a random phone, and restores it.
    pub const DOWNLINK: &str = "bench_downlink";
    /// As [`Self::DOWNLINK_BASE`], of IPv6.
    pub const DOWNLINK6_BASE: &str = "bench_downlink6_base";
    /// The program for what the kernel has routed to phones, of IPv6, and restores it.
    pub const DOWNLINK6: &str = "bench_downlink6";
    /// As [`Self::DOWNLINK_BASE`], to external addresses of phones.
    pub const DOWNLINK_NAT_BASE: &str = "bench_downlink_nat_base";
    /// As [`Self::DOWNLINK`], to external addresses of phones.
    pub const DOWNLINK_NAT: &str = "bench_downlink_nat";
    /// A base station that sends every packet of a phone back into its tunnel, in the closed loop.
    pub const REFLECT_STATION: &str = "bench_reflect_station";
    /// A server of the internet that answers every datagram with itself, in the closed loop.
    pub const REFLECT_INTERNET: &str = "bench_reflect_internet";
}
