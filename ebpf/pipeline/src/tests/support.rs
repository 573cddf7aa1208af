//! Tables in ordinary memory and packets made by hand.

use crate::{Frame, Tables, Verdict};
use basalt_ebpf_abi::{
    Address, Bearer, Block, Bucket, Class, Destinations, Downlink, DownlinkState, DropReason, FRAGMENTS, Fragment,
    Framed, Mac, Mapping, Nat, NextHop, Notice, Policy, PuntReason, REASON_SLOTS, RuleState, Settings, Shared64,
    UeMeters, Uplink,
};
use core::cell::{Cell, RefCell};
use core::net::Ipv4Addr;

pub(super) const ENB: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 2);
pub(super) const UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 7);
pub(super) const OTHER_UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 8);
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
pub(super) const TEID: u32 = 0xabc0_0003;
pub(super) const ENB_TEID: u32 = 0x1122_3344;
pub(super) const DIRECT_HOP: u32 = 5;
pub(super) const ENB_HOP: u32 = 300;

/// Maps of 16 tunnels.
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) uplink: Vec<Uplink>,
    pub(super) downlink: Vec<Downlink>,
    pub(super) hops: Vec<NextHop>,
    pub(super) destinations: Box<Destinations>,
    pub(super) ue_meters: Vec<UeMeters>,
    pub(super) policies: Vec<Box<Policy>>,
    pub(super) states: Vec<RuleState>,
    pub(super) bearers: Vec<Bearer>,
    pub(super) prefixes: Vec<Shared64>,
    pub(super) framed: Vec<Framed>,
    pub(super) notices: RefCell<Vec<Notice>>,
    pub(super) nat: Nat,
    pub(super) blocks: Vec<Block>,
    pub(super) mappings: Vec<Mapping>,
    pub(super) fragments: Vec<Fragment>,
    buckets: Vec<Bucket>,
    counts: RefCell<Vec<u64>>,
    pub(super) now: Cell<u64>,
}

impl World {
    /// One phone, active, behind one base station; the internet reached through the kernel.
    pub(super) fn new() -> Self {
        let world = Self {
            settings: Settings::default(),
            uplink: (0..16).map(|_| Uplink::default()).collect(),
            downlink: (0..16).map(|_| Downlink::default()).collect(),
            hops: (0..512).map(|_| NextHop::default()).collect(),
            // SAFETY: all octets zero is a valid table.
            destinations: unsafe { Box::new_zeroed().assume_init() },
            ue_meters: (0..4).map(|_| UeMeters::default()).collect(),
            // SAFETY: as above.
            policies: (0..3).map(|_| unsafe { Box::new_zeroed().assume_init() }).collect(),
            states: (0..128).map(|_| RuleState::default()).collect(),
            bearers: (0..32).map(|_| Bearer::default()).collect(),
            framed: (0..16).map(|_| Framed::default()).collect(),
            prefixes: (0..16).map(|_| Shared64::default()).collect(),
            notices: RefCell::default(),
            nat: Nat::default(),
            blocks: (0..1 << 12).map(|_| Block::default()).collect(),
            mappings: (0..1 << 16).map(|_| Mapping::default()).collect(),
            fragments: (0..FRAGMENTS).map(|_| Fragment::default()).collect(),
            buckets: (0..PuntReason::BUCKETS).map(|_| Bucket::default()).collect(),
            counts: RefCell::new(vec![0; REASON_SLOTS as usize]),
            now: Cell::new(1 << 40),
        };
        let s = &world.settings;
        s.teid_mask.set(0xf);
        s.local.set(Address::new(GATEWAY).0);
        s.buffer_limit.set(3);
        s.tunnel_mtu.set(1400);
        s.punt_rate.set(1);
        s.punt_burst.set(2);
        s.pools[0].first.set(0x0a2d_0000);
        s.pools[0].count.set(16);
        s.pool_count.set(1);
        world.destinations.set([10, 45], Class::PHONES);
        world.destinations.set([169, 254], Class::DENY);
        world.hops[0].resolve(20, 3000, Mac([2; 6]), Mac([1; 6]));
        world.hops[5].resolve(30, 1500, Mac([4; 6]), Mac([3; 6]));
        world.hops[300].resolve(40, 1600, Mac([6; 6]), Mac([5; 6]));
        let record = &world.uplink[3];
        record.peer.set(Address::new(ENB).0);
        record.peer_mask.set(u32::MAX);
        record.ue.set(Address::new(UE).0);
        record.home.set(3);
        record.teid.set(TEID);
        let record = &world.downlink[7];
        record.ue.set(Address::new(UE).0);
        record.peer.set(Address::new(ENB).0);
        record.teid.set(ENB_TEID.to_be());
        record.next_hop.set(ENB_HOP);
        record.state.set(DownlinkState::ACTIVE);
        world
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.counts.borrow()[reason.slot() as usize]
    }

