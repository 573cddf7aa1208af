//! Checks of an IPv6 packet that comes out of a tunnel (RFC 8200; TS 33.117 §4.3.3.1.1, §4.2.4.1.1.3).

use crate::Packet;
use crate::inner::core_ports;
use crate::wire::{IPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP};
use basalt_ebpf_abi::{DropReason, SettingFlags, Settings};

const PROTO_ICMPV6: u32 = 58;
pub(crate) const HOP_BY_HOP: u32 = 0;
pub(crate) const ROUTING: u32 = 43;
pub(crate) const FRAGMENT: u32 = 44;
pub(crate) const DESTINATION: u32 = 60;
/// First half of every link-local address that phones have (RFC 4291 §2.5.6).
const LINK_LOCAL: u64 = 0xfe80 << 48;
/// First half of the groups of a link (RFC 4291 §2.7).
const LINK_GROUP: u64 = 0xff02 << 48;
/// Extension headers that are followed.
pub(crate) const MOST_HEADERS: usize = 3;
/// How far behind the start of a packet they may end, octets.
pub(crate) const FARTHEST: u32 = 512;

/// What the forwarding step needs to know.
#[derive(Clone, Copy)]
pub(crate) struct Inner6 {
    pub(crate) length: u32,
    /// First half of the destination, host order.
    pub(crate) destination: u64,
}

/// What an inner IPv6 packet is.
pub(crate) enum Checked6 {
    /// A packet that may go out.
    Good(Inner6),
    /// A Router Solicitation, a question whether the router is still there, or a message to DHCPv6 servers: the gateway is who answers
    /// (RFC 4861 §6.2.6, §7.2.4, RFC 8415 §7.1).
    Solicitation,
}

/// Checks the packet at `offset`, of which `available` octets are there, as sent by the phone with this prefix (host order, not 0). `behind` says
/// that its source is in a network behind the phone.
#[inline(always)]
pub(crate) fn check<P: Packet>(
    packet: &P,
    offset: usize,
    available: u32,
    prefix: u64,
    settings: &Settings,
    behind: bool,
) -> Result<Checked6, DropReason> {
    let cut = DropReason::InnerLength;
    if available < IPV6 as u32 {
        return Err(cut);
    }
    let first = u64::from_be(packet.load64(offset).ok_or(cut)?);
    let source = u64::from_be(packet.load64(offset + 8).ok_or(cut)?);
    let destination = u64::from_be(packet.load64(offset + 24).ok_or(cut)?);
    if first >> 60 != 6 {
        return Err(DropReason::InnerVersion);
    }
    if (first >> 16) as u32 & 0xffff != available - IPV6 as u32 {
        return Err(cut);
    }
    let next = (first >> 8) as u32 & 0xff;
    let kind = if next == PROTO_ICMPV6 { icmp_type(packet, offset + IPV6, available - IPV6 as u32) } else { None };
    let solicitation = kind == Some(133);
    // Whether the router is still there (TS 23.401 §5.3.1.2.2): asked at its address, or at the group of whoever has such an address.
    if kind == Some(135) && (source == LINK_LOCAL || source == prefix) && matches!(destination, LINK_LOCAL | LINK_GROUP)
    {
        return Ok(Checked6::Solicitation);
    }
    if source != prefix {
        // Before it has an address, a phone may ask for the prefix, and nothing else.
        let nobody = source == LINK_LOCAL || source == 0;
        let servers = next as u8 == PROTO_UDP && source == LINK_LOCAL && is_for_servers(packet, offset, available);
        if nobody && solicitation || servers {
            return Ok(Checked6::Solicitation);
        }
        if !behind && !delegated(settings, source, prefix) {
            return Err(DropReason::SpoofedSource);
        }
    }
    if solicitation {
        return Ok(Checked6::Solicitation);
    }
    transport(packet, offset, available, next, SettingFlags(settings.flags.get()))?;
    Ok(Checked6::Good(Inner6 { length: available, destination }))
}

