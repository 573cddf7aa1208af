//! Sealed state cookies (RFC 9260 §5.1.3).
//!
//! `dcsctp` trusts any cookie of the right shape, so every INIT ACK that leaves carries the cookie with a seal
//! behind it, and every COOKIE ECHO that comes must carry it back unbroken, in time, over the same ports and from
//! one of the addresses that the INIT named:
//!
//! ```text
//! cookie of dcsctp (48) | time (8) | UDP port (2) | n (2) | n addresses (16 each, IPv4 mapped) | HMAC-SHA-256 (32)
//! ```
//!
//! The key is random, one per process and never leaves it.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Valid.Cookie.Life (RFC 9260 §16).
const LIFE: Duration = Duration::from_secs(60);
/// Peer addresses a cookie holds at most.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// Octets of the stack's own cookie.
const INNER: usize = 48;
const MAC: usize = 32;
const ADDRESS: usize = 16;
/// Octets of time, UDP port and count of addresses.
const FIXED: usize = 8 + 2 + 2;

/// Seals and opens cookies.
pub(crate) struct CookieSealer {
    keyed: Hmac<Sha256>,
}

/// What a cookie belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub local: u16,
    pub peer: u16,
}

/// An opened cookie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The cookie of the stack.
    pub inner: Vec<u8>,
    /// The peer's addresses, the one the INIT came from first.
    pub addresses: Vec<IpAddr>,
    /// The peer's UDP port at that time.
    pub udp: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Not sealed by this process, or for other ports or addresses.
    Forged,
    /// Sealed by this process, too long ago: the staleness.
    Stale(Duration),
}

impl CookieSealer {
    /// With a new random key.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 64];
        getrandom::fill(&mut key)?;
        Ok(Self::with_key(&key))
    }

    fn with_key(key: &[u8; 64]) -> Self {
        Self { keyed: Hmac::<Sha256>::new(key.into()) }
    }

    /// `now` is time since the process's own epoch.
    pub(crate) fn seal(&self, inner: &[u8], now: Duration, ports: Ports, addresses: &[IpAddr], udp: u16) -> Vec<u8> {
        let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
        let mut out = Vec::with_capacity(inner.len() + FIXED + addresses.len() * ADDRESS + MAC);
        out.extend_from_slice(inner);
        out.extend_from_slice(&millis(now).to_be_bytes());
        out.extend_from_slice(&udp.to_be_bytes());
        out.extend_from_slice(&u16::try_from(addresses.len()).unwrap_or_default().to_be_bytes());
        for address in addresses {
            out.extend_from_slice(&mapped(*address).octets());
        }
        let mac = self.mac(&out, ports).finalize().into_bytes();
        out.extend_from_slice(&mac);
        out
    }

    pub(crate) fn open(&self, sealed: &[u8], now: Duration, ports: Ports, from: IpAddr) -> Result<Opened, Refused> {
        let (body, mac) = sealed.split_at_checked(sealed.len().wrapping_sub(MAC)).ok_or(Refused::Forged)?;
        // Constant time.
        self.mac(body, ports).verify_slice(mac).map_err(|_| Refused::Forged)?;
        let (opened, sealed_at) = parse(body).ok_or(Refused::Forged)?;
        if !opened.addresses.contains(&from) {
            return Err(Refused::Forged);
        }
        let age = Duration::from_millis(millis(now).saturating_sub(sealed_at));
        match age.checked_sub(LIFE) {
            Some(staleness) if !staleness.is_zero() => Err(Refused::Stale(staleness)),
            _ => Ok(opened),
        }
    }

    fn mac(&self, body: &[u8], ports: Ports) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(body);
        mac.update(&ports.local.to_be_bytes());
        mac.update(&ports.peer.to_be_bytes());
        mac
    }
}

fn parse(body: &[u8]) -> Option<(Opened, u64)> {
    let inner = body.get(..INNER)?;
    let time = u64::from_be_bytes(body.get(INNER..INNER + 8)?.try_into().ok()?);
    let udp = u16::from_be_bytes(body.get(INNER + 8..INNER + 10)?.try_into().ok()?);
    let count = usize::from(u16::from_be_bytes(body.get(INNER + 10..INNER + 12)?.try_into().ok()?));
    let (addresses, rest) = body.get(INNER + FIXED..)?.as_chunks::<ADDRESS>();
    if addresses.len() != count || !rest.is_empty() {
        return None;
    }
    let opened = Opened {
        inner: inner.to_vec(),
        addresses: addresses.iter().map(|octets| Ipv6Addr::from(*octets).to_canonical()).collect(),
        udp,
    };
    Some((opened, time))
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: Ports = Ports { local: 36412, peer: 5000 };
    const NOW: Duration = Duration::from_secs(1000);

    fn peer() -> Vec<IpAddr> {
        vec![[10, 0, 0, 7].into(), "fd00::7".parse().unwrap()]
    }

    fn sealed(sealer: &CookieSealer) -> Vec<u8> {
        sealer.seal(&[5; 48], NOW, PORTS, &peer(), 9899)
    }

    #[test]
    fn opens_what_it_sealed_from_any_named_address() {
        let sealer = CookieSealer::with_key(&[1; 64]);
        for address in peer() {
            let opened = sealer.open(&sealed(&sealer), NOW, PORTS, address).unwrap();
            assert_eq!(opened.inner, [5; 48]);
            assert_eq!((opened.addresses, opened.udp), (peer(), 9899));
        }
    }

    #[test]
    fn any_changed_octet_is_noticed() {
        let sealer = CookieSealer::with_key(&[1; 64]);
        let good = sealed(&sealer);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(sealer.open(&bad, NOW, PORTS, peer()[0]), Err(Refused::Forged));
            assert!(sealer.open(&good[..at], NOW, PORTS, peer()[0]).is_err());
        }
    }

    #[test]
    fn other_key_ports_or_address_are_refused() {
        let sealer = CookieSealer::with_key(&[1; 64]);
        let good = sealed(&sealer);
        let forged = Err(Refused::Forged);
        let other = CookieSealer::with_key(&[2; 64]);
        assert_eq!(other.open(&good, NOW, PORTS, peer()[0]), forged);
        let ports = Ports { local: 1, ..PORTS };
        assert_eq!(sealer.open(&good, NOW, ports, peer()[0]), forged);
        assert_eq!(sealer.open(&good, NOW, PORTS, [10, 0, 0, 8].into()), forged);
    }

    #[test]
    fn lives_sixty_seconds() {
        let sealer = CookieSealer::with_key(&[1; 64]);
        let good = sealed(&sealer);
        assert!(sealer.open(&good, NOW + LIFE, PORTS, peer()[0]).is_ok());
        let late = NOW + LIFE + Duration::from_secs(3);
        let stale = Refused::Stale(Duration::from_secs(3));
        assert_eq!(sealer.open(&good, late, PORTS, peer()[0]), Err(stale));
    }
}
