//! Service data flows: which packets belong to which bearer and rule, and what a rule allows.
//!
//! A packet is matched by intersecting bit vectors, one bit for each rule: every field of the packet names, in a table made for it, the
//! rules that its value satisfies; the lowest bit that is left is the rule of highest precedence. Fields with few values have a
//! vector for each value; addresses and ports have one for each interval between the edges that rules draw, found by bisection. So 64
//! rules cost three bisections of at most eight steps, and one rule costs three of two.

use crate::{Meter, Shared32, Shared64};

/// Most rules of a session. One bit each.
pub const MAX_FLOWS: usize = 64;
/// Most dedicated bearers of a session (EBI 5 to 15, TS 24.301 §9.3.2, less the default one).
pub const MAX_DEDICATED: usize = 10;
/// Records that [`crate::maps::BEARERS`] keeps for one session.
pub const BEARER_BLOCK: u32 = 16;
/// Most intervals of a field: 64 ranges have up to 128 edges.
const INTERVALS: usize = 256;

/// Intervals of a field's values, and the rules that each satisfies.
#[repr(C)]
#[derive(Debug)]
pub struct Intervals {
    /// Where an interval begins, ascending; the first is 0, unused ones repeat the largest number.
    pub starts: [Shared32; INTERVALS],
    /// The rules of an interval; unused ones repeat the last.
    pub rules: [Shared64; INTERVALS],
}

impl Intervals {
    /// The rules that `value` satisfies. `first_step` is half the number of intervals in use, a power of two.
    #[must_use]
    #[inline(always)]
    pub fn rules(&self, value: u32, first_step: u32) -> u64 {
        let mut at = 0usize;
        let mut step = first_step as usize & (INTERVALS - 1);
        let mut i = 0;
        while i < 8 {
            if step == 0 {
                break;
            }
            let next = (at + step) & (INTERVALS - 1);
            if self.starts[next].get() <= value {
                at = next;
            }
            step >>= 1;
            i += 1;
        }
        self.rules[at & (INTERVALS - 1)].get()
    }
}

/// The same for IPv6 addresses, both halves in host order.
#[repr(C)]
#[derive(Debug)]
pub struct Intervals6 {
    /// First half of where an interval begins, ascending together with `lows`; unused ones are the largest number in both.
    pub highs: [Shared64; INTERVALS],
    /// Second half.
    pub lows: [Shared64; INTERVALS],
    /// The rules of an interval.
    pub rules: [Shared64; INTERVALS],
}

impl Intervals6 {
    /// Whether interval `at` begins at this address or before it.
    #[must_use]
    #[inline(always)]
    pub fn begins_by(&self, at: u32, high: u64, low: u64) -> bool {
        let at = at as usize & (INTERVALS - 1);
        let begin = self.highs[at].get();
        begin < high || (begin == high && self.lows[at].get() <= low)
    }

    /// The rules of interval `at`.
    #[must_use]
    #[inline(always)]
    pub fn of(&self, at: u32) -> u64 {
        self.rules[at as usize & (INTERVALS - 1)].get()
    }
}

/// The rules of one or many sessions with the same rules: it holds nothing of a session. Not changed while a session refers to it.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Policy {
    /// Rules that apply to packets from the phone.
    pub uplink: Shared64,
    /// Rules that apply to packets to the phone.
    pub downlink: Shared64,
    /// Rules whose gate is open for packets from the phone.
    pub open_uplink: Shared64,
    /// Rules whose gate is open for packets to the phone.
    pub open_downlink: Shared64,
    /// Rules that ask for no port.
    pub portless: Shared64,
    /// Rules that every IPv6 far end satisfies: all that IPv6 packets may fit where no rule asks for a certain one.
    pub anywhere: Shared64,
    /// [`PolicyFlags`].
    pub flags: Shared32,
    /// Half the intervals in use of `remote`, `remote_port` and `local_port`, ten bits each.
    pub steps: Shared32,
    /// Sessions that refer to it; user space's.
    pub users: Shared32,
    /// Half the intervals in use of `remote6`; 0 where no rule asks for a certain IPv6 far end.
    pub step6: Shared32,
    /// What each rule means: bearer number (0 for the default bearer) in bits 0 to 7, its [`RuleState`] after the session's first in
    /// bits 8 to 15.
    pub actions: [Shared32; MAX_FLOWS],
    /// By protocol.
    pub protocol: [Shared64; 256],
    /// By ToS or traffic class.
    pub tos: [Shared64; 256],
    /// By the far end's IPv4 address, host order.
    pub remote: Intervals,
    /// By the far end's port.
    pub remote_port: Intervals,
    /// By the phone's port.
    pub local_port: Intervals,
    /// By the far end's IPv6 address.
    pub remote6: Intervals6,
}

/// Bits of [`Policy::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PolicyFlags(pub u32);

impl PolicyFlags {
    /// What no rule names is dropped, on the default bearer, too.
    pub const STRICT: u32 = 1 << 0;
    /// Where the set of dedicated bearers stands, by number, on which phone and gateway may not agree at present: one is being set up,
    /// changed or taken away, or was a moment ago (TS 24.301 §6.4.2 to §6.4.4).
    pub const SETTLING_SHIFT: u32 = 16;

