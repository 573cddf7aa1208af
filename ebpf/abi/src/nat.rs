//! Translation of phones' IPv4 addresses (NAT44): external addresses, blocks of ports, mappings.
//!
//! A subscriber has one external address and blocks of its ports. A block *is* the table of its mappings: the mapping of external port
//! `p` of external address `n` is number `n << 16 | p`, so a packet from the internet finds it by one array access. A packet from a
//! phone looks at the places of its block that its own port may have got, in a fixed order ([`Block::place`]), and at no more of them
//! than were ever needed ([`Block::reach`]). No table is searched by hashing, and no clock is read: user space keeps [`Nat::clock`].

use crate::{Address, Shared32, Shared64};

/// Largest number of ranges of external addresses.
pub const MAX_EXTERNALS: usize = 8;
/// Largest number of external addresses.
pub const MAX_EXTERNAL_ADDRESSES: u32 = 256;
/// Most blocks of one subscriber.
pub const MAX_BLOCKS: usize = 4;
/// Smallest block, as a power of two.
pub const MIN_BLOCK_BITS: u32 = 4;
/// Largest block, as a power of two.
pub const MAX_BLOCK_BITS: u32 = 9;
/// Number of [`Fragment`]s, a power of two.
pub const FRAGMENTS: u32 = 4096;

/// The only value of [`crate::maps::NAT`].
#[repr(C)]
#[derive(Debug, Default)]
pub struct Nat {
    /// Seconds of the kernel's monotonic clock, kept by user space: mappings do not age while nobody keeps it.
    pub clock: Shared32,
    /// Ports in a block, as a power of two.
    pub block_bits: Shared32,
    /// [`Filtering`].
    pub filtering: Shared32,
    /// Entries used in `externals`.
    pub count: Shared32,
    /// How long a mapping lives after its last packet from the inside, seconds, by [`Phase`].
    pub timeouts: [Shared32; 8],
    /// How long the first fragment of a packet leads the others, seconds.
    pub fragment_timeout: Shared32,
    /// Zero.
    pub reserved: [Shared32; 3],
    /// External addresses.
    pub externals: [External; MAX_EXTERNALS],
}

/// A range of external addresses.
#[repr(C)]
#[derive(Debug, Default)]
pub struct External {
    /// First address, host order.
    pub first: Shared32,
    /// How many.
    pub count: Shared32,
    /// Number of the first.
    pub base: Shared32,
    /// Bit 0: the gateway has these addresses itself, so that what is not translated is the kernel's.
    pub own: Shared32,
}

/// From whom packets come through a mapping (RFC 4787 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filtering;

impl Filtering {
    /// From everyone, as long as the mapping lives.
    pub const ENDPOINT_INDEPENDENT: u32 = 0;
    /// From addresses that the phone has sent to by it.
    pub const ADDRESS: u32 = 1;
    /// From addresses and ports that the phone has sent to by it.
    pub const ADDRESS_AND_PORT: u32 = 2;
}

/// What a mapping is used for, which says how long it lives: index into [`Nat::timeouts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase;

impl Phase {
    /// UDP.
    pub const UDP: u32 = 0;
    /// TCP: opened by the phone, no answer yet (transitory, RFC 5382 REQ-5).
    pub const OPENING: u32 = 1;
    /// TCP: answered, not acknowledged by the phone yet (transitory).
    pub const ANSWERED: u32 = 2;
    /// TCP: established.
    pub const ESTABLISHED: u32 = 3;
    /// TCP: one side has ended it (transitory).
    pub const CLOSING: u32 = 4;
    /// ICMP queries (RFC 5508 REQ-2).
    pub const ICMP: u32 = 5;
}

/// A mapping, in the place of its external port. Zero for none.
#[repr(C, align(16))]
#[derive(Debug, Default)]
pub struct Mapping {
    /// Inside port or ICMP identifier in bits 0 to 15, protocol in 16 to 23, [`Phase`] in 24 to 31, last use ([`Nat::clock`]) in 32 to 63.
    pub state: Shared64,
    /// Whom the phone has sent to by it, two bits of 64 each: whoever is in it is found, nearly everybody else is not. Only kept when
    /// [`Nat::filtering`] asks for it.
    pub filter: Shared64,
}

