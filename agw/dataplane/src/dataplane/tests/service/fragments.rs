//! Fragments of a packet under one rule.

use super::*;

const MORE: u16 = 0x2000;
/// Offset of later fragments, units of eight octets.
const BEHIND: u16 = 100;

/// A piece of a datagram with this identification to or from the port.
fn piece(uplink: bool, identification: u16, fragment: u16, remote_port: u16, payload: usize) -> Vec<u8> {
    let mut packet = Seen { remote_port, fragment, ..WEB }.packet(uplink, payload);
    packet[4..6].copy_from_slice(&identification.to_be_bytes());
    packet
}

/// The tunnel that a packet to the phone leaves by.
fn tunnel_of(sent: Sent) -> u32 {
    u32::from_be_bytes(sent.unwrap()[46..50].try_into().unwrap())
}

/// A plane with a bearer for voice, a gate closed for DNS, and a slow rule for the web.
fn ruled() -> Dataplane {
    let plane = plane();
    let closed = Rule { uplink_open: false, downlink_open: false, remote_ports: Some((53, 53)), ..Rule::any(2, 2) };
    let rate = Some(Rate { bits_per_second: 8_000, burst: Some(3_000) });
    let limits = Limits { uplink: rate, downlink: rate };
    let slow = Rule { remote_ports: Some((443, 443)), limits, ..Rule::any(3, 3) };
    let rules = vec![voice_rule(), closed, slow];
    plane.serve(DEFAULT, UE, &Service { rules, bearers: vec![voice(Some(8))], ..Service::default() }).unwrap();
    plane
}

#[test]
fn later_fragments_are_under_the_rule_of_their_first_one() {
    let plane = ruled();
    let behind = |identification| tunnel_of(down(&plane, &piece(false, identification, BEHIND, 0, 4)));
    assert_eq!(behind(1), 7, "the first one has not come");
    assert_eq!(tunnel_of(down(&plane, &piece(false, 1, MORE, 4000, 4))), 8);
    assert_eq!((behind(1), behind(1)), (8, 8));
    assert_eq!(behind(2), 7, "another packet");
    let of_another = piece(true, 1, BEHIND, 0, 4);
    up(&plane, DEFAULT, &of_another).unwrap();
    assert_eq!(plane.parts(DEFAULT, UE).unwrap().rules[&1].uplink_packets, 0, "the other direction");
    // What no rule names is under none, whatever came before under the same number.
    assert_eq!(tunnel_of(down(&plane, &piece(false, 1, MORE, 9000, 4))), 7);
    assert_eq!(behind(1), 7);
    for uplink in [true, false] {
        let send = |packet: &[u8]| if uplink { up(&plane, DEFAULT, packet) } else { down(&plane, packet) };
        for fragment in [MORE, MORE | BEHIND, BEHIND] {
            assert_eq!(send(&piece(uplink, 9, fragment, 53, 4)), Err(DropReason::GateClosed), "{fragment:x}");
        }
    }
    // From the phone by whatever bearer, and counted in the rule.
    up(&plane, VOICE, &piece(true, 5, MORE, 4000, 4)).unwrap();
    up(&plane, DEFAULT, &piece(true, 5, BEHIND, 0, 4)).unwrap();
    assert_eq!(plane.parts(DEFAULT, UE).unwrap().rules[&1].uplink_packets, 2);
}

#[test]
fn a_rule_s_rate_holds_for_all_of_a_fragmented_datagram() {
    for uplink in [true, false] {
        let plane = ruled();
        let send = |packet: &[u8]| if uplink { up(&plane, DEFAULT, packet) } else { down(&plane, packet) };
        let mut passed = 0;
        for identification in 0..50 {
            for fragment in [MORE, MORE | BEHIND, MORE | (2 * BEHIND), 3 * BEHIND] {
                let packet = piece(uplink, identification, fragment, 443, 964);
                passed += send(&packet).map_or(0, |_| packet.len());
            }
        }
        // The least burst, three of the largest packets, and what the rate carries meanwhile.
        assert!((8_000..=12_000).contains(&passed), "{passed}");
    }
}

#[test]
fn a_rule_of_before_is_nobody_s() {
    let plane = ruled();
    let clock = &plane.shared.tables.nat.get(0).unwrap().clock;
    let behind = || tunnel_of(down(&plane, &piece(false, 1, BEHIND, 0, 4)));
    assert_eq!(tunnel_of(down(&plane, &piece(false, 1, MORE, 4000, 4))), 8);
    clock.set(clock.get() + 15);
    assert_eq!(behind(), 8);
    clock.set(clock.get() + 1);
    assert_eq!(behind(), 7, "too long ago");
    assert_eq!(tunnel_of(down(&plane, &piece(false, 1, MORE, 4000, 4))), 8);
    // Of other rules, the number means another one.
    let service =
        Service { rules: vec![Rule::any(4, 1), voice_rule()], bearers: vec![voice(Some(8))], ..Service::default() };
    plane.serve(DEFAULT, UE, &service).unwrap();
    assert_eq!(behind(), 7);
}
