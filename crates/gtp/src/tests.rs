//! Round trips, captured octets and hostile input.

use crate::{Datagram, DecodeError, Element, EncodeError, Extension, Header, Message, PduSession};
use basalt_ids::Teid;
use core::net::{IpAddr, Ipv4Addr};
use proptest::prelude::*;

fn decode(octets: &[u8]) -> Result<Datagram, DecodeError> {
    Datagram::decode(octets)
}

#[test]
fn a_g_pdu_of_a_5g_base_station() {
    // Header with E flag, PDU Session Container (uplink, QFI 1), then the packet.
    let octets = [0x34, 0xff, 0, 11, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10, 1, 0, 0x45, 0, 0];
    let datagram = decode(&octets).unwrap();
    assert_eq!(datagram.header.extensions, [Extension::PduSession(PduSession::Uplink { qfi: 1 })]);
    assert_eq!(datagram.message, Message::GPdu(vec![0x45, 0, 0]));
    assert_eq!(datagram.encode().unwrap(), octets);
}

#[test]
fn an_error_indication_names_tunnel_and_peer() {
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
    let message = Message::ErrorIndication { teid: Teid(0xdead_beef), peer, others: vec![] };
    let datagram = Datagram { header: Header::with_sequence(Teid(0), 0), message };
    let octets = datagram.encode().unwrap();
    assert_eq!(octets, [0x32, 26, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0xde, 0xad, 0xbe, 0xef, 133, 0, 4, 10, 0, 0, 9]);
    assert_eq!(decode(&octets).unwrap(), datagram);
}

#[test]
fn mandatory_elements_are_missed() {
    assert_eq!(decode(&[0x32, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]), Err(DecodeError::Absent("Recovery")));
    let no_peer = [0x32, 26, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1];
    assert_eq!(decode(&no_peer), Err(DecodeError::Absent("GTP-U Peer Address")));
    let short_peer = [0x30, 26, 0, 6, 0, 0, 0, 0, 133, 0, 3, 1, 2, 3];
    assert_eq!(decode(&short_peer), Err(DecodeError::Element(133)));
}

#[test]
fn headers_that_lie_are_refused() {
    assert_eq!(decode(&[0x30, 255, 0, 0, 0, 0, 0]), Err(DecodeError::Truncated("header")));
    assert_eq!(decode(&[0x50, 255, 0, 0, 0, 0, 0, 1]), Err(DecodeError::Version(2)));
    assert_eq!(decode(&[0x20, 255, 0, 0, 0, 0, 0, 1]), Err(DecodeError::GtpPrime));
    assert_eq!(decode(&[0x30, 255, 0, 1, 0, 0, 0, 1]), Err(DecodeError::Length { stated: 1, present: 0 }));
    assert_eq!(decode(&[0x32, 255, 0, 3, 0, 0, 0, 1, 0, 0, 0]), Err(DecodeError::Truncated("optional fields")));
    assert_eq!(decode(&[0x30, 77, 0, 0, 0, 0, 0, 1]), Err(DecodeError::MessageType(77)));
    let empty_extension = [0x34, 255, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0x85, 0, 0, 0, 0];
    assert_eq!(decode(&empty_extension), Err(DecodeError::Extension(0x85)));
    let long_extension = [0x34, 255, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0x85, 9, 0, 0, 0];
    assert_eq!(decode(&long_extension), Err(DecodeError::Truncated("extension header")));
    // An element of fixed, unknown length cannot be skipped.
    assert_eq!(decode(&[0x30, 1, 0, 2, 0, 0, 0, 0, 99, 0]), Err(DecodeError::Element(99)));
}

#[test]
fn a_chain_as_long_as_a_datagram_ends() {
    let mut octets = vec![0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x20];
    while octets.len() < 65_500 {
        octets.extend([1, 0, 0, 0x20]);
    }
    octets.extend([1, 0, 0, 0]);
    let length = u16::try_from(octets.len() - 8).unwrap();
    octets[2..4].copy_from_slice(&length.to_be_bytes());
    let datagram = decode(&octets).unwrap();
    assert_eq!(datagram.header.extensions.len(), (octets.len() - 12) / 4);
}

