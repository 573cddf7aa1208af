//! Towards the phone.

use super::support::*;
use crate::{FLUSH_ROOM, Origin, Verdict, towards_phone};
use basalt_ebpf_abi::{DownlinkState, DropReason, PuntReason};

fn reply(payload: usize) -> Vec<u8> {
    ipv4(SERVER, UE, 17, 0, &udp(53, 5000, &vec![7; payload]))
}

#[test]
fn a_packet_is_wrapped_for_its_base_station() {
    for (origin, lifetime) in [(Origin::Kernel, 64), (Origin::Internet, 63)] {
        let world = World::new();
        world.downlink[7].packets.set(0xabcd);
        let packet = reply(100);
        let (verdict, bytes) = run(&eth(&packet), |f| towards_phone(f, &world, origin));
        assert!(matches!(verdict, Verdict::Redirect(40)));
        assert_eq!(&bytes[..14], &[5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 8, 0]);
        let outer = &bytes[14..];
        assert_eq!(outer.len(), packet.len() + 36);
        assert_eq!(checksum(&outer[..20]), 0);
        assert_eq!(outer[0..2], [0x45, 0]);
        assert_eq!(u16::from_be_bytes([outer[2], outer[3]]) as usize, outer.len());
        assert_eq!(outer[4..10], [0xab, 0xcd, 0, 0, 64, 17], "identification, no fragment, lifetime, UDP");
        assert_eq!(outer[12..16], GATEWAY.octets());
        assert_eq!(outer[16..20], ENB.octets());
        assert_eq!(outer[20..24], [8, 104, 8, 104], "ports 2152");
        assert_eq!(u16::from_be_bytes([outer[24], outer[25]]) as usize, outer.len() - 20);
        assert_eq!(outer[26..28], [0, 0]);
        assert_eq!(&outer[28..36], &gtp(0x30, 255, ENB_TEID, &[], &packet)[..8]);
        assert_eq!(outer[36 + 8], lifetime);
        assert_eq!(checksum(&outer[36..56]), 0);
        assert_eq!(outer[56..], packet[20..]);
        assert_eq!(world.downlink[7].packets.get(), 0xabce);
        assert_eq!(world.downlink[7].bytes.get(), packet.len() as u64);
    }
}

#[test]
fn packets_for_others_are_the_kernel_s_or_nobody_s() {
    let world = World::new();
    let stranger = eth(&ipv4(UE, SERVER, 17, 0, &udp(1, 2, &[])));
    let free = eth(&ipv4(SERVER, OTHER_UE, 17, 0, &udp(1, 2, &[])));
    let mut ipv6 = eth(&[0x60; 40]);
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    let judge = |frame: &[u8], origin| run(frame, |f| towards_phone(f, &world, origin)).0;
    assert!(matches!(judge(&stranger, Origin::Internet), Verdict::Pass));
    assert!(matches!(judge(&ipv6, Origin::Internet), Verdict::Pass));
    assert_eq!(world.total(), 0);
    assert!(matches!(judge(&stranger, Origin::Kernel), Verdict::Drop(DropReason::UnknownPhone)));
    assert!(matches!(judge(&ipv6, Origin::Kernel), Verdict::Drop(DropReason::UnknownPhone)));
    ipv6[12..14].copy_from_slice(&[8, 6]);
    assert!(matches!(judge(&ipv6, Origin::Kernel), Verdict::Drop(DropReason::NotIpv4)));
    for origin in [Origin::Internet, Origin::Kernel] {
        assert!(matches!(judge(&free, origin), Verdict::Drop(DropReason::UnknownPhone)));
    }
}

#[test]
fn the_gateway_s_own_address_is_the_kernel_s() {
    let world = World::new();
    world.downlink[7].state.set(DownlinkState::LOCAL);
    let judge = |origin| run(&eth(&reply(1)), |f| towards_phone(f, &world, origin)).0;
    assert!(matches!(judge(Origin::Internet), Verdict::Pass));
    assert!(matches!(judge(Origin::Kernel), Verdict::Drop(DropReason::UnknownPhone)));
}

