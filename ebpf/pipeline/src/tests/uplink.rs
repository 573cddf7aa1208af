//! The radio side.

use super::support::*;
use crate::{Verdict, access};
use basalt_ebpf_abi::{Address, Class, DropReason, PuntReason, SettingFlags, UplinkFlags};
use core::net::Ipv4Addr;

fn ping() -> Vec<u8> {
    ipv4(UE, SERVER, 1, 0, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0])
}

fn refused(world: &World, frame: &[u8]) -> DropReason {
    let (verdict, bytes) = run(frame, |f| access(f, world));
    let Verdict::Drop(reason) = verdict else {
        panic!("{verdict:?} instead of a drop");
    };
    assert_eq!(bytes, frame, "a refused packet is changed");
    assert!(world.dropped(reason) > 0);
    reason
}

fn inner_refused(inner: &[u8]) -> DropReason {
    let world = World::new();
    let reason = refused(&world, &g_pdu(inner));
    assert_eq!(world.uplink[3].refused.get(), 1);
    assert_eq!(world.uplink[3].packets.get(), 0);
    reason
}

fn passes(inner: &[u8]) {
    let world = World::new();
    let (verdict, bytes) = run(&g_pdu(inner), |f| access(f, &world));
    assert!(matches!(verdict, Verdict::Redirect(20)), "{verdict:?}, {:?}", inner);
    assert_eq!(&bytes[14..], inner);
}

#[test]
fn a_good_packet_goes_to_the_kernel_as_it_is() {
    let world = World::new();
    let (verdict, bytes) = run(&g_pdu(&ping()), |f| access(f, &world));
    assert!(matches!(verdict, Verdict::Redirect(20)));
    assert_eq!(&bytes[..14], &[1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 8, 0]);
    assert_eq!(&bytes[14..], ping());
    assert_eq!(world.uplink[3].packets.get(), 1);
    assert_eq!(world.uplink[3].bytes.get(), 28);
    assert_eq!(world.total(), 0);
}

#[test]
fn a_direct_way_takes_one_from_the_lifetime() {
    let world = World::new();
    world.destinations.set([203, 0], Class(DIRECT_HOP as u8));
    let (verdict, bytes) = run(&g_pdu(&ping()), |f| access(f, &world));
    assert!(matches!(verdict, Verdict::Redirect(30)));
    assert_eq!(bytes[14 + 8], 63);
    assert_eq!(checksum(&bytes[14..34]), 0);

    let mut last = ping();
    last[8] = 1;
    let (verdict, _) = run(&g_pdu(&last), |f| access(f, &world));
    assert!(matches!(verdict, Verdict::Redirect(20)));
    assert_eq!(world.punted(PuntReason::TimeToLive), 1);

    world.hops[5].forget();
    let (verdict, bytes) = run(&g_pdu(&ping()), |f| access(f, &world));
    assert!(matches!(verdict, Verdict::Redirect(20)));
    assert_eq!(bytes[14 + 8], 64);
}

#[test]
fn extension_headers_are_skipped() {
    let world = World::new();
    let containers: [&[u8]; 5] = [
        // Sequence number only: the next-type octet is not looked at.
        &[0, 1, 0, 0x85],
        // PDU Session Container.
        &[0, 0, 0, 0x85, 1, 0x10, 5, 0],
        // Two of them.
        &[0, 0, 0, 0x85, 1, 0x10, 5, 0xc0, 1, 0, 1, 0],
        // An unknown one that needs no comprehension.
        &[0, 0, 0, 0x20, 2, 1, 2, 3, 4, 5, 6, 0],
        // N-PDU number only.
        &[0, 0, 9, 0],
    ];
    for (flags, optional) in [0x32, 0x34, 0x36, 0x37, 0x31].into_iter().zip(containers) {
        let frame = from_enb(&gtp(flags, 255, TEID, optional, &ping()));
        let (verdict, bytes) = run(&frame, |f| access(f, &world));
        assert!(matches!(verdict, Verdict::Redirect(20)), "{flags:x} {verdict:?}");
        assert_eq!(&bytes[14..], ping());
    }
}

