//! What a phone is addressed by.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// A /64 of IPv6 addresses: what a session has (TS 23.401 §5.3.1.2.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prefix64(u64);

impl Prefix64 {
    /// The /64 that contains an address.
    #[must_use]
    pub const fn of(address: Ipv6Addr) -> Self {
        Self((address.to_bits() >> 64) as u64)
    }

    /// From the first 64 bits of its addresses, host order.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The first 64 bits of its addresses, host order.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Its first address.
    #[must_use]
    pub const fn network(self) -> Ipv6Addr {
        self.address(0)
    }

    /// The address in it with this interface identifier.
    #[must_use]
    pub const fn address(self, identifier: u64) -> Ipv6Addr {
        Ipv6Addr::from_bits((self.0 as u128) << 64 | identifier as u128)
    }
}

impl fmt::Display for Prefix64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/64", self.network())
    }
}

impl fmt::Debug for Prefix64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The address of a session: never neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UeAddress {
    /// One IPv4 address.
    Ipv4(Ipv4Addr),
    /// One /64.
    Ipv6(Prefix64),
    /// Both.
    Ipv4v6(Ipv4Addr, Prefix64),
}

impl UeAddress {
    /// Of these parts; `None` if there is neither.
    #[must_use]
    pub const fn new(ipv4: Option<Ipv4Addr>, prefix: Option<Prefix64>) -> Option<Self> {
        match (ipv4, prefix) {
            (Some(ipv4), Some(prefix)) => Some(UeAddress::Ipv4v6(ipv4, prefix)),
            (Some(ipv4), None) => Some(UeAddress::Ipv4(ipv4)),
            (None, Some(prefix)) => Some(UeAddress::Ipv6(prefix)),
            (None, None) => None,
        }
    }

    /// The IPv4 address, if there is one.
    #[must_use]
    pub const fn ipv4(self) -> Option<Ipv4Addr> {
        match self {
            UeAddress::Ipv4(address) | UeAddress::Ipv4v6(address, _) => Some(address),
            UeAddress::Ipv6(_) => None,
        }
    }

    /// The IPv6 prefix, if there is one.
    #[must_use]
    pub const fn prefix(self) -> Option<Prefix64> {
        match self {
            UeAddress::Ipv6(prefix) | UeAddress::Ipv4v6(_, prefix) => Some(prefix),
            UeAddress::Ipv4(_) => None,
        }
    }
}

impl From<Ipv4Addr> for UeAddress {
    fn from(address: Ipv4Addr) -> Self {
        UeAddress::Ipv4(address)
    }
}

impl From<Prefix64> for UeAddress {
    fn from(prefix: Prefix64) -> Self {
        UeAddress::Ipv6(prefix)
    }
}

impl fmt::Display for UeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UeAddress::Ipv4(address) => address.fmt(f),
            UeAddress::Ipv6(prefix) => prefix.fmt(f),
            UeAddress::Ipv4v6(address, prefix) => write!(f, "{address}, {prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_first_half_of_its_addresses() {
        let address: Ipv6Addr = "2001:db8:0:7:1::2".parse().unwrap();
        let prefix = Prefix64::of(address);
        assert_eq!(prefix.to_string(), "2001:db8:0:7::/64");
        assert_eq!(prefix.address(0x1_0000_0000_0002), "2001:db8:0:7:1::2".parse::<Ipv6Addr>().unwrap());
        assert_eq!(Prefix64::from_bits(prefix.to_bits()), prefix);
    }

    #[test]
    fn an_address_is_put_together_and_taken_apart() {
        let (ipv4, prefix) = (Ipv4Addr::new(10, 45, 0, 2), Prefix64::from_bits(0x2001_0db8_0000_0007));
        for (ipv4, prefix, shown) in [
            (Some(ipv4), None, "10.45.0.2"),
            (None, Some(prefix), "2001:db8:0:7::/64"),
            (Some(ipv4), Some(prefix), "10.45.0.2, 2001:db8:0:7::/64"),
        ] {
            let address = UeAddress::new(ipv4, prefix).unwrap();
            assert_eq!((address.ipv4(), address.prefix(), address.to_string()), (ipv4, prefix, shown.to_owned()));
        }
        assert_eq!(UeAddress::new(None, None), None);
    }
}
