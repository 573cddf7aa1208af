//! Downlink: from a packet for a phone to a GTP-U tunnel.

use crate::framed;
use crate::nat::{self, Inward, Rewrite};
use crate::segment::clamp;
use crate::service::{self, Charge};
use crate::wire::{
    ETH, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, G_PDU, GTP_HEADER, GTP_PORT, IPV4, IPV6, PROTO_UDP, TAG,
    TUNNEL_OVERHEAD, UDP, decrement_ttl, fold,
};
use crate::{HandOver, Packet, Tables, Verdict, drop};
use basalt_ebpf_abi::{
    Address, Bearer, Downlink, DownlinkFlags, DownlinkState, DropReason, HandoverHeader, NextHop, Place6, PuntReason,
    SettingFlags, Settings,
};

/// Where a packet for a phone comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Straight from an internet interface: what is not for a phone, and what needs a router's answer, goes to the kernel.
    Internet,
    /// From the kernel, which routed it to the tunnels: it ends here.
    Kernel,
}

/// What becomes of a packet that may be for a phone.
#[derive(Debug, Clone, Copy)]
pub enum Downlinked<'t> {
    /// Into the tunnel.
    Tunnel {
        /// The phone's record; count with [`Downlinked::account`] what was really sent.
        record: &'t Downlink,
        /// Its dedicated bearer, if it has one.
        bearer: Option<&'t Bearer>,
        /// What else it is counted in.
        charge: Charge<'t>,
        /// The tunnel.
        tunnel: Tunnel,
        /// The resolved next hop towards the base station.
        hop: &'t NextHop,
        /// Total length of the inner packet.
        length: u32,
    },
    /// To user space.
    HandOver(HandOver<'t>),
    /// To the kernel, with the reason to count if it is for a phone.
    Pass(Option<PuntReason>),
    /// Nowhere (to be counted by the caller).
    Drop(DropReason),
}

/// The far end of a tunnel. All in wire order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel {
    /// The base station's address.
    pub peer: Address,
    /// Ours towards it.
    pub local: Address,
    /// The base station's TEID.
    pub teid: u32,
    /// ToS octet of the outer header.
    pub tos: u32,
    /// QoS flow identifier; 0 for a tunnel without PDU Session Containers.
    pub qfi: u32,
}

impl Tunnel {
    /// Octets in front of the inner packet.
    #[must_use]
    #[inline(always)]
    pub const fn overhead(&self) -> u32 {
        TUNNEL_OVERHEAD as u32 + if self.qfi == 0 { 0 } else { CONTAINER as u32 }
    }
}

/// Octets of the optional fields and a PDU Session Container.
const CONTAINER: usize = 8;

/// Packets that may queue up behind a full buffer while user space sends it. A process that lags by that much is dead.
pub const FLUSH_ROOM: u32 = 2048;

/// Judges the IP packet at `ip`.
#[inline(always)]
pub fn downlink<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    ip: usize,
    origin: Origin,
) -> Downlinked<'t> {
    judge(packet, tables, settings, ip, origin, 0, &Rewrite::NONE)
}

