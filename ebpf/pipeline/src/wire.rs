//! Sizes, numbers and checksums of Ethernet, IPv4, UDP and GTP-U.

use crate::Packet;

/// Ethernet header without tag.
pub(crate) const ETH: usize = 14;
/// IPv4 header without options.
pub(crate) const IPV4: usize = 20;
/// IPv6 header without extension headers.
pub(crate) const IPV6: usize = 40;
/// UDP header.
pub(crate) const UDP: usize = 8;
/// GTP-U header without optional fields (TS 29.281 §5.1).
pub const GTP_HEADER: usize = 8;
/// What a tunnel adds to an inner packet: IPv4, UDP and GTP-U header.
pub const TUNNEL_OVERHEAD: usize = IPV4 + UDP + GTP_HEADER;
/// The GTP-U port (TS 29.281 §4.4.2).
pub const GTP_PORT: u16 = 2152;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
/// A VLAN tag of four octets follows the addresses (IEEE 802.1Q §9.6).
pub(crate) const ETHERTYPE_VLAN: u16 = 0x8100;
/// That tag.
pub(crate) const TAG: usize = 4;
pub(crate) const PROTO_ICMP: u8 = 1;
pub(crate) const PROTO_TCP: u8 = 6;
pub(crate) const PROTO_UDP: u8 = 17;
pub(crate) const PROTO_SCTP: u8 = 132;
/// More-fragments bit and fragment offset in the flags word.
pub(crate) const FRAGMENT: u16 = 0x3fff;
pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
pub(crate) const FRAGMENT_OFFSET: u16 = 0x1fff;
/// G-PDU (TS 29.281 §6.1).
pub(crate) const G_PDU: u8 = 255;

/// Folds a sum of 16-bit words into the one's complement checksum of the IPv4 header.
#[inline(always)]
pub(crate) fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// Takes one from the time to live of the IPv4 header at `ip` and mends its checksum (RFC 1141). The caller has seen that it is
/// above one.
#[inline(always)]
pub(crate) fn decrement_ttl<P: Packet>(packet: &mut P, ip: usize) -> Option<()> {
    let word = u32::from_be(packet.load32(ip + 8)?);
    let sum = (word & 0xffff) + 0x0100;
    let sum = (sum & 0xffff) + (sum >> 16);
    let word = (word & 0xffff_0000).wrapping_sub(0x0100_0000) | sum;
    packet.store32(ip + 8, word.to_be())
}
