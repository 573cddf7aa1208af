//! What the measuring programs of `basalt-bpf-bench` need to know.

use crate::Shared32;

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
    /// Total length of the inner packet.
    pub length: Shared32,
}

impl BenchPlan {
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
    /// What [`crate::programs::STAGES`] are for the others, entered from [`Self::UPLINK`]; the last one restores the packet.
    pub const STAGES: [&str; 2] = ["bench_onward", "bench_deliver"];
    /// Takes a random session, and restores the packet as [`Self::DOWNLINK`] does.
    pub const DOWNLINK_BASE: &str = "bench_downlink_base";
    /// The internet program on a packet for a random phone, and restores it.
    pub const DOWNLINK: &str = "bench_downlink";
}