/// Judges the IP packet at `ip`, which came by this VLAN and is to be translated so.
#[inline(always)]
fn judge<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    ip: usize,
    origin: Origin,
    vlan: u32,
    rewrite: &Rewrite,
) -> Downlinked<'t> {
    let kernel = origin == Origin::Kernel;
    let Some([first, _, second, _, destination]) = packet.load_words(ip) else {
        return not_ours(kernel, DropReason::Malformed);
    };
    let (first, second) = (u32::from_be(first), u32::from_be(second));
    let destination = rewrite.address().unwrap_or(destination);
    if first >> 28 != 4 {
        if kernel && first >> 28 == 6 {
            return downlink6(packet, tables, settings, ip);
        }
        return not_ours(kernel, DropReason::NotIpv4);
    }
    if !kernel && first >> 24 != 0x45 {
        // Options from the internet (source routes, say) are the kernel's to judge.
        return Downlinked::Pass(None);
    }
    // Whoever has the network that it is in, where it is no phone's own.
    let mut owner = 0;
    let mut slot = settings.slot(Address(destination));
    if slot.is_none()
        && let Some(found) = framed::of_ipv4(tables, settings, Address(destination))
    {
        (slot, owner) = (Some(found.slot), found.owner);
    }
    let Some(slot) = slot else {
        return not_ours(kernel, DropReason::UnknownPhone);
    };
    if SettingFlags(settings.flags.get()).has(SettingFlags::RULES) {
        service::ahead(tables, Some(slot));
    }
    let Some(record) = tables.downlink(slot) else {
        return not_ours(kernel, DropReason::UnknownPhone);
    };
    let sequence = record.sequence.get();
    let state = record.state.get();
    if state == DownlinkState::LOCAL {
        return not_ours(kernel, DropReason::UnknownPhone);
    }
    let theirs = if owner == 0 { record.ue.get() == destination } else { record.owner.get() == owner };
    if state == DownlinkState::NONE || !theirs {
        return Downlinked::Drop(DropReason::UnknownPhone);
    }
    if !kernel && record.vlan.get() as u32 != vlan {
        return Downlinked::Drop(DropReason::WrongVlan);
    }
    let length = first & 0xffff;
    if length < IPV4 as u32 || !packet.holds(length + ip as u32) {
        return not_ours(kernel, DropReason::Malformed);
    }
    if !kernel && second >> 24 <= 1 {
        return Downlinked::Pass(Some(PuntReason::TimeToLive));
    }
    let (inside_port, six) = (rewrite.inside_port(), if kernel { None } else { Some(false) });
    decide(packet, tables, settings, Found { record, slot, length, state, sequence, inside_port, six }, ip)
}

/// The record of a packet for a phone, as it was found.
struct Found<'t> {
    record: &'t Downlink,
    slot: u32,
    length: u32,
    state: u32,
    sequence: u32,
    inside_port: Option<u32>,
    /// Whether it is of IPv6, where compilers shall know: in the program that sees both, they would keep what only one way has loaded.
    six: Option<bool>,
}

/// Whether a packet for a phone goes into its tunnel.
#[inline(always)]
fn decide<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    found: Found<'t>,
    ip: usize,
) -> Downlinked<'t> {
    let Found { record, slot, length, state, sequence, inside_port, six } = found;
    let mut reason = None;
    // What waits for an idle phone is bounded by its buffer; the limit is for what flows.
    let active = state == DownlinkState::ACTIVE;
    let served =
        service::downlink(packet, tables, record, settings.teid_mask.get(), ip, length, active, inside_port, six);
    let (charge, bearer) = match served {
        Ok(served) => served,
        Err(reason) => {
            record.dropped.add(1);
            return Downlinked::Drop(reason);
        }
    };
    let outstanding = record.outstanding();
    let mut room = outstanding < settings.buffer_limit.get();
    if state == DownlinkState::IDLE {
        reason = Some(PuntReason::IdlePhone);
    } else {
        room = outstanding < settings.buffer_limit.get().saturating_add(FLUSH_ROOM);
        if outstanding != 0 && room {
            reason = Some(PuntReason::Flushing);
        }
    }
    let local = Address(settings.local.get());
    let (tunnel, next_hop, steady) = match bearer {
        None => {
            let flags = DownlinkFlags(record.flags.get());
            let (peer, teid, hop) = (Address(record.peer.get()), record.teid.get(), record.next_hop.get());
            let steady = sequence & 1 == 0 && record.sequence.get() == sequence;
            (Tunnel { peer, local, teid, tos: flags.tos(), qfi: flags.qfi() }, hop, steady)
        }
        Some(bearer) => bearer_tunnel(bearer, local),
    };
    let hop = tables.next_hop(next_hop).filter(|hop| hop.ifindex.get() != 0);
    if reason.is_none() {
        match hop {
            Some(hop) if steady => {
                if length <= settings.tunnel_mtu.get() {
                    return Downlinked::Tunnel { record, bearer, charge, tunnel, hop, length };
                }
                // Never by the kernel, which gathers fragments: it would wait for ever for those that fit.
                reason = Some(PuntReason::TooBig);
            }
            Some(_) => reason = Some(PuntReason::Changing),
            None => {}
        }
    }
    if !room {
        record.dropped.add(1);
        return Downlinked::Drop(DropReason::BufferFull);
    }
    let reason = reason.unwrap_or(PuntReason::NextHop);
    let record = Some(record);
    Downlinked::HandOver(HandOver { record, slot, reason, offset: ip, length, vlan: 0, pass: false })
}

