//! Who talks with whom in a packet, also in one inside an ICMP error (RFC 5508), and what its flags mean for the life of a mapping.

use crate::wire::{FRAGMENT_OFFSET, IPV4, MORE_FRAGMENTS, PROTO_ICMP, PROTO_TCP, PROTO_UDP};
use crate::{Packet, Tables};
use basalt_ebpf_abi::Phase;

/// Where the packet that an ICMP error is about starts, behind the IPv4 header of the error.
pub(super) const EMBEDDED: u32 = (IPV4 + 8) as u32;
pub(super) const ICMP: u32 = PROTO_ICMP as u32;
const TCP: u32 = PROTO_TCP as u32;
pub(super) const UDP: u32 = PROTO_UDP as u32;

const FIN: u32 = 0x01;
const SYN: u32 = 0x02;
const RST: u32 = 0x04;
/// Beside the flags of TCP: the segment has data.
const DATA: u32 = 1 << 16;

/// The ends of a packet, as translation sees them.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) protocol: u32,
    /// On the side of the phone, host order.
    pub(super) port: u32,
    pub(super) port_at: u32,
    pub(super) check_at: u32,
    /// On the other side, host order.
    pub(super) remote_port: u32,
    pub(super) remote: u32,
    /// Flags of TCP, and [`DATA`].
    control: u32,
    /// 1 for the ends of a packet inside an ICMP error.
    pub(super) embedded: u32,
    /// 1 for a later fragment: no ports.
    pub(super) later: u32,
    /// 1 for a first fragment.
    pub(super) more: u32,
    pub(super) identification: u32,
}

impl Ends {
    /// The same, but verifiers do not follow each protocol through all that comes.
    #[inline(always)]
    fn any<T: Tables>(self, tables: &T) -> Self {
        // Asked for once: each time would cost a look into a map.
        let zero = tables.any(0);
        Self {
            protocol: self.protocol ^ zero,
            port: self.port ^ zero,
            port_at: self.port_at ^ zero,
            check_at: self.check_at ^ zero,
            remote_port: self.remote_port ^ zero,
            control: self.control ^ zero,
            embedded: self.embedded ^ zero,
            later: self.later ^ zero,
            ..self
        }
    }
}

/// As [`read`].
#[inline(always)]
pub(super) fn ends<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    ip: usize,
    length: u32,
    outward: bool,
) -> Option<Ends> {
    Some(read(packet, ip, length, outward)?.any(tables))
}

