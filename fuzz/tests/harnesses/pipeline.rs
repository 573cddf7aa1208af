//! Packet decisions of the user plane, natively: what leaves a tunnel and what enters one, for frames of anyone.
//!
//! The properties are written down here again, by reading the octets that came out, without the pipeline's own parser.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;

use basalt_ebpf_abi::{
    Address, Bearer, Block, Bucket, Class, Destinations, Downlink, DownlinkState, DropReason, FRAGMENTS, Fragment,
    Framed, Mac, Mapping, Nat, NextHop, Notice, Policy, PuntReason, REASON_SLOTS, RuleState, Settings, Shared64,
    UeMeters, Uplink, UplinkFlags,
};
use basalt_fuzz::Changes;
use basalt_pipeline::{Frame, Origin, Tables, Verdict, access, towards_phone};

use crate::{LONGEST, MANY};

const ENB: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 2);
const UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 7);
const IDLE_UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 8);
const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const TEID: u32 = 0xabc0_0003;
const IDLE_TEID: u32 = 0xabc0_0004;
const ENB_TEID: u32 = 0x1122_3344;
const HEADROOM: usize = 128;
const ETH: usize = 14;

/// Maps of 16 tunnels: one phone active, one idle, both behind one base station.
struct World {
    settings: Settings,
    uplink: Vec<Uplink>,
    downlink: Vec<Downlink>,
    hops: Vec<NextHop>,
    destinations: Box<Destinations>,
    nat: Nat,
    blocks: Vec<Block>,
    mappings: Vec<Mapping>,
    fragments: Vec<Fragment>,
    buckets: Vec<Bucket>,
    counts: RefCell<Vec<u64>>,
    now: Cell<u64>,
}

impl World {
    fn new() -> Self {
        let world = Self {
            settings: Settings::default(),
            uplink: (0..16).map(|_| Uplink::default()).collect(),
            downlink: (0..16).map(|_| Downlink::default()).collect(),
            hops: (0..512).map(|_| NextHop::default()).collect(),
            // SAFETY: all octets zero is a valid table.
            destinations: unsafe { Box::new_zeroed().assume_init() },
            nat: Nat::default(),
            blocks: (0..1 << 12).map(|_| Block::default()).collect(),
            mappings: (0..1 << 16).map(|_| Mapping::default()).collect(),
            fragments: (0..FRAGMENTS).map(|_| Fragment::default()).collect(),
            buckets: (0..PuntReason::BUCKETS).map(|_| Bucket::default()).collect(),
            counts: RefCell::new(vec![0; REASON_SLOTS as usize]),
            now: Cell::new(1 << 40),
        };
        let settings = &world.settings;
        settings.teid_mask.set(0xf);
        settings.local.set(Address::new(GATEWAY).0);
        settings.buffer_limit.set(3);
        settings.tunnel_mtu.set(1400);
        settings.punt_rate.set(1_000);
        settings.punt_burst.set(2);
        settings.pools[0].first.set(0x0a2d_0000);
        settings.pools[0].count.set(16);
        settings.pool_count.set(1);
        world.destinations.set([10, 45], Class::PHONES);
        world.destinations.set([169, 254], Class::DENY);
        for second in 0..=255 {
            world.destinations.set([127, second], Class::DENY);
        }
        world.destinations.set([203, 0], Class(5));
        world.hops[0].resolve(20, 3000, Mac([2; 6]), Mac([1; 6]));
        world.hops[5].resolve(30, 1500, Mac([4; 6]), Mac([3; 6]));
        world.hops[300].resolve(40, 1600, Mac([6; 6]), Mac([5; 6]));
        world.tunnel(3, TEID, UE, DownlinkState::ACTIVE);
        world.tunnel(4, IDLE_TEID, IDLE_UE, DownlinkState::IDLE);
        world
    }

    fn tunnel(&self, index: usize, teid: u32, ue: Ipv4Addr, state: u32) {
        let up = &self.uplink[index];
        up.peer.set(Address::new(ENB).0);
        up.peer_mask.set(u32::MAX);
        up.ue.set(Address::new(ue).0);
        up.flags.set(if state == DownlinkState::IDLE { UplinkFlags::IDLE } else { 0 });
        up.teid.set(teid);
        let down = &self.downlink[usize::from(ue.octets()[3])];
        down.ue.set(Address::new(ue).0);
        down.peer.set(Address::new(ENB).0);
        down.teid.set(ENB_TEID.to_be());
        down.next_hop.set(300);
        down.state.set(state);
    }

