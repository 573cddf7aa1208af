//! The whole data plane between real sockets, in network namespaces.
//!
//! Skipped, with the reason printed, where there is no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod handover;
mod indications;
mod lab;
mod sizes;
mod waiting;

use agw_dataplane::{Egress, Plane, PlaneMode};
use agw_types::{DataplaneChange, Traffic};
use basalt_ebpf_abi::{DropReason, PuntReason};
use lab::*;

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