/// An IPv6 packet that the kernel routed to the tunnels.
#[inline(always)]
fn downlink6<'t, P: Packet, T: Tables>(packet: &P, tables: &'t T, settings: &Settings, ip: usize) -> Downlinked<'t> {
    // One after the other: the compiler would keep what only one way has loaded, and the verifier refuses to read it.
    let Some(first) = packet.load64(ip).map(u64::from_be) else {
        return Downlinked::Drop(DropReason::Malformed);
    };
    if first >> 60 != 6 {
        return Downlinked::Drop(DropReason::Malformed);
    }
    let Some(prefix) = packet.load64(ip + 24) else {
        return Downlinked::Drop(DropReason::Malformed);
    };
    let (mut slot, mut owner, mut bits) = (0, 0, 0);
    if let Some(Place6 { place, shift }) = settings.place6(u64::from_be(prefix)) {
        slot = tables.prefix(place).map_or(0, |slot| slot.get() as u32);
        bits = shift;
    } else if let Some(found) = framed::of_ipv6(packet, tables, settings, ip + 24) {
        (slot, owner) = (found.slot.wrapping_add(1), found.owner);
    }
    if slot == 0 {
        return Downlinked::Drop(DropReason::UnknownPhone);
    }
    let slot = slot - 1;
    if SettingFlags(settings.flags.get()).has(SettingFlags::RULES) {
        service::ahead(tables, Some(slot));
    }
    let Some(record) = tables.downlink(slot) else {
        return Downlinked::Drop(DropReason::UnknownPhone);
    };
    let (sequence, state) = (record.sequence.get(), record.state.get());
    let theirs = if owner == 0 { within(record, prefix, bits) } else { record.owner.get() == owner };
    if (state != DownlinkState::ACTIVE && state != DownlinkState::IDLE) || !theirs {
        return Downlinked::Drop(DropReason::UnknownPhone);
    }
    let length = ((first >> 16) as u32 & 0xffff) + IPV6 as u32;
    if !packet.holds(length + ip as u32) {
        return Downlinked::Drop(DropReason::Malformed);
    }
    decide(packet, tables, settings, Found { record, slot, length, state, sequence, inside_port: None, six: None }, ip)
}

/// Whether an address (its first half in wire order) is in the prefix of a phone, or in what may be delegated to it.
#[inline(always)]
fn within(record: &Downlink, prefix: u64, shift: u32) -> bool {
    let own = record.prefix.get();
    own != 0 && (u64::from_be(own) ^ u64::from_be(prefix)) >> (shift & 31) == 0
}

#[inline(always)]
fn not_ours<'t>(kernel: bool, reason: DropReason) -> Downlinked<'t> {
    if kernel { Downlinked::Drop(reason) } else { Downlinked::Pass(None) }
}

/// The tunnel of a dedicated bearer, its next hop, and whether it was at rest while it was read.
#[inline(always)]
fn bearer_tunnel(bearer: &Bearer, local: Address) -> (Tunnel, u32, bool) {
    let sequence = bearer.sequence.get();
    let flags = DownlinkFlags(bearer.flags.get());
    let (peer, teid, hop) = (Address(bearer.peer.get()), bearer.teid.get(), bearer.next_hop.get());
    let steady = sequence & 1 == 0 && bearer.sequence.get() == sequence;
    (Tunnel { peer, local, teid, tos: flags.tos(), qfi: flags.qfi() }, hop, steady)
}

