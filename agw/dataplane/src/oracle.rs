//! The loaded object against the native pipeline: the same packets, verdicts, octets, counters and handed-over packets.

mod coverage;
mod flows;
mod furniture;
mod packets;
mod services;

use crate::object;
use crate::tables::{Tables, tick};
use crate::xdp::{self, Loaded};
use aya::maps::{MapData, RingBuf};
use aya::programs::{TestRun, TestRunOptions};
use basalt_ebpf_abi::{
    Downlink, DownlinkState, DropReason, HandoverHeader, Notice, PuntReason, REASON_SLOTS, RuleState, Uplink, programs,
};
use basalt_pipeline::{Frame, Origin, Verdict, access, towards_phone};
use furniture::{furnish, native_tables, refill, sizes};
pub(crate) use packets::Generator;
use packets::World;

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
