//! The loaded object against the native pipeline: the same packets, verdicts, octets, counters and handed-over packets.

mod coverage;
mod flows;
mod packets;
mod services;

use crate::framed::Networks;
use crate::object;
use crate::tables::{SharedRegions, Sizes, Tables, tick};
use crate::xdp::{self, Loaded};
use aya::maps::{MapData, RingBuf};
use aya::programs::{TestRun, TestRunOptions};
use basalt_ebpf_abi::{
    Address, Class, Downlink, DownlinkFlags, DownlinkState, DropReason, Filtering, HandoverHeader, Mac, Meter, Notice,
    Phase, PuntReason, REASON_SLOTS, RuleState, TeidLayout, Uplink, UplinkFlags, programs,
};
use basalt_pipeline::{Frame, Origin, Verdict, access, towards_phone};
pub(crate) use packets::Generator;
use packets::World;
use std::net::Ipv4Addr;

const DROP: u32 = 1;
const PASS: u32 = 2;
const REDIRECT: u32 = 4;

/// The same tables twice, one of them in the kernel.
struct Pair {
    loaded: Loaded,
    ring: RingBuf<MapData>,
    kernel: Tables,
    native: Tables,
    start: u64,
    /// What came out last.
    last: Vec<u8>,
    /// Packets so far.
    number: usize,
}

/// `None`, with a word about why, where programs cannot be loaded.
fn pair() -> Option<Pair> {
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("skipped: loading BPF programs needs root");
        return None;
    }
    let object = match object::object() {
        Ok((_, object)) => object,
        Err(error) => {
            eprintln!("skipped: {error}");
            return None;
        }
    };
    let sizes = sizes();
    let (mut loaded, regions) = xdp::load(&object, sizes, 1 << 20, None).unwrap();
    let ring = loaded.ring.take().unwrap();
    let kernel = Tables::new(regions, sizes).unwrap();
    let start = tick();
    furnish(&kernel, start);
    Some(Pair { loaded, ring, kernel, native: native_tables(start), start, last: Vec::new(), number: 0 })
}

fn sizes() -> Sizes {
    Sizes {
        teids: TeidLayout::new(5).unwrap(),
        downlink: 64,
        next_hops: 512,
        ue_meters: 16,
        policies: 16,
        rule_states: 256,
        bearers: 64,
        prefixes: 32,
        framed: crate::framed::entries(7),
        blocks: 2 << 12,
        mappings: 2 << 16,
    }
}

fn native_tables(start: u64) -> Tables {
    let native = Tables::new(SharedRegions::anonymous(sizes()).unwrap(), sizes()).unwrap();
    furnish(&native, start);
    native
}

fn furnish(tables: &Tables, start: u64) {
    fill(tables);
    frame(tables);
    limit(tables);
    services::serve(tables, sizes());
    limit_rules(tables);
    translate(tables);
    refill(tables, start);
}

