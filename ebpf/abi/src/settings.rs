//! What the programs need to know besides sessions: our address, pools, rules, limits.

use crate::{Address, Class, Shared32, Shared64};

/// Largest number of address pools.
pub const MAX_POOLS: usize = 16;
/// Largest number of IPv6 pools.
pub const MAX_POOLS6: usize = 4;
/// Largest number of forbidden IPv6 networks.
pub const MAX_FORBIDDEN6: usize = 16;
/// Largest number of destination rules.
pub const MAX_RULES: usize = 32;

/// The only value of [`crate::maps::SETTINGS`]. Everything in it may change while programs run.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Settings {
    /// Leaves the index of a TEID ([`crate::TeidLayout::mask`]).
    pub teid_mask: Shared32,
    /// Our address towards base stations ([`Address`]): GTP-U to any other is not ours.
    pub local: Shared32,
    /// [`SettingFlags`].
    pub flags: Shared32,
    /// Packets per phone that may wait in user space.
    pub buffer_limit: Shared32,
    /// Largest inner packet that fits into a tunnel without fragmenting the outer one.
    pub tunnel_mtu: Shared32,
    /// Messages per second and CPU that may take the slow path, for each kind ([`crate::PuntReason::bucket`]).
    pub punt_rate: Shared32,
    /// Messages in one burst.
    pub punt_burst: Shared32,
    /// Entries used in `pools`.
    pub pool_count: Shared32,
    /// Entries used in `rules`.
    pub rule_count: Shared32,
    /// [`Class`] of a destination that no rule names, where rules decide.
    pub default_class: Shared32,
    /// [`crate::SCHEMA_VERSION`] of who made the maps; 0 in maps that were never finished.
    pub schema: Shared32,
    /// Number of records in [`crate::maps::UPLINK`].
    pub uplink_slots: Shared32,
    /// Number of records in [`crate::maps::DOWNLINK`].
    pub downlink_slots: Shared32,
    /// Number of records in [`crate::maps::NEXT_HOPS`].
    pub next_hops: Shared32,
    /// When these tables were made, in seconds of the wall clock, never 0: other tables have another number.
    pub epoch: Shared32,
    /// [`crate::Uplink::serial`] that was given out last.
    pub serial: Shared32,
    /// Largest TCP segment that connections of phones agree on; 0 to leave it to them.
    pub segment: Shared32,
    /// Counts the changes of [`crate::maps::FRAMED`]: its lowest bit says which of the two tables there is in use.
    pub framed: Shared32,
    /// Half the intervals in use of each of them, a power of two; 0 where there is no network behind any phone.
    pub framed_steps: [Shared32; 2],
    /// Address pools of phones.
    pub pools: [Pool; MAX_POOLS],
    /// Destination rules, longest prefix first.
    pub rules: [Rule; MAX_RULES],
    /// Pools of IPv6 prefixes.
    pub pools6: [Pool6; MAX_POOLS6],
    /// IPv6 networks that phones must not reach.
    pub forbidden6: [Network6; MAX_FORBIDDEN6],
    /// Where counters lie in these tables ([`crate::layout()`]). Always the last of this structure, in every schema.
    pub layout: Layout,
}

/// The words of [`crate::layout()`].
#[repr(C)]
#[derive(Debug)]
pub struct Layout(pub [Shared32; crate::LAYOUT_WORDS]);

impl Default for Layout {
    fn default() -> Self {
        Self([const { Shared32::new(0) }; crate::LAYOUT_WORDS])
    }
}

/// IPv6 prefixes that phones get. Unused ones have count 0.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Pool6 {
    /// First half of the first, host order.
    pub first: Shared64,
    /// How many.
    pub count: Shared32,
    /// Place of the first in [`crate::maps::PREFIXES`].
    pub base: Shared32,
    /// By how many bits a phone's prefix is shorter than 64: its own /64 is the first in it, the rest may be delegated to it.
    pub shift: Shared32,
    /// Zero.
    pub reserved: Shared32,
}

/// Where a phone's prefix is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place6 {
    /// Its place in [`crate::maps::PREFIXES`].
    pub place: u32,
    /// [`Pool6::shift`].
    pub shift: u32,
}

/// An IPv6 network of up to 64 bits. Unused ones have a mask of 0.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Network6 {
    /// First half, host order.
    pub first: Shared64,
    /// Mask of it.
    pub mask: Shared64,
}

/// Addresses that phones get, and where their downlink records start.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Pool {
    /// First address, host order.
    pub first: Shared32,
    /// Number of addresses.
    pub count: Shared32,
    /// Slot of the first address in [`crate::maps::DOWNLINK`].
    pub base: Shared32,
    /// Zero.
    pub reserved: Shared32,
}

/// One destination rule.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Rule {
    /// Prefix in wire order.
    pub address: Shared32,
    /// Its mask in wire order.
    pub mask: Shared32,
    /// [`Class`].
    pub class: Shared32,
    /// Zero.
    pub reserved: Shared32,
}

/// Bits of [`Settings::flags`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SettingFlags(pub u32);

impl SettingFlags {
    /// Let phones send to the ports of core protocols (GTP-C, GTP-U, PFCP, Diameter, S1AP, NGAP). Off for a gateway in service.
    pub const CORE_PORTS: u32 = 1 << 0;
    /// There are, or were, sessions with rules: it pays to fetch their states ahead ([`crate::RuleState::RUN`]).
    pub const RULES: u32 = 1 << 1;

