//! The downlink record: how to reach a phone.

use crate::{Meter, Shared32, Shared64};

/// One phone, in the slot of its address (see [`crate::Settings::slot`]). Two cache lines that lie together, the second touched only by
/// packets of sessions with limits.
///
/// Hand-over to user space. A packet that cannot go out at once (phone idle, base station's neighbour unknown) is copied into the
/// ring and counted in `handed`; user space counts in `drained` what it has finished with. A program sends directly only when the
/// two are equal. So newer packets never overtake buffered ones, and the change back to the fast path happens between two
/// packets, without a lock. An active phone never loses a packet by this: where user space lags by far more than a buffer (it
/// was killed), programs send directly all the same.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub struct Downlink {
    /// [`DownlinkState`].
    pub state: Shared32,
    /// Odd while user space changes the fields from `ue` to `owner`; changes with every change of them.
    pub sequence: Shared32,
    /// The phone's address ([`crate::Address`]); 0 in a free slot.
    pub ue: Shared32,
    /// The base station's TEID in wire order.
    pub teid: Shared32,
    /// The base station's address ([`crate::Address`]), outer destination.
    pub peer: Shared32,
    /// [`DownlinkFlags`].
    pub flags: Shared32,
    /// Index into [`crate::maps::NEXT_HOPS`].
    pub next_hop: Shared32,
    /// Our own TEID of the session ([`crate::Uplink::teid`]): tells this owner of the address from the next one.
    pub owner: Shared32,
    /// Packets ever handed to user space, wrapping.
    pub handed: Shared32,
    /// Packets ever finished by user space, wrapping.
    pub drained: Shared32,
    /// Packets sent to the base station.
    pub packets: Shared64,
    /// Octets sent, counted as inner IP total length.
    pub bytes: Shared64,
    /// Packets for this phone that were dropped because its buffer or the ring was full.
    pub dropped: Shared64,
    /// The session's downlink limit (APN-AMBR, session AMBR), when [`DownlinkFlags::METERED`].
    pub meter: Meter,
    /// Index into [`crate::maps::UE_METERS`]; 0 for a UE without a limit of its own.
    pub ue_meter: Shared32,
    /// Index into [`crate::maps::POLICIES`], when [`DownlinkFlags::RULES`].
    pub policy: Shared32,
    /// The session's first record in [`crate::maps::RULE_STATES`].
    pub states: Shared32,
    /// The session's block in [`crate::maps::BEARERS`]; 0 for none.
    pub bearers: Shared32,
    /// [`crate::Uplink::prefix`].
    pub prefix: Shared64,
    /// VLAN that packets from the internet must come by; 0 for none.
    pub vlan: Shared64,
    /// What the session may have counted, both directions together, when its quota is used up: [`crate::Quota::left`] and what it has
    /// counted, at any moment. User space's; 0 where it does not know.
    pub granted: Shared64,
    /// Zero.
    pub reserved: Shared64,
}

/// Bits of [`Downlink::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DownlinkFlags(pub u32);

impl DownlinkFlags {
    /// The session or its UE has a downlink limit that applies to the default bearer.
    pub const METERED: u32 = 1 << 0;
    /// The session has rules.
    pub const RULES: u32 = 1 << 1;
    /// The session has a quota, in its uplink record.
    pub const QUOTA: u32 = 1 << 2;
    /// What belongs to the session's service.
    pub const SERVICE: u32 = Self::METERED | Self::RULES | Self::QUOTA;
    /// Where the ToS octet of the outer header stands, eight bits (RFC 2474; TS 23.401 §4.7.3, TS 29.281 §4.2.6).
    pub const TOS_SHIFT: u32 = 8;
    /// Where the QoS flow identifier stands, six bits: written into a PDU Session Container, if not 0 (TS 38.415 §5.5.3.6).
    pub const QFI_SHIFT: u32 = 16;

    /// The ToS octet of the outer header.
    #[must_use]
    #[inline(always)]
    pub const fn tos(self) -> u32 {
        self.0 >> Self::TOS_SHIFT & 0xff
    }

    /// The QoS flow identifier; 0 for a tunnel without.
    #[must_use]
    #[inline(always)]
    pub const fn qfi(self) -> u32 {
        self.0 >> Self::QFI_SHIFT & 0x3f
    }

    /// Whether all bits of `flag` are set.
    #[must_use]
    #[inline(always)]
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }
}

/// Values of [`Downlink::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownlinkState;

impl DownlinkState {
    /// No phone has this address.
    pub const NONE: u32 = 0;
    /// The phone is idle: hand packets to user space, which has it paged.
    pub const IDLE: u32 = 1;
    /// The tunnel is up.
    pub const ACTIVE: u32 = 2;
    /// The gateway itself has this address: the kernel's matter.
    pub const LOCAL: u32 = 3;
}

impl Downlink {
    /// Packets that user space holds or that wait in the ring.
    #[must_use]
    #[inline(always)]
    pub fn outstanding(&self) -> u32 {
        self.handed.get().wrapping_sub(self.drained.get())
    }
}
