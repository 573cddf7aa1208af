//! Networks behind phones (framed routes, TS 29.061 §16.4.7): which session an address belongs to that is no phone's own.
//!
//! The address space is cut into intervals where networks begin and end; the interval of an address is found by bisection. IPv4
//! addresses stand where IPv4-mapped IPv6 addresses do, so one table serves both. There are two of it, entry by entry beside each other:
//! user space writes the one that is not in use and then says so ([`crate::Settings::framed`]), and whoever searches looks afterwards
//! whether the one that was searched was in use all the time.

use crate::{Address, Shared32, Shared64};

/// Where an interval begins, and whose it is.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Framed {
    /// First half of its first address, host order.
    pub high: Shared64,
    /// Second half. Unused entries have all ones in both.
    pub low: Shared64,
    /// The session's downlink slot, and one; 0 for nobody's.
    pub slot: Shared32,
    /// The session's TEID: [`crate::Downlink::owner`].
    pub owner: Shared32,
}

/// An address of either IP version, as it is looked for: both halves in host order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// First half.
    pub high: u64,
    /// Second half.
    pub low: u64,
}

impl Key {
    /// The place of an IPv4 address.
    #[must_use]
    #[inline(always)]
    pub const fn ipv4(address: Address) -> Self {
        Self { high: 0, low: 0xffff_0000_0000 | address.to_host() as u64 }
    }
}

impl Framed {
    /// The entry of an interval in one of the two tables.
    #[must_use]
    #[inline(always)]
    pub const fn index(interval: u32, version: u32) -> u32 {
        interval << 1 | version & 1
    }

    /// Whether an interval begins at this address or before it.
    #[must_use]
    #[inline(always)]
    pub fn begins_by(&self, key: Key) -> bool {
        let high = self.high.get();
        high < key.high || (high == key.high && self.low.get() <= key.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn addresses_are_in_order() {
        let key = |address: [u8; 4]| Key::ipv4(Address::new(Ipv4Addr::from(address)));
        assert!(key([10, 0, 0, 255]) < key([10, 0, 1, 0]));
        assert!(key([255; 4]) < Key { high: 0x2001_0db8 << 32, low: 0 });
        let entry = Framed::default();
        entry.low.set(key([10, 0, 1, 0]).low);
        assert!(entry.begins_by(key([10, 0, 1, 0])) && !entry.begins_by(key([10, 0, 0, 255])));
        assert_eq!((Framed::index(5, 2), Framed::index(5, 3)), (10, 11));
    }
}