#[test]
fn hostile_extension_headers_are_refused() {
    let world = World::new();
    let long = [1u8, 0, 0, 0x20].repeat(5);
    let mut chain = vec![0, 0, 0, 0x20];
    chain.extend(&long);
    chain.extend([1, 0, 0, 0]);
    let cases: [&[u8]; 4] = [
        &[0, 0, 0, 0x85, 0, 0, 0, 0],   // length 0
        &[0, 0, 0, 0x85, 200, 0, 0, 0], // beyond what is followed
        &[0, 0, 0, 0x85, 60, 0, 0, 0],  // beyond the packet
        &chain,                         // too many
    ];
    for optional in cases {
        let frame = from_enb(&gtp(0x34, 255, TEID, optional, &ping()));
        assert_eq!(refused(&world, &frame), DropReason::ExtensionHeader);
    }
    let cut = from_enb(&gtp(0x34, 255, TEID, &[], &[0, 0, 0]));
    assert_eq!(refused(&world, &cut), DropReason::ExtensionHeader);
    let unknown = from_enb(&gtp(0x34, 255, TEID, &[0, 0, 0, 0xc9, 1, 0, 0, 0], &ping()));
    let (verdict, _) = run(&unknown, |f| access(f, &world));
    assert!(matches!(verdict, Verdict::Pass));
    assert_eq!(world.punted(PuntReason::UnknownExtension), 1);
}

#[test]
fn only_the_tunnel_s_own_base_station_may_send() {
    let world = World::new();
    let stranger = Ipv4Addr::new(10, 10, 1, 9);
    let message = gtp(0x30, 255, TEID, &[], &ping());
    let frame = eth(&ipv4(stranger, GATEWAY, 17, 0, &udp(2152, 2152, &message)));
    assert!(matches!(run(&frame, |f| access(f, &world)).0, Verdict::Pass));
    assert_eq!(world.punted(PuntReason::OtherPeer), 1);
    assert_eq!(world.uplink[3].packets.get(), 0);
    // A base station with a second address in the same /24, as configured.
    world.uplink[3].peer_mask.set(0x00ff_ffffu32.to_le());
    world.uplink[3].peer.set(Address::new(Ipv4Addr::new(10, 10, 1, 0)).0);
    assert!(matches!(run(&frame, |f| access(f, &world)).0, Verdict::Redirect(20)));
}

#[test]
fn unknown_tunnels_go_to_user_space_at_a_limited_rate() {
    let world = World::new();
    // Right index with another generation, free slot, reserved values.
    for teid in [TEID ^ 0x100, 5, 0, u32::MAX] {
        world.now.set(world.now.get() + 2_000_000_000);
        let frame = from_enb(&gtp(0x30, 255, teid, &[], &ping()));
        assert!(matches!(run(&frame, |f| access(f, &world)).0, Verdict::Pass));
    }
    assert_eq!(world.punted(PuntReason::UnknownTeid), 4);
    let frame = from_enb(&gtp(0x30, 255, 5, &[], &ping()));
    for _ in 0..10 {
        run(&frame, |f| access(f, &world));
    }
    assert!(world.dropped(DropReason::SlowPathRate) >= 8);
    // An echo has its own bucket.
    let echo = from_enb(&gtp(0x32, 1, 0, &[0, 0, 0, 0], &[]));
    assert!(matches!(run(&echo, |f| access(f, &world)).0, Verdict::Pass));
    assert_eq!(world.punted(PuntReason::GtpControl), 1);
}

#[test]
fn what_is_no_gtp_u_for_us_is_left_alone() {
    let world = World::new();
    let message = gtp(0x30, 255, TEID, &[], &ping());
    let elsewhere = eth(&ipv4(ENB, SERVER, 17, 0, &udp(2152, 2152, &message)));
    let other_port = eth(&ipv4(ENB, GATEWAY, 17, 0, &udp(2152, 2153, &message)));
    let sctp = eth(&ipv4(ENB, GATEWAY, 132, 0, &udp(36412, 36412, &message)));
    let mut arp = g_pdu(&ping());
    arp[13] = 6;
    for frame in [elsewhere, other_port, sctp, arp, vec![0; 14], vec![8; 33]] {
        let (verdict, bytes) = run(&frame, |f| access(f, &world));
        assert!(matches!(verdict, Verdict::Pass));
        assert_eq!(bytes, frame);
    }
    assert_eq!(world.total(), 0);
    let fragment = eth(&ipv4(ENB, GATEWAY, 17, 0x2000, &udp(2152, 2152, &message)));
    assert!(matches!(run(&fragment, |f| access(f, &world)).0, Verdict::Pass));
    assert_eq!(world.punted(PuntReason::OuterFragment), 1);
}

