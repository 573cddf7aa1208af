//! Translation: what leaves, what comes back, what does not.

use super::support::*;
use crate::{Frame, Origin, Verdict, access, towards_phone};
use basalt_ebpf_abi::{
    Address, Block, DropReason, Filtering, Fragment, HandoverHeader, Mapping, Phase, PuntReason, UplinkFlags,
};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const EXTERNAL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const FIRST: u16 = 1024;

/// The phone behind an external address, with one block of 16 ports, the internet behind a router.
fn world() -> World {
    let world = World::new();
    world.nat.clock.set(10_000);
    world.nat.block_bits.set(4);
    world.nat.fragment_timeout.set(30);
    for (phase, seconds) in [
        (Phase::UDP, 300),
        (Phase::OPENING, 240),
        (Phase::ANSWERED, 240),
        (Phase::ESTABLISHED, 7440),
        (Phase::CLOSING, 240),
        (Phase::ICMP, 60),
    ] {
        world.nat.timeouts[phase as usize].set(seconds);
    }
    world.nat.externals[0].first.set(u32::from(EXTERNAL));
    world.nat.externals[0].count.set(1);
    world.nat.count.set(1);
    give(&world, FIRST >> 4, 0);
    world.destinations.set([203, 0], basalt_ebpf_abi::Class(DIRECT_HOP as u8));
    world.uplink[3].flags.set(UplinkFlags::TRANSLATED);
    world.uplink[3].block.set(u32::from(FIRST >> 4));
    world
}

fn give(world: &World, number: u16, next: u32) {
    let block = &world.blocks[usize::from(number)];
    block.external.set(Address::new(EXTERNAL).0);
    block.next.set(next);
    block.inside.set(Address::new(UE).0);
}

/// A UDP datagram with its checksum.
fn sound(source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp(ports.0, ports.1, payload);
    let sum = transport_sum(source, destination, 17, &datagram);
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    ipv4(source, destination, 17, 0, &datagram)
}

fn transport_sum(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, segment: &[u8]) -> u16 {
    let mut pseudo = [source.octets(), destination.octets()].concat();
    pseudo.extend([0, protocol]);
    pseudo.extend((segment.len() as u16).to_be_bytes());
    pseudo.extend(segment);
    checksum(&pseudo)
}

fn tcp(source: Ipv4Addr, destination: Ipv4Addr, ports: (u16, u16), flags: u8) -> Vec<u8> {
    let mut segment = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let sum = transport_sum(source, destination, 6, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ipv4(source, destination, 6, 0, &segment)
}

fn icmp(source: Ipv4Addr, destination: Ipv4Addr, head: [u8; 2], rest: &[u8]) -> Vec<u8> {
    let mut message = vec![head[0], head[1], 0, 0];
    message.extend(rest);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv4(source, destination, 1, 0, &message)
}

/// What leaves towards the internet, without Ethernet header.
fn out(world: &World, packet: &[u8]) -> Result<Vec<u8>, Option<DropReason>> {
    let (verdict, bytes) = run(&g_pdu(packet), |frame| access(frame, world));
    match verdict {
        Verdict::Redirect(30) => Ok(bytes[14..].to_vec()),
        Verdict::Drop(reason) => Err(Some(reason)),
        _ => Err(None),
    }
}

/// What enters the tunnel, without all headers of it.
fn back(world: &World, packet: &[u8]) -> Result<Vec<u8>, Option<DropReason>> {
    let (verdict, bytes) = run(&eth(packet), |frame| towards_phone(frame, world, Origin::Internet));
    match verdict {
        Verdict::Redirect(40) => Ok(bytes[14 + 36..].to_vec()),
        Verdict::Drop(reason) => {
            assert_eq!(bytes, eth(packet), "a refused packet changes no octet");
            Err(Some(reason))
        }
        _ => Err(None),
    }
}

fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3])
}

