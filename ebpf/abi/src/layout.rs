//! Where counters lie in the tables, for a reader that knows another form of the records.
//!
//! Tables of another [`crate::SCHEMA_VERSION`] cannot be used again, but what they have counted must be read once more. So whoever makes
//! tables writes into them where the counters are; this description itself does not change, but for words that are added behind.

use crate::{BEARER_BLOCK, Bearer, Downlink, RuleState, Settings, Uplink};
use core::mem::offset_of;

/// Words that a description has room for: the last of [`Settings`].
pub const LAYOUT_WORDS: usize = 64;
/// The first word of a description.
pub const LAYOUT_MAGIC: u32 = 0x4241_5331;

/// What is described: octets from the beginning of the value, or sizes of values. The number of each is its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Described {
    /// [`LAYOUT_MAGIC`].
    Magic,
    /// [`Settings::epoch`].
    Epoch,
    /// [`Settings::teid_mask`].
    TeidMask,
    /// Size of [`Uplink`].
    Uplink,
    /// [`Uplink::teid`].
    UplinkTeid,
    /// [`Uplink::flags`], of which bit 31 is no program's.
    UplinkFlags,
    /// [`Uplink::closed`].
    UplinkClosed,
    /// [`Uplink::serial`].
    UplinkSerial,
    /// [`Uplink::home`].
    UplinkHome,
    /// [`Uplink::ue`].
    UplinkUe,
    /// [`Uplink::prefix`].
    UplinkPrefix,
    /// [`Uplink::packets`], octets behind it.
    UplinkPackets,
    /// [`Uplink::states`].
    UplinkStates,
    /// [`Uplink::state_count`].
    UplinkStateCount,
    /// Size of [`Downlink`].
    Downlink,
    /// [`Downlink::owner`].
    DownlinkOwner,
    /// [`Downlink::packets`], octets behind it.
    DownlinkPackets,
    /// [`Downlink::bearers`].
    DownlinkBearers,
    /// Size of [`Bearer`].
    Bearer,
    /// [`Bearer::owner`].
    BearerOwner,
    /// [`Bearer::bearer`].
    BearerEbi,
    /// [`Bearer::volume`].
    BearerVolume,
    /// [`Bearer::base`].
    BearerBase,
    /// Records of a session in [`crate::maps::BEARERS`].
    BearerBlock,
    /// Size of [`RuleState`].
    Rule,
    /// [`RuleState::uplink_packets`], the three others behind it.
    RuleVolume,
    /// [`RuleState::rule`].
    RuleNumber,
    /// [`RuleState::owner`].
    RuleOwner,
}

/// The description of these tables.
#[must_use]
pub const fn layout() -> [u32; LAYOUT_WORDS] {
    let mut words = [0; LAYOUT_WORDS];
    words[Described::Magic as usize] = LAYOUT_MAGIC;
    words[Described::Epoch as usize] = offset_of!(Settings, epoch) as u32;
    words[Described::TeidMask as usize] = offset_of!(Settings, teid_mask) as u32;
    words[Described::Uplink as usize] = size_of::<Uplink>() as u32;
    words[Described::UplinkTeid as usize] = offset_of!(Uplink, teid) as u32;
    words[Described::UplinkFlags as usize] = offset_of!(Uplink, flags) as u32;
    words[Described::UplinkClosed as usize] = offset_of!(Uplink, closed) as u32;
    words[Described::UplinkSerial as usize] = offset_of!(Uplink, serial) as u32;
    words[Described::UplinkHome as usize] = offset_of!(Uplink, home) as u32;
    words[Described::UplinkUe as usize] = offset_of!(Uplink, ue) as u32;
    words[Described::UplinkPrefix as usize] = offset_of!(Uplink, prefix) as u32;
    words[Described::UplinkPackets as usize] = offset_of!(Uplink, packets) as u32;
    words[Described::UplinkStates as usize] = offset_of!(Uplink, states) as u32;
    words[Described::UplinkStateCount as usize] = offset_of!(Uplink, state_count) as u32;
    words[Described::Downlink as usize] = size_of::<Downlink>() as u32;
    words[Described::DownlinkOwner as usize] = offset_of!(Downlink, owner) as u32;
    words[Described::DownlinkPackets as usize] = offset_of!(Downlink, packets) as u32;
    words[Described::DownlinkBearers as usize] = offset_of!(Downlink, bearers) as u32;
    words[Described::Bearer as usize] = size_of::<Bearer>() as u32;
    words[Described::BearerOwner as usize] = offset_of!(Bearer, owner) as u32;
    words[Described::BearerEbi as usize] = offset_of!(Bearer, bearer) as u32;
    words[Described::BearerVolume as usize] = offset_of!(Bearer, volume) as u32;
    words[Described::BearerBase as usize] = offset_of!(Bearer, base) as u32;
    words[Described::BearerBlock as usize] = BEARER_BLOCK;
    words[Described::Rule as usize] = size_of::<RuleState>() as u32;
    words[Described::RuleVolume as usize] = offset_of!(RuleState, uplink_packets) as u32;
    words[Described::RuleNumber as usize] = offset_of!(RuleState, rule) as u32;
    words[Described::RuleOwner as usize] = offset_of!(RuleState, owner) as u32;
    words
}

// Counters that are read as one run lie in one.
const _: () = {
    assert!(offset_of!(Uplink, bytes) == offset_of!(Uplink, packets) + 8);
    assert!(offset_of!(Downlink, bytes) == offset_of!(Downlink, packets) + 8);
    assert!(offset_of!(RuleState, downlink_bytes) == offset_of!(RuleState, uplink_packets) + 24);
    assert!(offset_of!(Settings, layout) + 4 * LAYOUT_WORDS == size_of::<Settings>());
};
