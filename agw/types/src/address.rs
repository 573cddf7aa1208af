//! What a phone is addressed by.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;
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

/// A network of either IP version; bits beyond its length are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IpPrefix {
    first: IpAddr,
    length: u8,
}

impl IpPrefix {
    /// The network with this first address; `None` when it is longer than an address, or has bits beyond its length.
    #[must_use]
    pub fn new(first: IpAddr, length: u8) -> Option<Self> {
        let (bits, width) = match first {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32_u32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        let beyond = width.checked_sub(length.into())?;
        let host = 1u128.checked_shl(beyond).map_or(u128::MAX, |bit| bit - 1);
        (bits & host == 0).then_some(Self { first, length })
    }

    /// Its first address.
    #[must_use]
    pub const fn first(self) -> IpAddr {
        self.first
    }

    /// How many leading bits its addresses share.
    #[must_use]
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let beyond = width.saturating_sub(self.length.into());
            (a ^ b).checked_shr(beyond).unwrap_or(0) == 0
        };
        match (self.first, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl fmt::Debug for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for IpPrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write a network such as 192.0.2.0/24 or 2001:db8:7::/48";
        let (first, length) = text.split_once('/').ok_or(FORM)?;
        let (first, length) = (first.parse().map_err(|_| FORM)?, length.parse().map_err(|_| FORM)?);
        Self::new(first, length).ok_or("the address has bits set beyond the length of the prefix")
    }
}

/// PDN types that a session may have (TS 29.272 §7.3.62 PDN-Type, TS 23.401 §5.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum PdnTypes {
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// Either, and both at once.
    #[default]
    Ipv4v6,
    /// Either, but not both in one session.
    Ipv4OrIpv6,
}

impl PdnTypes {
    /// Whether IPv4, IPv6 and both at once are allowed.
    #[must_use]
    pub const fn allowed(self) -> [bool; 3] {
        match self {
            PdnTypes::Ipv4 => [true, false, false],
            PdnTypes::Ipv6 => [false, true, false],
            PdnTypes::Ipv4v6 => [true, true, true],
            PdnTypes::Ipv4OrIpv6 => [true, true, false],
        }
    }

    /// As it is written in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            PdnTypes::Ipv4 => "ipv4",
            PdnTypes::Ipv6 => "ipv6",
            PdnTypes::Ipv4v6 => "ipv4v6",
            PdnTypes::Ipv4OrIpv6 => "ipv4-or-ipv6",
        }
    }
}

impl FromStr for PdnTypes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [PdnTypes::Ipv4, PdnTypes::Ipv6, PdnTypes::Ipv4v6, PdnTypes::Ipv4OrIpv6];
        let found = all.into_iter().find(|types| types.name().eq_ignore_ascii_case(text));
        found.ok_or("a PDN type is one of ipv4, ipv6, ipv4v6, ipv4-or-ipv6")
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

    #[test]
    fn networks_know_their_addresses() {
        let prefix = |text: &str| text.parse::<IpPrefix>();
        for text in ["192.0.2.0/24", "0.0.0.0/0", "::/0", "2001:db8:7::/48", "192.0.2.1/32", "::1/128"] {
            assert_eq!(prefix(text).unwrap().to_string(), text);
        }
        for text in ["192.0.2.1/24", "192.0.2.0", "192.0.2.0/33", "2001:db8::/129", "2001:db8::1/64", "x/8"] {
            assert!(prefix(text).is_err(), "{text}");
        }
        let (wide, narrow) = (prefix("2001:db8::/32").unwrap(), prefix("2001:db8:7::/48").unwrap());
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide));
        assert!(!narrow.overlaps(prefix("2001:db8:8::/48").unwrap()));
        assert!(!prefix("0.0.0.0/0").unwrap().contains("::1".parse().unwrap()));
        assert!(prefix("192.0.2.0/24").unwrap().contains("192.0.2.255".parse().unwrap()));
    }
}
