//! Uplink: from a GTP-U message to an inner packet that may go out.

use crate::framed;
use crate::inner;
use crate::inner6::{self, Checked6};
use crate::nat::Rewrite;
use crate::service::{self, Charge};
use crate::wire::{G_PDU, GTP_HEADER, PROTO_ICMP};
use crate::{Packet, Tables};
use basalt_ebpf_abi::{
    Address, Class, DropReason, KERNEL_NEXT_HOP, PuntReason, SettingFlags, Settings, Uplink, UplinkFlags,
};

/// What becomes of a GTP-U message.
#[derive(Debug, Clone, Copy)]
pub enum Uplinked<'t> {
    /// A good inner packet.
    Forward {
        /// Its tunnel; the caller counts with [`Uplinked::account`] what it really sent.
        record: &'t Uplink,
        /// What else it is counted in.
        charge: Charge<'t>,
        /// Where the inner packet starts.
        offset: usize,
        /// Its total length.
        length: u32,
        /// The next hop; [`KERNEL_NEXT_HOP`] for the kernel.
        next_hop: u32,
        /// Its time to live.
        ttl: u8,
        /// How its source is translated: for [`crate::leave`].
        rewrite: Rewrite,
        /// Its destination is another phone's external address.
        hairpin: bool,
    },
    /// A good inner packet of a phone whose access point has its own way to the internet: see [`crate::onward`].
    Egress(Pending),
    /// For user space (to be limited and counted by the caller).
    Punt(PuntReason),
    /// Not acceptable (to be counted by the caller).
    Drop(DropReason),
}

/// A good inner packet of which is still to be said where it goes.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// Its tunnel's index.
    pub index: u32,
    /// Where it starts.
    pub offset: u32,
    /// Its total length.
    pub length: u32,
}

/// Judges the GTP-U message of `available` octets at `gtp`, which came from `peer`.
#[inline(always)]
pub fn uplink<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    gtp: usize,
    available: u32,
    peer: Address,
) -> Uplinked<'t> {
    let Some(header) = packet.load64(gtp) else {
        return Uplinked::Drop(DropReason::Malformed);
    };
    let header = u64::from_be(header);
    let flags = (header >> 56) as u8;
    if flags & 0xf0 != 0x30 {
        return Uplinked::Drop(DropReason::GtpVersion);
    }
    let length = (header >> 32) as u32 & 0xffff;
    if length + GTP_HEADER as u32 != available {
        return Uplinked::Drop(DropReason::Malformed);
    }
    match (header >> 48) as u8 {
        G_PDU => {}
        // Echo, Error Indication, Supported Extension Headers, Tunnel Status, End Marker (TS 29.281 table 6.1-1).
        1 | 2 | 26 | 31 | 253 | 254 => return Uplinked::Punt(PuntReason::GtpControl),
        _ => return Uplinked::Drop(DropReason::GtpMessageType),
    }
    if SettingFlags(settings.flags.get()).has(SettingFlags::RULES) {
        // By what the packet says of itself, since the record is far away, too. Behind a PDU Session Container, if behind anything.
        let optional = if flags & 0x07 == 0 { 0 } else { 8 };
        let source = packet.load32(gtp + GTP_HEADER + optional + 12);
        service::ahead(tables, source.and_then(|source| settings.slot(Address(source))));
    }
    let teid = header as u32;
    let index = teid & settings.teid_mask.get();
    let Some(record) = tables.uplink(index) else {
        return Uplinked::Punt(PuntReason::UnknownTeid);
    };
    if teid == 0 || record.teid.get() != teid {
        return Uplinked::Punt(PuntReason::UnknownTeid);
    }
    match tunnelled(packet, tables, settings, record, gtp, flags, length, peer, index) {
        Uplinked::Drop(reason) => {
            record.refused.add(1);
            Uplinked::Drop(reason)
        }
        other => other,
    }
}

