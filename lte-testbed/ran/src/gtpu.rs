//! The GTP-U that an eNodeB speaks (TS 29.281): G-PDU both ways, echo, error indication, end marker.

use std::net::Ipv4Addr;

use basalt_ids::Teid;

/// UDP port of GTP-U.
pub const PORT: u16 = 2152;
/// Length of the mandatory header.
pub const HEADER: usize = 8;

const ECHO_REQUEST: u8 = 1;
const ECHO_RESPONSE: u8 = 2;
const ERROR_INDICATION: u8 = 26;
const END_MARKER: u8 = 254;
const G_PDU: u8 = 255;

/// A received GTP-U message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A user packet.
    Packet {
        /// The tunnel.
        teid: Teid,
        /// The packet.
        packet: &'a [u8],
    },
    /// Nothing more comes through this tunnel on its old path.
    EndMarker(Teid),
    /// The peer asks whether we live; answer with [`echo_response`].
    EchoRequest {
        /// To be repeated in the answer.
        sequence: u16,
    },
    /// The peer lives.
    EchoResponse {
        /// Of the request.
        sequence: u16,
    },
    /// The peer does not know a tunnel that we sent to.
    ErrorIndication {
        /// The tunnel we used.
        teid: Teid,
        /// The peer's address.
        peer: Ipv4Addr,
    },
    /// A message that an eNodeB does not use.
    Other(u8),
}

/// Puts the header of a G-PDU for `length` octets of packet in front; 65 535 octets at most (longer ones are cut in the length
/// field only, which no packet of an IPv4 phone reaches).
#[must_use]
pub fn packet_header(teid: Teid, length: usize) -> [u8; HEADER] {
    header(G_PDU, 0, teid.0, u16::try_from(length).unwrap_or(u16::MAX))
}

/// ECHO REQUEST.
#[must_use]
pub fn echo_request(sequence: u16) -> Vec<u8> {
    with_sequence(ECHO_REQUEST, sequence, &[])
}

/// ECHO RESPONSE with the Recovery element, which holds zero on GTP-U.
#[must_use]
pub fn echo_response(sequence: u16) -> Vec<u8> {
    with_sequence(ECHO_RESPONSE, sequence, &[14, 0])
}

/// ERROR INDICATION: `teid` at our address `own` is unknown here.
#[must_use]
pub fn error_indication(teid: Teid, own: Ipv4Addr) -> Vec<u8> {
    let mut elements = vec![16];
    elements.extend_from_slice(&teid.0.to_be_bytes());
    elements.extend_from_slice(&[133, 0, 4]);
    elements.extend_from_slice(&own.octets());
    with_sequence(ERROR_INDICATION, 0, &elements)
}

/// END MARKER.
#[must_use]
pub fn end_marker(teid: Teid) -> [u8; HEADER] {
    header(END_MARKER, 0, teid.0, 0)
}

/// Reads a message; `None` for octets that are no GTPv1-U message.
#[must_use]
pub fn receive(octets: &[u8]) -> Option<Received<'_>> {
    let &[flags, kind, l1, l2, t1, t2, t3, t4] = octets.first_chunk::<HEADER>()?;
    let length = usize::from(u16::from_be_bytes([l1, l2]));
    // Version 1, protocol type GTP.
    if flags & 0xf0 != 0x30 {
        return None;
    }
    let body = octets.get(HEADER..HEADER + length)?;
    let (sequence, body) = if flags & 0x07 == 0 { (0, body) } else { optional_part(flags, body)? };
    let teid = Teid(u32::from_be_bytes([t1, t2, t3, t4]));
    Some(match kind {
        G_PDU => Received::Packet { teid, packet: body },
        END_MARKER => Received::EndMarker(teid),
        ECHO_REQUEST => Received::EchoRequest { sequence },
        ECHO_RESPONSE => Received::EchoResponse { sequence },
        ERROR_INDICATION => indicated(body)?,
        other => Received::Other(other),
    })
}

/// Sequence number, N-PDU number, and the chain of extension headers (TS 29.281 §5.2.1).
fn optional_part(flags: u8, body: &[u8]) -> Option<(u16, &[u8])> {
    let (&[s1, s2, _, mut next], mut rest) = body.split_first_chunk::<4>()?;
    while flags & 0x04 != 0 && next != 0 {
        let length = 4 * usize::from(*rest.first()?);
        if length == 0 {
            return None;
        }
        next = *rest.get(length - 1)?;
        rest = rest.get(length..)?;
    }
    let sequence = if flags & 0x02 == 0 { 0 } else { u16::from_be_bytes([s1, s2]) };
    Some((sequence, rest))
}

fn indicated(mut elements: &[u8]) -> Option<Received<'_>> {
    let (mut teid, mut peer) = (None, None);
    while let Some((&kind, rest)) = elements.split_first() {
        let length = match kind {
            16 => 4,
            14 => 1,
            _ if kind >= 128 => 2 + usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)),
            _ => return None,
        };
        let value = rest.get(..length)?;
        match (kind, value) {
            (16, &[a, b, c, d]) => teid = Some(Teid(u32::from_be_bytes([a, b, c, d]))),
            (133, &[_, _, a, b, c, d]) => peer = Some(Ipv4Addr::new(a, b, c, d)),
            _ => {}
        }
        elements = rest.get(length..)?;
    }
    Some(Received::ErrorIndication { teid: teid?, peer: peer? })
}

fn with_sequence(kind: u8, sequence: u16, elements: &[u8]) -> Vec<u8> {
    let mut message = header(kind, 0x02, 0, 4 + elements.len() as u16).to_vec();
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(elements);
    message
}

fn header(kind: u8, flags: u8, teid: u32, length: u16) -> [u8; HEADER] {
    let [l1, l2] = length.to_be_bytes();
    let [t1, t2, t3, t4] = teid.to_be_bytes();
    [0x30 | flags, kind, l1, l2, t1, t2, t3, t4]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_come_out_as_they_went_in() {
        let mut message = packet_header(Teid(0x0102_0304), 3).to_vec();
        message.extend_from_slice(b"abc");
        assert_eq!(message[..8], [0x30, 255, 0, 3, 1, 2, 3, 4]);
        assert_eq!(receive(&message), Some(Received::Packet { teid: Teid(0x0102_0304), packet: b"abc" }));
    }

    #[test]
    fn extension_headers_are_skipped() {
        // PDU session container (0x85), four octets, then no more.
        let message = [0x34, 255, 0, 11, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 9, 0, b'x', b'y', b'z'];
        assert_eq!(receive(&message), Some(Received::Packet { teid: Teid(9), packet: b"xyz" }));
    }

    #[test]
    fn signalling_comes_out_as_it_went_in() {
        assert_eq!(receive(&echo_request(7)), Some(Received::EchoRequest { sequence: 7 }));
        assert_eq!(receive(&echo_response(7)), Some(Received::EchoResponse { sequence: 7 }));
        assert_eq!(receive(&end_marker(Teid(5))), Some(Received::EndMarker(Teid(5))));
        let own = Ipv4Addr::new(10, 91, 1, 1);
        let expected = Received::ErrorIndication { teid: Teid(5), peer: own };
        assert_eq!(receive(&error_indication(Teid(5), own)), Some(expected));
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = receive(&octets);
        }
    }
}
