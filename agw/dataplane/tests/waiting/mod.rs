//! Packets that wait: for a phone that sleeps, or for a tunnel whose signalling is late.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

#[test]
fn an_idle_phone_is_announced_once_and_gets_everything_in_order() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let mut gateway = lab.open(lab.config(plane, Egress::Routed));
        let station = Station::new(&lab);
        let server = lab.udp("i", SERVER, 7000);
        gateway.idle();
        for number in 0..70u32 {
            server.send_to(&number.to_be_bytes(), (UE, 5000)).unwrap();
        }
        assert_eq!(gateway.event(), Some(Traffic::DownlinkWaiting { address: UE.into() }));
        eventually("the buffer is full", || gateway.plane().buffered() == 64);
        eventually("the rest is dropped", || drops(&gateway, DropReason::BufferFull) == 6);
        assert!(gateway.no_event(), "announced twice");
        // The phone comes back while packets keep coming, a few hundred ahead of it.
        let (sender, back) = (server.try_clone().unwrap(), Arc::new(AtomicBool::new(false)));
        let (flag, received) = (Arc::clone(&back), Arc::new(AtomicU32::new(0)));
        let seen = Arc::clone(&received);
        let more = std::thread::spawn(move || {
            let (mut number, mut sent) = (70u32, 0);
            while sent < 1000 {
                if sent > seen.load(Ordering::Relaxed) + 300 {
                    std::thread::yield_now();
                    continue;
                }
                sender.send_to(&number.to_be_bytes(), (UE, 5000)).unwrap();
                number += 1;
                sent += u32::from(flag.load(Ordering::Relaxed));
            }
            sender.send_to(&u32::MAX.to_be_bytes(), (UE, 5000)).unwrap();
        });
        back.store(true, Ordering::Relaxed);
        gateway.connect();
        let mut numbers = Vec::new();
        while numbers.last() != Some(&u32::MAX) {
            let Some(packet) = station.packet() else { panic!("after {numbers:?}: {}", counters(&gateway)) };
            numbers.push(u32::from_be_bytes(packet[28..32].try_into().unwrap()));
            received.fetch_add(1, Ordering::Relaxed);
        }
        more.join().unwrap();
        let first: Vec<u32> = (0..64).collect();
        assert_eq!(numbers[..64], first, "what was buffered comes first, whole and in order");
        assert!(numbers.is_sorted(), "newer packets overtook: {numbers:?}");
        eventually("all are counted", || {
            gateway.plane().usage(TEID, UE).unwrap().downlink_packets == numbers.len() as u64
        });
        assert_eq!(gateway.plane().buffered(), 0);
    }
}

#[test]
fn what_is_discarded_is_gone_and_later_packets_announce_again() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut gateway = lab.open(lab.config(Plane::XdpNative, Egress::Routed));
    let server = lab.udp("i", SERVER, 7000);
    gateway.idle();
    server.send_to(b"one", (UE, 5000)).unwrap();
    assert_eq!(gateway.event(), Some(Traffic::DownlinkWaiting { address: UE.into() }));
    gateway.plane().apply(&DataplaneChange::Discard { address: UE.into() }).unwrap();
    assert_eq!(gateway.plane().buffered(), 0);
    assert_eq!(drops(&gateway, DropReason::BufferExpired), 1);
    server.send_to(b"two", (UE, 5000)).unwrap();
    assert_eq!(gateway.event(), Some(Traffic::DownlinkWaiting { address: UE.into() }));
    let station = Station::new(&lab);
    gateway.connect();
    assert_eq!(station.packet().unwrap()[28..], *b"two");
}

#[test]
fn uplink_that_overtakes_its_signalling_is_not_lost() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let mut config = lab.config(plane, Egress::Nat);
        config.hold = Duration::from_secs(60);
        let gateway = lab.open(config);
        let station = Station::new(&lab);
        let server = lab.udp("i", SERVER, 7000);
        // Before the tunnel is there at all, then while it is idle.
        for round in ["attach", "service request"] {
            station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), round.as_bytes())));
            eventually("it is held", || {
                punts(&gateway, PuntReason::UnknownTeid) + punts(&gateway, PuntReason::IdleUplink) > 0
            });
            gateway.connect();
            let mut buffer = [0; 100];
            let length = server.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], *round.as_bytes());
            gateway.idle();
        }
    }
}

#[test]
fn the_first_packet_waits_for_a_promised_tunnel_however_late_its_signalling_is() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let mut config = lab.config(plane, Egress::Nat);
        config.hold = Duration::from_millis(1);
        let gateway = lab.open(config);
        let station = Station::new(&lab);
        let server = lab.udp("i", SERVER, 7000);
        gateway.plane().expect(TEID);
        for word in ["first", "second"] {
            station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), word.as_bytes())));
        }
        // Whoever has sent into a tunnel of nobody's after that has been told so.
        let stranger = basalt_ids::Teid(0x7777_0001);
        station.send(&g_pdu(stranger, &ping_packet(UE, SERVER, 1)));
        let Some(indication) = station.receive() else { panic!("no Error Indication; {}", counters(&gateway)) };
        assert_eq!(indication[12..17], [16, 0x77, 0x77, 0, 1]);
        gateway.connect();
        let mut buffer = [0; 100];
        for word in ["first", "second"] {
            let length = server.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], *word.as_bytes());
        }
        // A tunnel that is given up is nobody's, too.
        let other = basalt_ids::Teid(TEID.0 + 1);
        gateway.plane().expect(other);
        station.send(&g_pdu(other, &ping_packet(UE, SERVER, 1)));
        eventually("it is held", || punts(&gateway, PuntReason::UnknownTeid) == 4);
        gateway.plane().apply(&DataplaneChange::Remove { teid: other, address: UE.into() }).unwrap();
        let Some(indication) = station.receive() else { panic!("no Error Indication; {}", counters(&gateway)) };
        assert_eq!(indication[13..17], other.0.to_be_bytes());
    }
}