fn fill(tables: &Tables) {
    let settings = tables.settings.get(0).unwrap();
    settings.local.set(Address::new(World::GATEWAY).0);
    settings.buffer_limit.set(4);
    settings.tunnel_mtu.set(1400);
    settings.segment.set(1300);
    settings.pools6[0].first.set(u64::from_be_bytes(World::prefix(0)));
    settings.pools6[0].count.set(16);
    // Prefixes that are larger than the session's own.
    settings.pools6[1].first.set(u64::from_be_bytes(World::delegated(12)) & !0xff);
    settings.pools6[1].count.set(16);
    settings.pools6[1].base.set(16);
    settings.pools6[1].shift.set(4);
    settings.forbidden6[0].first.set(0x2001_0db8_dead_0000);
    settings.forbidden6[0].mask.set(0xffff_ffff_ffff_0000);
    settings.punt_rate.set(1_000_000_000);
    settings.punt_burst.set(1_000_000_000);
    settings.pools[0].first.set(u32::from(World::UE));
    settings.pools[0].count.set(16);
    settings.pools[1].first.set(u32::from(World::SECOND_POOL));
    settings.pools[1].count.set(16);
    settings.pools[1].base.set(16);
    settings.pool_count.set(2);
    let destinations = tables.destinations.get(0).unwrap();
    destinations.set([10, 45], Class::PHONES);
    destinations.set([127, 0], Class::DENY);
    destinations.set([198, 51], Class::RULES);
    destinations.set([203, 0], Class(5));
    destinations.set([203, 1], Class(6));
    let rule = &settings.rules[0];
    rule.address.set(Address::new(Ipv4Addr::new(198, 51, 100, 0)).0);
    rule.mask.set(Address::new(Ipv4Addr::new(255, 255, 255, 0)).0);
    rule.class.set(u32::from(Class::GATEWAY.0));
    settings.rule_count.set(1);
    for (hop, mtu) in [(0, 3000), (5, 1300), (256, 1600)] {
        tables.next_hops.get(hop).unwrap().resolve(7, mtu, Mac([hop as u8; 6]), Mac([hop as u8 + 1; 6]));
    }
    for index in 0..16u32 {
        let uplink = tables.uplink.get(index as usize).unwrap();
        uplink.peer.set(Address::new(World::STATION).0);
        uplink.peer_mask.set(u32::MAX);
        uplink.ue.set(Address::from_host(u32::from(World::UE) + index).0);
        uplink.home.set(index);
        // The last ones have no IPv6.
        if index < 12 {
            let prefix = u64::from_ne_bytes(World::prefix(index as u8));
            uplink.prefix.set(prefix);
            tables.downlink.get(index as usize).unwrap().prefix.set(prefix);
            tables.prefixes.get(index as usize).unwrap().set(u64::from(index) + 1);
        } else if index < 14 {
            let prefix = u64::from_ne_bytes(World::delegated(index as u8));
            uplink.prefix.set(prefix);
            tables.downlink.get(index as usize).unwrap().prefix.set(prefix);
            tables.prefixes.get(16 + index as usize).unwrap().set(u64::from(index) + 1);
        }
        // Even ones may talk to phones, every fifth is idle, the last slot is free.
        uplink.flags.set(u32::from(index % 2 == 0) | u32::from(index % 5 == 4) << 1);
        if index == 14 {
            // A handover's.
            uplink.flags.set(UplinkFlags::FORWARD | UplinkFlags::IDLE);
        }
        uplink.teid.set(if index == 15 { 0 } else { World::teid(index) });
    }
    for slot in 0..32u32 {
        let downlink = tables.downlink.get(slot as usize).unwrap();
        let first = if slot < 16 { World::UE } else { World::SECOND_POOL };
        downlink.ue.set(Address::from_host(u32::from(first) + slot % 16).0);
        downlink.peer.set(Address::new(World::STATION).0);
        downlink.teid.set((slot + 77).to_be());
        downlink.owner.set(if slot < 15 { World::teid(slot) } else { slot + 1 });
        // One in eight has an unresolved neighbour, one is under change.
        downlink.next_hop.set(if slot % 8 == 5 { 257 } else { 256 });
        downlink.sequence.set(u32::from(slot == 6));
        downlink
            .state
            .set([DownlinkState::ACTIVE, DownlinkState::IDLE, DownlinkState::ACTIVE, slot % 4][slot as usize % 4]);
    }
}

/// Networks behind some phones, one of them idle, one with a dedicated bearer, one without IPv4 networks.
fn frame(tables: &Tables) {
    let mut networks = Networks::default();
    for (index, behind) in World::BEHIND {
        let behind: Vec<_> = behind.iter().map(|network| network.parse().unwrap()).collect();
        networks.set(tables, World::teid(index), index, &behind);
        assert!(networks.any(World::teid(index)));
        let record = tables.uplink.get(index as usize).unwrap();
        record.flags.set(record.flags.get() | UplinkFlags::FRAMED);
    }
}

/// A limit of so many octets until the next refill. An octet takes a second and meters start far ahead of the clock, so the time that
/// the test takes is no part of the outcome.
fn meter(meter: &Meter, octets: u64) {
    meter.rate.set(1 << (6 + 20) | (31 - 5));
    let octet = Meter::cost(meter.rate.get()) >> 16;
    meter.burst.set(u32::try_from((AHEAD + octets * octet) / 1000).unwrap());
}

