//! Networks behind phones.

use super::support::*;
use crate::{Origin, Verdict, access, towards_phone};
use basalt_ebpf_abi::{Class, DownlinkState, DropReason, Framed, PuntReason, UplinkFlags};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const BEHIND: Ipv4Addr = Ipv4Addr::new(10, 94, 7, 9);
const BEHIND6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x94, 7, 0, 0, 0, 9);
const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xbeef, 1, 0, 0, 0, 2);
const OTHER_TEID: u32 = 0xabc0_0004;

/// 10.94.7.0/24 and 2001:db8:94:7::/64 behind the phone, 10.94.8.0/24 behind another one.
fn world() -> World {
    let world = World::new();
    world.settings.pools6[0].first.set(0x2001_0db8_0006_0000);
    world.settings.pools6[0].count.set(16);
    world.uplink[3].prefix.set(0x2001_0db8_0006_0005_u64.to_be());
    world.downlink[7].prefix.set(0x2001_0db8_0006_0005_u64.to_be());
    world.downlink[7].owner.set(TEID);
    world.uplink[3].flags.set(UplinkFlags::FRAMED);
    let mapped = |a: u64, b: u64| 0xffff_0000_0000 | 10 << 24 | 94 << 16 | a << 8 | b;
    let rows: [(u64, u64, u32, u32); 6] = [
        (0, 0, 0, 0),
        (0, mapped(7, 0), 8, TEID),
        (0, mapped(8, 0), 9, OTHER_TEID),
        (0, mapped(9, 0), 0, 0),
        (0x2001_0db8_0094_0007, 0, 8, TEID),
        (0x2001_0db8_0094_0008, 0, 0, 0),
    ];
    for (i, (high, low, slot, owner)) in (0..8).zip(rows.into_iter().chain([(u64::MAX, u64::MAX, 0, 0); 2])) {
        let entry = &world.framed[Framed::index(i, 1) as usize];
        entry.high.set(high);
        entry.low.set(low);
        entry.slot.set(slot);
        entry.owner.set(owner);
    }
    world.settings.framed_steps[1].set(4);
    world.settings.framed.set(1);
    world
}

fn packet(source: impl Into<IpAddr>, destination: impl Into<IpAddr>) -> Vec<u8> {
    let datagram = udp(5000, 53, b"query");
    match (source.into(), destination.into()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4(source, destination, 17, 0, &datagram),
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let head = [0x60, 0, 0, 0, 0, datagram.len() as u8, 17, 64];
            [&head[..], &source.octets(), &destination.octets(), &datagram].concat()
        }
        _ => panic!("of two versions"),
    }
}

fn up(world: &World, inner: &[u8]) -> Result<(), DropReason> {
    match run(&g_pdu(inner), |f| access(f, world)) {
        (Verdict::Redirect(20), bytes) => {
            assert_eq!(&bytes[14..], inner);
            Ok(())
        }
        (Verdict::Drop(reason), _) => Err(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn g01_what_is_behind_the_phone_may_send_and_nothing_else() {
    let world = world();
    assert_eq!(up(&world, &packet(UE, SERVER)), Ok(()));
    for source in [BEHIND, Ipv4Addr::new(10, 94, 7, 0), Ipv4Addr::new(10, 94, 7, 255)] {
        assert_eq!(up(&world, &packet(source, SERVER)), Ok(()));
    }
    // Behind another one, behind nobody, beside the network.
    for last in [[10, 94, 8, 1], [10, 94, 9, 0], [10, 94, 6, 255], [203, 0, 113, 9], [0; 4]] {
        assert_eq!(up(&world, &packet(Ipv4Addr::from(last), SERVER)), Err(DropReason::SpoofedSource), "{last:?}");
    }
    assert_eq!(up(&world, &packet(BEHIND6, SERVER6)), Ok(()));
    let beside = Ipv6Addr::new(0x2001, 0xdb8, 0x94, 8, 0, 0, 0, 9);
    assert_eq!(up(&world, &packet(beside, SERVER6)), Err(DropReason::SpoofedSource));
    // A phone without networks does not even look.
    world.uplink[3].flags.set(0);
    assert_eq!(up(&world, &packet(BEHIND, SERVER)), Err(DropReason::SpoofedSource));
    // The network has got another owner.
    world.uplink[3].flags.set(UplinkFlags::FRAMED);
    world.framed[3].owner.set(OTHER_TEID);
    assert_eq!(up(&world, &packet(BEHIND, SERVER)), Err(DropReason::SpoofedSource));
}

#[test]
fn g02_a_network_behind_a_phone_is_as_far_as_the_phone() {
    let world = world();
    let there = Ipv4Addr::new(10, 94, 8, 1);
    for class in [Class::KERNEL, Class(5)] {
        world.destinations.set([10, 94], class);
        assert_eq!(up(&world, &packet(UE, there)), Err(DropReason::PhoneToPhone));
    }
    let beyond = Ipv4Addr::new(10, 94, 9, 1);
    assert!(matches!(run(&g_pdu(&packet(UE, beyond)), |f| access(f, &world)).0, Verdict::Redirect(30)));
    let mine: Ipv6Addr = "2001:db8:6:5::2".parse().unwrap();
    assert_eq!(up(&world, &packet(mine, BEHIND6)), Err(DropReason::PhoneToPhone));
    world.uplink[3].flags.set(UplinkFlags::PHONE_TO_PHONE);
    // By the kernel, whatever the router.
    assert_eq!(up(&world, &packet(UE, there)), Ok(()));
    assert_eq!(up(&world, &packet(mine, BEHIND6)), Ok(()));
}

#[test]
fn what_is_for_a_network_goes_into_its_phone_s_tunnel() {
    let world = world();
    let judge = |frame: &[u8], origin| run(frame, |f| towards_phone(f, &world, origin));
    for origin in [Origin::Internet, Origin::Kernel] {
        let (verdict, bytes) = judge(&eth(&packet(SERVER, BEHIND)), origin);
        assert!(matches!(verdict, Verdict::Redirect(40)), "{verdict:?}");
        assert_eq!(&bytes[14 + 36 + 16..][..4], BEHIND.octets());
    }
    let mut frame = eth(&packet(SERVER6, BEHIND6));
    frame[12..14].copy_from_slice(&[0x86, 0xdd]);
    assert!(matches!(judge(&frame, Origin::Kernel).0, Verdict::Redirect(40)));
    // Of nobody: the kernel's, or an end.
    let nobody = eth(&packet(SERVER, Ipv4Addr::new(10, 94, 9, 9)));
    assert!(matches!(judge(&nobody, Origin::Internet).0, Verdict::Pass));
    assert!(matches!(judge(&nobody, Origin::Kernel).0, Verdict::Drop(DropReason::UnknownPhone)));
    // An idle phone is paged for its network, too.
    world.downlink[7].state.set(DownlinkState::IDLE);
    let (verdict, _) = judge(&eth(&packet(SERVER, BEHIND)), Origin::Kernel);
    assert!(matches!(verdict, Verdict::HandOver(found) if found.slot == 7 && found.reason == PuntReason::IdlePhone));
    // Its record has got another owner.
    world.downlink[7].owner.set(OTHER_TEID);
    let (verdict, _) = judge(&eth(&packet(SERVER, BEHIND)), Origin::Kernel);
    assert!(matches!(verdict, Verdict::Drop(DropReason::UnknownPhone)));
}