/// Reads a packet of `length` octets without options, which goes outward or comes inward.
#[inline(always)]
fn read<P: Packet>(packet: &P, ip: usize, length: u32, outward: bool) -> Option<Ends> {
    let [word, second, source, destination] = packet.load_words(ip + 4)?;
    let word = u32::from_be(word);
    let (local_at, remote) = if outward { (12, destination) } else { (16, source) };
    let mut ends = Ends {
        protocol: u32::from_be(second) >> 16 & 0xff,
        port: 0,
        port_at: 0,
        check_at: 0,
        remote_port: 0,
        remote,
        control: 0,
        embedded: 0,
        later: u32::from(word as u16 & FRAGMENT_OFFSET != 0),
        more: u32::from(word as u16 & MORE_FRAGMENTS != 0),
        identification: word >> 16,
    };
    if ends.later != 0 {
        return Some(ends);
    }
    let mut base = 0u32;
    let mut source_is_local = outward;
    if ends.protocol == ICMP {
        let kind = u16::from_be(packet.load16(ip + IPV4)?) >> 8;
        // Destination Unreachable, Time Exceeded, Parameter Problem (RFC 5508 §4).
        if matches!(kind, 3 | 11 | 12) {
            base = EMBEDDED;
            source_is_local = !outward;
            ends.embedded = 1;
            ends.protocol = embedded(packet, ip + EMBEDDED as usize, ip + local_at, source_is_local)?;
            let far = if source_is_local { 16 } else { 12 };
            ends.remote = packet.load32(ip + EMBEDDED as usize + far)?;
        }
    }
    if base + (IPV4 + 8) as u32 > length {
        return None;
    }
    let transport = ip + base as usize + IPV4;
    if ends.protocol == ICMP {
        // Echo and Timestamp towards the internet, what answers them from there (RFC 5508 REQ-1).
        let kind = u16::from_be(packet.load16(transport)?) >> 8;
        if !if source_is_local { matches!(kind, 8 | 13) } else { is_answer(kind) } {
            return None;
        }
        ends.port = u32::from(u16::from_be(packet.load16(transport + 4)?));
        ends.port_at = base + 24;
        ends.check_at = base + 22;
        return Some(ends);
    }
    if ends.protocol != TCP && ends.protocol != UDP {
        return None;
    }
    let ports = u32::from_be(packet.load32(transport)?);
    let (source, destination) = (ports >> 16, ports & 0xffff);
    if source_is_local {
        (ends.port, ends.remote_port, ends.port_at) = (source, destination, base + 20);
    } else {
        (ends.port, ends.remote_port, ends.port_at) = (destination, source, base + 22);
    }
    ends.check_at = base + if ends.protocol == TCP { 36 } else { 26 };
    if ends.check_at + 2 > length {
        if ends.embedded == 0 {
            return None;
        }
        // An error need not hold more than eight octets of it (RFC 792).
        ends.check_at = 0;
    }
    if ends.protocol == TCP && ends.embedded == 0 {
        let control = u32::from(u16::from_be(packet.load16(transport + 12)?));
        let headers = IPV4 as u32 + (control >> 12 << 2);
        ends.control = control | if length > headers { DATA } else { 0 };
    }
    Some(ends)
}

/// Whether a type of ICMP answers a query: Echo Reply, Timestamp Reply.
#[inline(always)]
pub(super) fn is_answer(kind: u16) -> bool {
    matches!(kind, 0 | 14)
}

/// The protocol of the packet at `ip` inside an ICMP error: one that went the other way, as its address shows, and whose ports are there.
#[inline(always)]
fn embedded<P: Packet>(packet: &P, ip: usize, outer: usize, source_is_local: bool) -> Option<u32> {
    let near = if source_is_local { 12 } else { 16 };
    if u16::from_be(packet.load16(ip)?) >> 8 != 0x45
        || u16::from_be(packet.load16(ip + 6)?) & FRAGMENT_OFFSET != 0
        || packet.load32(ip + near)? != packet.load32(outer)?
    {
        return None;
    }
    Some(u32::from_be(packet.load32(ip + 8)?) >> 16 & 0xff)
}

/// The phase after a packet from the inside. Who goes on sending data has not ended: what seemed to end was another connection of the same
/// port, one half of this one, or somebody's reset that nobody believed (RFC 6146 §3.5.2.2, RFC 7857 §2.1).
#[inline(always)]
pub(super) fn sent(ends: &Ends, phase: u32) -> u32 {
    match ends.protocol {
        UDP => Phase::UDP,
        TCP => {
            if ends.control & (FIN | RST) != 0 {
                Phase::CLOSING
            } else if ends.control & SYN != 0 {
                Phase::OPENING
            } else if phase == Phase::ANSWERED || (phase == Phase::CLOSING && ends.control & DATA != 0) {
                Phase::ESTABLISHED
            } else {
                phase
            }
        }
        _ => Phase::ICMP,
    }
}

/// The phase after a packet from the internet.
#[inline(always)]
pub(super) fn received(ends: &Ends, phase: u32) -> u32 {
    if ends.protocol != TCP || ends.embedded != 0 {
        phase
    } else if ends.control & (FIN | RST) != 0 {
        Phase::CLOSING
    } else if phase == Phase::OPENING {
        Phase::ANSWERED
    } else {
        phase
    }
}