/// Limits on the rules of one session.
fn limit_rules(tables: &Tables) {
    let record = tables.uplink.get(8).unwrap();
    let first = record.states.get() as usize;
    for state in tables.rule_states.iter().skip(first).take(record.state_count.get() as usize) {
        meter(&state.uplink, 1_500);
        meter(&state.downlink, 1_500);
    }
}

/// Limits on some sessions and UEs.
fn limit(tables: &Tables) {
    for index in (0..16usize).filter(|index| index % 3 == 1) {
        let (uplink, downlink) = (tables.uplink.get(index).unwrap(), tables.downlink.get(index).unwrap());
        uplink.flags.set(uplink.flags.get() | UplinkFlags::METERED);
        downlink.flags.set(DownlinkFlags::METERED);
        // Of the last one's UE alone.
        if index != 13 {
            meter(&uplink.meter, 1_400);
            meter(&downlink.meter, 1_900);
        }
        if index > 6 {
            uplink.ue_meter.set(2);
            downlink.ue_meter.set(2);
        }
    }
    let ue = tables.ue_meters.get(2).unwrap();
    meter(&ue.uplink, 1_700);
    meter(&ue.downlink, 1_600);
}

/// Some phones behind two external addresses, in blocks of 16 ports: small enough to run out of them. The gateway has the first
/// address itself. Mappings of the last one's protocol are over at once.
fn translate(tables: &Tables) {
    let nat = tables.nat.get(0).unwrap();
    nat.clock.set(1000);
    nat.block_bits.set(4);
    nat.filtering.set(Filtering::ADDRESS_AND_PORT);
    nat.fragment_timeout.set(30);
    for phase in [Phase::UDP, Phase::OPENING, Phase::ANSWERED, Phase::ESTABLISHED, Phase::CLOSING, Phase::ICMP] {
        nat.timeouts[phase as usize].set(100 + phase);
    }
    for (number, address) in World::EXTERNAL.into_iter().enumerate() {
        nat.externals[number].first.set(u32::from(address));
        nat.externals[number].count.set(1);
        nat.externals[number].base.set(number as u32);
        nat.externals[number].own.set(u32::from(number == 0));
    }
    nat.count.set(2);
    for index in [0u32, 2, 3, 5, 7, 8] {
        let external = index % 2;
        let port = World::ports(index);
        let first = (external << 16 | u32::from(port)) >> 4;
        for number in [first, first + 1] {
            let block = tables.blocks.get(number as usize).unwrap();
            block.external.set(Address::new(World::EXTERNAL[external as usize]).0);
            block.salt.set(index * 2);
            block.next.set(if number == first { number + 1 } else { 0 });
            block.inside.set(Address::from_host(u32::from(World::UE) + index).0);
        }
        let record = tables.uplink.get(index as usize).unwrap();
        record.block.set(first);
        record.flags.set(record.flags.get() | UplinkFlags::TRANSLATED);
    }
    // One has no block, one goes by the kernel, one by a VLAN whose router answers and one by a VLAN whose router does not.
    let flag = |index: usize, flag: u32, hop: u32| {
        let record = tables.uplink.get(index).unwrap();
        record.flags.set(record.flags.get() | flag);
        record.egress.set(hop);
    };
    flag(13, UplinkFlags::TRANSLATED, 0);
    flag(10, UplinkFlags::BY_KERNEL, 0);
    flag(11, UplinkFlags::OWN_HOP, 20);
    flag(12, UplinkFlags::OWN_HOP, 21);
    flag(8, UplinkFlags::OWN_HOP, 20);
    flag(0, UplinkFlags::OWN_HOP, 20);
    for (hop, vlan) in [(20, 100), (21, 200)] {
        tables.next_hops.get(hop).unwrap().vlan.set(vlan);
    }
    tables.next_hops.get(20).unwrap().resolve(7, 1300, Mac([20; 6]), Mac([21; 6]));
    for slot in [0, 8, 11] {
        tables.downlink.get(slot).unwrap().vlan.set(100);
    }
}

/// How far meters start ahead of the clock, nanoseconds: longer than the test takes on any machine.
const AHEAD: u64 = 2_000_000_000_000;

