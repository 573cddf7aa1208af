//! The uplink record: what to know about a packet that comes out of a tunnel.

use crate::{Meter, Quota, Shared32, Shared64};

/// One tunnel from a base station, in the slot of its TEID's index. Two cache lines that lie together: the first is all that a packet
/// of a session without limits, rules and quota touches; the second holds those, and counts in the record of the session's default
/// bearer only.
///
/// Written by user space: first `teid` = 0, then the other fields, `teid` last. A program takes a record only when the whole TEID
/// matches, so a slot under change belongs to nobody.
#[repr(C, align(128))]
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
    /// The phone's IPv4 address ([`crate::Address`]): the only inner IPv4 source address allowed.
    pub ue: Shared32,
    /// EPS bearer identity in bits 0 to 7; number of a dedicated bearer in its session, 1 to 10, in bits 8 to 15; the QoS flow
    /// identifier that packets must bring in bits 16 to 21, 0 for none (LTE).
    pub bearer: Shared32,
    /// G-PDUs refused by a check (their reasons are counted per gateway).
    pub refused: Shared64,
    /// Packets forwarded.
    pub packets: Shared64,
    /// Octets forwarded, counted as inner IP total length.
    pub bytes: Shared64,
    /// TEID index of the session's default bearer: this record's own for a default bearer.
    pub home: Shared32,
    /// The TEID of a session that has ended and whose counters nobody has taken yet; 0 otherwise.
    pub closed: Shared32,
    /// First half of the phone's IPv6 addresses, its /64, in wire order: the only inner IPv6 source allowed; 0 for none.
    pub prefix: Shared64,
    /// The session's uplink limit (APN-AMBR, session AMBR), when [`UplinkFlags::METERED`].
    pub meter: Meter,
    /// Index into [`crate::maps::UE_METERS`]; 0 for a UE without a limit of its own.
    pub ue_meter: Shared32,
    /// Index into [`crate::maps::POLICIES`], when [`UplinkFlags::RULES`].
    pub policy: Shared32,
    /// The session's first record in [`crate::maps::RULE_STATES`].
    pub states: Shared32,
    /// How many it has there.
    pub state_count: Shared32,
    /// Octets that the session may still have, when [`UplinkFlags::QUOTA`].
    pub quota: Quota,
    /// The session's block in [`crate::maps::BEARERS`]; 0 for none.
    pub bearers: Shared32,
    /// Counts the owners of all records of these tables: with [`crate::Settings::epoch`] it tells since when counters count.
    pub serial: Shared32,
    /// The phone's first [`crate::Block`]; 0 for none. In the record of the session's default bearer only.
    pub block: Shared32,
    /// The next hop of everything that goes to the internet, instead of that of its destination's class; 0 for none. As `block`.
    pub egress: Shared32,
}

/// Bits of [`Uplink::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UplinkFlags(pub u32);

impl UplinkFlags {
    /// The phone may send to other phones of this gateway.
    pub const PHONE_TO_PHONE: u32 = 1 << 0;
    /// The phone is idle: it has no bearer on the radio, so nothing can come from it.
    pub const IDLE: u32 = 1 << 1;
    /// The session or its UE has an uplink limit that applies to this bearer.
    pub const METERED: u32 = 1 << 2;
    /// The session has rules.
    pub const RULES: u32 = 1 << 3;
    /// The session has a quota.
    pub const QUOTA: u32 = 1 << 4;
    /// What goes to the internet goes there from an external address.
    pub const TRANSLATED: u32 = 1 << 5;
    /// What goes to the internet goes through the kernel.
    pub const BY_KERNEL: u32 = 1 << 6;
    /// What goes to the internet goes by the next hop of its access point ([`Uplink::egress`]).
    pub const OWN_HOP: u32 = 1 << 7;
    /// No session's: what comes is forwarded to another base station by user space (handover). [`Uplink::ue`] is that base station's
    /// address then, and [`Uplink::egress`] its TEID.
    pub const FORWARD: u32 = 1 << 8;
    /// There are networks behind the phone: see [`crate::Framed`].
    pub const FRAMED: u32 = 1 << 9;
    /// What says how packets go to the internet.
    pub const EGRESS: u32 = Self::TRANSLATED | Self::BY_KERNEL | Self::OWN_HOP;
    /// What belongs to the session's service, not to its tunnel.
    pub const SERVICE: u32 = Self::METERED | Self::RULES | Self::QUOTA;

    /// Whether all bits of `flag` are set.
    #[must_use]
    #[inline(always)]
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }
}

impl Uplink {
    /// Where the QoS flow identifier stands in [`Uplink::bearer`].
    pub const QFI_SHIFT: u32 = 16;

    /// Number of the dedicated bearer in its session; 0 for the default one.
    #[must_use]
    #[inline(always)]
    pub fn number(&self) -> u32 {
        self.bearer.get() >> 8 & 0xff
    }

    /// The QoS flow identifier that packets must bring; 0 for none.
    #[must_use]
    #[inline(always)]
    pub fn qfi(&self) -> u32 {
        self.bearer.get() >> Self::QFI_SHIFT & 0x3f
    }
}