/// A G-PDU in a tunnel that exists.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined into one program")]
fn tunnelled<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    record: &'t Uplink,
    gtp: usize,
    flags: u8,
    length: u32,
    peer: Address,
    index: u32,
) -> Uplinked<'t> {
    if peer.0 & record.peer_mask.get() != record.peer.get() {
        return Uplinked::Punt(PuntReason::OtherPeer);
    }
    let rights = UplinkFlags(record.flags.get());
    if rights.0 & (UplinkFlags::IDLE | UplinkFlags::FORWARD) != 0 {
        let forward = rights.has(UplinkFlags::FORWARD);
        return Uplinked::Punt(if forward { PuntReason::Forwarding } else { PuntReason::IdleUplink });
    }
    let mut optional = 0;
    if flags & 0x07 != 0 {
        match optional_part(packet, gtp + GTP_HEADER, length, flags) {
            Ok(found) => optional = found,
            Err(refusal) => return refusal,
        }
    }
    let qfi = record.qfi();
    if qfi != 0 && optional >> QFI_SHIFT != (HAS_QFI | qfi) {
        return Uplinked::Drop(DropReason::WrongQfi);
    }
    // Without optional part nearly always; verifiers shall not follow each case through all that comes.
    let optional = tables.any(optional) & 0x1ff;
    let offset = gtp + GTP_HEADER + optional as usize;
    let setting_flags = SettingFlags(settings.flags.get());
    let ue = if rights.has(UplinkFlags::FRAMED) {
        framed::source(packet, tables, settings, record, offset)
    } else {
        record.ue.get()
    };
    let inner = match inner::check(packet, offset, length - optional, ue, setting_flags) {
        Ok(inner) => inner,
        Err(DropReason::InnerVersion) if record.prefix.get() != 0 => {
            return version6(packet, tables, settings, record, rights, offset, length - optional);
        }
        Err(reason) => return Uplinked::Drop(reason),
    };
    if rights.0 & UplinkFlags::EGRESS != 0 {
        return Uplinked::Egress(Pending { index, offset: offset as u32, length: inner.length });
    }
    let next_hop = match way(tables, settings, rights, inner.destination, inner.protocol) {
        Ok(next_hop) => next_hop,
        Err(reason) => return Uplinked::Drop(reason),
    };
    match service::uplink(packet, tables, record, rights, offset, inner.length, Some(false)) {
        Ok(charge) => {
            let (length, ttl, rewrite) = (inner.length, inner.ttl, Rewrite::NONE);
            Uplinked::Forward { record, charge, offset, length, next_hop, ttl, rewrite, hairpin: false }
        }
        Err(reason) => Uplinked::Drop(reason),
    }
}

/// An inner packet of a phone that has IPv6, and that is not IPv4. All of them go by the kernel.
#[inline(always)]
fn version6<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    settings: &Settings,
    record: &'t Uplink,
    rights: UplinkFlags,
    offset: usize,
    available: u32,
) -> Uplinked<'t> {
    let prefix = u64::from_be(record.prefix.get());
    let behind = rights.has(UplinkFlags::FRAMED) && framed::is_source6(packet, tables, settings, record, offset);
    let inner = match inner6::check(packet, offset, available, prefix, settings, behind) {
        Ok(Checked6::Good(inner)) => inner,
        Ok(Checked6::Solicitation) => return Uplinked::Punt(PuntReason::RouterSolicitation),
        Err(reason) => return Uplinked::Drop(reason),
    };
    if !inner6::reachable(inner.destination) || settings.forbids6(inner.destination) {
        return Uplinked::Drop(DropReason::ForbiddenDestination);
    }
    if !rights.has(UplinkFlags::PHONE_TO_PHONE)
        && (settings.place6(inner.destination).is_some() || framed::is_destination6(packet, tables, settings, offset))
    {
        return Uplinked::Drop(DropReason::PhoneToPhone);
    }
    match service::uplink(packet, tables, record, rights, offset, inner.length, Some(true)) {
        // The kernel takes one from the hop limit.
        Ok(charge) => {
            let (rewrite, next_hop, length) = (Rewrite::NONE, KERNEL_NEXT_HOP, inner.length);
            Uplinked::Forward { record, charge, offset, length, next_hop, ttl: 255, rewrite, hairpin: false }
        }
        Err(reason) => Uplinked::Drop(reason),
    }
}

/// Largest chain of extension headers that is followed. Real ones have one or two.
const MAX_EXTENSIONS: usize = 4;
/// Largest optional part: keeps offsets small for the verifier and far below what an honest peer sends.
const MAX_OPTIONAL: u32 = 256;

/// Where [`optional_part`] tells the QoS flow identifier.
const QFI_SHIFT: u32 = 16;
/// Beside it: there is one.
const HAS_QFI: u32 = 1 << 6;

