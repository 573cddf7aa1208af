//! The radio side: frames that may be GTP-U to us.

use crate::nat::{self, Rewrite};
use crate::segment::clamp;
use crate::service::Charge;
use crate::uplink::{Uplinked, uplink};
use crate::wire::{
    ETH, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, FRAGMENT, GTP_HEADER, GTP_PORT, IPV4, PROTO_UDP, TAG, UDP,
    decrement_ttl,
};
use crate::{Packet, Tables, Verdict, drop, punt};
use basalt_ebpf_abi::{Address, DropReason, KERNEL_NEXT_HOP, NextHop, PuntReason, Settings, Uplink};

/// Judges a frame from the radio network and, where its inner packet may go out, leaves that packet with a new Ethernet header.
#[inline(always)]
pub fn access<'t, P: Packet, T: Tables>(packet: &mut P, tables: &'t T) -> Verdict<'t> {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    let Some(outer) = outer(packet, settings) else {
        return Verdict::Pass;
    };
    if !outer.plain {
        return punt(tables, settings, PuntReason::OuterFragment);
    }
    let Some(ports) = packet.load64(ETH + IPV4) else {
        return Verdict::Pass;
    };
    let ports = u64::from_be(ports);
    if (ports >> 32) as u16 != GTP_PORT {
        return Verdict::Pass;
    }
    let udp = (ports >> 16) as u32 & 0xffff;
    if udp + IPV4 as u32 != outer.length || udp < (UDP + GTP_HEADER) as u32 || !packet.holds(outer.length + ETH as u32)
    {
        return drop(tables, DropReason::Malformed);
    }
    let decision = uplink(packet, tables, settings, ETH + IPV4 + UDP, udp - UDP as u32, outer.source);
    match decision {
        Uplinked::Forward { record, charge, offset, length, next_hop, ttl, rewrite, .. } => {
            clamp(packet, settings, offset, length);
            send(packet, tables, record, &charge, offset, length, next_hop, ttl, &rewrite)
        }
        Uplinked::Egress(pending) => packet.onward(tables, pending),
        Uplinked::Punt(reason) => punt(tables, settings, reason),
        Uplinked::Drop(reason) => drop(tables, reason),
    }
}

struct Outer {
    length: u32,
    source: Address,
    /// Neither options nor a fragment.
    plain: bool,
}

/// The outer IPv4 header of UDP to our address; `None` for everything else.
#[inline(always)]
fn outer<P: Packet>(packet: &P, settings: &Settings) -> Option<Outer> {
    let first = u64::from_be(packet.load64(ETH - 2)?);
    if (first >> 48) as u16 != ETHERTYPE_IPV4 {
        return None;
    }
    let second = u32::from_be(packet.load32(ETH + 6)?);
    let [source, destination] = packet.load_words(ETH + 12)?;
    if second as u8 != PROTO_UDP || destination != settings.local.get() {
        return None;
    }
    Some(Outer {
        length: (first >> 16) as u32 & 0xffff,
        source: Address(source),
        plain: (first >> 40) as u8 == 0x45 && (second >> 16) as u16 & FRAGMENT == 0,
    })
}

/// Sends the inner packet on its way.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined into one program")]
pub(crate) fn send<'t, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &'t T,
    record: &Uplink,
    charge: &Charge<'_>,
    offset: usize,
    length: u32,
    next_hop: u32,
    ttl: u8,
    rewrite: &Rewrite,
) -> Verdict<'t> {
    let mut hop = None;
    let mut vlan = 0;
    if next_hop != KERNEL_NEXT_HOP
        && let Some(wanted) = tables.next_hop(next_hop)
    {
        vlan = wanted.vlan.get();
        if direct(tables, wanted, length, ttl) {
            hop = Some(wanted);
        } else if vlan != 0 {
            // The kernel would send it into another network.
            return drop(tables, DropReason::NoRouter);
        }
    }
    let direct = hop.is_some();
    let Some(hop) = hop.or_else(|| tables.next_hop(KERNEL_NEXT_HOP)) else {
        return drop(tables, DropReason::NoRoom);
    };
    let ifindex = hop.ifindex.get();
    if ifindex == 0 {
        return drop(tables, DropReason::NoRoom);
    }
    // Its first octet, before the front moves.
    let version6 = packet.load16(offset).is_some_and(|word| u16::from_be(word) >> 12 == 6);
    let macs = [hop.macs[0].get(), hop.macs[1].get(), hop.macs[2].get()];
    if direct && decrement_ttl(packet, offset).is_none() {
        return drop(tables, DropReason::NoRoom);
    }
    if nat::translate(packet, offset, rewrite).is_none() {
        return drop(tables, DropReason::NoRoom);
    }
    let kind = if version6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 };
    let header = if vlan == 0 { ETH } else { ETH + TAG };
    if packet.shift((offset - header) as i32).is_none() || packet.store_words(0, macs).is_none() {
        return drop(tables, DropReason::NoRoom);
    }
    let tagged = if vlan == 0 {
        packet.store16(ETH - 2, kind.to_be())
    } else {
        let tag = (u32::from(ETHERTYPE_VLAN) << 16 | vlan).to_be();
        packet.store32(ETH - 2, tag).and_then(|()| packet.store16(ETH + TAG - 2, kind.to_be()))
    };
    if tagged.is_none() {
        return drop(tables, DropReason::NoRoom);
    }
    Uplinked::account(tables, record, charge, length);
    Verdict::Redirect(ifindex)
}

/// Takes one from the time to live of the IPv4 packet at the front, which is above one.
pub fn age<P: Packet>(packet: &mut P) -> Option<()> {
    decrement_ttl(packet, 0)
}

/// Whether a packet need not see the kernel on its way to this next hop: its neighbour is resolved, it fits, it does not expire here.
#[inline(always)]
fn direct<T: Tables>(tables: &T, hop: &NextHop, length: u32, ttl: u8) -> bool {
    if hop.ifindex.get() == 0 || length > hop.mtu.get() {
        return false;
    }
    if ttl <= 1 {
        tables.count(PuntReason::TimeToLive.slot());
        return false;
    }
    true
}
