//! Translation of IPv4 addresses and ports (RFC 4787, RFC 5382, RFC 5508, RFC 6888). The tables are described in `basalt_ebpf_abi`.
//!
//! A mapping belongs to an inside address, protocol and port, whatever it is used for (endpoint-independent). It is made by a packet from
//! the inside, lives by packets from the inside, and is never taken away before its time. Of fragments from the inside, the later ones
//! need no port, since all ports of a subscriber are of one address; of those from the internet, the first one leads the others.

mod ends;
mod fragments;
mod mappings;
mod rewrite;

pub(crate) use fragments::may_wait;
pub use rewrite::Rewrite;
pub(crate) use rewrite::translate;

use crate::wire::{IPV4, PROTO_ICMP, PROTO_TCP, PROTO_UDP, decrement_ttl};
use crate::{Packet, Tables};
use basalt_ebpf_abi::{Address, DropReason, Filtering, Fragment, Mapping, Nat, Phase, PuntReason};
use ends::{Ends, ends, is_answer, received, sent};
use fragments::{lead, led};
use mappings::{find, make};

/// What becomes of a packet from a phone.
pub(crate) enum Outward {
    /// It gets an external address.
    To(Rewrite),
    /// It needs a port more than there is.
    More,
    /// It cannot be translated.
    Drop(DropReason),
}

/// What becomes of a packet from the internet.
pub(crate) enum Inward {
    /// It is not for an external address.
    Other,
    /// It is the kernel's: for the gateway's own address.
    Kernel,
    /// It gets a phone's address.
    To(Rewrite),
    /// A later fragment whose first one has not come, by its key, and whether it may be for the gateway itself.
    Early(u64, bool),
    /// Nobody has asked for it.
    Drop(DropReason),
}

/// The bits of a remote end, if they matter.
#[inline(always)]
fn remote_bits(nat: &Nat, ends: &Ends) -> u64 {
    match nat.filtering.get() {
        Filtering::ENDPOINT_INDEPENDENT => 0,
        Filtering::ADDRESS => Mapping::bits(ends.remote, 0),
        _ => Mapping::bits(ends.remote, ends.remote_port as u16),
    }
}

/// Judges a packet of `length` octets from the phone `ue`, whose first block is `first`.
#[inline(always)]
pub(crate) fn outward<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    first: u32,
    ue: u32,
    ip: usize,
    length: u32,
) -> Outward {
    let (Some(nat), Some(block)) = (tables.nat(), tables.nat_block(first)) else { return Outward::More };
    let bits = nat.block_bits.get() & 15;
    if first == 0 || bits == 0 || block.inside.get() != ue {
        return Outward::More;
    }
    let rewrite = Rewrite::source(ue, block.external.get());
    let Some(ends) = ends(packet, tables, ip, length, true) else { return Outward::Drop(DropReason::NatProtocol) };
    if ends.later != 0 {
        return Outward::To(rewrite.with_port(&ends, 0));
    }
    let clock = nat.clock.get();
    let key = Mapping::compose(ends.protocol as u8, ends.port as u16, 0, 0);
    let filter = remote_bits(nat, &ends);
    let index = match find(tables, bits, first, block, key) {
        // An error about a mapping is no use of it.
        Some((index, _, state)) if ends.embedded != 0 => {
            if nat.over(state) {
                return Outward::Drop(DropReason::NatProtocol);
            }
            index
        }
        Some((index, mapping, state)) => {
            let over = nat.over(state);
            let phase = sent(&ends, if over { Phase::OPENING } else { Mapping::phase(state) });
            let now = Mapping::compose(ends.protocol as u8, ends.port as u16, phase, clock);
            if now != state {
                mapping.state.swap_if(state, now);
            }
            if over {
                mapping.filter.set(filter);
            } else if filter != 0 {
                let before = mapping.filter.get();
                if before & filter != filter {
                    mapping.filter.swap_if(before, before | filter);
                }
            }
            index
        }
        None if ends.embedded != 0 => return Outward::Drop(DropReason::NatProtocol),
        None => {
            let state = Mapping::compose(ends.protocol as u8, ends.port as u16, sent(&ends, Phase::OPENING), clock);
            let Some(index) = make(tables, bits, first, state, filter) else { return Outward::More };
            index
        }
    };
    Outward::To(rewrite.with_port(&ends, index & 0xffff))
}

/// The inside address of whoever has the external port that a packet at `ip` from the internet is for, in wire order; of an ICMP error, that
/// of the packet it is about. Only looks: for whoever watches.
#[inline(always)]
pub fn inside_of<P: Packet, T: Tables>(packet: &P, tables: &T, ip: usize) -> Option<u32> {
    let nat = tables.nat()?;
    if nat.count.get() == 0 {
        return None;
    }
    let (external, _) = nat.external(Address(packet.load32(ip + 16)?))?;
    let protocol = (u32::from_be(packet.load32(ip + 8)?) >> 16) as u8;
    let transport = ip + IPV4;
    let at = match protocol {
        PROTO_TCP | PROTO_UDP => transport + 2,
        // The identifier of an answer, or the source port of the packet that the error is about.
        PROTO_ICMP if is_answer(u16::from_be(packet.load16(transport)?) >> 8) => transport + 4,
        PROTO_ICMP => transport + 8 + IPV4,
        _ => return None,
    };
    let port = u32::from(u16::from_be(packet.load16(at)?));
    let block = tables.nat_block((external << 16 | port) >> (nat.block_bits.get() & 15))?;
    Some(block.inside.get()).filter(|inside| *inside != 0)
}

