//! The gateway as a phone's IPv6 router, between real sockets, in network namespaces. Skipped, with the reason printed, where there is no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Config, Egress, Plane};
use agw_types::{DataplaneChange, Prefix64, PrefixPool, Traffic, Tunnel, TunnelState, UeAddress};
use lab::*;
use std::net::Ipv6Addr;
use std::time::Duration;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const PHONE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
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