    /// Whether all bits of `flag` are set.
    #[must_use]
    #[inline(always)]
    pub const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }
}

impl Settings {
    /// The downlink slot of an address, when it is in a pool.
    #[must_use]
    #[inline(always)]
    pub fn slot(&self, address: Address) -> Option<u32> {
        let number = address.to_host();
        let count = self.pool_count.get();
        let mut i = 0;
        while i < MAX_POOLS {
            if i as u32 >= count {
                return None;
            }
            let pool = &self.pools[i];
            let offset = number.wrapping_sub(pool.first.get());
            if offset < pool.count.get() {
                return Some(pool.base.get().wrapping_add(offset));
            }
            i += 1;
        }
        None
    }

    /// The place of the phone's prefix that contains an IPv6 address (its first half, host order), when it is in a pool.
    #[must_use]
    #[inline(always)]
    pub fn place6(&self, prefix: u64) -> Option<Place6> {
        let mut i = 0;
        while i < MAX_POOLS6 {
            let pool = &self.pools6[i];
            let shift = pool.shift.get() & 31;
            let offset = prefix.wrapping_sub(pool.first.get()) >> shift;
            if offset < u64::from(pool.count.get()) {
                return Some(Place6 { place: pool.base.get().wrapping_add(offset as u32), shift });
            }
            i += 1;
        }
        None
    }

    /// Whether an IPv6 network that phones must not reach contains this prefix (host order).
    #[must_use]
    #[inline(always)]
    pub fn forbids6(&self, prefix: u64) -> bool {
        let mut i = 0;
        while i < MAX_FORBIDDEN6 {
            let network = &self.forbidden6[i];
            let mask = network.mask.get();
            if mask == 0 {
                return false;
            }
            if prefix & mask == network.first.get() {
                return true;
            }
            i += 1;
        }
        false
    }

    /// The class of a destination by the rules alone.
    #[must_use]
    #[inline(always)]
    pub fn rule(&self, address: Address) -> Class {
        let count = self.rule_count.get();
        let mut i = 0;
        while i < MAX_RULES {
            if i as u32 >= count {
                break;
            }
            let rule = &self.rules[i];
            if address.0 & rule.mask.get() == rule.address.get() {
                return Class(rule.class.get() as u8);
            }
            i += 1;
        }
        Class(self.default_class.get() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn slots_follow_the_pools() {
        let settings = Settings::default();
        for (i, (first, count, base)) in [(0x0a2d_0000, 256, 0), (0x0a2e_0000, 16, 256)].into_iter().enumerate() {
            settings.pools[i].first.set(first);
            settings.pools[i].count.set(count);
            settings.pools[i].base.set(base);
        }
        settings.pool_count.set(2);
        let slot = |a, b, c, d| settings.slot(Ipv4Addr::new(a, b, c, d).into());
        assert_eq!(slot(10, 45, 0, 0), Some(0));
        assert_eq!(slot(10, 45, 0, 255), Some(255));
        assert_eq!(slot(10, 45, 1, 0), None);
        assert_eq!(slot(10, 46, 0, 15), Some(271));
        assert_eq!(slot(10, 46, 0, 16), None);
        assert_eq!(slot(10, 44, 255, 255), None);
    }

    #[test]
    fn a_place_is_of_the_whole_prefix_of_a_phone() {
        let settings = Settings::default();
        for (pool, (first, count, base, shift)) in
            settings.pools6.iter().zip([(0x2001_0db8_0001_0000, 16, 0, 0), (0x2001_0db8_0002_0000, 4, 16, 8)])
        {
            pool.first.set(first);
            pool.count.set(count);
            pool.base.set(base);
            pool.shift.set(shift);
        }
        let place = |prefix| settings.place6(prefix).map(|found| (found.place, found.shift));
        assert_eq!(place(0x2001_0db8_0001_000f), Some((15, 0)));
        assert_eq!(place(0x2001_0db8_0001_0010), None);
        assert_eq!(place(0x2001_0db8_0002_01ff), Some((17, 8)));
        assert_eq!(place(0x2001_0db8_0002_0400), None);
    }

    #[test]
    fn the_first_matching_rule_decides() {
        let settings = Settings::default();
        let rule = |i: usize, address: Ipv4Addr, mask: Ipv4Addr, class: Class| {
            settings.rules[i].address.set(Address::new(address).0);
            settings.rules[i].mask.set(Address::new(mask).0);
            settings.rules[i].class.set(class.0.into());
        };
        rule(0, Ipv4Addr::new(10, 1, 1, 1), Ipv4Addr::new(255, 255, 255, 255), Class::KERNEL);
        rule(1, Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(255, 255, 0, 0), Class::DENY);
        settings.rule_count.set(2);
        settings.default_class.set(9);
        assert_eq!(settings.rule(Ipv4Addr::new(10, 1, 1, 1).into()), Class::KERNEL);
        assert_eq!(settings.rule(Ipv4Addr::new(10, 1, 1, 2).into()), Class::DENY);
        assert_eq!(settings.rule(Ipv4Addr::new(10, 2, 1, 1).into()), Class(9));
    }
}
