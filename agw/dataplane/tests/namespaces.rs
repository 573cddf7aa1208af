//! The whole data plane between real sockets, in network namespaces.
//!
//! Skipped, with the reason printed, where there is no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Echo, Egress, Plane, PlaneMode, Report, Suspicion};
use agw_types::{DataplaneChange, Traffic};
use basalt_ebpf_abi::{DropReason, PuntReason};
use lab::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const PLANES: [(Plane, PlaneMode); 3] = [
    (Plane::XdpNative, PlaneMode::XdpNative),
    (Plane::XdpGeneric, PlaneMode::XdpGeneric),
    (Plane::Software, PlaneMode::Software),
];

fn drops(gateway: &Gateway, reason: DropReason) -> u64 {
    gateway.plane().drops().into_iter().find(|(r, _)| *r == reason).unwrap().1
}

fn punts(gateway: &Gateway, reason: PuntReason) -> u64 {
    gateway.plane().punts().into_iter().find(|(r, _)| *r == reason).unwrap().1
}

/// All counters that are not zero, for messages of failure.
fn counters(gateway: &Gateway) -> String {
    let drops = gateway.plane().drops().into_iter().map(|(reason, count)| (reason.name(), count));
    let punts = gateway.plane().punts().into_iter().map(|(reason, count)| (reason.name(), count));
    let all: Vec<_> = drops.chain(punts).filter(|(_, count)| *count > 0).collect();
    format!("{:?} {all:?}", gateway.mode())
}

/// Sends a datagram up and its echo down, many times; every octet must be right.
fn echo_through(lab: &Lab, gateway: &Gateway, nat: bool, server_address: std::net::Ipv4Addr) {
    let station = Station::new(lab);
    let server = lab.udp("i", server_address, 7000);
    gateway.connect();
    for number in 0..50u16 {
        let length = usize::from(number) * 28;
        let payload: Vec<u8> = (0..length).map(|i| (i as u16 ^ number) as u8).collect();
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (server_address, 7000), &payload)));
        let mut buffer = vec![0; 2000];
        let (received, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(buffer[..received], payload, "uplink {number}");
        let expected = if nat { INTERNET } else { UE };
        assert_eq!(from.ip(), expected);
        buffer[..received].reverse();
        server.send_to(&buffer[..received], from).unwrap();
        let packet = station.packet().expect("downlink");
        let reversed: Vec<u8> = payload.iter().rev().copied().collect();
        assert_eq!(packet[28..], reversed, "downlink {number}");
        assert_eq!(packet[16..20], UE.octets());
        assert_eq!(checksum(&packet[..20]), 0, "inner header");
        let mut pseudo = packet[12..20].to_vec();
        pseudo.extend([0, 17]);
        pseudo.extend((packet.len() as u16 - 20).to_be_bytes());
        pseudo.extend(&packet[20..]);
        assert_eq!(checksum(&pseudo), 0, "inner UDP checksum {number}");
    }
    let octets: u64 = (0..50u64).map(|n| n * 28 + 28).sum();
    // The software plane counts after sending.
    eventually("every packet is counted once, with its octets", || {
        let usage = gateway.plane().usage(TEID, UE).unwrap();
        (usage.uplink_packets, usage.uplink_bytes) == (50, octets)
            && (usage.downlink_packets, usage.downlink_bytes) == (50, octets)
    });
}

#[test]
fn packets_go_up_and_down_behind_nat() {
    if !possible() {
        return;
    }
    for (plane, mode) in PLANES {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, Egress::Nat));
        assert_eq!(gateway.mode(), mode);
        echo_through(&lab, &gateway, true, SERVER);
    }
}

#[test]
fn packets_go_up_and_down_routed() {
    if !possible() {
        return;
    }
    for (plane, mode) in PLANES {
        for server in [SERVER, FAR] {
            let lab = Lab::new();
            let gateway = lab.open(lab.config(plane, Egress::Routed));
            assert_eq!(gateway.mode(), mode);
            echo_through(&lab, &gateway, false, server);
        }
    }
}

#[test]
fn a_ping_reaches_the_gateway_s_own_address_and_nothing_else_does() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, Egress::Nat));
        let station = Station::new(&lab);
        gateway.connect();
        station.send(&g_pdu(TEID, &ping_packet(UE, [10, 45, 0, 1].into(), 1)));
        let reply = station.packet().expect("echo reply");
        assert_eq!((reply[9], reply[20]), (1, 0));
        for forbidden in [ACCESS, STATION, INTERNET, [10, 45, 0, 8].into(), [127, 0, 0, 1].into()] {
            station.send(&g_pdu(TEID, &ping_packet(UE, forbidden, 1)));
        }
        eventually("all are refused", || {
            drops(&gateway, DropReason::ForbiddenDestination) == 4 && drops(&gateway, DropReason::PhoneToPhone) == 1
        });
        assert_eq!(gateway.plane().usage(TEID, UE).unwrap().uplink_refused, 5);
    }
}

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

