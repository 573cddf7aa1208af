//! QoS flow identifiers on the wire: PDU Session Containers between real sockets, in network namespaces.
//!
//! A base station's message is told octet by octet, because no encoder of ours shall agree with a decoder of ours on something that is
//! wrong. Receiving kernels have checked lengths and checksums of the outer headers. Skipped, with the reason printed, where there is no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Plane, Service};
use agw_types::Traffic;
use basalt_ebpf_abi::{DropReason, PuntReason};
use lab::*;
use std::net::UdpSocket;

const PLANES: [Plane; 3] = [Plane::XdpNative, Plane::XdpGeneric, Plane::Software];
const QFI: u8 = 9;
/// Octets of the container with what comes before it: sequence number, N-PDU number, next type; length, two octets, next type.
const CONTAINER: u16 = 8;
/// Flags of a G-PDU: version 1 of GTP, with an extension header, a sequence number, an N-PDU number (TS 29.281 §5.1).
const E: u8 = 0x34;
const S: u8 = 0x32;
const PN: u8 = 0x31;

fn serve(gateway: &Gateway, qfi: u8) {
    gateway.plane().serve(TEID, UE, &Service { qfi, ..Service::default() }).unwrap();
}

fn drops(gateway: &Gateway, reason: DropReason) -> u64 {
    gateway.plane().drops().into_iter().find(|(of, _)| *of == reason).unwrap().1
}

fn punts(gateway: &Gateway, reason: PuntReason) -> u64 {
    gateway.plane().punts().into_iter().find(|(of, _)| *of == reason).unwrap().1
}

/// A G-PDU with these flags and what stands between the header and the user's packet.
fn message(flags: u8, optional: &[u8], packet: &[u8]) -> Vec<u8> {
    let mut message = vec![flags, 255];
    message.extend(((optional.len() + packet.len()) as u16).to_be_bytes());
    message.extend(TEID.0.to_be_bytes());
    message.extend(optional);
    message.extend(packet);
    message
}

/// What the base station gets is a G-PDU of this QoS flow, with this content.
fn assert_downlink(message: &[u8], qfi: u8, content: &[u8]) {
    let length = content.len() as u16 + 28 + CONTAINER;
    let [high, low] = length.to_be_bytes();
    // TS 29.281 §5.1: version 1, GTP, E alone; a G-PDU; the length counts from behind the TEID.
    assert_eq!(message[..4], [E, 255, high, low], "{message:02x?}");
    assert_eq!(message[4..8], STATION_TEID.0.to_be_bytes());
    // No sequence and no N-PDU number; next is a PDU Session Container (§5.2.2.7) of four octets: a DL PDU Session Information without
    // any of its options (TS 38.415 §5.5.2.1), and nothing after it.
    assert_eq!(message[8..16], [0, 0, 0, 0x85, 1, 0, qfi, 0]);
    let packet = &message[16..];
    assert_eq!((packet[0], usize::from(u16::from_be_bytes([packet[2], packet[3]]))), (0x45, packet.len()));
    assert_eq!(checksum(&packet[..20]), 0, "inner header");
    assert_eq!((&packet[12..16], &packet[16..20]), (&SERVER.octets()[..], &UE.octets()[..]));
    assert_eq!(&packet[28..], content);
}

#[test]
fn packets_to_a_phone_bear_their_qos_flow() {
    if !possible() {
        return;
    }
    for plane in PLANES {
        let lab = Lab::new();
        let mut gateway = lab.open(lab.config(plane, agw_dataplane::Egress::Routed));
        let (station, server) = (Station::new(&lab), lab.udp("i", SERVER, 7000));
        gateway.connect();
        for qfi in [1, QFI, 63] {
            serve(&gateway, qfi);
            for length in [0, 1, 2, 600, 1_472] {
                let content: Vec<u8> = (0..length).map(|place: u32| (place ^ u32::from(qfi)) as u8).collect();
                server.send_to(&content, (UE, 5000)).unwrap();
                assert_downlink(&station.receive().expect("downlink"), qfi, &content);
            }
        }
        // What waited for an idle phone bears it, too.
        gateway.idle();
        serve(&gateway, QFI);
        server.send_to(b"waits", (UE, 5000)).unwrap();
        assert_eq!(gateway.event(), Some(Traffic::DownlinkWaiting { address: UE.into() }));
        gateway.connect();
        assert_downlink(&station.receive().expect("what waited"), QFI, b"waits");
        // And of a session without flows nothing does (LTE).
        serve(&gateway, 0);
        server.send_to(b"plain", (UE, 5000)).unwrap();
        assert_eq!(station.packet().expect("downlink")[28..], *b"plain");
    }
}

/// UL PDU Session Information of a flow, alone, with "more follows" of this type (TS 38.415 §5.5.2.2).
fn uplink_container(qfi: u8, next: u8) -> [u8; 4] {
    [1, 0x10, qfi, next]
}

/// Sends a packet with this content behind these flags and octets.
fn send(station: &Station, (flags, optional): (u8, &[u8]), content: &[u8]) {
    station.send(&message(flags, optional, &udp_packet((UE, 5000), (SERVER, 7000), content)));
}