#[test]
fn values_without_a_form_are_refused() {
    let with = |extension| Datagram {
        header: Header { extensions: vec![extension], ..Header::new(Teid(1)) },
        message: Message::GPdu(vec![]),
    };
    for extension in [
        Extension::PduSession(PduSession::Uplink { qfi: 64 }),
        Extension::Unknown { kind: 0, content: vec![0, 0] },
        Extension::Unknown { kind: 1, content: vec![0; 3] },
        Extension::Unknown { kind: 1, content: vec![0; 1022] },
    ] {
        assert!(matches!(with(extension).encode(), Err(EncodeError::Range(_))));
    }
    let long = Datagram { header: Header::new(Teid(1)), message: Message::GPdu(vec![0; 65_536]) };
    assert_eq!(long.encode(), Err(EncodeError::TooLong));
    let known = Message::EchoRequest { others: vec![Element::Unknown { kind: 133, content: vec![] }] };
    let known = Datagram { header: Header::new(Teid(0)), message: known };
    assert!(matches!(known.encode(), Err(EncodeError::Range(_))));
}

fn extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        (0u8..64, any::<bool>())
            .prop_map(|(qfi, reflective)| Extension::PduSession(PduSession::Downlink { qfi, reflective })),
        (0u8..64).prop_map(|qfi| Extension::PduSession(PduSession::Uplink { qfi })),
        any::<u16>().prop_map(Extension::PdcpNumber),
        any::<u16>().prop_map(Extension::UdpPort),
        (1u8..0x40, 0usize..4, any::<u8>())
            .prop_map(|(kind, units, fill)| Extension::Unknown { kind, content: vec![fill; units * 4 + 2] }),
    ]
}

fn elements() -> impl Strategy<Value = Vec<Element>> {
    let private = (200u8..=255, prop::collection::vec(any::<u8>(), 0..20))
        .prop_map(|(kind, content)| Element::Unknown { kind, content });
    prop::collection::vec(private, 0..3)
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Message::GPdu),
        elements().prop_map(|others| Message::EchoRequest { others }),
        (any::<u8>(), elements()).prop_map(|(recovery, others)| Message::EchoResponse { recovery, others }),
        (prop::collection::vec(any::<u8>(), 0..10), elements())
            .prop_map(|(types, others)| Message::SupportedExtensionHeaders { types, others }),
        (any::<u32>(), any::<IpAddr>(), elements()).prop_map(|(teid, peer, others)| Message::ErrorIndication {
            teid: Teid(teid),
            peer,
            others
        }),
        elements().prop_map(|others| Message::EndMarker { others }),
    ]
}

fn datagram() -> impl Strategy<Value = Datagram> {
    let header = (any::<u32>(), any::<Option<u16>>(), any::<Option<u8>>(), prop::collection::vec(extension(), 0..4))
        .prop_map(|(teid, sequence, n_pdu, extensions)| Header { teid: Teid(teid), sequence, n_pdu, extensions });
    (header, message()).prop_map(|(header, message)| Datagram { header, message })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(datagram in datagram()) {
        prop_assert_eq!(decode(&datagram.encode().unwrap()), Ok(datagram));
    }

    #[test]
    fn any_octets_are_harmless(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(datagram) = decode(&octets) {
            // Spare bits and unused fields may differ; the meaning must not.
            prop_assert_eq!(decode(&datagram.encode().unwrap()), Ok(datagram));
        }
    }

    #[test]
    fn a_good_datagram_with_one_octet_changed_is_harmless(datagram in datagram(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut octets = datagram.encode().unwrap();
        let at = at.index(octets.len());
        octets[at] = to;
        if let Ok(datagram) = decode(&octets) {
            prop_assert_eq!(decode(&datagram.encode().unwrap()), Ok(datagram));
        }
    }

    #[test]
    fn every_cut_is_an_error(datagram in datagram(), at in any::<prop::sample::Index>()) {
        let octets = datagram.encode().unwrap();
        prop_assert!(decode(&octets[..at.index(octets.len())]).is_err());
    }
}
