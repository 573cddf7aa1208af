//! Phones that move: End Markers, and tunnels that forward what the source of a handover still has.

use super::*;

#[test]
fn a_phone_that_moves_leaves_an_end_marker() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    let station = Station::new(&lab);
    gateway.connect();
    let there = agw_types::Peer { address: STATION.into(), teid: basalt_ids::Teid(99) };
    gateway.plane().apply(&DataplaneChange::Set(tunnel(agw_types::TunnelState::Connected(there)))).unwrap();
    let marker = station.receive().expect("End Marker");
    assert_eq!(marker, [&[0x30, 254, 0, 0][..], &STATION_TEID.0.to_be_bytes()].concat());
    assert_eq!(gateway.plane().installed()[0].state, agw_types::TunnelState::Connected(there));
}

/// The core that made a tunnel for forwarding is dead; the source goes on sending until the End Marker has passed.
#[test]
fn tunnels_for_forwarding_outlive_the_process_that_made_them_for_a_while() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    let station = Station::new(&lab);
    gateway.connect();
    let (ours, there) = (basalt_ids::Teid(TEID.0 ^ 1), basalt_ids::Teid(0x0abc_0001));
    let to = agw_types::Peer { address: STATION.into(), teid: there };
    let forward = |teid| DataplaneChange::Forward { teid, from: STATION.into(), to };
    gateway.plane().apply(&forward(ours)).unwrap();
    drop(gateway);
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    for number in 0..100u16 {
        station.send(&g_pdu(ours, &udp_packet((INTERNET, 9), (UE, 9), &number.to_be_bytes())));
        let message = station.receive().expect("forwarded");
        assert_eq!(message[4..8], there.0.to_be_bytes());
        assert_eq!(message[message.len() - 2..], number.to_be_bytes());
    }
    // A new life of the place takes it at once, and it ends by itself otherwise.
    let index = |teid: basalt_ids::Teid| teid.0 & 0xf;
    let next = basalt_ids::Teid(ours.0 ^ 0x0010_0000);
    assert_eq!(index(next), index(ours));
    gateway.plane().apply(&forward(next)).unwrap();
    gateway.plane().apply(&DataplaneChange::StopForwarding { teid: next }).unwrap();
    gateway.plane().apply(&forward(ours)).unwrap();
    drop(gateway);
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    let before = punts(&gateway, PuntReason::UnknownTeid);
    eventually("it ends", || {
        station.send(&g_pdu(ours, &udp_packet((INTERNET, 9), (UE, 9), &[1, 2])));
        punts(&gateway, PuntReason::UnknownTeid) > before
    });
    assert_eq!(gateway.plane().installed().len(), 1);
}

#[test]
fn what_a_source_of_a_handover_forwards_comes_to_the_target_in_order_and_the_end_marker_last() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, Egress::Nat));
        let station = Station::new(&lab);
        gateway.connect();
        // Source and target are one machine here.
        let (ours, there) = (basalt_ids::Teid(TEID.0 ^ 1), basalt_ids::Teid(0x0abc_0001));
        let to = agw_types::Peer { address: STATION.into(), teid: there };
        let forward = |from| DataplaneChange::Forward { teid: ours, from, to };
        gateway.plane().apply(&forward(STATION.into())).unwrap();
        const COUNT: u16 = 3000;
        let (mut sent, mut received) = (0, 0u16);
        while received < COUNT {
            // Far more than the slow path lets anybody else have, in bursts that a socket takes.
            while sent < COUNT && sent < received + 64 {
                station.send(&g_pdu(ours, &udp_packet((INTERNET, 9), (UE, 9), &sent.to_be_bytes())));
                sent += 1;
            }
            let message = station.receive().unwrap_or_else(|| panic!("{received}: {}", counters(&gateway)));
            assert_eq!(message[..2], [0x30, 255]);
            assert_eq!(message[4..8], there.0.to_be_bytes());
            assert_eq!(message[message.len() - 2..], received.to_be_bytes());
            received += 1;
        }
        let marker = |teid: basalt_ids::Teid| [&[0x30, 254, 0, 0][..], &teid.0.to_be_bytes()].concat();
        station.send(&marker(ours));
        assert_eq!(station.receive().expect("End Marker"), marker(there));
        assert_eq!(punts(&gateway, PuntReason::Forwarding), u64::from(COUNT));
        // From anyone else nothing goes on, and when it is over from nobody.
        gateway.plane().apply(&DataplaneChange::StopForwarding { teid: ours }).unwrap();
        gateway.plane().apply(&forward(SERVER.into())).unwrap();
        let before = drops(&gateway, DropReason::WrongPeer);
        station.send(&g_pdu(ours, &udp_packet((INTERNET, 9), (UE, 9), &[1, 2])));
        eventually("it is dropped", || drops(&gateway, DropReason::WrongPeer) > before);
        station.send(&marker(ours));
        eventually("so is the marker", || drops(&gateway, DropReason::ForgedControl) > 0);
        gateway.plane().apply(&DataplaneChange::StopForwarding { teid: ours }).unwrap();
        let before = punts(&gateway, PuntReason::UnknownTeid);
        station.send(&g_pdu(ours, &udp_packet((INTERNET, 9), (UE, 9), &[1, 2])));
        eventually("it is unknown", || punts(&gateway, PuntReason::UnknownTeid) > before);
        assert_eq!(punts(&gateway, PuntReason::Forwarding), u64::from(COUNT));
        // The session is as it was.
        assert_eq!(gateway.plane().installed().len(), 1);
    }
}