/// Puts all meters to their start.
fn refill(tables: &Tables, start: u64) {
    for record in tables.uplink.iter() {
        record.meter.due.set((start + AHEAD) * Meter::UNITS);
    }
    for record in tables.downlink.iter() {
        record.meter.due.set((start + AHEAD) * Meter::UNITS);
    }
    for record in tables.uplink.iter() {
        record.quota.left.set(record.quota.threshold.get() * 2);
    }
    for state in tables.rule_states.iter() {
        state.quota.left.set(state.quota.threshold.get() * 2);
        for meter in [&state.uplink, &state.downlink] {
            meter.due.set((start + AHEAD) * Meter::UNITS);
        }
    }
    for meters in tables.ue_meters.iter() {
        meters.uplink.due.set((start + AHEAD) * Meter::UNITS);
        meters.downlink.due.set((start + AHEAD) * Meter::UNITS);
    }
}

/// What can be seen of the tables after a packet.
fn counters(tables: &Tables) -> Vec<u64> {
    let uplink = |r: &Uplink| [r.packets.get(), r.bytes.get(), r.refused.get(), r.meter.due.get(), r.quota.left.get()];
    let downlink =
        |r: &Downlink| [r.packets.get(), r.bytes.get(), r.dropped.get(), u64::from(r.handed.get()), r.meter.due.get()];
    let up = tables.uplink.iter().flat_map(uplink);
    let down = tables.downlink.iter().flat_map(downlink);
    let ue = tables.ue_meters.iter().flat_map(|meters| [meters.uplink.due.get(), meters.downlink.due.get()]);
    let state = |s: &RuleState| {
        let [a, b] = [s.uplink_packets.get(), s.uplink_bytes.get()];
        [a, b, s.downlink_packets.get(), s.downlink_bytes.get(), s.uplink.due.get(), s.quota.left.get()]
    };
    let states = tables.rule_states.iter().flat_map(state);
    let bearers = tables.bearers.iter().flat_map(|bearer| bearer.volume.each_ref().map(basalt_ebpf_abi::Shared64::get));
    let mappings = World::EXTERNAL.iter().enumerate().flat_map(|(number, _)| {
        let first = (number as u32) << 16 | 1024;
        (first..first + 1024).filter_map(|index| tables.mappings.get(index as usize))
    });
    let mappings = mappings.flat_map(|mapping| [mapping.state.get(), mapping.filter.get()]);
    let fragments = tables.fragments.iter().map(|fragment| fragment.value.get());
    up.chain(down).chain(ue).chain(states).chain(bearers).chain(mappings).chain(fragments).collect()
}

/// The pipeline's verdict, octets, and what user space would get.
fn run_native(tables: &Tables, program: &str, frame: &[u8]) -> (u32, Vec<u8>, Option<Vec<u8>>) {
    let mut storage = vec![0; 256];
    storage.extend_from_slice(frame);
    let mut packet = Frame::new(&mut storage, 256, frame.len()).unwrap();
    let verdict = match program {
        programs::ACCESS => access(&mut packet, tables),
        programs::INTERNET => towards_phone(&mut packet, tables, Origin::Internet),
        _ => towards_phone(&mut packet, tables, Origin::Kernel),
    };
    let mut handed = None;
    let action = match verdict {
        Verdict::Pass => PASS,
        Verdict::Drop(_) => DROP,
        Verdict::Redirect(_) => REDIRECT,
        Verdict::HandOver(handover) => {
            let [ue, owner, number] = match handover.record {
                Some(record) => [record.ue.get(), record.owner.get(), record.handed.fetch_add(1).wrapping_add(1)],
                None => [handover.vlan, 0, 0],
            };
            let (slot, length, reason) = (handover.slot, handover.length, handover.reason as u32);
            let header = HandoverHeader { slot, ue, owner, number, length, reason };
            let inner = &packet.bytes()[handover.offset..][..handover.length as usize];
            handed = Some([&header.to_bytes(), inner].concat());
            if handover.pass { PASS } else { DROP }
        }
    };
    (action, packet.bytes().to_vec(), handed)
}

