//! IPv6 of phones.

use super::support::*;
use crate::{Origin, Verdict, access, towards_phone};
use basalt_ebpf_abi::{DownlinkState, DropReason, PuntReason, UplinkFlags};

pub(super) type Half = [u8; 8];

pub(super) const MINE: Half = [0x20, 1, 0x0d, 0xb8, 0, 6, 0, 5];
const NEIGHBOUR: Half = [0x20, 1, 0x0d, 0xb8, 0, 6, 0, 6];
pub(super) const SERVER6: Half = [0x20, 1, 0x0d, 0xb8, 0xbe, 0xef, 0, 1];
const LINK: Half = [0xfe, 0x80, 0, 0, 0, 0, 0, 0];

/// The world with a phone that has a prefix, too.
pub(super) fn world() -> World {
    let world = World::new();
    world.settings.pools6[0].first.set(u64::from_be_bytes([0x20, 1, 0x0d, 0xb8, 0, 6, 0, 0]));
    world.settings.pools6[0].count.set(16);
    world.settings.forbidden6[0].first.set(u64::from_be_bytes([0xfd, 0, 0, 0, 0, 0, 0, 0]));
    world.settings.forbidden6[0].mask.set(0xff << 56);
    world.uplink[3].prefix.set(u64::from_ne_bytes(MINE));
    world.downlink[7].prefix.set(u64::from_ne_bytes(MINE));
    world.prefixes[5].set(8);
    world
}

pub(super) fn ipv6(source: Half, destination: Half, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for half in [source, destination] {
        packet.extend(half);
        packet.extend([0, 0, 0, 0, 0, 0, 0, 2]);
    }
    packet.extend(payload);
    packet
}