impl Mapping {
    /// What tells mappings of a block apart: protocol and inside port.
    pub const KEY: u64 = 0x00ff_ffff;

    /// The state of a mapping.
    #[must_use]
    #[inline(always)]
    pub const fn compose(protocol: u8, port: u16, phase: u32, used: u32) -> u64 {
        port as u64 | (protocol as u64) << 16 | (phase as u64) << 24 | (used as u64) << 32
    }

    /// The phase in a state.
    #[must_use]
    #[inline(always)]
    pub const fn phase(state: u64) -> u32 {
        (state >> 24) as u32 & 7
    }

    /// The two bits of a remote end.
    #[must_use]
    #[inline(always)]
    pub const fn bits(address: u32, port: u16) -> u64 {
        let mixed = (address ^ (port as u32).wrapping_mul(0x85eb_ca6b)).wrapping_mul(0x9e37_79b1);
        1 << (mixed >> 26) | 1 << (mixed >> 20 & 63)
    }
}

/// A block of ports and who has it.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct Block {
    /// The subscriber's address ([`Address`]); 0 for a free block. Written last when it is given, first when it is taken.
    pub inside: Shared32,
    /// The external address ([`Address`]).
    pub external: Shared32,
    /// The subscriber's next block; 0 for none. Block 0 has ports below 1024, which nobody gets.
    pub next: Shared32,
    /// Added to the phone's port to find the first place: even, so that odd ports stay odd (RFC 4787 REQ-4).
    pub salt: Shared32,
    /// Places beyond the first that were ever needed.
    pub reach: Shared32,
    /// The session's TEID.
    pub owner: Shared32,
    /// When it was given, seconds since 1970 UTC.
    pub since: Shared64,
    /// Zero.
    pub reserved: [Shared64; 4],
}

impl Block {
    /// The `i`th place to look for a port in a block of `1 << bits`: all of the port's parity first, then the others.
    #[must_use]
    #[inline(always)]
    pub const fn place(port: u16, salt: u32, bits: u32, i: u32) -> u32 {
        let half = i >> (bits - 1) & 1;
        (port as u32).wrapping_add(salt).wrapping_add(i << 1).wrapping_add(half) & ((1 << bits) - 1)
    }
}

/// Where the later fragments of a packet from the internet go, or under which rule those of a session's packet are, in the place of
/// [`Fragment::place`].
#[repr(C, align(16))]
#[derive(Debug, Default)]
pub struct Fragment {
    /// [`Fragment::key`]; 0 for none.
    pub key: Shared64,
    /// The phone's address ([`Address`]) in the high half, [`Nat::clock`] in the low one. Before the first fragment has come, how many
    /// others wait for it, up to [`Fragment::MOST_EARLY`], in place of the address. For a rule, see [`Fragment::under_rule`].
    pub value: Shared64,
}

impl Fragment {
    /// Most fragments of one packet that wait for the first.
    pub const MOST_EARLY: u32 = 16;
    /// How long they may, in units of [`Nat::clock`].
    pub const EARLY_TIME: u32 = 1;

    /// Names a fragmented packet: its sender, its identification, the number of its external address, its protocol (RFC 791 §3.2).
    #[must_use]
    #[inline(always)]
    pub const fn key(source: Address, identification: u16, external: u32, protocol: u8) -> u64 {
        (source.0 as u64) << 32 | (identification as u64) << 16 | (external as u64 & 0xff) << 8 | protocol as u64
    }

    /// How long the first fragment's rule is that of the others, in units of [`Nat::clock`] (RFC 791 §3.2: receivers gather for 15 s).
    pub const RULE_TIME: u32 = 15;

    /// Names a fragmented packet of a session, by its TEID, from or to a far end, whose address is folded into `remote`. No protocol
    /// is 0, so that no [`Fragment::key`] is the same.
    #[must_use]
    #[inline(always)]
    pub const fn rule_key(session: u32, remote: u64, identification: u32, protocol: u8, uplink: bool) -> u64 {
        let high = remote ^ (session as u64) << 32 ^ (identification as u64 & 0xffff_0000) << 8 ^ uplink as u64;
        let mixed = high.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff_0000_0000;
        mixed | (identification as u64 & 0xffff) << 16 | (protocol as u64) << 8
    }

