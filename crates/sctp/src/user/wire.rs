//! The part of the SCTP packet format (RFC 9260 §3) that the adapter itself reads and writes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::crc32c::packet_checksum;

/// Octets of the common header.
pub(crate) const HEADER: usize = 12;

/// Chunk types (RFC 9260 §3.2).
pub(crate) mod chunk {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const INIT: u8 = 1;
    pub(crate) const INIT_ACK: u8 = 2;
    pub(crate) const SACK: u8 = 3;
    pub(crate) const HEARTBEAT: u8 = 4;
    pub(crate) const HEARTBEAT_ACK: u8 = 5;
    pub(crate) const ABORT: u8 = 6;
    pub(crate) const SHUTDOWN: u8 = 7;
    pub(crate) const SHUTDOWN_ACK: u8 = 8;
    pub(crate) const ERROR: u8 = 9;
    pub(crate) const COOKIE_ECHO: u8 = 10;
    pub(crate) const COOKIE_ACK: u8 = 11;
    pub(crate) const SHUTDOWN_COMPLETE: u8 = 14;
}

/// Error causes (RFC 9260 §3.3.10).
pub(crate) mod cause {
    pub(crate) const INVALID_STREAM: u16 = 1;
    pub(crate) const STALE_COOKIE: u16 = 3;
    pub(crate) const OUT_OF_RESOURCE: u16 = 4;
    pub(crate) const UNRESOLVABLE_ADDRESS: u16 = 5;
    pub(crate) const INVALID_PARAMETER: u16 = 7;
    pub(crate) const USER_ABORT: u16 = 12;
}

/// Parameters of INIT and INIT ACK (RFC 9260 §3.3.2.1, §3.3.3.1).
mod parameter {
    pub(super) const IPV4: u16 = 5;
    pub(super) const IPV6: u16 = 6;
    pub(super) const STATE_COOKIE: u16 = 7;
}

/// T bit of ABORT and SHUTDOWN COMPLETE: the verification tag is the peer's own, reflected.
const T_BIT: u8 = 1;
/// Octets of INIT and INIT ACK before the parameters.
const INIT_FIXED: usize = 16;

/// Common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub source: u16,
    pub destination: u16,
    pub tag: u32,
}

/// One chunk, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub kind: u8,
    pub flags: u8,
    pub value: &'a [u8],
}

/// Fixed part of INIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Init {
    pub tag: u32,
    pub out_streams: u16,
    pub in_streams: u16,
}

fn be16(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

fn be32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

impl Header {
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        if packet.len() < HEADER {
            return None;
        }
        Some(Self { source: be16(packet, 0)?, destination: be16(packet, 2)?, tag: be32(packet, 4)? })
    }

    /// The header of an answer that carries `tag`.
    pub(crate) fn answer(self, tag: u32) -> Self {
        Self { source: self.destination, destination: self.source, tag }
    }
}

/// Whether the checksum field is right.
pub(crate) fn checksum_ok(packet: &[u8]) -> bool {
    packet.get(8..HEADER) == Some(&packet_checksum(packet))
}

/// The chunks of a packet, until the first that does not fit.
pub(crate) fn chunks(packet: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = packet.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::from(be16(rest, 2)?);
        let value = rest.get(4..length)?;
        let chunk = Chunk { kind: rest[0], flags: rest[1], value };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(chunk)
    })
}

fn parameters(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let kind = be16(rest, 0)?;
        let length = usize::from(be16(rest, 2)?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

impl Init {
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        Some(Self { tag: be32(value, 0)?, out_streams: be16(value, 8)?, in_streams: be16(value, 10)? })
    }
}

/// The addresses that an INIT or INIT ACK lists, unicast ones only, up to `limit`.
pub(crate) fn listed_addresses(init: &[u8], limit: usize) -> Vec<IpAddr> {
    parameters(init.get(INIT_FIXED..).unwrap_or_default())
        .filter_map(|(kind, value)| match kind {
            parameter::IPV4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
            parameter::IPV6 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
            _ => None,
        })
        .filter(|address| is_unicast(*address))
        .take(limit)
        .collect()
}

/// Whether an address can be a peer's (RFC 9260 §8.4 rule 1).
pub(crate) fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4 != Ipv4Addr::UNSPECIFIED && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => v6 != Ipv6Addr::UNSPECIFIED && !v6.is_multicast(),
    }
}