    fn counted(&self) -> u64 {
        self.counts.borrow().iter().sum()
    }

    fn dropped(&self) -> u64 {
        let counts = self.counts.borrow();
        DropReason::ALL.iter().map(|reason| counts[reason.slot() as usize]).sum()
    }
}

impl Tables for World {
    fn settings(&self) -> Option<&Settings> {
        Some(&self.settings)
    }
    fn uplink(&self, index: u32) -> Option<&Uplink> {
        self.uplink.get(index as usize)
    }
    fn downlink(&self, slot: u32) -> Option<&Downlink> {
        self.downlink.get(slot as usize)
    }
    fn next_hop(&self, index: u32) -> Option<&NextHop> {
        self.hops.get(index as usize)
    }
    fn destinations(&self) -> Option<&Destinations> {
        Some(&self.destinations)
    }
    fn framed(&self, _: u32) -> Option<&Framed> {
        None
    }
    fn bucket(&self, index: u32) -> Option<&Bucket> {
        self.buckets.get(index as usize)
    }
    fn count(&self, slot: u32) {
        self.counts.borrow_mut()[slot as usize] += 1;
    }
    fn ue_meters(&self, _: u32) -> Option<&UeMeters> {
        None
    }
    fn policy(&self, _: u32) -> Option<&Policy> {
        None
    }
    fn rule_state(&self, _: u32) -> Option<&RuleState> {
        None
    }
    fn bearer(&self, _: u32) -> Option<&Bearer> {
        None
    }
    fn prefix(&self, _: u32) -> Option<&Shared64> {
        None
    }
    fn nat(&self) -> Option<&Nat> {
        Some(&self.nat)
    }
    fn nat_block(&self, number: u32) -> Option<&Block> {
        self.blocks.get(number as usize)
    }
    fn nat_mapping(&self, number: u32) -> Option<&Mapping> {
        self.mappings.get(number as usize)
    }
    fn nat_fragment(&self, place: u32) -> Option<&Fragment> {
        self.fragments.get(place as usize)
    }
    fn notice(&self, _: Notice) {}
    fn tick(&self) -> u64 {
        self.now.get()
    }
    fn now(&self) -> u64 {
        self.now.set(self.now.get() + 1_000_000);
        self.now.get()
    }
}

/// A frame and the room around it. What is behind its end must not be touched.
fn run(bytes: &[u8], act: impl FnOnce(&mut Frame<'_>)) -> Vec<u8> {
    let mut storage = vec![0xee; HEADROOM];
    storage.extend_from_slice(bytes);
    storage.extend([0x77; 32]);
    let mut frame = Frame::new(&mut storage, HEADROOM, bytes.len()).unwrap();
    act(&mut frame);
    let after = frame.bytes().to_vec();
    assert!(storage.ends_with(&[0x77; 32]));
    after
}

fn address(octets: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3])
}