/// Length of the optional fields and extension headers at `start` (TS 29.281 §5.1, §5.2), of `length` octets after the GTP-U header, in
/// the low half; the QoS flow identifier of the last UL PDU Session Information among them (TS 38.415 §5.5.2.2) in the high one.
#[inline(always)]
fn optional_part<'t, P: Packet>(packet: &P, start: usize, length: u32, flags: u8) -> Result<u32, Uplinked<'t>> {
    const BAD: Uplinked<'static> = Uplinked::Drop(DropReason::ExtensionHeader);
    if length < 4 {
        return Err(BAD);
    }
    if flags & 0x04 == 0 {
        // Without the E flag the next-type octet is not to be evaluated.
        return Ok(4);
    }
    // Counted up to the word that ends with the next type, because verifiers dislike pointers that go back.
    let mut end = 2u32;
    let mut qfi = 0;
    let mut i = 0;
    loop {
        let at = start + end as usize;
        let next = second_octet(packet.load16(at)).ok_or(BAD)?;
        if next == 0 {
            return Ok((end + 2) | (qfi << QFI_SHIFT));
        }
        if i == MAX_EXTENSIONS {
            return Err(BAD);
        }
        i += 1;
        if next & 0x80 != 0 && !known_extension(next) {
            return Err(Uplinked::Punt(PuntReason::UnknownExtension));
        }
        let head = packet.load16(at + 2);
        let size = u32::from(first_octet(head).ok_or(BAD)?) * 4;
        if size == 0 || size > MAX_OPTIONAL {
            return Err(BAD);
        }
        if next == PDU_SESSION && second_octet(head).is_some_and(|octet| octet >> 4 == UPLINK_INFORMATION) {
            qfi = HAS_QFI | u32::from(first_octet(packet.load16(at + 4)).ok_or(BAD)?) & 0x3f;
        }
        end += size;
        if end + 2 > length || end > MAX_OPTIONAL {
            return Err(BAD);
        }
    }
}

/// Extension headers whose meaning is known well enough to skip them although their type demands comprehension: PDU Session
/// Container, PDCP PDU Number, Long PDCP PDU Number (TS 29.281 §5.2.2).
#[inline(always)]
fn known_extension(kind: u8) -> bool {
    matches!(kind, PDU_SESSION | 0xc0 | 0x82)
}

/// Type of a PDU Session Container (TS 29.281 table 5.2.1-3).
const PDU_SESSION: u8 = 0x85;
/// Type of a UL PDU Session Information (TS 38.415 §5.5.3.1).
const UPLINK_INFORMATION: u8 = 1;

#[inline(always)]
fn first_octet(word: Option<u16>) -> Option<u8> {
    word.map(|word| (u16::from_be(word) >> 8) as u8)
}

#[inline(always)]
fn second_octet(word: Option<u16>) -> Option<u8> {
    word.map(|word| u16::from_be(word) as u8)
}

/// Which way a good inner packet goes.
#[inline(always)]
pub(crate) fn way<T: Tables>(
    tables: &T,
    settings: &Settings,
    rights: UplinkFlags,
    destination: Address,
    protocol: u8,
) -> Result<u32, DropReason> {
    let Some(destinations) = tables.destinations() else {
        return Err(DropReason::ForbiddenDestination);
    };
    let mut class = destinations.class(destination.first_octets());
    if class == Class::RULES {
        class = settings.rule(destination);
    }
    if (class == Class::KERNEL || class.0 >= Class::FIRST_HOP) && framed::is_phones(tables, settings, destination) {
        class = Class::PHONES;
    }
    match class {
        Class::KERNEL => Ok(KERNEL_NEXT_HOP),
        Class::GATEWAY if protocol == PROTO_ICMP => Ok(KERNEL_NEXT_HOP),
        Class::PHONES if rights.has(UplinkFlags::PHONE_TO_PHONE) => Ok(KERNEL_NEXT_HOP),
        Class::PHONES => Err(DropReason::PhoneToPhone),
        Class(number) if number >= Class::FIRST_HOP => Ok(u32::from(number)),
        _ => Err(DropReason::ForbiddenDestination),
    }
}

impl Uplinked<'_> {
    /// Counts a forwarded packet in its bearer, rule and quotas.
    #[inline(always)]
    pub fn account<T: Tables>(tables: &T, record: &Uplink, charge: &Charge<'_>, length: u32) {
        let (packets, bytes) = match charge.bearer {
            None => (&record.packets, &record.bytes),
            Some(bearer) => (&bearer.volume[0], &bearer.volume[1]),
        };
        packets.add(1);
        bytes.add(u64::from(length));
        if charge.any {
            let home = if record.number() == 0 { Some(record) } else { tables.uplink(record.home.get()) };
            let owner = home.map_or(0, |home| home.teid.get());
            service::account(tables, charge, owner, true, length);
        }
    }
}