/// Judges a packet of which it is not known yet whether it is for an external address.
#[inline(always)]
pub(crate) fn inward<P: Packet, T: Tables>(packet: &P, tables: &T, ip: usize) -> Inward {
    let Some(nat) = tables.nat() else { return Inward::Other };
    if nat.count.get() == 0 {
        return Inward::Other;
    }
    let Some(destination) = packet.load32(ip + 16) else { return Inward::Other };
    let Some((external, own)) = nat.external(Address(destination)) else { return Inward::Other };
    let nobody = |reason| if own { Inward::Kernel } else { Inward::Drop(reason) };
    let Some(first) = packet.load32(ip).map(u32::from_be) else { return Inward::Other };
    let length = first & 0xffff;
    // Whether all of it is there is seen where it is judged; what is read here is.
    // The last fragment may have a single octet.
    if first >> 24 != 0x45 || length <= IPV4 as u32 {
        return nobody(DropReason::NatProtocol);
    }
    let Some(ends) = ends(packet, tables, ip, length, false) else { return nobody(DropReason::NatProtocol) };
    let leading = Fragment::key(Address(ends.remote), ends.identification as u16, external, ends.protocol as u8);
    if ends.later != 0 {
        return match led(tables, nat, leading) {
            Some(inside) => Inward::To(Rewrite::destination(destination, inside).with_port(&ends, 0)),
            None => Inward::Early(leading, own),
        };
    }
    let index = external << 16 | ends.port & 0xffff;
    let Some(mapping) = tables.nat_mapping(index) else { return nobody(DropReason::NatUnsolicited) };
    let state = mapping.state.get();
    if (state >> 16) as u32 & 0xff != ends.protocol || nat.over(state) {
        return nobody(DropReason::NatUnsolicited);
    }
    let Some(block) = tables.nat_block(index >> (nat.block_bits.get() & 15)) else {
        return nobody(DropReason::NatUnsolicited);
    };
    let inside = block.inside.get();
    if inside == 0 {
        return nobody(DropReason::NatUnsolicited);
    }
    let bits = remote_bits(nat, &ends);
    if mapping.filter.get() & bits != bits {
        return Inward::Drop(DropReason::NatFiltered);
    }
    let phase = received(&ends, Mapping::phase(state));
    if phase != Mapping::phase(state) {
        mapping.state.swap_if(state, Mapping::compose(ends.protocol as u8, state as u16, phase, (state >> 32) as u32));
    }
    if ends.more != 0 {
        lead(tables, nat, leading, inside);
    }
    Inward::To(Rewrite::destination(destination, inside).with_port(&ends, state as u32 & 0xffff))
}

/// Gives a later fragment that waited, an IP packet without anything before it, the address of its phone. `None` as long as its first one
/// has not come.
///
/// # Errors
/// The reason to drop it; it may have been changed then.
pub fn late<P: Packet, T: Tables>(packet: &mut P, tables: &T) -> Option<Result<(), DropReason>> {
    let rewrite = match inward(packet, tables, 0) {
        Inward::Early(..) => return None,
        Inward::To(rewrite) => rewrite,
        Inward::Drop(reason) => return Some(Err(reason)),
        Inward::Kernel | Inward::Other => return Some(Err(DropReason::NatFragment)),
    };
    let alive = packet.load16(8).is_some_and(|word| u16::from_be(word) >> 8 > 1);
    let readdressed = alive && decrement_ttl(packet, 0).is_some() && translate(packet, 0, &rewrite).is_some();
    Some(if readdressed { Ok(()) } else { Err(DropReason::NatFragment) })
}

/// Whether an address is one of the external ones.
#[inline(always)]
pub(crate) fn is_external<T: Tables>(tables: &T, address: Address) -> bool {
    tables.nat().is_some_and(|nat| nat.external(address).is_some())
}

/// The reason to give a packet to user space when its subscriber needs more ports.
pub(crate) const MORE: PuntReason = PuntReason::NatPorts;

/// Translates a packet that leaves a phone; of one that comes back to a phone (`hairpin`) the other end, too, so that each sees the
/// other's external address (RFC 4787 REQ-9).
///
/// # Errors
/// The reason to drop it, when nobody has asked for what comes back. The packet has been changed then.
#[inline(always)]
pub fn leave<P: Packet, T: Tables>(
    packet: &mut P,
    tables: &T,
    ip: usize,
    rewrite: &Rewrite,
    hairpin: bool,
) -> Result<(), DropReason> {
    translate(packet, ip, rewrite).ok_or(DropReason::NoRoom)?;
    if !hairpin {
        return Ok(());
    }
    match inward(packet, tables, ip) {
        Inward::To(back) => translate(packet, ip, &back).ok_or(DropReason::NoRoom),
        Inward::Drop(reason) => Err(reason),
        Inward::Early(..) => Err(DropReason::NatFragment),
        Inward::Kernel | Inward::Other => Err(DropReason::ForbiddenDestination),
    }
}
