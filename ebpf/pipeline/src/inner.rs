//! Checks of what comes out of a tunnel: an IPv4 packet that the phone may send.

use crate::Packet;
use crate::wire::{FRAGMENT_OFFSET, GTP_PORT, IPV4, MORE_FRAGMENTS, PROTO_SCTP, PROTO_TCP, PROTO_UDP};
use basalt_ebpf_abi::{Address, DropReason, SettingFlags};

/// What the forwarding step needs to know of the inner packet.
#[derive(Clone, Copy)]
pub(crate) struct Inner {
    pub(crate) length: u32,
    pub(crate) destination: Address,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
}

/// Checks the inner packet at `offset`, of which `available` octets are there, as sent by the phone `ue`.
#[inline(always)]
pub(crate) fn check<P: Packet>(
    packet: &P,
    offset: usize,
    available: u32,
    ue: u32,
    flags: SettingFlags,
) -> Result<Inner, DropReason> {
    if available < IPV4 as u32 {
        return Err(DropReason::InnerLength);
    }
    let cut = DropReason::InnerLength;
    let first = u64::from_be(packet.load64(offset).ok_or(cut)?);
    let [second, source, destination] = packet.load_words(offset + 8).ok_or(cut)?;
    let second = u32::from_be(second);
    match (first >> 56) as u8 {
        0x45 => {}
        other if other >> 4 != 4 => return Err(DropReason::InnerVersion),
        other if other & 0xf < 5 => return Err(DropReason::InnerLength),
        _ => return Err(DropReason::InnerOptions),
    }
    let length = (first >> 32) as u32 & 0xffff;
    if length != available {
        return Err(DropReason::InnerLength);
    }
    // A phone without IPv4 has 0, which no source is.
    if source != ue || ue == 0 {
        return Err(DropReason::SpoofedSource);
    }
    let fragment = first as u16;
    ports(packet, offset, length, (second >> 16) as u8, fragment, flags)?;
    let (ttl, protocol) = ((second >> 24) as u8, (second >> 16) as u8);
    Ok(Inner { length, destination: Address(destination), ttl, protocol })
}

/// Fragments that hide their ports (RFC 1858, RFC 3128), and ports that phones have no business with.
#[inline(always)]
fn ports<P: Packet>(
    packet: &P,
    offset: usize,
    length: u32,
    protocol: u8,
    fragment: u16,
    flags: SettingFlags,
) -> Result<(), DropReason> {
    let payload = length - IPV4 as u32;
    let position = fragment & FRAGMENT_OFFSET;
    let more = fragment & MORE_FRAGMENTS != 0;
    if (more && payload & 7 != 0) || u32::from(position) * 8 + payload > 65_535 - IPV4 as u32 {
        return Err(DropReason::InnerFragment);
    }
    let header = match protocol {
        PROTO_UDP => 8,
        PROTO_TCP => 20,
        PROTO_SCTP => 12,
        _ => return Ok(()),
    };
    if position != 0 {
        // A fragment that starts inside the transport header would overwrite what was checked in the first one.
        return if u32::from(position) * 8 < header { Err(DropReason::InnerFragment) } else { Ok(()) };
    }
    if payload < header {
        return Err(if more { DropReason::InnerFragment } else { DropReason::InnerLength });
    }
    if flags.has(SettingFlags::CORE_PORTS) {
        return Ok(());
    }
    let Some(ports) = packet.load32(offset + IPV4) else {
        return Err(DropReason::InnerLength);
    };
    let ports = u32::from_be(ports);
    core_ports(protocol, (ports >> 16) as u16, ports as u16)
}

/// Registered ports: GTP-U 2152 (TS 29.281), GTP-C 2123 (TS 29.274), PFCP 8805 (TS 29.244), Diameter 3868 (RFC 6733), S1AP 36412
/// (TS 36.412), X2AP 36422, NGAP 38412 (TS 38.412), XnAP 38422; DHCP server 67 to client 68 (RFC 2131).
#[inline(always)]
pub(crate) fn core_ports(protocol: u8, source: u16, destination: u16) -> Result<(), DropReason> {
    match (protocol, destination) {
        (PROTO_UDP, GTP_PORT) => Err(DropReason::GtpInGtp),
        (PROTO_UDP, 2123 | 8805) | (PROTO_TCP | PROTO_SCTP, 3868) | (PROTO_SCTP, 36412 | 36422 | 38412 | 38422) => {
            Err(DropReason::CorePort)
        }
        (PROTO_UDP, 68) if source == 67 => Err(DropReason::RogueServer),
        _ => Ok(()),
    }
}
