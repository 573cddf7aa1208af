//! IPv6 of a phone that has no network device: its link-local address, Router Solicitation and stateless address
//! autoconfiguration (RFC 4861, RFC 4862; TS 29.061 §11.2.1.3.2), echo and UDP.

use std::net::Ipv6Addr;

use super::packet::checksum;

const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const HEADER: usize = 40;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// What an interface knows of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    identifier: [u8; 8],
    global: Option<Ipv6Addr>,
    mtu: Option<u32>,
}

/// What a packet means to the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Its address stands.
    Configured,
    /// An answer to be sent.
    Answer(Vec<u8>),
    /// An echo reply with this identifier and sequence number.
    EchoReply(u16, u16),
    /// A datagram for this port.
    Udp(u16, Vec<u8>),
    /// Packet Too Big, with the MTU to keep to.
    TooBig(u32),
}

impl Interface {
    /// The interface of a session that was given this identifier.
    #[must_use]
    pub const fn new(identifier: [u8; 8]) -> Self {
        Self { identifier, global: None, mtu: None }
    }

    /// Its global address, once it has one.
    #[must_use]
    pub const fn address(&self) -> Option<Ipv6Addr> {
        self.global
    }

    /// The MTU that it was told.
    #[must_use]
    pub const fn mtu(&self) -> Option<u32> {
        self.mtu
    }