/// What user space does with handed-over packets, now and then: so the buffer is empty, filling and full in turn. Every other time it
/// does nothing for long, and buffers, limits and quotas come to their ends.
fn afterwards(tables: &Tables, start: u64, frame: &[u8], number: usize) {
    if frame.last().is_none_or(|octet| octet % 3 != 0) || number / 256 % 2 == 1 {
        return;
    }
    refill(tables, start);
    // Time for mappings passes, too: sometimes too much.
    let clock = &tables.nat.get(0).unwrap().clock;
    clock.set(clock.get() + frame.len() as u32 % 40);
    for record in tables.downlink.iter().filter(|record| record.state.get() == DownlinkState::IDLE) {
        record.drained.set(record.handed.get());
    }
    for record in tables.downlink.iter().skip(8).filter(|r| r.state.get() == DownlinkState::ACTIVE) {
        record.drained.set(record.handed.get());
    }
}

impl Pair {
    /// The program's verdict and octets.
    fn kernel(&self, program: &str, frame: &[u8]) -> (u32, Vec<u8>) {
        let mut out = vec![0; frame.len() + 256];
        let options =
            TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), repeat: 1, ..TestRunOptions::new() };
        let result = self.loaded.program(program).test_run(options).unwrap();
        out.truncate(result.data_size_out as usize);
        (result.return_value, out)
    }

    /// Runs one packet through both and compares everything.
    fn compare(&mut self, program: &str, frame: &[u8]) -> u32 {
        self.compare_with(program, program, frame)
    }

    /// The same, with another program in the kernel that shall do the same.
    fn compare_with(&mut self, program: &str, loaded: &str, frame: &[u8]) -> u32 {
        let (action, bytes, handed) = run_native(&self.native, program, frame);
        let (kernel_action, kernel_bytes) = self.kernel(loaded, frame);
        let context = || format!("{program}: {frame:02x?}");
        assert_eq!(kernel_action, action, "verdict, {}", context());
        assert_eq!(kernel_bytes, bytes, "octets, {}", context());
        self.last = bytes;
        let (mut packets, mut notices) = (Vec::new(), Vec::new());
        while let Some(record) = self.ring.next() {
            let (header, packet) = HandoverHeader::split(&record).unwrap();
            match Notice::of(&header) {
                Some(notice) => notices.push(notice),
                None => packets.push([&header.to_bytes(), packet].concat()),
            }
        }
        assert_eq!(packets, Vec::from_iter(handed), "handed over, {}", context());
        assert_eq!(notices, Vec::from(self.native.take_notices()), "notices, {}", context());
        assert_eq!(counters(&self.kernel), counters(&self.native), "counters, {}", context());
        for slot in 0..REASON_SLOTS {
            assert_eq!(self.loaded.reason(slot), self.native.reason(slot), "reason {slot}, {}", context());
        }
        for tables in [&self.kernel, &self.native] {
            afterwards(tables, self.start, frame, self.number);
        }
        self.number += 1;
        action
    }
}

/// How many packets each program sees.
const PACKETS: usize = 12_000;

fn agree(program: &str, seed: u64, make: impl Fn(&mut Generator) -> Vec<u8>) {
    let Some(mut pair) = pair() else { return };
    let mut generator = Generator::new(seed);
    let mut seen = [0usize; 5];
    for _ in 0..PACKETS {
        let frame = make(&mut generator);
        seen[pair.compare(program, &frame) as usize] += 1;
    }
    // The corpus must reach all ends, or the comparison says nothing.
    assert!(seen[DROP as usize] > PACKETS / 10, "drops: {seen:?}");
    assert!(seen[REDIRECT as usize] > PACKETS / 20, "redirects: {seen:?}");
    println!("{program}: dropped or handed over {}, passed {}, redirected {}", seen[1], seen[2], seen[4]);
    let reasons = (0..REASON_SLOTS).filter(|slot| pair.native.reason(*slot) > 0).count();
    println!("{program}: {reasons} different reasons");
}

#[test]
fn access_program_and_pipeline_agree() {
    agree(programs::ACCESS, 1, Generator::uplink);
}

#[test]
fn internet_program_and_pipeline_agree() {
    agree(programs::INTERNET, 2, Generator::downlink);
}