#[test]
fn lengths_must_agree() {
    let world = World::new();
    let good = g_pdu(&ping());
    // Outer total length, UDP length, GTP length; each one more and one less.
    for (offset, change) in [(16, 1), (16, -1), (38, 1), (38, -1), (44, 1), (44, -1)] {
        let mut frame = good.clone();
        let value = u16::from_be_bytes([frame[offset], frame[offset + 1]]).wrapping_add_signed(change).to_be_bytes();
        frame[offset..offset + 2].copy_from_slice(&value);
        assert_eq!(refused(&world, &frame), DropReason::Malformed, "{offset} {change}");
    }
    // Padding of short frames is no part of the packet.
    let mut padded = good.clone();
    padded.extend([0; 6]);
    assert!(matches!(run(&padded, |f| access(f, &world)).0, Verdict::Redirect(20)));
    assert_eq!(world.uplink[3].bytes.get(), 28);
}

#[test]
fn versions_and_types_of_other_planes_are_refused() {
    let world = World::new();
    for flags in [0x50, 0x20, 0x00, 0x10, 0xf0] {
        let frame = from_enb(&gtp(flags, 255, TEID, &[], &ping()));
        assert_eq!(refused(&world, &frame), DropReason::GtpVersion);
    }
    for kind in [0, 3, 4, 16, 32, 100, 240, 252] {
        let frame = from_enb(&gtp(0x30, kind, TEID, &[], &ping()));
        assert_eq!(refused(&world, &frame), DropReason::GtpMessageType);
    }
}

#[test]
fn the_inner_header_must_be_sound() {
    let good = ping();
    let with = |offset: usize, octet: u8| {
        let mut packet = good.clone();
        packet[offset] = octet;
        packet
    };
    assert_eq!(inner_refused(&with(0, 0x05)), DropReason::InnerVersion);
    assert_eq!(inner_refused(&with(0, 0x60)), DropReason::InnerVersion);
    assert_eq!(inner_refused(&with(0, 0x44)), DropReason::InnerLength);
    assert_eq!(inner_refused(&with(0, 0x46)), DropReason::InnerOptions);
    assert_eq!(inner_refused(&with(3, 27)), DropReason::InnerLength);
    assert_eq!(inner_refused(&with(3, 29)), DropReason::InnerLength);
    assert_eq!(inner_refused(&with(2, 0xff)), DropReason::InnerLength);
    assert_eq!(inner_refused(&with(15, 9)), DropReason::SpoofedSource);
    for length in 0..20 {
        assert_eq!(inner_refused(&good[..length]), DropReason::InnerLength);
    }
}

#[test]
fn core_protocols_do_not_leave_a_phone() {
    let udp_to = |port| ipv4(UE, SERVER, 17, 0, &udp(5000, port, &[0; 12]));
    let sctp_to = |port| ipv4(UE, SERVER, 132, 0, &udp(5000, port, &[0; 12]));
    let mut segment = udp(5000, 3868, &[0; 12]);
    segment.truncate(20);
    assert_eq!(inner_refused(&udp_to(2152)), DropReason::GtpInGtp);
    assert_eq!(inner_refused(&udp_to(2123)), DropReason::CorePort);
    assert_eq!(inner_refused(&udp_to(8805)), DropReason::CorePort);
    assert_eq!(inner_refused(&sctp_to(36412)), DropReason::CorePort);
    assert_eq!(inner_refused(&sctp_to(3868)), DropReason::CorePort);
    assert_eq!(inner_refused(&ipv4(UE, SERVER, 6, 0, &segment)), DropReason::CorePort);
    let server = ipv4(UE, SERVER, 17, 0, &udp(67, 68, &[0; 12]));
    assert_eq!(inner_refused(&server), DropReason::RogueServer);
    passes(&udp_to(53));
    passes(&udp_to(3868));

    let world = World::new();
    world.settings.flags.set(SettingFlags::CORE_PORTS);
    assert!(matches!(run(&g_pdu(&udp_to(8805)), |f| access(f, &world)).0, Verdict::Redirect(20)));
}

#[test]
fn fragments_cannot_hide_ports() {
    let fragment = |protocol, word, payload: &[u8]| ipv4(UE, SERVER, protocol, word, payload);
    // First fragments too short for their transport header.
    assert_eq!(inner_refused(&fragment(6, 0x2000, &[0; 16])), DropReason::InnerFragment);
    assert_eq!(inner_refused(&fragment(17, 0x2000, &[])), DropReason::InnerFragment);
    // Later fragments that overlap it.
    assert_eq!(inner_refused(&fragment(6, 1, &[0; 16])), DropReason::InnerFragment);
    assert_eq!(inner_refused(&fragment(132, 0x2001, &[0; 16])), DropReason::InnerFragment);
    // Not a multiple of eight, and beyond the largest packet.
    assert_eq!(inner_refused(&fragment(17, 0x2000, &[0; 15])), DropReason::InnerFragment);
    assert_eq!(inner_refused(&fragment(17, 0x1fff, &[0; 16])), DropReason::InnerFragment);
    // The first fragment's ports count.
    assert_eq!(inner_refused(&fragment(17, 0x2000, &udp(1, 2152, &[0; 8]))), DropReason::GtpInGtp);
    passes(&fragment(17, 0x2000, &udp(1, 2, &[0; 8])));
    passes(&fragment(17, 0x2002, &[0; 8]));
    passes(&fragment(1, 0x2001, &[0; 8]));
}