#[test]
fn an_idle_phone_s_packets_go_to_user_space_up_to_the_bound() {
    let world = World::new();
    let record = &world.downlink[7];
    record.state.set(DownlinkState::IDLE);
    let frame = eth(&reply(10));
    for number in 1..=5u32 {
        let (verdict, bytes) = run(&frame, |f| towards_phone(f, &world, Origin::Kernel));
        if number > 3 {
            assert!(matches!(verdict, Verdict::Drop(DropReason::BufferFull)));
            continue;
        }
        let Verdict::HandOver(handover) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!((handover.slot, handover.offset, handover.length), (7, 14, 38));
        assert_eq!(handover.reason, PuntReason::IdlePhone);
        assert_eq!(bytes, frame);
        handover.record.unwrap().handed.fetch_add(1);
    }
    assert_eq!(record.dropped.get(), 2);
    assert_eq!(record.packets.get(), 0);
}

#[test]
fn newer_packets_wait_behind_older_ones_but_never_for_ever() {
    let world = World::new();
    let record = &world.downlink[7];
    record.handed.set(1);
    record.drained.set(u32::MAX);
    let frame = eth(&reply(10));
    let judge = || run(&frame, |f| towards_phone(f, &world, Origin::Kernel)).0;
    let Verdict::HandOver(handover) = judge() else {
        panic!("overtaken");
    };
    assert_eq!(handover.reason, PuntReason::Flushing);
    // User space lags by the whole buffer and more: it is gone. The phone is not.
    record.handed.set(u32::MAX.wrapping_add(3 + FLUSH_ROOM));
    assert!(matches!(judge(), Verdict::Redirect(40)));
    record.drained.set(record.handed.get());
    assert!(matches!(judge(), Verdict::Redirect(40)));
}

#[test]
fn an_unresolved_neighbour_is_user_space_s_matter() {
    let world = World::new();
    world.hops[300].forget();
    let frame = eth(&reply(10));
    let Verdict::HandOver(handover) = run(&frame, |f| towards_phone(f, &world, Origin::Kernel)).0 else {
        panic!("sent nowhere");
    };
    assert_eq!(handover.reason, PuntReason::NextHop);
    // A record under change is not believed.
    let world = World::new();
    world.downlink[7].sequence.set(1);
    let Verdict::HandOver(handover) = run(&frame, |f| towards_phone(f, &world, Origin::Kernel)).0 else {
        panic!("torn record used");
    };
    assert_eq!(handover.reason, PuntReason::Changing);
}

#[test]
fn what_does_not_fit_takes_the_slow_path() {
    let world = World::new();
    let frame = eth(&reply(1400));
    for (times, origin) in [(1, Origin::Internet), (2, Origin::Kernel)] {
        let Verdict::HandOver(handover) = run(&frame, |f| towards_phone(f, &world, origin)).0 else { panic!("lost") };
        assert_eq!((handover.reason, world.punted(PuntReason::TooBig)), (PuntReason::TooBig, times));
    }
    let mut last = eth(&reply(10));
    last[14 + 8] = 1;
    let (verdict, bytes) = run(&last, |f| towards_phone(f, &world, Origin::Internet));
    assert!(matches!(verdict, Verdict::Pass));
    assert_eq!(bytes, last);
    assert_eq!(world.punted(PuntReason::TimeToLive), 1);
}

#[test]
fn options_from_the_internet_are_the_kernel_s_matter() {
    let world = World::new();
    for first in [0x44, 0x46, 0x4f] {
        let mut frame = eth(&reply(10));
        frame[14] = first;
        let judge = |origin| run(&frame, |f| towards_phone(f, &world, origin)).0;
        assert!(matches!(judge(Origin::Internet), Verdict::Pass));
        assert!(matches!(judge(Origin::Kernel), Verdict::Redirect(40)));
    }
}

#[test]
fn lying_lengths_are_not_believed() {
    let world = World::new();
    for length in [0u16, 19, 39, 0xffff] {
        let mut frame = eth(&reply(10));
        frame[16..18].copy_from_slice(&length.to_be_bytes());
        assert!(matches!(
            run(&frame, |f| towards_phone(f, &world, Origin::Kernel)).0,
            Verdict::Drop(DropReason::Malformed)
        ));
    }
}