/// Flows through translation: answers, errors and fragments that fit what phones have sent, on one set of tables.
#[test]
fn programs_and_pipeline_agree_on_translated_flows() {
    let Some(mut pair) = pair() else { return };
    let mut generator = Generator::new(4);
    let mut answers = Vec::new();
    let mut seen = [[0usize; 5]; 2];
    for _ in 0..PACKETS {
        let frame = generator.translated_uplink();
        let action = pair.compare(programs::ACCESS, &frame);
        seen[0][action as usize] += 1;
        if action == REDIRECT {
            answers.extend(generator.answers(&pair.last));
        }
        if answers.len() > 20 {
            answers.rotate_left(7);
            for answer in answers.drain(..10).collect::<Vec<_>>() {
                seen[1][pair.compare(programs::INTERNET, &answer) as usize] += 1;
            }
        }
    }
    for orphan in flows::orphans() {
        pair.compare(programs::INTERNET, &orphan);
    }
    println!("translated: outward {:?}, inward {:?}", seen[0], seen[1]);
    assert!(seen.iter().all(|seen| seen[DROP as usize] > 500 && seen[REDIRECT as usize] > 500), "{seen:?}");
    let reached = |reason: DropReason| assert!(pair.native.reason(reason.slot()) > 0, "{}", reason.name());
    let nat = [DropReason::NatUnsolicited, DropReason::NatProtocol, DropReason::NatFragment, DropReason::NatFiltered];
    nat.into_iter().chain([DropReason::WrongVlan, DropReason::NoRouter]).for_each(reached);
    for reason in [PuntReason::NatPorts, PuntReason::EarlyFragment] {
        assert!(pair.native.reason(reason.slot()) > 0, "{}", reason.name());
    }
}

#[test]
fn kernel_program_and_pipeline_agree() {
    agree(programs::KERNEL, 3, Generator::downlink);
}

/// Packets that the kernel has in several parts, as jumbo frames are: headers are read, moved and written all the same, lengths are judged
/// by all parts, and user space gets all of them.
#[test]
fn programs_and_pipeline_agree_on_jumbo_frames() {
    type Make = fn(&mut Generator) -> Vec<u8>;
    let makes: [(&str, Make); 3] = [
        (programs::ACCESS, Generator::uplink),
        (programs::INTERNET, Generator::downlink),
        (programs::KERNEL, Generator::downlink),
    ];
    for (seed, (program, make)) in (11..).zip(makes) {
        let Some(mut pair) = pair() else { return };
        for tables in [&pair.kernel, &pair.native] {
            tables.settings.get(0).unwrap().tunnel_mtu.set(8950);
        }
        let mut generator = Generator::jumbo(seed);
        let (mut several, mut handed) = (0, 0);
        for _ in 0..PACKETS / 10 {
            let frame = make(&mut generator);
            let action = pair.compare(program, &frame);
            several += usize::from(frame.len() > 4096 && action == REDIRECT);
        }
        for reason in [PuntReason::TooBig, PuntReason::IdlePhone] {
            handed += pair.native.reason(reason.slot());
        }
        println!("{program}: {several} large ones redirected, {handed} for user space");
        assert!(several > 15 && (program == programs::ACCESS || handed > 20), "{program}: {several}, {handed}");
    }
}

/// Programs that watch a phone do to all packets what the usual ones do.
#[test]
fn watching_programs_and_pipeline_agree() {
    type Make = fn(&mut Generator) -> Vec<u8>;
    let makes: [(&str, Make); 3] = [
        (programs::ACCESS, Generator::uplink),
        (programs::INTERNET, Generator::downlink),
        (programs::KERNEL, Generator::downlink),
    ];
    for (seed, (program, make)) in (5..).zip(makes) {
        let Some(mut pair) = pair() else { return };
        let mut generator = Generator::new(seed);
        for number in 0..PACKETS / 6 {
            // Another phone now and then.
            let index = number / 130 % 15;
            let (ue, prefix) = {
                let record = pair.native.uplink.get(index).unwrap();
                (record.ue.get(), record.prefix.get())
            };
            let watching = pair.loaded.prepare_watch(program, ue, prefix);
            let frame = make(&mut generator);
            pair.compare_with(program, watching, &frame);
        }
    }
}
