//! IPv4 addresses as the programs see them.

use core::fmt;
use core::net::Ipv4Addr;

/// An IPv4 address in the byte order of the wire: the number that loading the four octets natively gives.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Address(pub u32);

impl Address {
    /// 0.0.0.0, which stands for "none".
    pub const NONE: Address = Address(0);

    /// From the usual form.
    #[must_use]
    pub const fn new(address: Ipv4Addr) -> Self {
        Self(u32::from_ne_bytes(address.octets()))
    }

    /// The usual form.
    #[must_use]
    pub const fn to_ipv4(self) -> Ipv4Addr {
        let [a, b, c, d] = self.0.to_ne_bytes();
        Ipv4Addr::new(a, b, c, d)
    }

    /// The number whose order is the order of addresses.
    #[must_use]
    #[inline(always)]
    pub const fn to_host(self) -> u32 {
        u32::from_be(self.0)
    }

    /// The first two octets as loading them natively gives them: the index into [`crate::Destinations`].
    #[must_use]
    #[inline(always)]
    pub const fn first_octets(self) -> u16 {
        if cfg!(target_endian = "little") { self.0 as u16 } else { (self.0 >> 16) as u16 }
    }

    /// The address with this host-order number.
    #[must_use]
    #[inline(always)]
    pub const fn from_host(number: u32) -> Self {
        Self(number.to_be())
    }
}

impl From<Ipv4Addr> for Address {
    fn from(address: Ipv4Addr) -> Self {
        Self::new(address)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ipv4().fmt(f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ipv4().fmt(f)
    }
}

/// An IPv4 prefix; bits beyond the length are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    first: u32,
    length: u8,
}

impl Prefix {
    /// The whole address space.
    pub const ALL: Prefix = Prefix { first: 0, length: 0 };

    /// The prefix of `length` bits (at most 32, more is taken as 32) that contains `address`.
    #[must_use]
    pub const fn new(address: Ipv4Addr, length: u8) -> Self {
        let length = if length > 32 { 32 } else { length };
        Self { first: u32::from_be_bytes(address.octets()) & mask(length), length }
    }

    /// The first address, in host order.
    #[must_use]
    pub const fn first(self) -> u32 {
        self.first
    }

    /// The last address, in host order.
    #[must_use]
    pub const fn last(self) -> u32 {
        self.first | !mask(self.length)
    }

    /// Number of fixed bits, 0 to 32.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// The mask in host order.
    #[must_use]
    pub const fn mask(self) -> u32 {
        mask(self.length)
    }

    /// Whether the address is inside.
    #[must_use]
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        u32::from_be_bytes(address.octets()) & mask(self.length) == self.first
    }
}

const fn mask(length: u8) -> u32 {
    if length == 0 { 0 } else { u32::MAX << (32 - length as u32) }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.length)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_octets_of_the_wire() {
        let address = Address::new(Ipv4Addr::new(10, 1, 2, 3));
        assert_eq!(address.0.to_ne_bytes(), [10, 1, 2, 3]);
        assert_eq!(address.to_host(), 0x0a01_0203);
        assert_eq!(Address::from_host(0x0a01_0203), address);
        assert_eq!(address.to_ipv4(), Ipv4Addr::new(10, 1, 2, 3));
    }

    #[test]
    fn a_prefix_ends_where_it_should() {
        let prefix = Prefix::new(Ipv4Addr::new(192, 168, 7, 9), 22);
        assert_eq!(Ipv4Addr::from(prefix.first()), Ipv4Addr::new(192, 168, 4, 0));
        assert_eq!(Ipv4Addr::from(prefix.last()), Ipv4Addr::new(192, 168, 7, 255));
        assert!(prefix.contains(Ipv4Addr::new(192, 168, 6, 1)));
        assert!(!prefix.contains(Ipv4Addr::new(192, 168, 8, 0)));
        assert_eq!(Prefix::ALL.last(), u32::MAX);
        assert_eq!(Prefix::new(Ipv4Addr::new(1, 2, 3, 4), 99).length(), 32);
    }
}