#[test]
fn packets_of_the_session_s_flow_come_through_whatever_stands_around_its_container() {
    if !possible() {
        return;
    }
    let own = uplink_container(QFI, 0);
    let pdcp = [1, 0x12, 0x34, 0x85];
    let followed = uplink_container(QFI, 0x40);
    let cases: [(&str, u8, Vec<u8>); 9] = [
        ("alone", E, [&[0, 0, 0, 0x85], &own[..]].concat()),
        ("with a sequence number", E | S, [&[0x12, 0x34, 0, 0x85], &own[..]].concat()),
        ("with all optional fields", E | S | PN, [&[0x12, 0x34, 7, 0x85], &own[..]].concat()),
        ("with fields that no flag announces", E, [&[0xff, 0xff, 0xff, 0x85], &own[..]].concat()),
        ("behind a PDCP PDU number (§5.2.2.2)", E, [&[0, 0, 0, 0xc0], &pdcp[..], &own[..]].concat()),
        ("before a UDP port (§5.2.2.1)", E, [&[0, 0, 0, 0x85], &followed[..], &[1, 0x08, 0x68, 0]].concat()),
        (
            "between two that need not be understood",
            E | S,
            [&[0, 1, 0, 0x40], &[1, 0, 1, 0x85][..], &uplink_container(QFI, 0x20), &[2, 0, 0, 0, 0, 0, 0, 0]].concat(),
        ),
        ("of eight octets, with delays measured (QMP)", E, vec![0, 0, 0, 0x85, 2, 0x18, QFI, 0, 0, 0, 0, 0]),
        ("with the spare bits set", E, vec![0, 0, 0, 0x85, 1, 0x11, 0xc0 | QFI, 0]),
    ];
    for plane in PLANES {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, agw_dataplane::Egress::Routed));
        let (station, server) = (Station::new(&lab), lab.udp("i", SERVER, 7000));
        gateway.connect();
        serve(&gateway, QFI);
        for (what, flags, optional) in &cases {
            send(&station, (*flags, optional), what.as_bytes());
            assert_eq!(received(&server), what.as_bytes(), "{plane:?}");
        }
        eventually("all are counted", || {
            gateway.plane().usage(TEID, UE).is_some_and(|usage| usage.uplink_packets == cases.len() as u64)
        });
        assert_eq!(gateway.plane().usage(TEID, UE).unwrap().uplink_refused, 0);
    }
}

fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn packets_of_other_flows_and_broken_containers_are_dropped_for_their_reason() {
    if !possible() {
        return;
    }
    // A flow that is not the session's is not to be let through (TS 23.501 §5.7.1). A DL PDU Session Information names none of a packet
    // that comes up: its type goes from the gateway to the base station only (TS 38.415 §5.5.2).
    let wrong: [(&str, u8, Vec<u8>); 5] = [
        ("another flow", E, [&[0, 0, 0, 0x85], &uplink_container(QFI + 1, 0)[..]].concat()),
        ("type 0", E, vec![0, 0, 0, 0x85, 1, 0, QFI, 0]),
        ("a type that is not defined", E, vec![0, 0, 0, 0x85, 1, 0x20, QFI, 0]),
        ("no container, but another header", E, vec![0, 0, 0, 0x40, 1, 0, QFI, 0]),
        ("a container that E does not announce", S, vec![0, 1, 0, 0x85]),
    ];
    // An extension header has a length of at least one, in units of four octets, and lies in its message (TS 29.281 §5.2.1).
    let mut chain = vec![0, 0, 0, 0x40];
    chain.extend([1, 0, 1, 0x40].repeat(4));
    chain.extend([1, 0, 1, 0]);
    let lying: [(&str, u8, Vec<u8>); 4] = [
        ("length 0", E, vec![0, 0, 0, 0x85, 0, 0x10, QFI, 0]),
        ("as long as the message and more", E, vec![0, 0, 0, 0x85, 63, 0x10, QFI, 0]),
        ("longer than what anybody sends", E, vec![0, 0, 0, 0x85, 255, 0x10, QFI, 0]),
        ("more headers than anybody sends", E, chain),
    ];
    for plane in PLANES {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, agw_dataplane::Egress::Routed));
        let (station, server) = (Station::new(&lab), lab.udp("i", SERVER, 7000));
        gateway.connect();
        serve(&gateway, QFI);
        for (reason, cases) in [(DropReason::WrongQfi, &wrong[..]), (DropReason::ExtensionHeader, &lying[..])] {
            for (number, (what, flags, optional)) in cases.iter().enumerate() {
                send(&station, (*flags, optional), what.as_bytes());
                eventually(what, || drops(&gateway, reason) == number as u64 + 1);
            }
        }
        // An unknown header that must be understood: the message is not, and its sender is told which ones are (§5.2.1, §7.2.3).
        let unknown = [&[0, 0, 0, 0xc9], &[1, 0, 0, 0x85][..], &uplink_container(QFI, 0)].concat();
        send(&station, (E, &unknown), b"unknown");
        assert_eq!(station.receive().expect("Supported Extension Headers Notification")[1], 31, "{plane:?}");
        assert_eq!(punts(&gateway, PuntReason::UnknownExtension), 1);
        let refused = (wrong.len() + lying.len()) as u64;
        assert_eq!(gateway.plane().usage(TEID, UE).unwrap().uplink_refused, refused);
        // None of all these went through, and the next one does.
        send(&station, (E, &[&[0, 0, 0, 0x85], &uplink_container(QFI, 0)[..]].concat()), b"right");
        assert_eq!(received(&server), b"right");
    }
}