#[test]
fn destinations_are_judged_by_prefix() {
    let to = |destination| ipv4(UE, destination, 1, 0, &[0; 8]);
    assert_eq!(inner_refused(&to(Ipv4Addr::new(169, 254, 169, 254))), DropReason::ForbiddenDestination);
    assert_eq!(inner_refused(&to(OTHER_UE)), DropReason::PhoneToPhone);

    let world = World::new();
    world.uplink[3].flags.set(UplinkFlags::PHONE_TO_PHONE);
    assert!(matches!(run(&g_pdu(&to(OTHER_UE)), |f| access(f, &world)).0, Verdict::Redirect(20)));
    world.destinations.set([192, 168], Class::RULES);
    let rule = &world.settings.rules[0];
    rule.address.set(Address::new(Ipv4Addr::new(192, 168, 5, 0)).0);
    rule.mask.set(Address::new(Ipv4Addr::new(255, 255, 255, 0)).0);
    rule.class.set(u32::from(Class::DENY.0));
    world.settings.rule_count.set(1);
    assert_eq!(refused(&world, &g_pdu(&to(Ipv4Addr::new(192, 168, 5, 1)))), DropReason::ForbiddenDestination);
    assert!(matches!(run(&g_pdu(&to(Ipv4Addr::new(192, 168, 6, 1))), |f| access(f, &world)).0, Verdict::Redirect(20)));
}

#[test]
fn the_gateway_s_own_address_answers_pings_only() {
    let world = World::new();
    let gateway = Ipv4Addr::new(10, 45, 0, 1);
    world.destinations.set([10, 45], Class::RULES);
    let rule = &world.settings.rules[0];
    rule.address.set(Address::new(gateway).0);
    rule.mask.set(u32::MAX);
    rule.class.set(u32::from(Class::GATEWAY.0));
    world.settings.rule_count.set(1);
    let ping = ipv4(UE, gateway, 1, 0, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    assert!(matches!(run(&g_pdu(&ping), |f| access(f, &world)).0, Verdict::Redirect(20)));
    let query = ipv4(UE, gateway, 17, 0, &udp(5000, 53, &[0; 12]));
    assert_eq!(refused(&world, &g_pdu(&query)), DropReason::ForbiddenDestination);
}

#[test]
fn an_idle_phone_s_packets_do_not_go_out() {
    let world = World::new();
    world.uplink[3].flags.set(UplinkFlags::IDLE);
    assert!(matches!(run(&g_pdu(&ping()), |f| access(f, &world)).0, Verdict::Pass));
    assert_eq!(world.punted(PuntReason::IdleUplink), 1);
    assert_eq!(world.uplink[3].packets.get(), 0);
}

#[test]
fn what_is_to_be_forwarded_goes_to_user_space_from_its_own_peer_alone_and_without_a_limit() {
    let world = World::new();
    world.settings.punt_burst.set(0);
    world.uplink[3].flags.set(UplinkFlags::FORWARD | UplinkFlags::IDLE);
    for _ in 0..10 {
        assert!(matches!(run(&g_pdu(&ping()), |f| access(f, &world)).0, Verdict::Pass));
    }
    assert_eq!(world.punted(PuntReason::Forwarding), 10);
    world.uplink[3].peer.set(0x0102_0304);
    assert!(matches!(run(&g_pdu(&ping()), |f| access(f, &world)).0, Verdict::Drop(DropReason::SlowPathRate)));
    assert_eq!(world.punted(PuntReason::Forwarding), 10);
}

#[test]
fn every_truncation_is_harmless() {
    let world = World::new();
    world.settings.punt_rate.set(1_000_000);
    world.settings.punt_burst.set(1_000_000);
    let frame = from_enb(&gtp(0x34, 255, TEID, &[0, 0, 0, 0x85, 1, 0x10, 5, 0], &ping()));
    for length in 0..frame.len() {
        let (verdict, bytes) = run(&frame[..length], |f| access(f, &world));
        assert!(matches!(verdict, Verdict::Pass | Verdict::Drop(_)));
        assert_eq!(bytes, &frame[..length]);
    }
    assert_eq!(world.uplink[3].packets.get(), 0);
}