/// If the packet begins with an ABORT whose tag is not reflected: its first cause in words.
pub(crate) fn abort_cause(packet: &[u8]) -> Option<&'static str> {
    let first = chunks(packet).next()?;
    if first.kind != chunk::ABORT || first.flags & T_BIT != 0 {
        return None;
    }
    Some(match be16(first.value, 0) {
        None => "",
        Some(cause::OUT_OF_RESOURCE) => "out of resource",
        Some(cause::INVALID_PARAMETER) => "invalid mandatory parameter",
        Some(cause::UNRESOLVABLE_ADDRESS) => "unresolvable address",
        Some(cause::USER_ABORT) => "user initiated abort",
        Some(_) => "other cause",
    })
}

/// Writes the header, then what `body` adds, then the checksum.
fn packet(header: Header, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(&header.source.to_be_bytes());
    out.extend_from_slice(&header.destination.to_be_bytes());
    out.extend_from_slice(&header.tag.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    body(&mut out);
    pad(&mut out);
    seal_checksum(&mut out);
    out
}

fn seal_checksum(packet: &mut [u8]) {
    let checksum = packet_checksum(packet);
    packet[8..HEADER].copy_from_slice(&checksum);
}

/// Appends a type-length-value (`kind` = type and flags of a chunk, type of a parameter or cause), padding what stands
/// before it. Its own padding is left to what follows: that of the last parameter is its chunk's, outside of the
/// chunk's length (RFC 9260 §3.2.1). What does not fit the 16-bit length is cut.
fn tlv(out: &mut Vec<u8>, kind: [u8; 2], value: &[&[u8]]) {
    pad(out);
    let start = out.len();
    out.extend_from_slice(&kind);
    out.extend_from_slice(&[0; 2]);
    for part in value {
        out.extend_from_slice(part);
    }
    out.truncate(start + usize::from(u16::MAX));
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn error_cause(code: u16, info: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + info.len());
    tlv(&mut out, code.to_be_bytes(), &[info]);
    out
}

/// ABORT. `reflected` sets the T bit.
pub(crate) fn abort(header: Header, reflected: bool, cause: Option<(u16, &[u8])>) -> Vec<u8> {
    let flags = if reflected { T_BIT } else { 0 };
    let cause = cause.map_or_else(Vec::new, |(code, info)| error_cause(code, info));
    packet(header, |out| tlv(out, [chunk::ABORT, flags], &[&cause]))
}

/// ERROR with one cause.
pub(crate) fn error(header: Header, code: u16, info: &[u8]) -> Vec<u8> {
    let cause = error_cause(code, info);
    packet(header, |out| tlv(out, [chunk::ERROR, 0], &[&cause]))
}

/// SHUTDOWN COMPLETE with the T bit, the answer to an out-of-the-blue SHUTDOWN ACK.
pub(crate) fn shutdown_complete(header: Header) -> Vec<u8> {
    packet(header, |out| tlv(out, [chunk::SHUTDOWN_COMPLETE, T_BIT], &[]))
}

/// Adds this side's addresses to an INIT, and to an INIT ACK also exchanges the state cookie for
/// `seal(cookie)`. `None` if the packet holds neither, or an INIT ACK without a cookie.
pub(crate) fn rewrite_init(
    original: &[u8],
    addresses: &[IpAddr],
    seal: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Option<Vec<u8>> {
    let header = Header::parse(original)?;
    let first = chunks(original).next()?;
    let fixed = first.value.get(..INIT_FIXED)?;
    let given = || parameters(&first.value[INIT_FIXED..]);
    let sealed = match first.kind {
        chunk::INIT => None,
        chunk::INIT_ACK => {
            let (_, cookie) = given().find(|(kind, _)| *kind == parameter::STATE_COOKIE)?;
            Some(seal(cookie))
        }
        _ => return None,
    };
    let mut body = Vec::with_capacity(256);
    for address in addresses {
        match address {
            IpAddr::V4(v4) => tlv(&mut body, parameter::IPV4.to_be_bytes(), &[&v4.octets()]),
            IpAddr::V6(v6) => tlv(&mut body, parameter::IPV6.to_be_bytes(), &[&v6.octets()]),
        }
    }
    for (kind, value) in given() {
        let value = match &sealed {
            Some(sealed) if kind == parameter::STATE_COOKIE => sealed,
            _ => value,
        };
        tlv(&mut body, kind.to_be_bytes(), &[value]);
    }
    let kind = [first.kind, first.flags];
    Some(packet(header, |out| tlv(out, kind, &[fixed, &body])))
}

/// The packet with another cookie in its leading COOKIE ECHO; the chunks behind it stay.
pub(crate) fn replace_cookie_echo(original: &[u8], cookie: &[u8]) -> Option<Vec<u8>> {
    let header = Header::parse(original)?;
    let first = chunks(original).next()?;
    let behind = HEADER + (4 + first.value.len()).next_multiple_of(4);
    let rest = original.get(behind..).unwrap_or_default();
    Some(packet(header, |out| {
        tlv(out, [first.kind, first.flags], &[cookie]);
        pad(out);
        out.extend_from_slice(rest);
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Header = Header { source: 36412, destination: 5000, tag: 0xdead_beef };

    fn init_ack(cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![1; INIT_FIXED];
        tlv(&mut body, [0x80, 0x08], &[&[130]]);
        tlv(&mut body, parameter::STATE_COOKIE.to_be_bytes(), &[cookie]);
        packet(HEAD, |out| tlv(out, [chunk::INIT_ACK, 0], &[&body]))
    }

    #[test]
    fn header_and_checksum() {
        let sent = abort(HEAD, true, Some((cause::USER_ABORT, b"bye")));
        assert_eq!(Header::parse(&sent), Some(HEAD));
        assert!(checksum_ok(&sent));
        let only = chunks(&sent).next().unwrap();
        assert_eq!((only.kind, only.flags), (chunk::ABORT, 1));
        assert_eq!(only.value, [0, 12, 0, 7, b'b', b'y', b'e']);
        assert_eq!(sent.len() % 4, 0);
        let mut damaged = sent;
        damaged[14] ^= 4;
        assert!(!checksum_ok(&damaged));
    }

    #[test]
    fn truncated_packets_hold_no_chunks_beyond_their_end() {
        let whole = error(HEAD, cause::STALE_COOKIE, &[0; 4]);
        for end in 0..whole.len() {
            assert_eq!(chunks(&whole[..end]).count(), 0, "{end} octets");
        }
        assert_eq!(chunks(&whole).count(), 1);
        let mut zero_length = whole;
        zero_length[14..16].copy_from_slice(&[0, 0]);
        assert_eq!(chunks(&zero_length).count(), 0);
    }

    #[test]
    fn init_ack_gets_the_sealed_cookie_and_the_addresses() {
        let addresses = [IpAddr::from([10, 0, 0, 1]), "fd00::1".parse().unwrap()];
        let sealed = rewrite_init(&init_ack(b"cookie"), &addresses, |cookie| [cookie, b"+mac"].concat()).unwrap();
        assert!(checksum_ok(&sealed));
        let chunk = chunks(&sealed).next().unwrap();
        assert_eq!(listed_addresses(chunk.value, 8), addresses);
        let kept: Vec<_> = parameters(&chunk.value[INIT_FIXED..]).skip(2).collect();
        assert_eq!(kept, [(0x8008, &[130][..]), (7, &b"cookie+mac"[..])]);
        assert_eq!(chunks(&sealed).count(), 1);
    }

    #[test]
    fn cookie_echo_keeps_what_follows() {
        let echo = packet(HEAD, |out| {
            tlv(out, [chunk::COOKIE_ECHO, 0], &[b"sealed"]);
            tlv(out, [chunk::DATA, 3], &[&[5; 13]]);
        });
        let stripped = replace_cookie_echo(&echo, b"plain").unwrap();
        let found: Vec<_> = chunks(&stripped).map(|c| (c.kind, c.value.len())).collect();
        assert_eq!(found, [(chunk::COOKIE_ECHO, 5), (chunk::DATA, 13)]);
        assert!(checksum_ok(&stripped));
    }

    #[test]
    fn only_unicast_addresses_are_listed() {
        let mut body = vec![0; INIT_FIXED];
        for address in [[224, 0, 0, 1], [255; 4], [0; 4], [10, 0, 0, 9]] {
            tlv(&mut body, parameter::IPV4.to_be_bytes(), &[&address]);
        }
        assert_eq!(listed_addresses(&body, 8), [IpAddr::from([10, 0, 0, 9])]);
    }
}