    /// Whether a packet that belongs on bearer `bound` may come by bearer `came`: while a bearer settles, what belongs on it may still
    /// or already come by the default bearer (0), and the other way round.
    #[must_use]
    #[inline(always)]
    pub const fn agrees(self, bound: u32, came: u32) -> bool {
        let settling = self.0 >> Self::SETTLING_SHIFT | 1;
        bound == came || settling >> (bound & 15) & settling >> (came & 15) & 1 != 0
    }

    /// Whether all bits of `flag` are set.
    #[must_use]
    #[inline(always)]
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }
}

/// Octets that may still pass.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Quota {
    /// Octets left, both directions together; at 0 or below (two's complement) nothing passes. Counted down by programs.
    pub left: Shared64,
    /// User space is told when `left` falls to this.
    pub threshold: Shared64,
}

impl Quota {
    /// Whether something may pass.
    #[must_use]
    #[inline(always)]
    pub fn open(&self) -> bool {
        self.left.get() as i64 > 0
    }
}

/// What one session has of one rule, or of one rating group that several of its rules share: counters, limit, quota.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub struct RuleState {
    /// Packets from the phone.
    pub uplink_packets: Shared64,
    /// Their octets.
    pub uplink_bytes: Shared64,
    /// Packets to the phone.
    pub downlink_packets: Shared64,
    /// Their octets.
    pub downlink_bytes: Shared64,
    /// Maximum bit rate from the phone.
    pub uplink: Meter,
    /// Maximum bit rate to the phone.
    pub downlink: Meter,
    /// Octets left, when [`RuleState::QUOTA`].
    pub quota: Quota,
    /// [`RuleState::QUOTA`], [`RuleState::GROUP`], [`RuleState::SLOW`].
    pub flags: Shared32,
    /// The rule's number, or the group's, as user space knows it.
    pub rule: Shared32,
    /// TEID of the session's default bearer; 0 in a free record.
    pub owner: Shared32,
    /// Of a rule in a rating group: one more than where the group's state is, after the session's first; otherwise 0.
    pub group: Shared32,
}

impl RuleState {
    /// How many a session has at least. Those of the session in slot `n` of [`crate::maps::DOWNLINK`] begin at `n` times this, where that
    /// is free: programs fetch them before they know.
    pub const RUN: u32 = 8;
    /// Flag: `quota` holds.
    pub const QUOTA: u32 = 1 << 0;
    /// Flag: the state of a rating group.
    pub const GROUP: u32 = 1 << 1;
    /// Flag of a rating group: its limits hold for all its rules together, in place of their own.
    pub const SLOW: u32 = 1 << 2;
}

/// A dedicated bearer: the way to the phone, and the counters of both directions. Guarded by `sequence` as [`crate::Downlink`] is.
///
/// Counters go on over all bearers that a session has in this place, one after the other; `base` is what they were when the present
/// one began. So a bearer that goes takes nothing from the session's sum, and no count is ever moved.
#[repr(C, align(128))]
#[derive(Debug, Default)]
pub struct Bearer {
    /// Odd while user space changes the fields below.
    pub sequence: Shared32,
    /// [`crate::DownlinkFlags`], of which marking and the session's limits apply.
    pub flags: Shared32,
    /// The base station's TEID in wire order.
    pub teid: Shared32,
    /// The base station's address ([`crate::Address`]); 0 while the bearer has no tunnel.
    pub peer: Shared32,
    /// Index into [`crate::maps::NEXT_HOPS`].
    pub next_hop: Shared32,
    /// Our own TEID of this bearer; 0 in a free record.
    pub owner: Shared32,
    /// EPS bearer identity.
    pub bearer: Shared32,
    /// Zero.
    pub reserved: Shared32,
    /// Packets from the phone, their octets, packets to the phone, their octets.
    pub volume: [Shared64; 4],
    /// `volume` when the present bearer began.
    pub base: [Shared64; 4],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_finds_its_interval() {
        // SAFETY: all octets zero is a value of shared cells.
        let table: Box<Intervals> = unsafe { Box::new_zeroed().assume_init() };
        for (starts, step) in [(vec![0u32], 0u32), (vec![0, 80, 81], 2), ((0..256).map(|i| i * 1000).collect(), 128)] {
            for i in 0..INTERVALS {
                table.starts[i].set(starts.get(i).copied().unwrap_or(u32::MAX));
                table.rules[i].set(1 + i.min(starts.len() - 1) as u64);
            }
            for value in [0, 1, 79, 80, 81, 82, 999, 1000, 1001, 65_535, 254_999, 255_000, u32::MAX - 1, u32::MAX] {
                let expected = starts.iter().rposition(|start| *start <= value).unwrap() as u64 + 1;
                assert_eq!(table.rules(value, step), expected, "{value} in {} intervals", starts.len());
            }
        }
    }
}
