//! Packets that no decent program sends, and decent ones to compare with.
//!
//! Everything can be set to a lie: lengths, versions, options, fragment offsets. Checksums of headers are right all the
//! same, so that what is refused is refused for its own reason.

use std::net::{Ipv4Addr, Ipv6Addr};

use basalt_ids::Teid;

use crate::radio::packet::checksum;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;
/// Fragment field: more fragments follow (RFC 791 §3.1).
pub(super) const MORE_FRAGMENTS: u16 = 0x2000;

/// An IPv4 packet in the making.
#[derive(Clone, Debug)]
pub(super) struct V4 {
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: u8,
    options: Vec<u8>,
    fragment: u16,
    first_octet: Option<u8>,
    length: Option<u16>,
}

impl V4 {
    pub fn new(from: Ipv4Addr, to: Ipv4Addr, protocol: u8) -> Self {
        Self { from, to, protocol, options: Vec::new(), fragment: 0, first_octet: None, length: None }
    }

    /// Options, to be padded to whole words.
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// Flags and fragment offset in units of eight octets.
    pub fn fragment(mut self, fragment: u16) -> Self {
        self.fragment = fragment;
        self
    }

    /// Version and header length as they are to stand there.
    pub fn first_octet(mut self, octet: u8) -> Self {
        self.first_octet = Some(octet);
        self
    }

    /// The total length as it is to stand there.
    pub fn length(mut self, length: u16) -> Self {
        self.length = Some(length);
        self
    }

    pub fn build(&self, body: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let true_length = (header + body.len()) as u16;
        let mut packet = vec![self.first_octet.unwrap_or(0x40 | (header / 4) as u8), 0];
        packet.extend(self.length.unwrap_or(true_length).to_be_bytes());
        packet.extend([0x5a, 0x5a]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([64, self.protocol, 0, 0]);
        packet.extend(self.from.octets());
        packet.extend(self.to.octets());
        packet.extend(&self.options);
        let sum = checksum(&[&packet]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(body);
        packet
    }
}

/// An IPv6 packet.
pub(super) fn v6(from: Ipv6Addr, to: Ipv6Addr, next: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((body.len() as u16).to_be_bytes());
    packet.extend([next, 255]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(body);
    packet
}

/// A UDP datagram without checksum (RFC 768 permits it over IPv4).
pub(super) fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(8 + payload.len());
    for field in [from, to, 8 + payload.len() as u16, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    datagram
}

/// A TCP SYN with data behind it (RFC 7413), so that it can be recognised.
pub(super) fn tcp_syn(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(from.to_be_bytes());
    segment.extend(to.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// The common header of SCTP, and something behind it.
pub(super) fn sctp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend([0; 8]);
    packet.extend(payload);
    packet
}

/// An ICMP or ICMPv6 message without a right checksum.
pub(super) fn icmp(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 1];
    message.extend(payload);
    message
}

/// A G-PDU.
pub(super) fn gpdu(teid: Teid, packet: &[u8]) -> Vec<u8> {
    gtp(0x30, 255, teid, packet)
}

/// A GTP message with these flags and this type, of true length.
pub(super) fn gtp(flags: u8, kind: u8, teid: Teid, body: &[u8]) -> Vec<u8> {
    gtp_of_length(flags, kind, teid, body.len() as u16, body)
}

/// A GTP message that claims to be so long.
pub(super) fn gtp_of_length(flags: u8, kind: u8, teid: Teid, length: u16, body: &[u8]) -> Vec<u8> {
    let mut message = vec![flags, kind];
    message.extend(length.to_be_bytes());
    message.extend(teid.0.to_be_bytes());
    message.extend(body);
    message
}

/// The optional part of a GTP header, with the type of the extension header that follows (TS 29.281 §5.1).
pub(super) fn optional(next: u8) -> [u8; 4] {
    [0, 0, 0, next]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::packet::{Parsed, parse};

    const PHONE: Ipv4Addr = Ipv4Addr::new(10, 93, 0, 5);
    const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

    #[test]
    fn what_does_not_lie_is_understood() {
        let packet = V4::new(PHONE, SERVER, UDP).build(&udp(1, 2, b"x"));
        assert!(matches!(parse(&packet), Some(Parsed::Udp { from: (PHONE, 1), to: (SERVER, 2), payload: b"x" })));
    }

    #[test]
    fn lies_stand_where_they_should() {
        let packet = V4::new(PHONE, SERVER, UDP).options(&[7, 3, 4]).length(9).fragment(MORE_FRAGMENTS | 1).build(&[]);
        assert_eq!((packet[0], &packet[2..4], &packet[6..8], packet.len()), (0x46, &[0, 9][..], &[0x20, 1][..], 24));
        assert_eq!(checksum(&[&packet]), 0);
        assert_eq!(gpdu(Teid(7), b"ab"), [0x30, 255, 0, 2, 0, 0, 0, 7, b'a', b'b']);
        assert_eq!(v6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 58, &[1]).len(), 41);
    }
}
