//! The maximum segment size of TCP connections through a tunnel, kept to what fits into it (RFC 9293 §3.7.1; RFC 4821 §1).
//!
//! Both ends learn it from SYN segments, so both directions are looked at. Only a larger value is changed, and its checksum mended by the
//! difference; a segment without the option is left alone.

use crate::Packet;
use crate::wire::{FRAGMENT, IPV4, IPV6, PROTO_TCP, fold};
use basalt_ebpf_abi::Settings;

/// TCP header without options.
const TCP: usize = 20;
/// Options that are looked at: all that a header of 60 octets can hold in practice.
const MOST_OPTIONS: usize = 10;

/// Lowers the maximum segment size of the packet at `ip`, if it opens a TCP connection; over IPv6, if TCP follows the header at once, as it
/// does in practice. `length` octets of it are there. Nothing else of the packet is touched, and one that cannot be read is left as it is.
#[inline(always)]
pub fn clamp<P: Packet>(packet: &mut P, settings: &Settings, ip: usize, length: u32) -> Option<()> {
    const SYN: u32 = 0x02;
    let mut limit = settings.segment.get();
    let first = u64::from_be(packet.load64(ip)?);
    // Protocol, then "is it SYN": few loads decide for nearly all packets.
    let before = if first >> 60 == 6 {
        if (first >> 8) as u8 != PROTO_TCP {
            return None;
        }
        limit = limit.saturating_sub((IPV6 - IPV4) as u32);
        IPV6
    } else {
        let word = u32::from_be(packet.load32(ip + 8)?);
        if (word >> 16) as u8 != PROTO_TCP || (first >> 56) as u8 != 0x45 || first as u16 & FRAGMENT != 0 {
            return None;
        }
        IPV4
    };
    if limit == 0 || length < (before + TCP) as u32 {
        return None;
    }
    let tcp = ip + before;
    let control = u32::from(u16::from_be(packet.load16(tcp + 12)?));
    let header = control >> 12 << 2;
    if control & SYN == 0 || header + before as u32 > length {
        return None;
    }
    option(packet, tcp, header, limit)
}

/// Finds the option and changes it.
#[inline(always)]
fn option<P: Packet>(packet: &mut P, tcp: usize, header: u32, limit: u32) -> Option<()> {
    let mut at = TCP as u32;
    let mut i = 0;
    while i < MOST_OPTIONS {
        if at + 4 > header || at > 60 {
            return None;
        }
        let head = u32::from(u16::from_be(packet.load16(tcp + at as usize)?));
        let (kind, size) = (head >> 8, head & 0xff);
        match kind {
            0 => return None,
            1 => at += 1,
            2 if size == 4 => return lower(packet, tcp, at, limit),
            _ if size < 2 => return None,
            _ => at += size,
        }
        i += 1;
    }
    None
}

/// Stores the limit and mends the checksum (RFC 1624).
#[inline(always)]
fn lower<P: Packet>(packet: &mut P, tcp: usize, at: u32, limit: u32) -> Option<()> {
    let place = tcp + at as usize + 2;
    let old = u32::from(u16::from_be(packet.load16(place)?));
    if old <= limit {
        return None;
    }
    let sum = u32::from(u16::from_be(packet.load16(tcp + 16)?));
    let swap = |value: u32| value << 8 & 0xff00 | value >> 8;
    // At an odd place its octets stand in two words of the sum, the other way round.
    let (then, now) = if at & 1 == 0 { (old, limit) } else { (swap(old), swap(limit)) };
    let mended = fold((!sum & 0xffff) + (!then & 0xffff) + now);
    packet.store16(place, (limit as u16).to_be())?;
    packet.store16(tcp + 16, mended.to_be())
}
