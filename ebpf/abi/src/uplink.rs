//! The uplink record: what to know about a packet that comes out of a tunnel.

use crate::{Shared32, Shared64};

/// One tunnel from a base station, in the slot of its TEID's index. One cache line.
///
/// Written by user space: first `teid` = 0, then the other fields, `teid` last. A program takes a record only when the whole TEID
/// matches, so a slot under change belongs to nobody.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Uplink {
    /// The TEID, host order; 0 in a free slot.
    pub teid: Shared32,
    /// [`UplinkFlags`].
    pub flags: Shared32,
    /// Outer source address allowed ([`crate::Address`]), after applying `peer_mask`.
    pub peer: Shared32,
    /// Mask of `peer` in wire order: all ones for exactly one address, 0 as long as the base station has not told its address.
    pub peer_mask: Shared32,
    /// The phone's IPv4 address ([`crate::Address`]): the only inner source address allowed.
    pub ue: Shared32,
    /// EPS bearer identity, for reports.
    pub bearer: Shared32,
    /// G-PDUs refused by a check (their reasons are counted per gateway).
    pub refused: Shared64,
    /// Packets forwarded.
    pub packets: Shared64,
    /// Octets forwarded, counted as inner IP total length.
    pub bytes: Shared64,
    /// Zero; for what comes next in this line (rate bucket, rule set).
    pub reserved: [Shared64; 2],
}

/// Bits of [`Uplink::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UplinkFlags(pub u32);

impl UplinkFlags {
    /// The phone may send to other phones of this gateway.
    pub const PHONE_TO_PHONE: u32 = 1 << 0;
    /// The phone is idle: it has no bearer on the radio, so nothing can come from it.
    pub const IDLE: u32 = 1 << 1;

    /// Whether all bits of `flag` are set.
    #[must_use]
    #[inline(always)]
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }
}