fn sent(world: &World, inner: &[u8]) -> Result<(), DropReason> {
    let (verdict, bytes) = run(&g_pdu(inner), |f| access(f, world));
    match verdict {
        Verdict::Redirect(20) => {
            assert_eq!(bytes[12..14], [0x86, 0xdd]);
            assert_eq!(&bytes[14..], inner);
            Ok(())
        }
        Verdict::Drop(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

fn to(destination: Half) -> Vec<u8> {
    ipv6(MINE, destination, 17, &udp(5000, 53, b"query"))
}

#[test]
fn g01_only_the_phone_s_own_prefix_may_send() {
    let world = world();
    assert_eq!(sent(&world, &to(SERVER6)), Ok(()));
    assert_eq!((world.uplink[3].packets.get(), world.uplink[3].bytes.get()), (1, 53));
    for source in [NEIGHBOUR, LINK, [0; 8], SERVER6] {
        assert_eq!(sent(&world, &ipv6(source, SERVER6, 17, &udp(1, 2, &[]))), Err(DropReason::SpoofedSource));
    }
    // A phone without IPv6.
    world.uplink[3].prefix.set(0);
    assert_eq!(sent(&world, &to(SERVER6)), Err(DropReason::InnerVersion));
    assert_eq!(world.uplink[3].refused.get(), 5);
}

#[test]
fn g02_g03_neither_phones_nor_the_gateway_s_networks_are_reached() {
    let world = world();
    assert_eq!(sent(&world, &to(NEIGHBOUR)), Err(DropReason::PhoneToPhone));
    for destination in
        [LINK, [0xff, 2, 0, 0, 0, 0, 0, 0], [0; 8], [0xfd, 7, 0, 0, 0, 0, 0, 1], [0xfe, 0xc0, 0, 0, 0, 0, 0, 0]]
    {
        assert_eq!(sent(&world, &to(destination)), Err(DropReason::ForbiddenDestination), "{destination:x?}");
    }
    world.uplink[3].flags.set(UplinkFlags::PHONE_TO_PHONE);
    assert_eq!(sent(&world, &to(NEIGHBOUR)), Ok(()));
}

#[test]
fn g04_g05_core_protocols_are_found_behind_extension_headers() {
    let world = world();
    let datagram = |port| udp(5000, port, &[0; 12]);
    let behind = |header: &[u8], next: u8, port| ipv6(MINE, SERVER6, next, &[header, &datagram(port)].concat());
    let options = [17, 0, 1, 4, 0, 0, 0, 0];
    let fragment = [17, 0, 0, 1, 0, 0, 0, 7];
    for (header, next) in [(&[][..], 17), (&options[..], 60), (&fragment[..], 44)] {
        assert_eq!(sent(&world, &behind(header, next, 2152)), Err(DropReason::GtpInGtp));
        assert_eq!(sent(&world, &behind(header, next, 8805)), Err(DropReason::CorePort));
        assert_eq!(sent(&world, &behind(header, next, 53)), Ok(()));
    }
    // A fragment that would overwrite what was looked at.
    let overlapping = [17, 0, 0, 9, 0, 0, 0, 7];
    assert_eq!(sent(&world, &behind(&overlapping, 44, 53)), Err(DropReason::InnerFragment));
    let later = [17, 0, 0x05, 0, 0, 0, 0, 7];
    assert_eq!(sent(&world, &behind(&later, 44, 2152)), Ok(()), "no ports in it");
}

#[test]
fn g09_lengths_that_lie_are_refused() {
    let world = world();
    let good = to(SERVER6);
    for (offset, octet) in [(5, 12), (5, 14), (4, 1)] {
        let mut packet = good.clone();
        packet[offset] = octet;
        assert_eq!(sent(&world, &packet), Err(DropReason::InnerLength));
    }
    for length in 0..40 {
        assert!(matches!(sent(&world, &good[..length]), Err(DropReason::InnerLength | DropReason::InnerVersion)));
    }
    let short = ipv6(MINE, SERVER6, 17, &[0; 7]);
    assert_eq!(sent(&world, &short), Err(DropReason::InnerLength));
    let beyond = ipv6(MINE, SERVER6, 60, &[17, 200, 0, 0, 0, 0, 0, 0]);
    assert_eq!(sent(&world, &beyond), Err(DropReason::InnerLength));
}

#[test]
fn g14_routers_are_given_no_work_and_no_detours() {
    let world = world();
    let datagram = udp(5000, 53, &[]);
    for next in [0, 43] {
        let packet = ipv6(MINE, SERVER6, next, &[&[17, 0, 0, 0, 0, 0, 0, 0][..], &datagram].concat());
        assert_eq!(sent(&world, &packet), Err(DropReason::InnerOptions));
    }
    let chain = [[60, 0, 1, 4, 0, 0, 0, 0]; 4].concat();
    assert_eq!(sent(&world, &ipv6(MINE, SERVER6, 60, &chain)), Err(DropReason::InnerOptions));
}

#[test]
fn g15_a_phone_is_no_router_and_no_dhcp_server() {
    let world = world();
    for kind in [134, 137] {
        let message = ipv6(MINE, SERVER6, 58, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sent(&world, &message), Err(DropReason::RogueServer));
        // From its link-local address, as routers do.
        let message = ipv6(LINK, SERVER6, 58, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sent(&world, &message), Err(DropReason::SpoofedSource));
    }
    assert_eq!(sent(&world, &ipv6(MINE, SERVER6, 17, &udp(547, 546, &[]))), Err(DropReason::RogueServer));
    assert_eq!(sent(&world, &ipv6(MINE, SERVER6, 58, &[128, 0, 0, 0, 0, 0, 0, 0])), Ok(()), "but it may ping");
}

#[test]
fn solicitations_are_the_gateway_s_to_answer() {
    let world = world();
    world.settings.punt_burst.set(10);
    world.settings.punt_rate.set(10);
    for source in [LINK, [0; 8], MINE] {
        let message = ipv6(source, [0xff, 2, 0, 0, 0, 0, 0, 0], 58, &[133, 0, 0, 0, 0, 0, 0, 0]);
        let frame = g_pdu(&message);
        let (verdict, bytes) = run(&frame, |f| access(f, &world));
        assert!(matches!(verdict, Verdict::Pass));
        assert_eq!(bytes, frame);
    }
    assert_eq!(world.punted(PuntReason::RouterSolicitation), 3);
    // So are questions whether it is there, but not those for an address that the phone wants for itself.
    let asks = |source, destination| {
        let message = ipv6(source, destination, 58, &[&[135, 0, 0, 0, 0, 0, 0, 0][..], &[0; 16]].concat());
        run(&g_pdu(&message), |f| access(f, &world)).0
    };
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0];
    for (source, destination) in [(LINK, LINK), (MINE, LINK), (LINK, group)] {
        assert!(matches!(asks(source, destination), Verdict::Pass));
    }
    assert_eq!(world.punted(PuntReason::RouterSolicitation), 6);
    assert!(matches!(asks([0; 8], group), Verdict::Drop(DropReason::SpoofedSource)));
    assert!(matches!(asks(NEIGHBOUR, LINK), Verdict::Drop(DropReason::SpoofedSource)));
    assert!(matches!(asks(LINK, SERVER6), Verdict::Drop(DropReason::SpoofedSource)));
    // So are messages to DHCPv6 servers, and nothing else from the link's address.
    let servers = |port, last| {
        let mut message = ipv6(LINK, [0xff, 2, 0, 0, 0, 0, 0, 0], 17, &udp(546, port, &[1, 0, 0, 1]));
        message[32..40].copy_from_slice(&[0, 0, 0, 0, 0, 1, 0, last]);
        run(&g_pdu(&message), |f| access(f, &world)).0
    };
    assert!(matches!(servers(547, 2), Verdict::Pass));
    assert!(matches!(servers(548, 2), Verdict::Drop(DropReason::SpoofedSource)));
    assert!(matches!(servers(547, 3), Verdict::Drop(DropReason::SpoofedSource)));
}

#[test]
fn packets_to_a_prefix_find_its_phone() {
    let world = world();
    let packet = ipv6(SERVER6, MINE, 17, &udp(53, 5000, b"answer"));
    let mut frame = eth(&packet);
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    let judge = || run(&frame, |f| towards_phone(f, &world, Origin::Kernel));
    let (verdict, bytes) = judge();
    assert!(matches!(verdict, Verdict::Redirect(40)), "{verdict:?}");
    assert_eq!(&bytes[12..14], &[8, 0]);
    assert_eq!(&bytes[50..], packet);
    assert_eq!(world.downlink[7].bytes.get(), packet.len() as u64);
    // From the internet, the kernel routes it first.
    assert!(matches!(run(&frame, |f| towards_phone(f, &world, Origin::Internet)).0, Verdict::Pass));
    world.downlink[7].state.set(DownlinkState::IDLE);
    assert!(matches!(judge().0, Verdict::HandOver(_)));
    world.downlink[7].prefix.set(u64::from_ne_bytes(NEIGHBOUR));
    assert!(matches!(judge().0, Verdict::Drop(DropReason::UnknownPhone)), "G17: the prefix has another owner");
    world.prefixes[5].set(0);
    assert!(matches!(judge().0, Verdict::Drop(DropReason::UnknownPhone)));
}

/// A TCP segment over IPv6 with these flags and a maximum segment size of 1460, its checksum right.
fn segment6(up: bool, flags: u8) -> Vec<u8> {
    let mut tcp =
        vec![0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 6 << 4, flags, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0x05, 0xb4];
    tcp.extend(b"data");
    let (source, destination) = if up { (MINE, SERVER6) } else { (SERVER6, MINE) };
    let mut packet = ipv6(source, destination, 6, &tcp);
    let sum = tcp_checksum6(&packet);
    packet[56..58].copy_from_slice(&sum.to_be_bytes());
    packet
}

pub(super) fn eth6(packet: &[u8]) -> Vec<u8> {
    let mut frame = eth(packet);
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    frame
}

fn tcp_checksum6(packet: &[u8]) -> u16 {
    let mut pseudo = packet[8..40].to_vec();
    pseudo.extend((packet.len() as u32 - 40).to_be_bytes());
    pseudo.extend([0, 0, 0, 6]);
    pseudo.extend(&packet[40..]);
    checksum(&pseudo)
}

#[test]
fn g13_segments_over_ipv6_are_smaller_by_the_longer_header() {
    let world = world();
    world.settings.segment.set(1360);
    for (up, flags, expected) in [(true, 0x02, 1340_u16), (false, 0x12, 1340), (true, 0x10, 1460), (false, 0x18, 1460)]
    {
        let packet = segment6(up, flags);
        let (verdict, bytes) = if up {
            run(&g_pdu(&packet), |f| access(f, &world))
        } else {
            run(&eth6(&packet), |f| towards_phone(f, &world, Origin::Kernel))
        };
        assert!(matches!(verdict, Verdict::Redirect(_)), "{verdict:?}");
        let after = &bytes[if up { 14 } else { 50 }..];
        assert_eq!(after[62..64], expected.to_be_bytes(), "{up} {flags:#x}");
        assert_eq!(tcp_checksum6(after), 0);
    }
}

#[test]
fn what_is_delegated_to_a_phone_is_the_phone_s() {
    let world = world();
    // Each phone has a /60 of the pool; this one the first.
    let own: Half = [0x20, 1, 0x0d, 0xb8, 0, 6, 0, 0];
    world.settings.pools6[0].shift.set(4);
    world.uplink[3].prefix.set(u64::from_ne_bytes(own));
    world.downlink[7].prefix.set(u64::from_ne_bytes(own));
    world.prefixes[0].set(8);
    let (inside, beyond): (Half, Half) = ([0x20, 1, 0x0d, 0xb8, 0, 6, 0, 0x0f], [0x20, 1, 0x0d, 0xb8, 0, 6, 0, 0x10]);
    assert_eq!(sent(&world, &ipv6(inside, SERVER6, 17, &udp(1, 53, &[]))), Ok(()));
    assert_eq!(sent(&world, &ipv6(beyond, SERVER6, 17, &udp(1, 53, &[]))), Err(DropReason::SpoofedSource));
    let down = |destination| {
        let packet = eth6(&ipv6(SERVER6, destination, 17, &udp(53, 1, &[])));
        run(&packet, |f| towards_phone(f, &world, Origin::Kernel)).0
    };
    assert!(matches!(down(own), Verdict::Redirect(_)));
    assert!(matches!(down(inside), Verdict::Redirect(_)));
    assert!(matches!(down(beyond), Verdict::Drop(DropReason::UnknownPhone)));
}