/// Whether a datagram goes to all DHCPv6 relay agents and servers on the link, ff02::1:2, port 547.
#[inline(always)]
fn is_for_servers<P: Packet>(packet: &P, offset: usize, available: u32) -> bool {
    let first = packet.load64(offset + 24).map(u64::from_be);
    let second = packet.load64(offset + 32).map(u64::from_be);
    let port = packet.load16(offset + IPV6 + 2).map(u16::from_be);
    available >= IPV6 as u32 + 8 && first == Some(0xff02 << 48) && second == Some(0x1_0002) && port == Some(547)
}

/// Whether a source is in what may be delegated to the phone with this prefix (both host order).
#[inline(always)]
fn delegated(settings: &Settings, source: u64, prefix: u64) -> bool {
    match settings.place6(prefix) {
        Some(place) => (source ^ prefix) >> (place.shift & 31) == 0,
        None => false,
    }
}

#[inline(always)]
fn icmp_type<P: Packet>(packet: &P, at: usize, length: u32) -> Option<u32> {
    if length < 8 {
        return None;
    }
    packet.load16(at).map(|word| u32::from(u16::from_be(word)) >> 8)
}

/// Follows the extension headers to what a phone must not send.
#[inline(always)]
fn transport<P: Packet>(
    packet: &P,
    offset: usize,
    available: u32,
    next: u32,
    flags: SettingFlags,
) -> Result<(), DropReason> {
    let cut = DropReason::InnerLength;
    let (mut next, mut at) = (next, IPV6 as u32);
    let mut i = 0;
    while i < MOST_HEADERS {
        match next {
            // Work for every router on the way, and detours: nothing that a phone needs (RFC 9098; RFC 5095).
            HOP_BY_HOP | ROUTING => return Err(DropReason::InnerOptions),
            FRAGMENT | DESTINATION => {}
            _ => break,
        }
        if at + 8 > available || at > FARTHEST {
            return Err(cut);
        }
        let head = u32::from_be(packet.load32(offset + at as usize).ok_or(cut)?);
        if next == FRAGMENT {
            // Bits 0 to 12 of the second half are the offset, bit 15 says that more follow (RFC 8200 §4.5).
            let position = head & 0xfff8;
            if position != 0 {
                return if position < 24 { Err(DropReason::InnerFragment) } else { Ok(()) };
            }
            at += 8;
        } else {
            at += ((head >> 16 & 0xff) + 1) * 8;
        }
        next = head >> 24;
        i += 1;
    }
    if matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION) {
        return Err(DropReason::InnerOptions);
    }
    let header = match next as u8 {
        PROTO_UDP => 8,
        PROTO_TCP => 20,
        PROTO_SCTP => 12,
        _ if next == PROTO_ICMPV6 => 8,
        _ => return Ok(()),
    };
    if at + header > available || at > FARTHEST {
        return Err(cut);
    }
    let word = u32::from_be(packet.load32(offset + at as usize).ok_or(cut)?);
    if next == PROTO_ICMPV6 {
        // Router Advertisement and Redirect are a router's (RFC 4861 §6.1.2, §8.1; TS 29.061 §11.2.1.3).
        return if matches!(word >> 24, 134 | 137) { Err(DropReason::RogueServer) } else { Ok(()) };
    }
    let (source, destination) = ((word >> 16) as u16, word as u16);
    if next as u8 == PROTO_UDP && source == 547 && destination == 546 {
        // A DHCPv6 server (RFC 8415 §7.2).
        return Err(DropReason::RogueServer);
    }
    if flags.has(SettingFlags::CORE_PORTS) { Ok(()) } else { core_ports(next as u8, source, destination) }
}

/// Whether phones may send to an address with this first half: not to link-local, site-local, loopback, unspecified, mapped and
/// multicast addresses (RFC 4291 §2.4).
#[inline(always)]
pub(crate) fn reachable(first: u64) -> bool {
    let top = first >> 48;
    first != 0 && top & 0xff00 != 0xff00 && top & 0xff80 != 0xfe80
}
