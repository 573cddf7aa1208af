//! Maximum segment sizes.

use super::support::*;
use crate::{Origin, Verdict, access, towards_phone};

const LIMIT: u16 = 1360;

/// A TCP segment with these flags and options, its checksum right.
fn segment(up: bool, flags: u8, options: &[u8]) -> Vec<u8> {
    let (source, destination) = if up { (UE, SERVER) } else { (SERVER, UE) };
    let header = 20 + options.len();
    assert_eq!(header % 4, 0);
    let mut tcp =
        vec![0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, (header as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0];
    tcp.extend(options);
    tcp.extend(b"odd");
    let mut packet = ipv4(source, destination, 6, 0x4000, &tcp);
    let sum = tcp_checksum(&packet);
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn tcp_checksum(packet: &[u8]) -> u16 {
    let mut pseudo = packet[12..20].to_vec();
    pseudo.extend([0, 6]);
    pseudo.extend((packet.len() as u16 - 20).to_be_bytes());
    pseudo.extend(&packet[20..]);
    checksum(&pseudo)
}

fn through(packet: &[u8], up: bool) -> Vec<u8> {
    let world = World::new();
    world.settings.segment.set(u32::from(LIMIT));
    let (verdict, bytes) = if up {
        run(&g_pdu(packet), |f| access(f, &world))
    } else {
        run(&eth(packet), |f| towards_phone(f, &world, Origin::Kernel))
    };
    assert!(matches!(verdict, Verdict::Redirect(_)), "{verdict:?}");
    bytes[if up { 14 } else { 50 }..].to_vec()
}

#[test]
fn g13_a_connection_s_segments_are_made_to_fit_in_both_directions() {
    for up in [true, false] {
        for (options, place) in [
            (&[2, 4, 0x05, 0xb4][..], 42),
            // Behind others, at an odd place.
            (&[1, 3, 3, 7, 1, 1, 1, 2, 4, 0x23, 0x28, 0][..], 49),
            (&[4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 0xff, 0xff][..], 54),
        ] {
            for flags in [0x02, 0x12] {
                let before = segment(up, flags, options);
                let after = through(&before, up);
                assert_eq!(after[place..place + 2], LIMIT.to_be_bytes(), "{options:?}");
                assert_eq!(tcp_checksum(&after), 0, "{options:?}");
                assert_eq!(after.len(), before.len());
            }
        }
    }
}

#[test]
fn what_fits_and_what_opens_no_connection_is_left_alone() {
    let large = [2, 4, 0x05, 0xb4];
    for up in [true, false] {
        let cases: [(u8, &[u8]); 9] = [
            (0x10, &large),
            (0x02, &[2, 4, 0x05, 0x50]),
            (0x02, &[]),
            (0x02, &[0, 0, 0, 0, 2, 4, 0x23, 0x28]),
            // Options that lie about their length.
            (0x02, &[3, 0, 1, 1, 2, 4, 0x23, 0x28]),
            (0x02, &[3, 1, 1, 1, 2, 4, 0x23, 0x28]),
            (0x02, &[2, 3, 0x23, 0x28]),
            (0x02, &[3, 255, 1, 1, 2, 4, 0x23, 0x28]),
            (0x02, &[1, 1, 2, 4]),
        ];
        for (flags, options) in cases {
            let before = segment(up, flags, options);
            assert_eq!(through(&before, up), before, "{options:?}");
        }
        let mut fragment = segment(up, 0x02, &large);
        fragment[6] = 0x20;
        fragment.extend([0; 5]);
        fragment[3] += 5;
        assert_eq!(through(&fragment, up)[42..44], [0x05, 0xb4]);
    }
}