    /// The value that says: the rule of this number (64 for none) of this policy, at this time. Its high half is no count of waiting ones.
    #[must_use]
    #[inline(always)]
    pub const fn under_rule(policy: u32, number: u32, clock: u32) -> u64 {
        1 << 63 | (policy as u64 & 0xffff) << 40 | (number as u64 & 0xff) << 32 | clock as u64
    }

    /// The number of the rule in a value, if it is of this policy and not too old.
    #[must_use]
    #[inline(always)]
    pub const fn rule(value: u64, policy: u32, clock: u32) -> Option<u32> {
        let same = value >> 63 == 1 && (value >> 40) as u32 & 0xffff == policy & 0xffff;
        if same && clock.wrapping_sub(value as u32) <= Self::RULE_TIME {
            Some((value >> 32) as u32 & 0xff)
        } else {
            None
        }
    }

    /// The place of a key.
    #[must_use]
    #[inline(always)]
    pub const fn place(key: u64) -> u32 {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32 & (FRAGMENTS - 1)
    }
}

impl Nat {
    /// The number of an external address, and whether the gateway has it itself.
    #[must_use]
    #[inline(always)]
    pub fn external(&self, address: Address) -> Option<(u32, bool)> {
        let (number, count) = (address.to_host(), self.count.get());
        let mut i = 0;
        while i < MAX_EXTERNALS {
            if i as u32 >= count {
                return None;
            }
            let range = &self.externals[i];
            let offset = number.wrapping_sub(range.first.get());
            if offset < range.count.get() {
                return Some((range.base.get().wrapping_add(offset), range.own.get() != 0));
            }
            i += 1;
        }
        None
    }

    /// Whether a mapping of this state is over.
    #[must_use]
    #[inline(always)]
    pub fn over(&self, state: u64) -> bool {
        let age = self.clock.get().wrapping_sub((state >> 32) as u32);
        state == 0 || age > self.timeouts[Mapping::phase(state) as usize & 7].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    #[test]
    fn every_place_of_a_block_is_looked_at_once_parity_first() {
        for bits in MIN_BLOCK_BITS..=MAX_BLOCK_BITS {
            for (port, salt) in [(0u16, 0u32), (5001, 6), (65_535, 510)] {
                let size = 1u32 << bits;
                let places: Vec<u32> = (0..size).map(|i| Block::place(port, salt, bits, i)).collect();
                assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), size as usize);
                assert!(places.iter().all(|place| *place < size));
                let half = size as usize / 2;
                assert!(places[..half].iter().all(|place| place % 2 == u32::from(port) % 2), "parity");
            }
        }
    }

    #[test]
    fn addresses_have_numbers_and_mappings_an_end() {
        let nat = Nat::default();
        nat.count.set(2);
        for (i, (first, count, base, own)) in [(0xcb00_7101, 1, 0, 1), (0xc633_6400, 16, 1, 0)].into_iter().enumerate()
        {
            nat.externals[i].first.set(first);
            nat.externals[i].count.set(count);
            nat.externals[i].base.set(base);
            nat.externals[i].own.set(own);
        }
        assert_eq!(nat.external(Ipv4Addr::new(203, 0, 113, 1).into()), Some((0, true)));
        assert_eq!(nat.external(Ipv4Addr::new(198, 51, 100, 15).into()), Some((16, false)));
        assert_eq!(nat.external(Ipv4Addr::new(198, 51, 100, 16).into()), None);
        nat.clock.set(1000);
        nat.timeouts[Phase::UDP as usize].set(300);
        assert!(nat.over(0));
        assert!(!nat.over(Mapping::compose(17, 5000, Phase::UDP, 700)));
        assert!(nat.over(Mapping::compose(17, 5000, Phase::UDP, 699)));
    }

    #[test]
    fn a_remote_end_is_found_again() {
        for address in [1u32, 0x0a00_0001, u32::MAX] {
            let bits = Mapping::bits(address, 53);
            assert!(matches!(bits.count_ones(), 1 | 2));
            assert_eq!(Mapping::bits(address, 53), bits);
        }
    }
}