/// The way of a packet that user space sends itself, as it is now: charged to no limit, which the program has done before or, for an
/// idle phone, the buffer's bound does.
pub fn select<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    record: &'t Downlink,
    length: u32,
) -> Result<(Tunnel, Option<&'t Bearer>, Charge<'t>), DropReason> {
    let mask = settings.teid_mask.get();
    let (charge, bearer) = service::downlink(packet, tables, record, mask, 0, length, false, None, None)?;
    let local = Address(settings.local.get());
    let flags = DownlinkFlags(record.flags.get());
    let (peer, teid) = (Address(record.peer.get()), record.teid.get());
    let tunnel = match bearer {
        None => Tunnel { peer, local, teid, tos: flags.tos(), qfi: flags.qfi() },
        Some(bearer) => bearer_tunnel(bearer, local).0,
    };
    Ok((tunnel, bearer, charge))
}

impl Downlinked<'_> {
    /// Counts a packet that was sent to the phone, in its bearer, rule and quotas.
    #[inline(always)]
    pub fn account<T: Tables>(
        tables: &T,
        record: &Downlink,
        bearer: Option<&Bearer>,
        charge: &Charge<'_>,
        length: u32,
    ) {
        let (packets, bytes) = match bearer {
            None => (&record.packets, &record.bytes),
            Some(bearer) => (&bearer.volume[2], &bearer.volume[3]),
        };
        packets.add(1);
        bytes.add(u64::from(length));
        if charge.any {
            service::account(tables, charge, record.owner.get(), false, length);
        }
    }
}

/// Judges a frame towards phones and, where the tunnel is up, leaves it encapsulated with a new Ethernet header.
#[inline(always)]
pub fn towards_phone<'t, P: Packet, T: Tables>(packet: &mut P, tables: &'t T, origin: Origin) -> Verdict<'t> {
    let kernel = origin == Origin::Kernel;
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    let mut kind = packet.load16(ETH - 2);
    let (mut ip, mut vlan) = (ETH, 0);
    if !kernel && kind == Some(ETHERTYPE_VLAN.to_be()) {
        let Some(tag) = packet.load32(ETH) else { return Verdict::Pass };
        vlan = u32::from_be(tag) >> 16 & 0xfff;
        kind = Some((u32::from_be(tag) as u16).to_be());
        ip = ETH + TAG;
    }
    if kind != Some(ETHERTYPE_IPV4.to_be()) && !(kernel && kind == Some(ETHERTYPE_IPV6.to_be())) {
        return if kernel { drop(tables, DropReason::NotIpv4) } else { Verdict::Pass };
    }
    let mut rewrite = Rewrite::NONE;
    if !kernel {
        match nat::inward(packet, tables, ip) {
            Inward::Other => {}
            Inward::Kernel => return Verdict::Pass,
            Inward::To(found) => rewrite = found.any(tables),
            Inward::Early(key, own) => return early(packet, tables, ip, vlan, key, own),
            Inward::Drop(reason) => return drop(tables, reason),
        }
    }
    match judge(packet, tables, settings, ip, origin, vlan, &rewrite) {
        Downlinked::Tunnel { record, bearer, charge, tunnel, hop, length } => {
            if !kernel && (decrement_ttl(packet, ip).is_none() || nat::translate(packet, ip, &rewrite).is_none()) {
                return drop(tables, DropReason::NoRoom);
            }
            clamp(packet, settings, ip, length);
            let verdict = encapsulate(packet, tables, record, tunnel, hop, length, ip);
            if matches!(verdict, Verdict::Redirect(_)) {
                Downlinked::account(tables, record, bearer, &charge, length);
            }
            verdict
        }
        Downlinked::HandOver(handover) => {
            if !kernel && (decrement_ttl(packet, ip).is_none() || nat::translate(packet, ip, &rewrite).is_none()) {
                return drop(tables, DropReason::NoRoom);
            }
            tables.count(handover.reason.slot());
            Verdict::HandOver(handover)
        }
        Downlinked::Pass(reason) => {
            if let Some(reason) = reason {
                tables.count(reason.slot());
            }
            Verdict::Pass
        }
        Downlinked::Drop(reason) => drop(tables, reason),
    }
}