fn half(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

/// The checksum of RFC 1071 over an IPv4 header: 0 when it is right.
fn header_checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn from_radio(world: &World, bytes: &[u8]) {
    let (before, dropped) = (world.counted(), world.dropped());
    let refused: u64 = world.uplink.iter().map(|record| record.refused.get()).sum();
    let sent = world.uplink[3].packets.get();
    let mut verdict = None;
    let after = run(bytes, |frame| verdict = Some(access(frame, world)));
    match verdict.unwrap() {
        Verdict::Pass => assert_eq!(after, bytes),
        Verdict::Drop(reason) => {
            assert_eq!(after, bytes, "{reason:?}");
            assert_eq!(world.dropped(), dropped + 1, "{reason:?} is counted once");
            assert!(world.uplink.iter().map(|record| record.refused.get()).sum::<u64>() <= refused + 1);
        }
        Verdict::Redirect(interface) => {
            assert_eq!(
                (world.counted() - before, world.dropped()),
                (u64::from(interface == 20) & (world.counted() - before), dropped)
            );
            assert_eq!(world.uplink[3].packets.get(), sent + 1);
            left_the_tunnel(bytes, &after, interface);
        }
        Verdict::HandOver(_) => panic!("nothing from the radio is for a phone"),
    }
}

/// G01 to G05, G08, G09, G14: what came out is a packet that this phone may send.
fn left_the_tunnel(before: &[u8], after: &[u8], interface: u32) {
    assert!([20, 30].contains(&interface));
    assert_eq!(half(before, 12), 0x0800);
    assert_eq!(before[ETH], 0x45, "an outer header with options is the kernel's");
    assert_eq!((address(before, ETH + 12), address(before, ETH + 16)), (ENB, GATEWAY));
    assert_eq!(half(before, ETH + 22), 2152);
    assert_eq!((before[42] & 0xf0, before[43]), (0x30, 255));
    assert_eq!(before[46..50], TEID.to_be_bytes());
    let inner = &after[ETH..];
    assert!(before.ends_with(&inner[12..]), "nothing but time to live and checksum of the inner packet changed");
    assert_eq!(inner[0], 0x45);
    // Behind it may stand what padded the frame.
    assert!(usize::from(half(inner, 2)) <= inner.len());
    assert_eq!(address(inner, 12), UE);
    let destination = address(inner, 16);
    assert!(!destination.is_link_local() && !destination.is_loopback(), "{destination}");
    assert_ne!(destination.octets()[..2], [10, 45]);
    if inner[9] == 17 && half(inner, 6) & 0x1fff == 0 {
        assert!(![2152, 2123, 8805].contains(&half(inner, 22)), "a protocol of the core came out of a tunnel");
    }
}

fn from_internet(world: &World, bytes: &[u8], origin: Origin) {
    let (dropped, handed) = (world.dropped(), world.downlink[8].handed.get());
    let mut told = None;
    let mut slot = None;
    let after = run(bytes, |frame| match towards_phone(frame, world, origin) {
        Verdict::HandOver(hand_over) => {
            slot = Some((hand_over.slot, hand_over.reason, hand_over.offset, hand_over.length));
        }
        other => {
            told = Some(match other {
                Verdict::Pass => None,
                Verdict::Drop(reason) => Some(Err(reason)),
                Verdict::Redirect(interface) => Some(Ok(interface)),
                Verdict::HandOver(_) => None,
            })
        }
    });
    match told {
        Some(None) => assert_eq!(after, bytes),
        Some(Some(Err(reason))) => {
            assert_eq!(after, bytes, "{reason:?}");
            assert_eq!(world.dropped(), dropped + 1, "{reason:?} is counted once");
        }
        Some(Some(Ok(interface))) => entered_the_tunnel(bytes, &after, interface),
        None => {
            let (slot, reason, offset, length) = slot.unwrap();
            assert!(offset + length as usize <= after.len(), "{reason:?}");
            assert_eq!(slot, u32::from(bytes[ETH + 19]), "to the phone that it is for");
            assert_eq!(world.downlink[8].handed.get(), handed, "the caller counts what it has copied");
        }
    }
}

fn entered_the_tunnel(before: &[u8], after: &[u8], interface: u32) {
    assert_eq!(interface, 40);
    assert_eq!(address(before, ETH + 16), UE, "only an active phone has a tunnel");
    let outer = &after[ETH..];
    assert_eq!(header_checksum(&outer[..20]), 0);
    assert_eq!((address(outer, 12), address(outer, 16)), (GATEWAY, ENB));
    assert_eq!((half(outer, 20), half(outer, 22)), (2152, 2152));
    let length = usize::from(half(before, ETH + 2));
    assert_eq!(usize::from(half(outer, 2)), length + 36);
    assert_eq!(usize::from(half(outer, 24)), length + 16);
    assert_eq!((outer[28], outer[29], usize::from(half(outer, 30))), (0x30, 255, length));
    assert_eq!(outer[32..36], ENB_TEID.to_be_bytes());
    assert_eq!(outer[36 + 12..], before[ETH + 12..], "the packet itself is as it was");
}

fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + payload.len() as u16).to_be_bytes());
    packet.extend([0x12, 0x34, 0, 0, 64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let sum = header_checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for field in [source, destination, 8 + payload.len() as u16, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    datagram
}

fn frame(packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xaa; 12];
    frame.extend([8, 0]);
    frame.extend(packet);
    frame
}

fn gtp(flags: u8, kind: u8, teid: u32, rest: &[u8]) -> Vec<u8> {
    let mut message = vec![flags, kind];
    message.extend((rest.len() as u16).to_be_bytes());
    message.extend(teid.to_be_bytes());
    message.extend(rest);
    frame(&ipv4(ENB, GATEWAY, 17, &udp(2152, 2152, &message)))
}

fn radio_seeds() -> Vec<Vec<u8>> {
    let ping = ipv4(UE, SERVER, 1, &[8, 0, 0, 0, 1, 2, 3, 4]);
    let extended = [&[0, 9, 0, 0x85, 1, 0x10, 1, 0][..], &ping].concat();
    vec![
        gtp(0x30, 255, TEID, &ping),
        gtp(0x30, 255, IDLE_TEID, &ipv4(IDLE_UE, SERVER, 17, &udp(5000, 53, b"query"))),
        gtp(0x34, 255, TEID, &extended),
        gtp(0x32, 255, TEID, &[&[0, 9, 0, 0][..], &ping].concat()),
        gtp(0x30, 255, TEID, &ipv4(UE, SERVER, 17, &udp(2152, 2152, &[0x30, 255, 0, 0, 0, 0, 0, 1]))),
        gtp(0x30, 255, TEID, &ipv4(UE, IDLE_UE, 6, &[0; 20])),
        gtp(0x32, 1, 0, &[0, 1, 0, 0]),
        gtp(0x32, 26, 0, &[0, 0, 0, 0, 16, 0, 0, 0, 1, 133, 0, 4, 10, 10, 1, 1]),
        gtp(0x30, 254, TEID, &[]),
    ]
}

fn internet_seeds() -> Vec<Vec<u8>> {
    vec![
        frame(&ipv4(SERVER, UE, 17, &udp(53, 5000, b"answer"))),
        frame(&ipv4(SERVER, IDLE_UE, 6, &[0; 20])),
        frame(&ipv4(SERVER, Ipv4Addr::new(10, 45, 0, 9), 1, &[8, 0, 0, 0])),
        frame(&ipv4(SERVER, UE, 17, &[0; 1390])),
    ]
}

#[test]
fn frames_of_anyone() {
    let world = std::panic::AssertUnwindSafe(World::new());
    bolero::check!().with_iterations(MANY).with_test_time(LONGEST).with_max_len(200).for_each(|octets| {
        let world: &World = &world;
        from_radio(world, octets);
        from_internet(world, octets, Origin::Internet);
        from_internet(world, octets, Origin::Kernel);
    });
}

#[test]
fn frame_from_the_radio_with_changed_octets() {
    let world = std::panic::AssertUnwindSafe(World::new());
    let seeds = radio_seeds();
    bolero::check!().with_type::<(u8, Changes)>().with_iterations(3 * MANY).with_test_time(LONGEST).for_each(
        |(which, changes)| {
            let world: &World = &world;
            from_radio(world, &changes.applied(&seeds[usize::from(*which) % seeds.len()]));
        },
    );
}

#[test]
fn frame_from_the_internet_with_changed_octets() {
    let world = std::panic::AssertUnwindSafe(World::new());
    let seeds = internet_seeds();
    bolero::check!().with_type::<(u8, bool, Changes)>().with_iterations(2 * MANY).with_test_time(LONGEST).for_each(
        |(which, kernel, changes)| {
            let origin = if *kernel { Origin::Kernel } else { Origin::Internet };
            let world: &World = &world;
            from_internet(world, &changes.applied(&seeds[usize::from(*which) % seeds.len()]), origin);
        },
    );
}

/// Without damage the seeds go where they should: a harness whose seeds are all dropped tests little.
#[test]
fn seeds_reach_the_fast_path() {
    let world = World::new();
    radio_seeds().iter().for_each(|octets| from_radio(&world, octets));
    assert_eq!(world.uplink[3].packets.get(), 3);
    assert_eq!(world.dropped(), 2, "GTP in GTP, and phone to phone");
    internet_seeds().iter().for_each(|octets| from_internet(&world, octets, Origin::Internet));
    assert_eq!(world.downlink[7].packets.get(), 1);
}