#[test]
fn unknown_tunnels_are_indicated_and_indications_believed_from_the_peer_only() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let mut gateway = lab.open(lab.config(plane, Egress::Nat));
        let station = Station::new(&lab);
        let stranger = lab.within("r", || {
            let add = std::process::Command::new("ip").args(["addr", "add", "10.10.1.9/24", "dev", "eth0"]).status();
            assert!(add.unwrap().success());
            std::net::UdpSocket::bind(("10.10.1.9", 2152)).unwrap()
        });
        station.send(&g_pdu(basalt_ids::Teid(0x7777_0001), &ping_packet(UE, SERVER, 1)));
        let Some(indication) = station.receive() else { panic!("no Error Indication; {}", counters(&gateway)) };
        assert_eq!(indication[..2], [0x32, 26]);
        assert_eq!(indication[12..], [16, 0x77, 0x77, 0, 1, 133, 0, 4, 10, 10, 1, 2]);

        gateway.connect();
        let mut unknown = vec![0x32, 26, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 16];
        unknown.extend(STATION_TEID.0.to_be_bytes());
        unknown.extend([133, 0, 4]);
        unknown.extend(STATION.octets());
        stranger.send_to(&unknown, (ACCESS, 2152)).unwrap();
        eventually("the forgery is counted", || drops(&gateway, DropReason::ForgedControl) == 1);
        assert!(gateway.no_event());
        station.send(&unknown);
        let Some(Traffic::ErrorIndication { teid, peer }) = gateway.event() else { panic!("not believed") };
        assert_eq!((teid, peer.teid), (TEID, STATION_TEID));
        // The stranger cannot use the tunnel either.
        stranger.send_to(&g_pdu(TEID, &ping_packet(UE, SERVER, 1)), (ACCESS, 2152)).unwrap();
        eventually("the wrong peer is counted", || drops(&gateway, DropReason::WrongPeer) == 1);
        // Once may be a mistake.
        let mut reports = gateway.plane().reports().unwrap();
        assert!(reports.try_recv().is_err());
        for _ in 0..12 {
            stranger.send_to(&g_pdu(TEID, &ping_packet(UE, SERVER, 1)), (ACCESS, 2152)).unwrap();
        }
        eventually("the stranger is suspected", || {
            let (peer, what) = (std::net::Ipv4Addr::new(10, 10, 1, 9), Suspicion::ForeignTunnels);
            reports.try_recv() == Ok(Report::Suspicious { peer, what, count: 10 })
        });
    }
}

#[test]
fn who_goes_on_sending_into_an_idle_tunnel_is_told() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, Egress::Nat));
        let station = Station::new(&lab);
        gateway.connect();
        gateway.idle();
        station.0.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let began = std::time::Instant::now();
        let mut indication = None;
        eventually("an Error Indication comes", || {
            station.send(&g_pdu(TEID, &ping_packet(UE, SERVER, 1)));
            indication = station.receive().filter(|message| message[1] == 26);
            indication.is_some()
        });
        assert!(began.elapsed() >= std::time::Duration::from_secs(2), "too early: {:?}", began.elapsed());
        let [a, b, c, d] = TEID.0.to_be_bytes();
        assert_eq!(indication.unwrap()[12..], [16, a, b, c, d, 133, 0, 4, 10, 10, 1, 2]);
        assert!(drops(&gateway, DropReason::IdleTunnel) > 1);
    }
}

#[test]
fn echo_requests_are_answered_and_floods_are_not() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    let station = lab.udp("r", STATION, 40_000);
    station.send_to(&[0x32, 1, 0, 4, 0, 0, 0, 0, 0xab, 0xcd, 0, 0], (ACCESS, 2152)).unwrap();
    let mut buffer = [0; 100];
    let length = station.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..length], [0x32, 2, 0, 6, 0, 0, 0, 0, 0xab, 0xcd, 0, 0, 14, 0]);
    for _ in 0..1000 {
        station.send_to(&[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0], (ACCESS, 2152)).unwrap();
    }
    eventually("the flood is limited", || drops(&gateway, DropReason::PeerRate) > 500);
}

#[test]
fn a_base_station_that_falls_silent_is_reported_and_so_is_its_return() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut config = lab.config(Plane::XdpNative, Egress::Nat);
    let time = std::time::Duration::from_millis(20);
    config.echo = Some(Echo { interval: time, response: time, requests: 2 });
    let gateway = lab.open(config);
    let station = Station::new(&lab);
    let mut reports = gateway.plane().reports().unwrap();
    gateway.connect();
    let peer = STATION;
    let asked = || -> Vec<u8> { station.receive().expect("no Echo Request") };
    assert_eq!(asked()[..8], [0x32, 1, 0, 4, 0, 0, 0, 0]);
    eventually("the path is down", || reports.try_recv() == Ok(Report::Path { peer, up: false }));
    assert_eq!(gateway.plane().paths(), (1, 1));
    let answer = || {
        let request = asked();
        let mut answer = vec![0x32, 2, 0, 6, 0, 0, 0, 0, request[8], request[9], 0, 0, 14, 0];
        station.send(&answer);
        // Of no request.
        answer[8] ^= 0x80;
        station.send(&answer);
    };
    eventually("the path is up again", || {
        answer();
        reports.try_recv() == Ok(Report::Path { peer, up: true })
    });
    // An answer of a busy machine's may be too late, again and again.
    eventually("it counts as up", || {
        answer();
        gateway.plane().paths() == (1, 0)
    });
}

