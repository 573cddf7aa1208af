//! The gateway as a phone's IPv6 router, between real sockets, in network namespaces. Skipped, with the reason printed, where there is no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Config, Egress, Plane};
use agw_types::{DataplaneChange, Prefix64, PrefixPool, Traffic, Tunnel, TunnelState, UeAddress};
use basalt_ebpf_abi::DropReason;
use basalt_ids::Teid;
use lab::*;
use std::net::Ipv6Addr;
use std::time::Duration;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const PHONE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
const OTHER_TEID: Teid = Teid(0x5a5a_0004);
const OTHER_GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 5, 0, 0, 0, 9);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 3, 0, 0, 0, 9);

fn config(lab: &Lab, plane: Plane) -> Config {
    let mut config = lab.config(plane, Egress::Routed);
    config.pools6 = vec![PrefixPool { network: Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 0), prefix: 60, each: 64 }];
    config.phone_mtu = 1400;
    config
}

fn phone(state: TunnelState) -> DataplaneChange {
    let address = UeAddress::Ipv4v6(UE, Prefix64::of(GLOBAL));
    DataplaneChange::Set(Tunnel { address, ..tunnel(state) })
}

/// An ICMPv6 message of the phone, its checksum right, in the tunnel.
fn message(source: Ipv6Addr, destination: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let length = message.len() as u16;
    let pseudo =
        [&source.octets()[..], &destination.octets(), &[0, 0], &length.to_be_bytes(), &[0, 0, 0, 58], &message];
    let sum = checksum(&pseudo.concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let head = [&[0x60, 0, 0, 0][..], &length.to_be_bytes(), &[58, 255], &source.octets(), &destination.octets()];
    g_pdu(TEID, &[head.concat(), message].concat())
}

fn is_advertisement(packet: &[u8]) -> bool {
    packet[40] == 134
}

#[test]
fn a_phone_hears_that_its_router_is_there() {
    if !possible() {
        return;
    }
    for plane in [Plane::XdpNative, Plane::XdpGeneric, Plane::Software] {
        let lab = Lab::new();
        let gateway = lab.open(config(&lab, plane));
        let station = Station::new(&lab);
        gateway.plane().apply(&phone(connected())).unwrap();
        let told = station.packet().expect("an advertisement");
        assert!(is_advertisement(&told));
        assert_eq!(told[56..64], [5, 1, 0, 0, 0, 0, 0x05, 0x78], "the MTU that the phone has from signalling, too");
        let question = |source, destination| {
            let content = [&[135, 0, 0, 0, 0, 0, 0, 0], &ROUTER.octets()[..]].concat();
            message(source, destination, content)
        };
        // What looks for the phone's own address comes first, and is not what is answered (TS 23.401 §5.3.1.2.2).
        station.send(&question(Ipv6Addr::UNSPECIFIED, GROUP));
        for (source, destination) in [(PHONE, ROUTER), (GLOBAL, ROUTER), (PHONE, GROUP)] {
            station.send(&question(source, destination));
            let answer = station.packet().expect("an answer");
            assert_eq!((answer.len(), answer[6], answer[7]), (64, 58, 255));
            assert_eq!((&answer[8..24], &answer[24..40]), (&ROUTER.octets()[..], &source.octets()[..]));
            assert_eq!((answer[40], answer[44], &answer[48..]), (136, 0xe0, &ROUTER.octets()[..]));
        }
    }
}

#[test]
fn a_phone_that_asks_without_end_silences_the_gateway_for_nobody_else() {
    if !possible() {
        return;
    }
    for plane in [Plane::XdpNative, Plane::Software] {
        let lab = Lab::new();
        let gateway = lab.open(config(&lab, plane));
        let station = Station::new(&lab);
        gateway.plane().apply(&phone(connected())).unwrap();
        assert!(is_advertisement(&station.packet().expect("an advertisement")));
        let all_routers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
        let question = message(PHONE, all_routers, vec![133, 0, 0, 0, 0, 0, 0, 0]);
        (0..1_000).for_each(|_| station.send(&question));
        // An Echo Request with sequence number 7 (TS 29.281 §7.2.1): without an answer the base station would give the path up.
        station.send(&[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 7, 0, 0]);
        let answers = std::iter::from_fn(|| station.receive()).take_while(|message| message[1] != 2).count();
        assert!(answers < 1_000, "each was answered");
        let refused = gateway.plane().drops().into_iter().find(|(reason, _)| *reason == DropReason::PeerRate);
        assert!(refused.is_some_and(|(_, count)| count > 0), "{refused:?}");
        // Nor for another phone there.
        let (other, prefix) = (Tunnel { teid: OTHER_TEID, ..tunnel(connected()) }, Prefix64::of(OTHER_GLOBAL));
        let other = Tunnel { address: UeAddress::Ipv4v6(OTHER_UE, prefix), ..other };
        gateway.plane().apply(&DataplaneChange::Set(other)).unwrap();
        let mut question = question.clone();
        question[4..8].copy_from_slice(&OTHER_TEID.0.to_be_bytes());
        station.send(&question);
        for when in ["when it is connected", "when it asks"] {
            let told = station.packet().expect(when);
            assert_eq!((told[40], &told[80..88]), (134, &OTHER_GLOBAL.octets()[..8]), "{when}");
        }
    }
}

#[test]
fn a_prefix_is_told_again_before_its_router_is_taken_for_gone() {
    if !possible() {
        return;
    }
    for plane in [Plane::XdpNative, Plane::Software] {
        let lab = Lab::new();
        let mut gateway = lab.open(Config { advertise: Duration::from_secs(1), ..config(&lab, plane) });
        let station = Station::new(&lab);
        gateway.plane().apply(&phone(connected())).unwrap();
        for _ in 0..3 {
            assert!(is_advertisement(&station.packet().expect("an advertisement")));
        }
        // An idle phone is paged for it, and told when it has come.
        gateway.plane().apply(&phone(TunnelState::Idle)).unwrap();
        let address = UeAddress::Ipv4v6(UE, Prefix64::of(GLOBAL));
        assert_eq!(gateway.event(), Some(Traffic::DownlinkWaiting { address }));
        gateway.plane().apply(&phone(connected())).unwrap();
        assert!(is_advertisement(&station.packet().expect("an advertisement")));
    }
}