    pub(super) fn punted(&self, reason: PuntReason) -> u64 {
        self.counts.borrow()[reason.slot() as usize]
    }

    pub(super) fn total(&self) -> u64 {
        self.counts.borrow().iter().sum()
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
    fn bucket(&self, index: u32) -> Option<&Bucket> {
        self.buckets.get(index as usize)
    }
    fn ue_meters(&self, index: u32) -> Option<&UeMeters> {
        self.ue_meters.get(index as usize)
    }
    fn policy(&self, index: u32) -> Option<&Policy> {
        self.policies.get(index as usize).map(|policy| &**policy)
    }
    fn rule_state(&self, index: u32) -> Option<&RuleState> {
        self.states.get(index as usize)
    }
    fn bearer(&self, index: u32) -> Option<&Bearer> {
        self.bearers.get(index as usize)
    }
    fn prefix(&self, place: u32) -> Option<&Shared64> {
        self.prefixes.get(place as usize)
    }
    fn framed(&self, index: u32) -> Option<&Framed> {
        self.framed.get(index as usize)
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
    fn notice(&self, notice: Notice) {
        self.notices.borrow_mut().push(notice);
    }
    fn count(&self, slot: u32) {
        self.counts.borrow_mut()[slot as usize] += 1;
    }
    fn now(&self) -> u64 {
        self.now.get()
    }
    fn tick(&self) -> u64 {
        // As coarse as a kernel's clock is with 250 ticks a second.
        self.now.get() / 4_000_000 * 4_000_000
    }
}

/// Runs a function over a frame with headroom and gives the verdict and the octets afterwards.
pub(super) fn run<'t>(bytes: &[u8], act: impl FnOnce(&mut Frame<'_>) -> Verdict<'t>) -> (Verdict<'t>, Vec<u8>) {
    let mut storage = vec![0xee; 256];
    storage.extend_from_slice(bytes);
    let mut frame = Frame::new(&mut storage, 256, bytes.len()).unwrap();
    let verdict = act(&mut frame);
    (verdict, frame.bytes().to_vec())
}

/// The checksum of RFC 1071, written down independently of the pipeline's.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IPv4 packet without options.
pub(super) fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let total = 20 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A UDP datagram.
pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for field in [source, destination, 8 + payload.len() as u16, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    datagram
}

/// A GTP-U message; `optional` goes between header and payload.
pub(super) fn gtp(flags: u8, kind: u8, teid: u32, optional: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut message = vec![flags, kind];
    message.extend(((optional.len() + payload.len()) as u16).to_be_bytes());
    message.extend(teid.to_be_bytes());
    message.extend(optional);
    message.extend(payload);
    message
}

/// An Ethernet frame of IPv4.
pub(super) fn eth(packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xaa; 12];
    frame.extend([8, 0]);
    frame.extend(packet);
    frame
}

/// A frame from the base station with this GTP-U message.
pub(super) fn from_enb(message: &[u8]) -> Vec<u8> {
    eth(&ipv4(ENB, GATEWAY, 17, 0, &udp(2152, 2152, message)))
}

/// A plain G-PDU of the known tunnel with this inner packet.
pub(super) fn g_pdu(inner: &[u8]) -> Vec<u8> {
    from_enb(&gtp(0x30, 255, TEID, &[], inner))
}
