//! Where packets go of phones whose access point has its own way to the internet: translated, by a VLAN, or by the kernel.
//!
//! A program of its own, entered from that of the radio side for these phones only: verifiers look at both together for too long.

use crate::access::send;
use crate::nat::{self, Outward, Rewrite};
use crate::segment::clamp;
use crate::service;
use crate::uplink::{Pending, Uplinked, way};
use crate::wire::DONT_FRAGMENT;
use crate::{Packet, Tables, Verdict, drop};
use basalt_ebpf_abi::{Address, DropReason, KERNEL_NEXT_HOP, PuntReason, Settings, Uplink, UplinkFlags};

/// What the way of a packet depends on.
#[derive(Clone, Copy)]
struct Head {
    source: u32,
    destination: Address,
    protocol: u8,
    ttl: u8,
    /// It must not be fragmented.
    whole: bool,
}

#[inline(always)]
fn head<P: Packet>(packet: &P, ip: usize) -> Option<Head> {
    let [fragment, word, source, destination] = packet.load_words(ip + 4)?;
    let (flags, word) = (u32::from_be(fragment) as u16, u32::from_be(word));
    Some(Head {
        source,
        destination: Address(destination),
        protocol: (word >> 16) as u8,
        ttl: (word >> 24) as u8,
        whole: flags & DONT_FRAGMENT != 0,
    })
}

/// A good inner packet of which is known where it goes, but not yet whether its limits let it.
#[derive(Debug, Clone, Copy)]
pub struct Resolved {
    pending: Pending,
    next_hop: u32,
    ttl: u32,
    hairpin: bool,
    rewrite: Rewrite,
}

impl Resolved {
    /// Index of the tunnel that the packet came by.
    #[must_use]
    #[inline(always)]
    pub fn index(&self) -> u32 {
        self.pending.index
    }

    /// Words of it.
    pub const WORDS: usize = 15;

    /// For [`Resolved::from_words`]. Hairpins, which take the slow path, are not told.
    #[inline(always)]
    pub fn to_words(&self) -> [u32; Self::WORDS] {
        let Pending { index, offset, length } = self.pending;
        let [a, b, c, d, e, f, g, h, i] = self.rewrite.to_words();
        [index, offset, length, self.next_hop, self.ttl, a, b, c, d, e, f, g, h, i, 0]
    }

    /// Of what [`Resolved::to_words`] has given.
    #[inline(always)]
    pub fn from_words(words: &[u32; Self::WORDS]) -> Self {
        let [index, offset, length, next_hop, ttl, a, b, c, d, e, f, g, h, i, _] = *words;
        let (pending, rewrite) = (Pending { index, offset, length }, Rewrite::from_words([a, b, c, d, e, f, g, h, i]));
        Self { pending, next_hop, ttl, hairpin: false, rewrite }
    }
}

/// Finds the way of a packet that [`crate::access`] has found to be good, and goes on to send it.
#[inline(always)]
pub fn onward<'t, P: Packet, T: Tables>(packet: &mut P, tables: &'t T, pending: Pending) -> Verdict<'t> {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    match resolve(packet, tables, settings, pending, false) {
        Ok(resolved) => packet.deliver(tables, resolved),
        Err(Uplinked::Punt(reason)) => crate::punt(tables, settings, reason),
        Err(Uplinked::Drop(reason)) => drop(tables, reason),
        Err(_) => drop(tables, DropReason::NoRoom),
    }
}

/// Charges a packet and sends it.
#[inline(always)]
pub fn deliver<'t, P: Packet, T: Tables>(packet: &mut P, tables: &'t T, resolved: Resolved) -> Verdict<'t> {
    let Some(settings) = tables.settings() else {
        return Verdict::Pass;
    };
    match charge(packet, tables, resolved) {
        Uplinked::Forward { record, charge, offset, length, next_hop, ttl, rewrite, .. } => {
            clamp(packet, settings, offset, length);
            send(packet, tables, record, &charge, offset, length, next_hop, ttl, &rewrite)
        }
        Uplinked::Drop(reason) => drop(tables, reason),
        Uplinked::Egress(_) | Uplinked::Punt(_) => drop(tables, DropReason::NoRoom),
    }
}

/// The packet's place. Never farther than behind the longest headers ([`crate::uplink()`]), and verifiers shall see it.
#[inline(always)]
fn place(pending: Pending) -> (usize, u32) {
    ((pending.offset & 0x1ff) as usize, pending.length & 0xffff)
}

/// Finds the way of a packet, and its translation. Between phones that are translated, packets take the slow path: `slow` tells that this
/// is it.
///
/// # Errors
/// [`Uplinked::Punt`] or [`Uplinked::Drop`].
#[inline(always)]
pub fn resolve<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    pending: Pending,
    slow: bool,
) -> Result<Resolved, Uplinked<'t>> {
    let Some(record) = tables.uplink(pending.index) else {
        return Err(Uplinked::Punt(PuntReason::UnknownTeid));
    };
    if UplinkFlags(record.flags.get()).has(UplinkFlags::RULES) {
        // The port block and the mapping are far away, too, and one must be there before the other can be looked for.
        tables.fetch_rule_state(record.states.get());
    }
    let (offset, length) = place(pending);
    let found = find(packet, tables, settings, record, offset, length, slow);
    if let Err(Uplinked::Drop(_)) = &found {
        record.refused.add(1);
    }
    let (next_hop, ttl, hairpin, rewrite) = found?;
    Ok(Resolved { pending, next_hop, ttl, hairpin, rewrite })
}