/// A later fragment that has come before its first one. What may be for the gateway itself the kernel gets, too.
#[inline(always)]
fn early<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    ip: usize,
    vlan: u32,
    key: u64,
    own: bool,
) -> Verdict<'t> {
    let length = packet.load32(ip).map_or(0, u32::from_be) & 0xffff;
    if !packet.holds(length + ip as u32) || !nat::may_wait(tables, key) {
        return if own { Verdict::Pass } else { drop(tables, DropReason::NatFragment) };
    }
    tables.count(PuntReason::EarlyFragment.slot());
    let (slot, reason) = (HandoverHeader::EARLY, PuntReason::EarlyFragment);
    Verdict::HandOver(HandOver { record: None, slot, reason, offset: ip, length, vlan, pass: own })
}

/// Puts the tunnel's headers in place of the Ethernet header, behind which the packet starts at `ip`.
#[inline(always)]
fn encapsulate<'t, P: Packet, T: Tables>(
    packet: &mut P,
    tables: &'t T,
    record: &Downlink,
    tunnel: Tunnel,
    hop: &NextHop,
    length: u32,
    ip: usize,
) -> Verdict<'t> {
    let ifindex = hop.ifindex.get();
    let macs = [hop.macs[0].get(), hop.macs[1].get(), hop.macs[2].get()];
    let identification = record.packets.get() as u16;
    let headers = encapsulation(tunnel, length, identification);
    let tag = (ip - ETH) as i32;
    let moved = if tunnel.qfi == 0 {
        packet.shift(tag - TUNNEL_OVERHEAD as i32)
    } else {
        packet.shift(tag - (TUNNEL_OVERHEAD + CONTAINER) as i32)
    };
    if moved.is_none()
        || packet.store_words(0, macs).is_none()
        || packet.store16(ETH - 2, ETHERTYPE_IPV4.to_be()).is_none()
        || packet.store_words(ETH, headers).is_none()
    {
        return drop(tables, DropReason::NoRoom);
    }
    if tunnel.qfi != 0 && packet.store_words(ETH + TUNNEL_OVERHEAD, container(tunnel.qfi)).is_none() {
        return drop(tables, DropReason::NoRoom);
    }
    Verdict::Redirect(ifindex)
}

/// Sequence number and N-PDU number, not used, and a DL PDU Session Information with this QFI (TS 29.281 §5.2.2.7; TS 38.415 §5.5.2.1).
#[must_use]
#[inline(always)]
pub fn container(qfi: u32) -> [u32; 2] {
    [0x0000_0085_u32.to_be(), (0x0100_0000 | (qfi & 0x3f) << 8).to_be()]
}

/// Outer IPv4, UDP and GTP-U header for an inner packet of `length` octets: nine words in memory order. The UDP checksum is zero, as
/// IPv4 allows; the outer packet may be fragmented on its way, hence the identification.
#[must_use]
#[inline(always)]
pub fn encapsulation(tunnel: Tunnel, length: u32, identification: u16) -> [u32; 9] {
    let extra = tunnel.overhead() - TUNNEL_OVERHEAD as u32;
    let total = length + tunnel.overhead();
    let version = 0x4500 | tunnel.tos;
    let word = |high: u32, low: u32| (high << 16 | (low & 0xffff)).to_be();
    let (source, destination) = (tunnel.local.to_host(), tunnel.peer.to_host());
    let lifetime = 64 << 8 | u32::from(PROTO_UDP);
    let sum = version
        + (total & 0xffff)
        + u32::from(identification)
        + lifetime
        + (source >> 16)
        + (source & 0xffff)
        + (destination >> 16)
        + (destination & 0xffff);
    let port = u32::from(GTP_PORT);
    [
        word(version, total),
        word(u32::from(identification), 0),
        word(lifetime, u32::from(fold(sum))),
        tunnel.local.0,
        tunnel.peer.0,
        word(port, port),
        word(length + extra + (UDP + GTP_HEADER) as u32, 0),
        word(if extra == 0 { 0x3000 } else { 0x3400 } | u32::from(G_PDU), length + extra),
        tunnel.teid,
    ]
}
