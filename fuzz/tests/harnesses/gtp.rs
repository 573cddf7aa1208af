//! GTP-U datagrams, as the slow path of the gateway reads them.

use basalt_fuzz::Changes;
use basalt_gtp::{Datagram, Element, Extension, Header, Message, PduSession};
use basalt_ids::Teid;

use crate::{LONGEST, MANY};

fn digest(octets: &[u8]) {
    match Datagram::decode(octets) {
        Ok(datagram) => {
            // Spare bits and unused fields may differ; the meaning must not.
            let written = datagram.encode().unwrap();
            assert_eq!(Datagram::decode(&written).as_ref(), Ok(&datagram), "{octets:02x?}");
            // G12: no answer is longer than what asked for it.
            if let Message::EchoRequest { .. } = datagram.message {
                let answer = Message::EchoResponse { recovery: 0, others: Vec::new() };
                let answer = Datagram { header: Header::with_sequence(Teid(0), 0), message: answer };
                assert!(answer.encode().unwrap().len() <= octets.len() + 6);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// One datagram of each kind, with every kind of extension header.
fn seeds() -> Vec<Vec<u8>> {
    let plain = |message| Datagram { header: Header::with_sequence(Teid(0), 7), message };
    let private = || vec![Element::Unknown { kind: 255, content: vec![0, 1, 2, 3] }];
    let mut long = Header::new(Teid(0x1234_0001));
    long.extensions = vec![
        Extension::PduSession(PduSession::Downlink { qfi: 9, reflective: true }),
        Extension::PdcpNumber(5),
        Extension::UdpPort(2152),
        Extension::Unknown { kind: 0x20, content: vec![0; 6] },
    ];
    let datagrams = [
        plain(Message::EchoRequest { others: private() }),
        plain(Message::EchoResponse { recovery: 0, others: private() }),
        plain(Message::SupportedExtensionHeaders { types: vec![0x85, 0xc0], others: vec![] }),
        plain(Message::ErrorIndication { teid: Teid(9), peer: [10, 0, 0, 1].into(), others: vec![] }),
        plain(Message::ErrorIndication { teid: Teid(9), peer: [0u16; 8].into(), others: private() }),
        plain(Message::EndMarker { others: vec![] }),
        Datagram { header: Header::new(Teid(1)), message: Message::GPdu(vec![0x45; 40]) },
        Datagram { header: long, message: Message::GPdu(vec![0x45; 20]) },
    ];
    datagrams.iter().map(|datagram| datagram.encode().unwrap()).collect()
}

#[test]
fn octets_of_anyone() {
    bolero::check!().with_iterations(MANY).with_test_time(LONGEST).with_max_len(256).for_each(digest);
}

#[test]
fn datagram_with_changed_octets() {
    let seeds = seeds();
    bolero::check!()
        .with_type::<(u8, Changes)>()
        .with_iterations(2 * MANY)
        .with_test_time(LONGEST)
        .for_each(|(which, changes)| digest(&changes.applied(&seeds[usize::from(*which) % seeds.len()])));
}