fn half(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

/// All checksums of a UDP or TCP packet are right.
fn assert_sound(packet: &[u8]) {
    assert_eq!(checksum(&packet[..20]), 0, "IPv4 header");
    let sum = transport_sum(address(packet, 12), address(packet, 16), packet[9], &packet[20..]);
    assert_eq!(sum, 0, "transport");
}

#[test]
fn a_flow_leaves_from_the_external_address_and_comes_back() {
    let world = world();
    let left = out(&world, &sound(UE, SERVER, (5001, 53), b"query")).unwrap();
    assert_sound(&left);
    assert_eq!((address(&left, 12), address(&left, 16), half(&left, 22)), (EXTERNAL, SERVER, 53));
    let port = half(&left, 20);
    assert!((FIRST..FIRST + 16).contains(&port) && port % 2 == 1, "of the block, parity kept: {port}");
    let came = back(&world, &sound(SERVER, EXTERNAL, (53, port), b"answer")).unwrap();
    assert_sound(&came);
    assert_eq!((address(&came, 12), address(&came, 16), half(&came, 22)), (SERVER, UE, 5001));
}

#[test]
fn a_mapping_is_the_same_for_every_destination_and_its_own_for_every_port_and_protocol() {
    let world = world();
    let port = |packet: &[u8]| half(&out(&world, packet).unwrap(), 20);
    let first = port(&sound(UE, SERVER, (5001, 53), b""));
    assert_eq!(port(&sound(UE, Ipv4Addr::new(203, 0, 77, 1), (5001, 443), b"x")), first);
    let others = [port(&sound(UE, SERVER, (5003, 53), b"")), port(&tcp(UE, SERVER, (5001, 53), 2))];
    assert_eq!(BTreeSet::from_iter(others.into_iter().chain([first])).len(), 3);
}

#[test]
fn every_port_of_the_blocks_is_used_before_more_are_asked_for() {
    let world = world();
    let mut seen = BTreeSet::new();
    for source in 0..16u16 {
        seen.insert(half(&out(&world, &sound(UE, SERVER, (40_000 + source * 3, 53), b"")).unwrap(), 20));
    }
    assert_eq!(seen, (FIRST..FIRST + 16).collect());
    assert_eq!(out(&world, &sound(UE, SERVER, (39_999, 53), b"")), Err(None));
    assert_eq!(world.punted(PuntReason::NatPorts), 1);
    // User space gives another block, and what was mapped stays where it is.
    let before = half(&out(&world, &sound(UE, SERVER, (40_045, 53), b"")).unwrap(), 20);
    give(&world, (FIRST >> 4) + 5, 0);
    world.blocks[usize::from(FIRST >> 4)].next.set(u32::from(FIRST >> 4) + 5);
    let fresh = half(&out(&world, &sound(UE, SERVER, (39_999, 53), b"")).unwrap(), 20);
    assert!((FIRST + 80..FIRST + 96).contains(&fresh));
    assert_eq!(half(&out(&world, &sound(UE, SERVER, (40_045, 53), b"")).unwrap(), 20), before);
    assert!(back(&world, &sound(SERVER, EXTERNAL, (53, fresh), b"")).is_ok());
}

#[test]
fn nobody_comes_in_unasked() {
    let world = world();
    for port in [1u16, 80, FIRST, FIRST + 3, 40_000] {
        let uninvited = sound(SERVER, EXTERNAL, (53, port), b"");
        assert_eq!(back(&world, &uninvited), Err(Some(DropReason::NatUnsolicited)));
        assert_eq!(back(&world, &tcp(SERVER, EXTERNAL, (53, port), 2)), Err(Some(DropReason::NatUnsolicited)));
    }
    assert_eq!(back(&world, &icmp(SERVER, EXTERNAL, [8, 0], &[0; 8])), Err(Some(DropReason::NatProtocol)));
    // A mapping of UDP lets no TCP in.
    let port = half(&out(&world, &sound(UE, SERVER, (5001, 53), b"")).unwrap(), 20);
    assert_eq!(back(&world, &tcp(SERVER, EXTERNAL, (53, port), 2)), Err(Some(DropReason::NatUnsolicited)));
    // What is for the gateway's own address and nobody's mapping is the kernel's.
    world.nat.externals[0].own.set(1);
    assert_eq!(back(&world, &sound(SERVER, EXTERNAL, (53, 80), b"")), Err(None));
    // A block that was taken away leads nowhere.
    world.blocks[usize::from(FIRST >> 4)].inside.set(0);
    world.nat.externals[0].own.set(0);
    assert_eq!(back(&world, &sound(SERVER, EXTERNAL, (53, port), b"")), Err(Some(DropReason::NatUnsolicited)));
}

#[test]
fn filtering_is_as_configured() {
    for (filtering, address_passes, port_passes) in [
        (Filtering::ENDPOINT_INDEPENDENT, true, true),
        (Filtering::ADDRESS, false, true),
        (Filtering::ADDRESS_AND_PORT, false, false),
    ] {
        let world = world();
        world.nat.filtering.set(filtering);
        let port = half(&out(&world, &sound(UE, SERVER, (5001, 53), b"")).unwrap(), 20);
        assert!(back(&world, &sound(SERVER, EXTERNAL, (53, port), b"")).is_ok());
        let stranger = back(&world, &sound(Ipv4Addr::new(192, 0, 2, 99), EXTERNAL, (53, port), b""));
        assert_eq!(stranger.is_ok(), address_passes, "{stranger:?}");
        assert_eq!(back(&world, &sound(SERVER, EXTERNAL, (54, port), b"")).is_ok(), port_passes);
    }
}

#[test]
fn mappings_live_by_packets_from_the_inside_and_as_long_as_their_use_asks_for() {
    let world = world();
    let send = |flags| half(&out(&world, &tcp(UE, SERVER, (6001, 80), flags)).unwrap(), 20);
    let port = send(2);
    let alive = |after: u32| {
        let clock = world.nat.clock.get();
        world.nat.clock.set(clock + after);
        let alive = back(&world, &tcp(SERVER, EXTERNAL, (80, port), 0x10)).is_ok();
        world.nat.clock.set(clock);
        alive
    };
    assert!(alive(240) && !alive(241), "opening");
    let phase = || Mapping::phase(world.mappings[usize::from(port)].state.get());
    assert_eq!(phase(), Phase::ANSWERED);
    assert_eq!(send(0x10), port);
    assert_eq!(phase(), Phase::ESTABLISHED);
    assert!(alive(7440) && !alive(7441), "established");
    assert!(back(&world, &tcp(SERVER, EXTERNAL, (80, port), 0x11)).is_ok());
    assert_eq!(phase(), Phase::CLOSING);
    assert!(alive(240) && !alive(241), "closing");
    // Whoever sends data has not ended: what said so was another connection of this port, or a reset of nobody's.
    assert_eq!(send(0x10), port);
    assert_eq!(phase(), Phase::CLOSING, "an acknowledgement belongs to the end");
    let mut data = tcp(UE, SERVER, (6001, 80), 0x18);
    data.extend(b"more");
    let length = data.len() as u16;
    data[2..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(half(&out(&world, &data).unwrap(), 20), port);
    assert_eq!(phase(), Phase::ESTABLISHED);
    assert!(back(&world, &tcp(SERVER, EXTERNAL, (80, port), 0x04)).is_ok());
    assert_eq!(phase(), Phase::CLOSING, "reset");
    assert_eq!(send(2), port, "opened again");
    assert_eq!(phase(), Phase::OPENING);
    // Packets from outside keep nothing alive (RFC 4787 REQ-6).
    let udp_port = half(&out(&world, &sound(UE, SERVER, (5001, 53), b"")).unwrap(), 20);
    for _ in 0..4 {
        world.nat.clock.set(world.nat.clock.get() + 100);
        let came = back(&world, &sound(SERVER, EXTERNAL, (53, udp_port), b""));
        assert_eq!(came.is_ok(), world.nat.clock.get() <= 10_300);
    }
}

#[test]
fn pings_are_translated_by_their_identifier() {
    let world = world();
    let left = out(&world, &icmp(UE, SERVER, [8, 0], &[0x12, 0x35, 0, 1, 7, 7])).unwrap();
    assert_eq!((address(&left, 12), checksum(&left[20..])), (EXTERNAL, 0));
    let identifier = half(&left, 24);
    assert!((FIRST..FIRST + 16).contains(&identifier));
    let [high, low] = identifier.to_be_bytes();
    let came = back(&world, &icmp(SERVER, EXTERNAL, [0, 0], &[high, low, 0, 1, 7, 7])).unwrap();
    assert_eq!((address(&came, 16), half(&came, 24), checksum(&came[20..])), (UE, 0x1235, 0));
    // So is the other query that phones send, and no answer that nobody asked for.
    let asked = out(&world, &icmp(UE, SERVER, [13, 0], &[0x12, 0x35, 0, 1, 0, 0, 0, 9])).unwrap();
    assert_eq!((address(&asked, 12), half(&asked, 24), checksum(&asked[20..])), (EXTERNAL, identifier, 0));
    let told = back(&world, &icmp(SERVER, EXTERNAL, [14, 0], &[high, low, 0, 1, 0, 0, 0, 9])).unwrap();
    assert_eq!((address(&told, 16), half(&told, 24), checksum(&told[20..])), (UE, 0x1235, 0));
    for kind in [0, 14, 15, 17] {
        assert_eq!(out(&world, &icmp(UE, SERVER, [kind, 0], &[0; 8])), Err(Some(DropReason::NatProtocol)));
    }
    assert_eq!(back(&world, &icmp(SERVER, EXTERNAL, [13, 0], &[high, low, 0, 1])), Err(Some(DropReason::NatProtocol)));
}

#[test]
fn errors_are_translated_in_both_directions_with_what_they_are_about() {
    let router = Ipv4Addr::new(192, 0, 2, 77);
    for (make, octets) in [(sound(UE, SERVER, (5001, 53), b"longer"), 28), (sound(UE, SERVER, (5001, 53), b"x"), 99)] {
        let world = world();
        let left = out(&world, &make).unwrap();
        let about = &left[..left.len().min(octets)];
        let came = back(&world, &icmp(router, EXTERNAL, [3, 4], &[&[0, 0, 5, 0], about].concat())).unwrap();
        assert_eq!((address(&came, 12), address(&came, 16)), (router, UE));
        assert_eq!((checksum(&came[..20]), checksum(&came[20..])), (0, 0));
        let inner = &came[28..];
        assert_eq!((address(inner, 12), address(inner, 16), half(inner, 20)), (UE, SERVER, 5001));
        assert_eq!(checksum(&inner[..20]), 0);
        // As the phone sent it, but for the time to live that is gone, and its checksum.
        assert_eq!(inner[20..], make[20..20 + inner.len() - 20]);
    }
    // The phone complains about an answer.
    let world = world();
    let port = half(&out(&world, &sound(UE, SERVER, (5001, 53), b"")).unwrap(), 20);
    let answer = back(&world, &sound(SERVER, EXTERNAL, (53, port), b"answer")).unwrap();
    let left = out(&world, &icmp(UE, SERVER, [3, 3], &[&[0; 4], &answer[..]].concat())).unwrap();
    assert_eq!((address(&left, 12), checksum(&left[20..])), (EXTERNAL, 0));
    let inner = &left[28..];
    assert_eq!((address(inner, 16), half(inner, 22)), (EXTERNAL, port));
    assert_sound(inner);
    // Not about what nobody sent, and not with another's address inside.
    let other = sound(SERVER, OTHER_UE, (53, 5001), b"");
    let forged = icmp(UE, SERVER, [3, 3], &[&[0; 4], &other[..]].concat());
    assert_eq!(out(&world, &forged), Err(Some(DropReason::NatProtocol)));
    let unknown = sound(EXTERNAL, SERVER, (40_000, 53), b"");
    let forged = icmp(router, EXTERNAL, [3, 3], &[&[0; 4], &unknown[..]].concat());
    assert_eq!(back(&world, &forged), Err(Some(DropReason::NatUnsolicited)));
}

#[test]
fn fragments_follow_their_first_one() {
    let world = world();
    let datagram = udp(5001, 53, &[7; 40]);
    let left = out(&world, &ipv4(UE, SERVER, 17, 0x2000, &datagram)).unwrap();
    let port = half(&left, 20);
    let later = out(&world, &ipv4(UE, SERVER, 17, 6, &[7; 16])).unwrap();
    assert_eq!((address(&later, 12), &later[20..]), (EXTERNAL, &[7; 16][..]));
    assert_eq!(checksum(&later[..20]), 0);
    // From the internet, the first one leads, also a last one of few octets.
    let answer = ipv4(SERVER, EXTERNAL, 17, 0x2000, &udp(53, port, &[8; 40]));
    let rest = ipv4(SERVER, EXTERNAL, 17, 6, &[8; 3]);
    assert!(back(&world, &answer).is_ok());
    assert_eq!(address(&back(&world, &rest).unwrap(), 16), UE);
    let stranger = ipv4(Ipv4Addr::new(192, 0, 2, 9), EXTERNAL, 17, 6, &[8; 16]);
    assert!(waits(&world, &stranger));
    world.nat.clock.set(world.nat.clock.get() + 31);
    assert!(waits(&world, &rest));
}

/// Whether a fragment is handed to user space to wait for its first one, unchanged.
fn waits(world: &World, packet: &[u8]) -> bool {
    let (verdict, bytes) = run(&eth(packet), |frame| towards_phone(frame, world, Origin::Internet));
    match verdict {
        Verdict::HandOver(found) => {
            assert_eq!((found.slot, found.reason), (HandoverHeader::EARLY, PuntReason::EarlyFragment));
            assert!(found.record.is_none() && found.length as usize == packet.len());
            assert_eq!(bytes, eth(packet));
            true
        }
        Verdict::Drop(DropReason::NatFragment) | Verdict::Pass => false,
        other => panic!("{other:?}"),
    }
}

/// What becomes of a fragment that waited.
fn late_one(world: &World, packet: &[u8]) -> Option<Result<Vec<u8>, DropReason>> {
    let mut storage = packet.to_vec();
    let mut frame = Frame::new(&mut storage, 0, packet.len()).unwrap();
    crate::late(&mut frame, world).map(|done| done.map(|()| frame.bytes().to_vec()))
}

#[test]
fn fragments_wait_for_their_first_one() {
    let world = world();
    let left = out(&world, &ipv4(UE, SERVER, 17, 0x2000, &udp(5001, 53, &[7; 40]))).unwrap();
    let answer = ipv4(SERVER, EXTERNAL, 17, 0x2000, &udp(53, half(&left, 20), &[8; 40]));
    let later = |offset: u16| ipv4(SERVER, EXTERNAL, 17, offset, &[8; 16]);
    assert!(waits(&world, &later(8)) && waits(&world, &later(6)));
    assert_eq!(late_one(&world, &later(8)), None);
    assert!(back(&world, &answer).is_ok());
    // What comes now goes by itself; what waited gets its phone's address.
    assert_eq!(address(&back(&world, &later(10)).unwrap(), 16), UE);
    let readdressed = late_one(&world, &later(8)).unwrap().unwrap();
    assert_eq!((address(&readdressed, 16), checksum(&readdressed[..20])), (UE, 0));
    assert_eq!(readdressed[8] + 1, later(8)[8], "time to live");
    // So many of a packet, and again when those have waited for long enough.
    let other = |offset: u16| ipv4(Ipv4Addr::new(192, 0, 2, 9), EXTERNAL, 17, offset, &[8; 16]);
    let held = (1..100).take_while(|offset| waits(&world, &other(*offset))).count();
    assert_eq!(held, Fragment::MOST_EARLY as usize);
    world.nat.clock.set(world.nat.clock.get() + 1 + Fragment::EARLY_TIME);
    assert!(waits(&world, &other(1)));
    // What nobody has asked for is dropped although others waited for it.
    let first = ipv4(Ipv4Addr::new(192, 0, 2, 9), EXTERNAL, 17, 0x2000, &udp(53, 1, &[8; 40]));
    assert!(back(&world, &first).is_err());
    assert_eq!(late_one(&world, &other(1)), None);
}

#[test]
fn phones_reach_each_other_s_external_address_only_where_they_may() {
    let world = world();
    let packet = sound(UE, EXTERNAL, (5001, FIRST + 9), b"");
    assert_eq!(out(&world, &packet), Err(Some(DropReason::PhoneToPhone)));
    world.uplink[3].flags.set(UplinkFlags::TRANSLATED | UplinkFlags::PHONE_TO_PHONE);
    assert_eq!(out(&world, &packet), Err(None));
    assert_eq!(world.punted(PuntReason::Hairpin), 1);
}

#[test]
fn what_the_kernel_must_answer_keeps_the_phone_s_address() {
    let world = world();
    let kernel = |packet: &[u8]| {
        let (verdict, bytes) = run(&g_pdu(packet), |frame| access(frame, &world));
        assert!(matches!(verdict, Verdict::Redirect(20)), "{verdict:?}");
        address(&bytes[14..], 12)
    };
    let mut last = sound(UE, SERVER, (5001, 53), b"");
    last[8] = 1;
    assert_eq!(kernel(&last), UE, "its time to live ends here");
    let mut large = ipv4(UE, SERVER, 17, 0x4000, &udp(5001, 53, &[0; 1480]));
    assert_eq!(kernel(&large), UE, "too large, and must not be fragmented");
    large[6] = 0;
    assert_eq!(kernel(&large), EXTERNAL, "the kernel fragments it");
    world.hops[DIRECT_HOP as usize].forget();
    assert_eq!(kernel(&sound(UE, SERVER, (5001, 53), b"")), EXTERNAL, "the kernel finds the router");
}

#[test]
fn an_access_point_s_vlan_is_its_own_both_ways() {
    let world = World::new();
    world.destinations.set([203, 0], basalt_ebpf_abi::Class(DIRECT_HOP as u8));
    world.uplink[3].flags.set(UplinkFlags::OWN_HOP);
    world.uplink[3].egress.set(20);
    world.downlink[7].vlan.set(100);
    world.hops[20].vlan.set(100);
    let packet = sound(UE, SERVER, (5001, 53), b"query");
    let send = || run(&g_pdu(&packet), |frame| access(frame, &world));
    assert!(matches!(send().0, Verdict::Drop(DropReason::NoRouter)), "never into another network");
    world.hops[20].resolve(31, 1500, basalt_ebpf_abi::Mac([9; 6]), basalt_ebpf_abi::Mac([8; 6]));
    let (verdict, bytes) = send();
    assert!(matches!(verdict, Verdict::Redirect(31)));
    assert_eq!(&bytes[..18], &[8, 8, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9, 0x81, 0, 0, 100, 8, 0]);
    assert_eq!(bytes[18 + 12..], packet[12..]);
    let answer = sound(SERVER, UE, (53, 5001), b"answer");
    let tagged = |vlan: u8| {
        let mut frame = eth(&answer);
        frame.splice(12..12, [0x81, 0, 0xe0, vlan]);
        frame
    };
    let judge = |frame: &[u8]| run(frame, |f| towards_phone(f, &world, Origin::Internet));
    let (verdict, bytes) = judge(&tagged(100));
    assert!(matches!(verdict, Verdict::Redirect(40)));
    assert_eq!(bytes.len(), 14 + 36 + answer.len());
    assert_eq!(bytes[14 + 36 + 12..], answer[12..]);
    assert!(matches!(judge(&tagged(101)).0, Verdict::Drop(DropReason::WrongVlan)));
    assert!(matches!(judge(&eth(&answer)).0, Verdict::Drop(DropReason::WrongVlan)));
}

#[test]
fn a_block_says_whose_it_is() {
    let world = world();
    let block: &Block = &world.blocks[usize::from(FIRST >> 4)];
    // Someone else's block is not used, whatever the phone's record says.
    block.inside.set(Address::new(OTHER_UE).0);
    assert_eq!(out(&world, &sound(UE, SERVER, (5001, 53), b"")), Err(None));
    assert_eq!(world.punted(PuntReason::NatPorts), 1);
}
