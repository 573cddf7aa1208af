//! The few packets that built-in phones and probes make and read: ICMP echo and UDP.

use std::net::{Ipv4Addr, Ipv6Addr};

const ICMP: u8 = 1;
const UDP: u8 = 17;
const IP_HEADER: usize = 20;

/// A packet that was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Echo request (ICMP type 8).
    EchoRequest(Echo<'a>),
    /// Echo reply (ICMP type 0).
    EchoReply(Echo<'a>),
    /// UDP.
    Udp {
        /// Source address and port.
        from: (Ipv4Addr, u16),
        /// Destination address and port.
        to: (Ipv4Addr, u16),
        /// Content.
        payload: &'a [u8],
    },
}

/// ICMP echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Source.
    pub from: Ipv4Addr,
    /// Destination.
    pub to: Ipv4Addr,
    /// Identifier.
    pub id: u16,
    /// Sequence number.
    pub sequence: u16,
    /// Content.
    pub payload: &'a [u8],
}

/// Reads an IPv4 packet; `None` for what is none of these, fragments, or a wrong ICMP or UDP checksum.
#[must_use]
pub fn parse(packet: &[u8]) -> Option<Parsed<'_>> {
    let &[first, _, l1, l2, _, _, flags, offset, _, protocol, ..] = packet.first_chunk::<IP_HEADER>()?;
    let header = usize::from(first & 0x0f) * 4;
    let length = usize::from(u16::from_be_bytes([l1, l2]));
    let fragmented = flags & 0x3f != 0 || offset != 0;
    if first >> 4 != 4 || header < IP_HEADER || fragmented {
        return None;
    }
    let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..at + 4)?.first_chunk::<4>()?));
    let (from, to) = (address(12)?, address(16)?);
    let body = packet.get(header..length)?;
    match protocol {
        ICMP => {
            let (&[kind, code, _, _, i1, i2, s1, s2], payload) = body.split_first_chunk::<8>()?;
            if code != 0 || checksum(&[body]) != 0 {
                return None;
            }
            let (id, sequence) = (u16::from_be_bytes([i1, i2]), u16::from_be_bytes([s1, s2]));
            let echo = Echo { from, to, id, sequence, payload };
            match kind {
                8 => Some(Parsed::EchoRequest(echo)),
                0 => Some(Parsed::EchoReply(echo)),
                _ => None,
            }
        }
        UDP => {
            let (&[p1, p2, q1, q2, n1, n2, c1, c2], _) = body.split_first_chunk::<8>()?;
            let datagram = body.get(..usize::from(u16::from_be_bytes([n1, n2])))?;
            let checked = [c1, c2] == [0, 0] || checksum(&[&pseudo(from, to, datagram.len()), datagram]) == 0;
            if !checked {
                return None;
            }
            let (source, destination) = (u16::from_be_bytes([p1, p2]), u16::from_be_bytes([q1, q2]));
            Some(Parsed::Udp { from: (from, source), to: (to, destination), payload: datagram.get(8..)? })
        }
        _ => None,
    }
}

/// An echo request.
#[must_use]
pub fn echo_request(from: Ipv4Addr, to: Ipv4Addr, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    echo(8, from, to, id, sequence, payload)
}

/// The reply to an echo request.
#[must_use]
pub fn echo_reply(request: &Echo<'_>) -> Vec<u8> {
    echo(0, request.to, request.from, request.id, request.sequence, request.payload)
}

fn echo(kind: u8, from: Ipv4Addr, to: Ipv4Addr, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let ([i1, i2], [s1, s2]) = (id.to_be_bytes(), sequence.to_be_bytes());
    let mut packet = ip_header(ICMP, from, to, 8 + payload.len());
    packet.extend_from_slice(&[kind, 0, 0, 0, i1, i2, s1, s2]);
    packet.extend_from_slice(payload);
    let sum = checksum(&[&packet[IP_HEADER..]]);
    packet[IP_HEADER + 2..IP_HEADER + 4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// A UDP datagram.
#[must_use]
pub fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len();
    let mut packet = ip_header(UDP, from.0, to.0, length);
    packet.extend_from_slice(&from.1.to_be_bytes());
    packet.extend_from_slice(&to.1.to_be_bytes());
    packet.extend_from_slice(&(length as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    // A sum of zero is sent as its complement (RFC 768).
    let sum = match checksum(&[&pseudo(from.0, to.0, length), &packet[IP_HEADER..]]) {
        0 => 0xffff,
        sum => sum,
    };
    packet[IP_HEADER + 6..IP_HEADER + 8].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// A UDP datagram over IPv6.
#[must_use]
pub fn udp6(from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&(length as u16).to_be_bytes());
    packet.extend_from_slice(&[UDP, 64]);
    packet.extend_from_slice(&from.0.octets());
    packet.extend_from_slice(&to.0.octets());
    for field in [from.1, to.1, length as u16, 0] {
        packet.extend_from_slice(&field.to_be_bytes());
    }
    packet.extend_from_slice(payload);
    // Addresses, length and protocol are summed with it (RFC 8200 §8.1); zero is sent as its complement.
    let sum = match checksum(&[&packet[8..40], &[0, 0], &(length as u16).to_be_bytes(), &[0, UDP], &packet[40..]]) {
        0 => 0xffff,
        sum => sum,
    };
    packet[46..48].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn ip_header(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, body: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(IP_HEADER + body);
    header.extend_from_slice(&[0x45, 0]);
    header.extend_from_slice(&((IP_HEADER + body) as u16).to_be_bytes());
    // Not to be fragmented, 64 hops.
    header.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend_from_slice(&from.octets());
    header.extend_from_slice(&to.octets());
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

fn pseudo(from: Ipv4Addr, to: Ipv4Addr, length: usize) -> [u8; 12] {
    let ([a, b, c, d], [e, f, g, h]) = (from.octets(), to.octets());
    let [l1, l2] = (length as u16).to_be_bytes();
    [a, b, c, d, e, f, g, h, 0, UDP, l1, l2]
}

/// The internet checksum (RFC 1071) over pieces of even length, the last one of any.
pub(crate) fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for piece in pieces {
        let (pairs, odd) = piece.as_chunks::<2>();
        sum += pairs.iter().map(|pair| u32::from(u16::from_be_bytes(*pair))).sum::<u32>();
        sum += odd.first().map_or(0, |last| u32::from(*last) << 8);
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: Ipv4Addr = Ipv4Addr::new(10, 93, 0, 5);
    const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

    #[test]
    fn an_echo_is_answered() {
        let request = echo_request(PHONE, SERVER, 7, 9, b"odd");
        let Some(Parsed::EchoRequest(echo)) = parse(&request) else { panic!() };
        assert_eq!((echo.from, echo.to, echo.id, echo.sequence, echo.payload), (PHONE, SERVER, 7, 9, &b"odd"[..]));
        let reply = echo_reply(&echo);
        let Some(Parsed::EchoReply(echo)) = parse(&reply) else { panic!() };
        assert_eq!((echo.from, echo.to), (SERVER, PHONE));
    }

    #[test]
    fn damaged_packets_are_not_understood() {
        let packet = udp((PHONE, 1000), (SERVER, 7), b"hello");
        assert!(matches!(parse(&packet), Some(Parsed::Udp { payload: b"hello", .. })));
        for at in IP_HEADER..packet.len() {
            let mut damaged = packet.clone();
            damaged[at] ^= 0x10;
            assert_eq!(parse(&damaged), None, "{at}");
        }
        for length in 0..packet.len() {
            assert_eq!(parse(&packet[..length]), None);
        }
    }
}
