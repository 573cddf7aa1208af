//! What rules look at in a packet.

use crate::inner6::{DESTINATION, FARTHEST, FRAGMENT, HOP_BY_HOP, MOST_HEADERS, ROUTING};
use crate::wire::{FRAGMENT_OFFSET, IPV4, IPV6, PROTO_SCTP, PROTO_TCP, PROTO_UDP};
use crate::{Packet, Tables};

/// What a rule looks at.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    /// Host order; of IPv4 only.
    pub(super) remote: Option<u32>,
    /// Both halves, host order; of IPv6 only.
    pub(super) remote6: [u64; 2],
    pub(super) protocol: u32,
    pub(super) tos: u32,
    /// Source port in the high half, destination port in the low one.
    pub(super) ports: Option<u32>,
    /// Whoever sends it may take it for something else than we do, and its bearer with that: a fragment behind the first, which has no ports,
    /// and what stands behind extension headers, which not all phones look behind.
    pub(super) any_bearer: bool,
    /// What of an IPv6 packet it is, and of which one.
    pub(super) part: Part,
}

/// What of a packet it is.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// 0 for all of it, 1 for the first fragment, more for another one. A number, not a kind, since verifiers would follow each kind through
    /// all that comes.
    pub(super) fragment: u32,
    /// Of the packet that it is a fragment of.
    pub(super) identification: u32,
}

impl Part {
    const WHOLE: Part = Part { fragment: 0, identification: 0 };
    /// The first fragment, as [`Part::fragment`] has it.
    pub(super) const FIRST: u32 = 1;

    /// Of the packet at `offset`. Of IPv4 it is read anew: verifiers would know from the search for ports what it is, and follow that through the
    /// search for rules.
    #[inline(always)]
    pub(super) fn read<P: Packet>(packet: &P, offset: usize, flow: &Flow) -> Option<Part> {
        if flow.remote.is_none() {
            return Some(flow.part);
        }
        let word = u32::from_be(packet.load32(offset + 4)?);
        Some(Part { fragment: (word & u32::from(FRAGMENT_OFFSET)) << 1 | (word >> 13 & 1), identification: word >> 16 })
    }
}

/// Reads the packet at `offset`, whose lengths have been checked, and which is of IPv6 or not where `six` says so.
#[inline(always)]
pub(super) fn flow<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    offset: usize,
    uplink: bool,
    six: Option<bool>,
) -> Option<Flow> {
    let first = u64::from_be(packet.load64(offset)?);
    if six.unwrap_or(first >> 60 == 6) {
        return flow6(packet, tables, offset, first, uplink);
    }
    let [second, source, destination] = packet.load_words(offset + 8)?;
    let protocol = u32::from_be(second) >> 16 & 0xff;
    let remote = u32::from_be(if uplink { destination } else { source });
    let any_bearer = first as u16 & FRAGMENT_OFFSET != 0;
    let mut ports = None;
    if !any_bearer && matches!(protocol as u8, PROTO_TCP | PROTO_UDP | PROTO_SCTP) {
        let header = (first >> 56) as usize & 0xf;
        // Without options nearly always, and then the offset is a constant.
        let start = if header == 5 { IPV4 } else { header * 4 };
        ports = packet.load32(offset + start).map(u32::from_be);
    }
    Some(Flow {
        remote: Some(remote),
        remote6: [0; 2],
        protocol,
        tos: (first >> 48) as u32 & 0xff,
        ports,
        any_bearer,
        part: Part::WHOLE,
    })
}

/// An IPv6 packet. Its protocol and ports are those behind extension headers, as far as these are followed.
#[inline(always)]
fn flow6<P: Packet, T: Tables>(packet: &P, tables: &T, offset: usize, first: u64, uplink: bool) -> Option<Flow> {
    let next = (first >> 8) as u32 & 0xff;
    let Upper { protocol, at, part } = upper(packet, tables, offset, next);
    let has_ports = part.fragment <= Part::FIRST && matches!(protocol as u8, PROTO_TCP | PROTO_UDP | PROTO_SCTP);
    let ports = if has_ports { packet.load32(offset + at as usize).map(u32::from_be) } else { None };
    let at = offset + if uplink { 24 } else { 8 };
    let remote6 = [u64::from_be(packet.load64(at)?), u64::from_be(packet.load64(at + 8)?)];
    Some(Flow {
        remote: None,
        remote6,
        protocol,
        tos: (first >> 52) as u32 & 0xff,
        ports,
        any_bearer: protocol != next,
        part,
    })
}

/// What an IPv6 packet carries.
struct Upper {
    protocol: u32,
    /// Where it starts, from the header on.
    at: u32,
    part: Part,
}

/// Follows the extension headers of the IPv6 packet at `offset` (RFC 8200 §4). What is behind more of them than anybody sends has the
/// protocol number of the last one, as has what is not there.
#[inline(always)]
fn upper<P: Packet, T: Tables>(packet: &P, tables: &T, offset: usize, next: u32) -> Upper {
    let (mut protocol, mut at) = (next, IPV6 as u32);
    if !is_extension(protocol) {
        return Upper { protocol, at, part: Part::WHOLE };
    }
    let (mut fragment, mut identification) = (0, 0);
    let mut i = 0;
    while i < MOST_HEADERS {
        if !is_extension(protocol) || at > FARTHEST {
            break;
        }
        let Some(head) = packet.load32(offset + at as usize).map(u32::from_be) else { break };
        if protocol == FRAGMENT {
            fragment = head & 0xfff9;
            identification = packet.load32(offset + at as usize + 4).map_or(0, u32::from_be);
            at += 8;
        } else {
            at += ((head >> 16 & 0xff) + 1) * 8;
        }
        protocol = head >> 24;
        if fragment > Part::FIRST {
            break;
        }
        i += 1;
    }
    // Verifiers shall not follow each chain through all that comes.
    let zero = tables.any(0);
    Upper {
        protocol: protocol ^ zero,
        at: (at ^ zero) & 0xfff,
        part: Part { fragment: fragment ^ zero, identification: identification ^ zero },
    }
}

#[inline(always)]
fn is_extension(protocol: u32) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}