#[test]
fn outer_fragments_are_reassembled_on_the_slow_path() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    lab.command("r", "ip link set eth0 mtu 600");
    let station = Station::new(&lab);
    let server = lab.udp("i", SERVER, 7000);
    gateway.connect();
    let payload: Vec<u8> = (0..1300u32).map(|i| i as u8).collect();
    station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), &payload)));
    let mut buffer = [0; 2000];
    let length = server.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..length], payload);
    assert!(punts(&gateway, PuntReason::OuterFragment) >= 3);
}

#[test]
fn a_packet_too_large_for_the_tunnel_is_answered_or_fragmented() {
    if !possible() {
        return;
    }
    for egress in [Egress::Nat, Egress::Routed] {
        let lab = Lab::new();
        let mut config = lab.config(Plane::XdpNative, egress);
        config.tunnel_mtu = Some(1000);
        let gateway = lab.open(config);
        let station = Station::new(&lab);
        let server = lab.udp("i", SERVER, 7000);
        gateway.connect();
        // Opens the way back through NAT.
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), b"open")));
        let mut buffer = [0; 100];
        let (_, from) = server.recv_from(&mut buffer).unwrap();
        set_may_fragment(&server);
        server.send_to(&[7; 1400], from).unwrap();
        let (first, second) = (station.packet().unwrap(), station.packet().unwrap());
        assert!(first.len() <= 1000 && second.len() <= 1000);
        assert_eq!(first.len() + second.len(), 1400 + 8 + 2 * 20);
        // With the usual path MTU discovery, the server learns the limit instead.
        let server = lab.udp("i", SERVER, 7000 + 1);
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7001), b"open")));
        let (_, from) = server.recv_from(&mut buffer).unwrap();
        server.connect(from).unwrap();
        server.send(&[7; 1400]).unwrap();
        eventually("the server is told", || server.send(&[7; 1400]).is_err());
    }
}

fn set_may_fragment(socket: &std::net::UdpSocket) {
    use std::os::fd::AsRawFd;
    let value = libc::IP_PMTUDISC_DONT;
    // SAFETY: the value lives across the call and has the length given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    assert_eq!(result, 0);
}

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

#[test]
fn phones_reach_each_other_only_where_they_may() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let mut config = lab.config(plane, Egress::Nat);
        config.phone_to_phone = true;
        let gateway = lab.open(config);
        let station = Station::new(&lab);
        gateway.connect();
        let other = agw_types::Tunnel {
            teid: basalt_ids::Teid(0x1111_0004),
            address: OTHER_UE.into(),
            state: agw_types::TunnelState::Connected(agw_types::Peer {
                address: STATION.into(),
                teid: basalt_ids::Teid(77),
            }),
            ..tunnel(connected())
        };
        gateway.plane().apply(&DataplaneChange::Set(other)).unwrap();
        station.send(&g_pdu(TEID, &ping_packet(UE, OTHER_UE, 3)));
        let message = station.receive().expect("the other phone's packet");
        assert_eq!(message[4..8], [0, 0, 0, 77]);
        assert_eq!((&message[20..24], &message[24..28]), (&UE.octets()[..], &OTHER_UE.octets()[..]));
    }
}

#[test]
fn what_is_permitted_is_reached_although_it_is_the_gateway_s() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut config = lab.config(Plane::XdpNative, Egress::Nat);
    config.permitted = vec![basalt_ebpf_abi::Prefix::new(ACCESS, 32)];
    let gateway = lab.open(config);
    let station = Station::new(&lab);
    let resolver = lab.udp("g", ACCESS, 53);
    gateway.connect();
    station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (ACCESS, 53), b"query")));
    let mut buffer = [0; 100];
    let (length, from) = resolver.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from.ip()), (&b"query"[..], UE.into()));
    resolver.send_to(b"answer", from).unwrap();
    assert_eq!(station.packet().unwrap()[28..], *b"answer");
}

#[test]
fn a_change_of_configuration_leaves_no_program_behind() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    drop(lab.open(lab.config(Plane::XdpNative, Egress::Routed)));
    assert!(lab.command("g", "ip link show dev sgi").contains("prog/xdp"));
    drop(lab.open(lab.config(Plane::XdpNative, Egress::Nat)));
    // Links go a moment after their last name.
    eventually("the program is gone", || !lab.command("g", "ip link show dev sgi").contains("prog/xdp"));
    assert!(lab.command("g", "ip link show dev s1u").contains("prog/xdp"));
    // The other mode, on the same interface.
    let gateway = lab.open(lab.config(Plane::XdpGeneric, Egress::Nat));
    assert_eq!(gateway.mode(), PlaneMode::XdpGeneric);
    assert!(lab.command("g", "ip link show dev s1u").contains("xdpgeneric"));
    echo_through(&lab, &gateway, true, SERVER);
}