    fn with_prefix(&self, prefix: [u8; 8]) -> Ipv6Addr {
        let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (prefix, self.identifier);
        Ipv6Addr::from([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The address of its link.
    #[must_use]
    pub fn link_local(&self) -> Ipv6Addr {
        self.with_prefix([0xfe, 0x80, 0, 0, 0, 0, 0, 0])
    }

    /// A Router Solicitation, without a link-layer address, which this link has not.
    #[must_use]
    pub fn solicitation(&self) -> Vec<u8> {
        icmp(self.link_local(), ALL_ROUTERS, 255, &[ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0])
    }

    /// An echo request; `None` without an address.
    #[must_use]
    pub fn echo_request(&self, to: Ipv6Addr, id: u16, sequence: u16, payload: &[u8]) -> Option<Vec<u8>> {
        let mut message = vec![ECHO_REQUEST, 0, 0, 0];
        message.extend(id.to_be_bytes());
        message.extend(sequence.to_be_bytes());
        message.extend_from_slice(payload);
        Some(icmp(self.global?, to, 64, &message))
    }

    /// Takes a packet in; `None` for one that means nothing to it, or is damaged.
    pub fn receive(&mut self, packet: &[u8]) -> Option<Received> {
        let (header, body) = packet.split_at_checked(HEADER)?;
        let &[first, _, _, _, l1, l2, next, hops, ..] = header else { return None };
        let body = body.get(..usize::from(u16::from_be_bytes([l1, l2])))?;
        let address = |at: usize| Some(Ipv6Addr::from(*header.get(at..at + 16)?.first_chunk::<16>()?));
        let (from, to) = (address(8)?, address(24)?);
        if first >> 4 != 6
            || !matches!(next, UDP | ICMPV6)
            || checksum(&[&pseudo(from, to, body.len(), next), body]) != 0
        {
            return None;
        }
        if next == UDP {
            let (&[_, _, p1, p2, ..], payload) = body.split_first_chunk::<8>()?;
            let mine = Some(to) == self.global;
            return mine.then(|| Received::Udp(u16::from_be_bytes([p1, p2]), payload.to_vec()));
        }
        let (&[kind, code, _, _, i1, i2, s1, s2], rest) = body.split_first_chunk::<8>()?;
        match (kind, code) {
            // From a router on the link and nobody farther (RFC 4861 §6.1.2).
            (ROUTER_ADVERTISEMENT, 0) if hops == 255 && from.is_unicast_link_local() => self.advertised(rest.get(8..)?),
            (ECHO_REQUEST, 0) if Some(to) == self.global => {
                let mut message = body.to_vec();
                if let Some([kind, code, c1, c2]) = message.first_chunk_mut::<4>() {
                    [*kind, *code, *c1, *c2] = [ECHO_REPLY, 0, 0, 0];
                }
                Some(Received::Answer(icmp(to, from, 64, &message)))
            }
            (ECHO_REPLY, 0) => Some(Received::EchoReply(u16::from_be_bytes([i1, i2]), u16::from_be_bytes([s1, s2]))),
            (2, 0) => Some(Received::TooBig(u32::from_be_bytes([i1, i2, s1, s2]))),
            _ => None,
        }
    }

    /// Reads the options of a Router Advertisement.
    fn advertised(&mut self, mut options: &[u8]) -> Option<Received> {
        while let [kind, length, ..] = options {
            let (option, rest) =
                options.split_at_checked(usize::from(*length) * 8).filter(|(option, _)| !option.is_empty())?;
            options = rest;
            match (*kind, option) {
                (5, &[_, _, _, _, a, b, c, d]) => self.mtu = Some(u32::from_be_bytes([a, b, c, d])),
                // Prefix Information: 64 bits, autonomous, and alive.
                (3, &[_, _, 64, flags, v1, v2, v3, v4, ..]) if flags & 0x40 != 0 && [v1, v2, v3, v4] != [0; 4] => {
                    let prefix = *option.get(16..)?.first_chunk::<8>()?;
                    self.global = Some(self.with_prefix(prefix));
                }
                _ => {}
            }
        }
        self.global.map(|_| Received::Configured)
    }
}

/// Pseudo header (RFC 8200 §8.1).
fn pseudo(from: Ipv6Addr, to: Ipv6Addr, length: usize, next: u8) -> Vec<u8> {
    let mut octets = [from.octets(), to.octets()].concat();
    octets.extend(u32::try_from(length).unwrap_or(0).to_be_bytes());
    octets.extend([0, 0, 0, next]);
    octets
}

/// An ICMPv6 packet with its checksum.
fn icmp(from: Ipv6Addr, to: Ipv6Addr, hops: u8, message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let sum = checksum(&[&pseudo(from, to, message.len(), ICMPV6), &message]);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
    packet.extend([ICMPV6, hops]);
    packet.extend([from.octets(), to.octets()].concat());
    packet.extend(message);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advertisement(hops: u8, flags: u8) -> Vec<u8> {
        let mut message = vec![134, 0, 0, 0, 64, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0, 5, 120];
        message.extend([3, 4, 64, flags, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        message.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        icmp(router, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), hops, &message)
    }

    #[test]
    fn an_address_comes_of_prefix_and_identifier() {
        let mut interface = Interface::new([4, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(interface.link_local().to_string(), "fe80::400:0:0:9");
        for (hops, flags) in [(254, 0x40), (255, 0)] {
            assert_eq!(interface.receive(&advertisement(hops, flags)), None);
        }
        assert_eq!(interface.receive(&advertisement(255, 0x40)), Some(Received::Configured));
        assert_eq!(interface.address().unwrap().to_string(), "2001:db8:0:7:400::9");
        assert_eq!(interface.mtu(), Some(1400));
        let whole = advertisement(255, 0x40);
        assert!((0..whole.len()).all(|length| interface.receive(&whole[..length]).is_none()));
    }

    #[test]
    fn echoes_are_answered() {
        let (mut one, mut other) = (Interface::new([4, 0, 0, 0, 0, 0, 0, 9]), Interface::new([4, 0, 0, 0, 0, 0, 0, 7]));
        one.receive(&advertisement(255, 0x40));
        other.receive(&advertisement(255, 0x40));
        let request = one.echo_request(other.address().unwrap(), 1, 2, b"x").unwrap();
        let Some(Received::Answer(answer)) = other.receive(&request) else { panic!() };
        assert_eq!(one.receive(&answer), Some(Received::EchoReply(1, 2)));
        assert_eq!(one.receive(&request), None, "it is another's");
    }
}
