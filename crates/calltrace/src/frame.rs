//! The way a recorded message went, made again around it: IP with SCTP or TCP, so that readers of captures know what it is.
//!
//! Addresses are the real ones where they are known; sequence numbers are counted from the beginning of the capture.

use crate::{Protocol, Record};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::BTreeMap;

/// Documentation addresses (RFC 5737), where the real ones are not known.
const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const THEIRS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// Ports of S1AP (TS 36.412 §7) and Diameter (RFC 6733 §11.4).
const S1AP: u16 = 36_412;
const DIAMETER: u16 = 3_868;
/// SCTP payload protocol identifier of S1AP.
const PPID: u32 = 18;
/// Octets of an SCTP packet's common header and the head of a DATA chunk.
const SCTP: usize = 12;
const DATA: usize = 16;

/// Sequence numbers by association: transmission and stream numbers of SCTP, octets of TCP.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    next: BTreeMap<(String, String, u32, bool), u32>,
    streams: BTreeMap<(String, String, u32, bool, u16), u16>,
}

impl Frames {
    /// An IP packet around a message.
    pub(crate) fn frame(&mut self, record: &Record) -> Vec<u8> {
        let (ours, theirs) = ends(record);
        let (from, to) = if record.sent { (ours, theirs) } else { (theirs, ours) };
        match record.protocol {
            Protocol::Diameter => ip(6, from.ip(), to.ip(), &self.tcp(record, from.port(), to.port())),
            _ => ip(132, from.ip(), to.ip(), &self.sctp(record, from.port(), to.port())),
        }
    }

    fn sctp(&mut self, record: &Record, from: u16, to: u16) -> Vec<u8> {
        let key = |sent| (record.node.clone(), record.peer.clone(), record.link, sent);
        let tsn = self.next.entry(key(record.sent)).or_insert(0);
        *tsn = tsn.wrapping_add(1);
        let (node, peer, link, sent) = key(record.sent);
        let sequence = self.streams.entry((node, peer, link, sent, record.stream)).or_insert(0);
        let octets = record.octets();
        let length = u16::try_from(octets.len() + DATA).unwrap_or(u16::MAX);
        let mut packet = Vec::with_capacity(SCTP + DATA + octets.len() + 3);
        packet.extend(from.to_be_bytes());
        packet.extend(to.to_be_bytes());
        // The verification tag: one for each direction of an association.
        packet.extend((record.link << 1 | u32::from(record.sent)).wrapping_add(2).to_be_bytes());
        packet.extend([0; 4]);
        // DATA, whole: beginning and end.
        packet.extend([0, 3]);
        packet.extend(length.to_be_bytes());
        packet.extend(tsn.to_be_bytes());
        packet.extend(record.stream.to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        packet.extend(PPID.to_be_bytes());
        packet.extend(octets);
        packet.resize(packet.len().next_multiple_of(4), 0);
        *sequence = sequence.wrapping_add(1);
        let sum = crc32c(&packet).to_le_bytes();
        if let Some(place) = packet.get_mut(8..SCTP) {
            place.copy_from_slice(&sum);
        }
        packet
    }

    fn tcp(&mut self, record: &Record, from: u16, to: u16) -> Vec<u8> {
        let key = |sent| (record.node.clone(), record.peer.clone(), record.link, sent);
        let acknowledged = self.next.get(&key(!record.sent)).copied().unwrap_or(1);
        let place = self.next.entry(key(record.sent)).or_insert(1);
        let octets = record.octets();
        let mut packet = Vec::with_capacity(20 + octets.len());
        packet.extend(from.to_be_bytes());
        packet.extend(to.to_be_bytes());
        packet.extend(place.to_be_bytes());
        packet.extend(acknowledged.to_be_bytes());
        // Five words of header, PSH and ACK; readers do not mind that there is no checksum.
        packet.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(octets);
        *place = place.wrapping_add(u32::try_from(octets.len()).unwrap_or(0));
        packet
    }
}

/// Both ends, of one family of addresses.
fn ends(record: &Record) -> (SocketAddr, SocketAddr) {
    let (our_port, their_port) = match record.protocol {
        Protocol::Diameter => (50_000, DIAMETER),
        _ => (S1AP, S1AP),
    };
    let alike = |one: IpAddr, other: IpAddr| one.is_ipv4() == other.is_ipv4();
    match (record.ours, record.theirs) {
        (Some(ours), Some(theirs)) if alike(ours.ip(), theirs.ip()) => (ours, theirs),
        _ => (SocketAddr::new(OURS, our_port), SocketAddr::new(THEIRS, their_port)),
    }
}

fn ip(protocol: u8, from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else { return ipv6(protocol, from, to, payload) };
    let total = u16::try_from(payload.len() + 20).unwrap_or(u16::MAX);
    let mut head = [&[0x45, 0][..], &total.to_be_bytes(), &[0, 0, 0x40, 0, 64, protocol, 0, 0]].concat();
    head.extend(from.octets());
    head.extend(to.octets());
    let word =
        |pair: &[u8]| u32::from(pair.first().copied().unwrap_or(0)) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let sum: u32 = head.chunks(2).map(word).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let check = !(((folded & 0xffff) + (folded >> 16)) as u16);
    if let Some(place) = head.get_mut(10..12) {
        place.copy_from_slice(&check.to_be_bytes());
    }
    head.extend(payload);
    head
}

fn ipv6(protocol: u8, from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    let six = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut packet = [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[protocol, 64]].concat();
    packet.extend(six(from));
    packet.extend(six(to));
    packet.extend(payload);
    packet
}

/// CRC32c (RFC 9260 appendix A).
fn crc32c(octets: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
    !octets.iter().fold(u32::MAX, |sum, octet| (0..8).fold(sum ^ u32::from(*octet), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // RFC 3720 §B.4: 32 octets of zeroes.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }
}
