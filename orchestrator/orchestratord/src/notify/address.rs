//! Where a request that somebody else chose may go: not to this machine, its networks or the metadata of its cloud, unless the
//! configuration allows the address. Judged is the address that is connected to, after the name was resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses that is allowed although it is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    base: IpAddr,
    length: u32,
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of addresses, such as 10.1.2.0/24");
        let (base, length) = text.split_once('/').ok_or_else(wrong)?;
        let (base, length): (IpAddr, u32) = (base.parse().map_err(|_| wrong())?, length.parse().map_err(|_| wrong())?);
        let most = if base.is_ipv4() { 32 } else { 128 };
        if length <= most { Ok(Self { base, length }) } else { Err(wrong()) }
    }
}

impl Allowed {
    fn holds(self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(v4)) => u64::from(u32::from(base) ^ u32::from(v4)) >> (32 - self.length) == 0,
            (IpAddr::V6(base), IpAddr::V6(v6)) => {
                (u128::from(base) ^ u128::from(v6)).checked_shr(128 - self.length).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Whether a request may go to an address.
pub(crate) fn may(address: IpAddr, allowed: &[Allowed]) -> bool {
    let address = plain(address);
    is_public(address) || allowed.iter().any(|range| range.holds(address))
}

/// Whether an address is allowed by name, so that plain HTTP is allowed to it, too.
pub(crate) fn is_named(address: IpAddr, allowed: &[Allowed]) -> bool {
    allowed.iter().any(|range| range.holds(plain(address)))
}

/// An IPv4 address in IPv6's clothes is that IPv4 address: mapped (RFC 4291 §2.5.5), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let octets = v6.octets();
    let inner = |from: usize| Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3]);
    if octets[..10] == [0; 10] && octets[10..12] == [0xff; 2]
        || octets[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
    {
        IpAddr::V4(inner(12))
    } else if octets[..2] == [0x20, 0x02] {
        IpAddr::V4(inner(2))
    } else {
        address
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// The special ranges of RFC 6890.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = match (a, b) {
        (0 | 10 | 127 | 224..=255, _) | (169, 254) | (192, 168) | (198, 18 | 19) => true,
        (100, 64..=127) | (172, 16..=31) => true,
        (192, 0) => c == 0 || c == 2,
        (198, 51) => c == 100,
        (203, 0) => c == 113,
        _ => false,
    };
    !special
}

/// Of IPv6 only global unicast (2000::/3), without documentation and Teredo.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second == 0xdb8 || second == 0)) && first != 0x3fff
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a11_nothing_inside_is_reached() {
        for inside in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "::127.0.0.1",
        ] {
            assert!(!may(inside.parse().unwrap(), &[]), "{inside}");
        }
        for outside in
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2a00::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(may(outside.parse().unwrap(), &[]), "{outside}");
        }
    }

    #[test]
    fn what_is_allowed_is_reached_and_nothing_beside_it() {
        let allowed: Vec<Allowed> =
            ["10.1.0.0/16", "fd00:1::/32", "127.0.0.1/32"].map(|it| it.parse().unwrap()).to_vec();
        for (address, good) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("fd00:1::9", true),
            ("fd00:2::9", false),
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.2", false),
        ] {
            assert_eq!(may(address.parse().unwrap(), &allowed), good, "{address}");
        }
        assert!(may("127.0.0.2".parse().unwrap(), &["0.0.0.0/0".parse().unwrap()]));
        assert!(["10.0.0.0", "10.0.0.0/33", "x/8", "::/129"].iter().all(|text| text.parse::<Allowed>().is_err()));
    }
}