/// How the gateway's word about a packet for a phone, an ICMP error that stands at the front in the phone's name, is translated on its way
/// to that packet's sender; `None` when nothing is known any more of what the packet belongs to. `home` is of the phone's default bearer.
#[must_use]
pub fn word<P: Packet, T: Tables>(packet: &P, tables: &T, home: &Uplink, length: u32) -> Option<Rewrite> {
    if !UplinkFlags(home.flags.get()).has(UplinkFlags::TRANSLATED) {
        return Some(Rewrite::NONE);
    }
    match nat::outward(packet, tables, home.block.get(), home.ue.get(), 0, length) {
        Outward::To(rewrite) => Some(rewrite),
        Outward::More | Outward::Drop(_) => None,
    }
}

/// Charges a packet of which the way is known: [`Uplinked::Forward`] or [`Uplinked::Drop`].
#[inline(always)]
pub fn charge<'t, P: Packet, T: Tables>(packet: &P, tables: &'t T, resolved: Resolved) -> Uplinked<'t> {
    let Resolved { pending, next_hop, ttl, hairpin, rewrite } = resolved;
    let Some(record) = tables.uplink(pending.index) else {
        return Uplinked::Drop(DropReason::NoRoom);
    };
    let (offset, length) = place(pending);
    let rights = UplinkFlags(record.flags.get());
    match service::uplink(packet, tables, record, rights, offset, length, Some(false)) {
        Ok(charge) => Uplinked::Forward { record, charge, offset, length, next_hop, ttl: ttl as u8, rewrite, hairpin },
        Err(reason) => {
            record.refused.add(1);
            Uplinked::Drop(reason)
        }
    }
}

#[inline(always)]
fn find<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    record: &'t Uplink,
    offset: usize,
    length: u32,
    slow: bool,
) -> Result<(u32, u32, bool, Rewrite), Uplinked<'t>> {
    let head = head(packet, offset).ok_or(Uplinked::Drop(DropReason::InnerLength))?;
    let rights = UplinkFlags(record.flags.get());
    let hairpin = rights.has(UplinkFlags::TRANSLATED) && nat::is_external(tables, head.destination);
    let way = if hairpin { back(rights) } else { way(tables, settings, rights, head.destination, head.protocol) };
    let next_hop = way.map_err(Uplinked::Drop)?;
    if hairpin && !slow {
        return Err(Uplinked::Punt(PuntReason::Hairpin));
    }
    let ttl = u32::from(head.ttl);
    if !hairpin && next_hop == KERNEL_NEXT_HOP {
        return Ok((next_hop, ttl, hairpin, Rewrite::NONE));
    }
    let (next_hop, rewrite) = egress(packet, tables, record, rights, head, offset, length, next_hop)?;
    Ok((next_hop, ttl, hairpin, rewrite))
}

/// To another phone's external address: by the kernel, as everything between phones.
#[inline(always)]
fn back(rights: UplinkFlags) -> Result<u32, DropReason> {
    if rights.has(UplinkFlags::PHONE_TO_PHONE) { Ok(KERNEL_NEXT_HOP) } else { Err(DropReason::PhoneToPhone) }
}

/// The next hop towards the internet, and the translation.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined into one program")]
fn egress<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    record: &'t Uplink,
    rights: UplinkFlags,
    head: Head,
    offset: usize,
    length: u32,
    mut next_hop: u32,
) -> Result<(u32, Rewrite), Uplinked<'t>> {
    if rights.has(UplinkFlags::BY_KERNEL) {
        return Ok((KERNEL_NEXT_HOP, Rewrite::NONE));
    }
    // Of a dedicated bearer, the session's default bearer knows.
    let home = if record.number() == 0 { Some(record) } else { tables.uplink(record.home.get()) };
    let Some(home) = home else { return Err(Uplinked::Drop(DropReason::WrongBearer)) };
    if rights.has(UplinkFlags::OWN_HOP) && next_hop != KERNEL_NEXT_HOP {
        next_hop = home.egress.get();
    }
    if next_hop != KERNEL_NEXT_HOP {
        // The kernel shall answer the phone, so it must know the phone by its own address.
        let mtu = tables.next_hop(next_hop).map_or(0, |hop| hop.mtu.get());
        if head.ttl <= 1 || (head.whole && mtu != 0 && length > mtu) {
            return Ok((KERNEL_NEXT_HOP, Rewrite::NONE));
        }
    }
    // Networks behind phones are known outside by their own addresses.
    if !rights.has(UplinkFlags::TRANSLATED) || head.source != record.ue.get() {
        return Ok((next_hop, Rewrite::NONE));
    }
    match nat::outward(packet, tables, home.block.get(), record.ue.get(), offset, length) {
        Outward::To(rewrite) => Ok((next_hop, rewrite)),
        Outward::More => Err(Uplinked::Punt(nat::MORE)),
        Outward::Drop(reason) => Err(Uplinked::Drop(reason)),
    }
}
