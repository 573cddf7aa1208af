//! Cost of the XDP programs by `BPF_PROG_TEST_RUN`.
//!
//! Method. A measuring program does its work and puts the packet back for another, random session, a million times in one call. A
//! base program moves the packet's front as the work does and puts it back likewise. The difference is the work without one move of
//! the front; a third program measures that move, and it is added again. So the cost of an empty program and of restoring is out,
//! the cost of everything the gateway does is in: checks, counters, header rewrite, next hop, redirect. What driver and transmit
//! queue cost is not in. Each figure is the minimum of several runs, because a busy machine only ever adds.
//!
//! A session's record is one cache line, so a random one of a million costs one miss to memory on top of the work, less what the
//! processor overlaps with it. What such a miss costs on this machine is measured beside ([`Report::miss_ns`]): the figure at a million
//! sessions cannot be far below it.

use crate::error::Error;
use crate::object;
use crate::region::Region;
use crate::rules::{Compiled, Rule};
use crate::tables::{SharedRegions, Sizes, Tables};
use aya::maps::{Map, MapData, ProgramArray};
use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use basalt_ebpf_abi::{
    Address, BenchPlan, Class, DownlinkFlags, DownlinkState, FRAGMENTS, KERNEL_NEXT_HOP, Mac, Prefix, TeidLayout,
    Uplink, UplinkFlags, maps,
};
use basalt_pipeline::{TUNNEL_OVERHEAD, Tunnel, encapsulation};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::Instant;

/// The object with the measuring programs.
pub const OBJECT: &str = "basalt-bpf-bench.o";

const GENERATION: u32 = 0x5a5;
const FIRST_UE: u32 = 0x0a00_0000;
const BASE_STATION: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);
const INNER: u32 = 64;
const DIRECT_HOP: u32 = 5;
const STATION_HOP: u32 = 256;

/// Nanoseconds per packet with a number of sessions of which a random one is hit each time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Sessions.
    pub sessions: u32,
    /// Uplink: checks, decapsulation, count, lifetime, cached next hop, redirect.
    pub uplink_ns: f64,
    /// Uplink to the kernel (NAT mode): the same without lifetime.
    pub uplink_kernel_ns: f64,
    /// Uplink with a limit of the session.
    pub uplink_limited_ns: f64,
    /// Downlink with a limit of the session.
    pub downlink_limited_ns: f64,
    /// Uplink with a limit and one rule, counted in the rule, too.
    pub uplink_one_rule_ns: f64,
    /// Downlink with a limit and one rule.
    pub downlink_one_rule_ns: f64,
    /// Uplink with a limit and 64 rules of different ports and prefixes.
    pub uplink_64_rules_ns: f64,
    /// Downlink with a limit and 64 rules.
    pub downlink_64_rules_ns: f64,
    /// Downlink: lookup, encapsulation with checksum, count, lifetime, next hop, redirect.
    pub downlink_ns: f64,
    /// Uplink as `uplink_ns`, translated to an external address and port.
    pub uplink_nat_ns: f64,
}

/// Ports of a session, as a power of two, so that a million sessions find room.
const BLOCK_BITS: u32 = 4;

/// All figures of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// One empty program, as the harness sees it (not in the other figures).
    pub empty_ns: f64,
    /// One move of the packet's front.
    pub shift_ns: f64,
    /// One dependent read from a random line of as much memory as a million records take.
    pub miss_ns: f64,
    /// By number of sessions.
    pub figures: Vec<Figures>,
}

/// Measures with each of these numbers of sessions (powers of two up to `2^20` are exact, others are rounded up), taking the
/// minimum of `rounds` runs of `repeat` packets.
///
/// # Errors
/// Without root or without the object; when a program refuses its packet, which would make the figure worthless.
pub fn measure(sessions: &[u32], rounds: u32, repeat: u32) -> Result<Report, Error> {
    let (_, object) = object::named(OBJECT).map_err(Error::Object)?;
    let miss_ns = miss(rounds).map_err(Error::system("memory"))?;
    let mut report = Report { empty_ns: 0.0, shift_ns: 0.0, miss_ns, figures: Vec::new() };
    for &wanted in sessions {
        let mut bench = Bench::new(&object, wanted, rounds, repeat)?;
        report.empty_ns = bench.run(BenchPlan::EMPTY, &uplink_frame(bench.teids))?;
        report.shift_ns = (bench.run(BenchPlan::SHIFT, &uplink_frame(bench.teids))? - report.empty_ns) / 2.0;
        let mut figures = Figures { sessions: bench.sessions, ..Figures::default() };
        let shift = report.shift_ns;
        figures.uplink_ns = bench.uplink(Class(DIRECT_HOP as u8), shift)?;
        figures.uplink_kernel_ns = bench.uplink(Class::KERNEL, shift)?;
        figures.downlink_ns = bench.downlink(shift)?;
        bench.translate(true);
        figures.uplink_nat_ns = bench.uplink(Class(DIRECT_HOP as u8), shift)?;
        bench.translate(false);
        bench.limit();
        figures.uplink_limited_ns = bench.uplink(Class(DIRECT_HOP as u8), shift)?;
        figures.downlink_limited_ns = bench.downlink(shift)?;
        bench.rules(1);
        figures.uplink_one_rule_ns = bench.uplink(Class(DIRECT_HOP as u8), shift)?;
        figures.downlink_one_rule_ns = bench.downlink(shift)?;
        bench.rules(64);
        figures.uplink_64_rules_ns = bench.uplink(Class(DIRECT_HOP as u8), shift)?;
        figures.downlink_64_rules_ns = bench.downlink(shift)?;
        report.figures.push(figures);
    }
    Ok(report)
}

/// Nanoseconds of a read that depends on the one before, over 64 MB in random order: the minimum of all rounds.
fn miss(rounds: u32) -> std::io::Result<f64> {
    const LINES: usize = 1 << 20;
    const READS: u32 = 1 << 20;
    let memory = Region::<Uplink>::anonymous(LINES)?;
    // A full cycle through all lines (a linear congruential generator of full period, Hull and Dobell), each line naming the next.
    for (index, line) in (0u32..).zip(memory.iter()) {
        line.teid.set(index.wrapping_mul(0x915f_77f5).wrapping_add(0x3c6e_f35f) & (LINES as u32 - 1));
    }
    let mut least = f64::INFINITY;
    let mut next = 0;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..READS {
            next = memory.get(next as usize).map_or(0, |line| line.teid.get());
        }
        least = least.min(start.elapsed().as_nanos() as f64 / f64::from(READS));
    }
    Ok(least)
}

struct Bench {
    ebpf: Ebpf,
    tables: Tables,
    teids: TeidLayout,
    sessions: u32,
    rounds: u32,
    repeat: u32,
    _plan: Region<BenchPlan>,
    _stages: ProgramArray<MapData>,
}

impl Bench {
    fn new(object: &[u8], wanted: u32, rounds: u32, repeat: u32) -> Result<Self, Error> {
        let sessions = wanted.next_power_of_two();
        let teids = TeidLayout::for_sessions(sessions).ok_or(Error::Full("sessions"))?;
        let sizes = Sizes {
            teids,
            downlink: sessions,
            next_hops: 512,
            ue_meters: 16,
            policies: 4,
            rule_states: sessions.max(64),
            bearers: 32,
            prefixes: 16,
            framed: 16,
            blocks: sessions.next_multiple_of(1 << 12) * 2,
            mappings: (sessions.next_multiple_of(1 << 12) * 2) << BLOCK_BITS,
        };
        let mut loader = EbpfLoader::new();
        loader
            .map_max_entries(maps::UPLINK, teids.slots())
            .map_max_entries(maps::DOWNLINK, sessions)
            .map_max_entries(maps::NEXT_HOPS, sizes.next_hops)
            .map_max_entries(maps::UE_METERS, sizes.ue_meters)
            .map_max_entries(maps::POLICIES, sizes.policies)
            .map_max_entries(maps::RULE_STATES, sizes.rule_states)
            .map_max_entries(maps::BEARERS, sizes.bearers)
            .map_max_entries(maps::PREFIXES, sizes.prefixes)
            .map_max_entries(maps::FRAMED, sizes.framed)
            .map_max_entries(maps::NAT_BLOCKS, sizes.blocks)
            .map_max_entries(maps::NAT_MAPPINGS, sizes.mappings);
        let mut ebpf = loader.load(object).map_err(Error::bpf("loading the measuring programs"))?;
        for (name, program) in ebpf.programs_mut() {
            let program: &mut Xdp = program.try_into().map_err(Error::bpf(name))?;
            program.load().map_err(Error::bpf(format!("loading {name}")))?;
        }
        let absent = |name: &str| Error::Bpf { what: name.into(), cause: "not in the object".into() };
        let stages = ebpf.take_map(maps::STAGES).ok_or_else(|| absent(maps::STAGES))?;
        let mut stages = ProgramArray::try_from(stages).map_err(Error::bpf("stages"))?;
        for (place, name) in (0u32..).zip(BenchPlan::STAGES) {
            let program: &mut Xdp =
                ebpf.program_mut(name).ok_or_else(|| absent(name))?.try_into().map_err(Error::bpf(name))?;
            stages.set(place, program.fd().map_err(Error::bpf(name))?, 0).map_err(Error::bpf("stages"))?;
        }
        let regions = SharedRegions {
            settings: region(&ebpf, maps::SETTINGS, 1)?,
            uplink: region(&ebpf, maps::UPLINK, teids.slots())?,
            downlink: region(&ebpf, maps::DOWNLINK, sessions)?,
            next_hops: region(&ebpf, maps::NEXT_HOPS, sizes.next_hops)?,
            destinations: region(&ebpf, maps::DESTINATIONS, 1)?,
            ue_meters: region(&ebpf, maps::UE_METERS, sizes.ue_meters)?,
            policies: region(&ebpf, maps::POLICIES, sizes.policies)?,
            rule_states: region(&ebpf, maps::RULE_STATES, sizes.rule_states)?,
            bearers: region(&ebpf, maps::BEARERS, sizes.bearers)?,
            prefixes: region(&ebpf, maps::PREFIXES, sizes.prefixes)?,
            framed: region(&ebpf, maps::FRAMED, sizes.framed)?,
            nat: region(&ebpf, maps::NAT, 1)?,
            blocks: region(&ebpf, maps::NAT_BLOCKS, sizes.blocks)?,
            mappings: region(&ebpf, maps::NAT_MAPPINGS, sizes.mappings)?,
            fragments: region(&ebpf, maps::NAT_FRAGMENTS, FRAGMENTS)?,
        };
        let plan: Region<BenchPlan> = region(&ebpf, BenchPlan::MAP, 1)?;
        let tables = Tables::new(regions, sizes).map_err(Error::system("tables"))?;
        fill(&tables, teids, sessions);
        if let Some(plan) = plan.get(0) {
            plan.mask.set(sessions - 1);
            plan.teid.set(teid(teids, 0));
            plan.ue.set(FIRST_UE);
            plan.length.set(INNER);
        }
        Ok(Self { ebpf, tables, teids, sessions, rounds, repeat, _plan: plan, _stages: stages })
    }

    /// Nanoseconds of an uplink packet that goes this way.
    fn uplink(&mut self, way: Class, shift: f64) -> Result<f64, Error> {
        self.destination(way);
        let frame = uplink_frame(self.teids);
        Ok(self.run(BenchPlan::UPLINK, &frame)? - self.run(BenchPlan::UPLINK_BASE, &frame)? + shift)
    }

    /// Nanoseconds of a downlink packet.
    fn downlink(&mut self, shift: f64) -> Result<f64, Error> {
        let frame = downlink_frame();
        Ok(self.run(BenchPlan::DOWNLINK, &frame)? - self.run(BenchPlan::DOWNLINK_BASE, &frame)? + shift)
    }

    /// Sends the packets' destination this way.
    fn destination(&self, class: Class) {
        if let Some(destinations) = self.tables.destinations.get(0) {
            destinations.set([203, 0], class);
        }
    }

    /// Gives every session this set of rules, the last of which is for the packet.
    fn rules(&self, count: u32) {
        let rules: Vec<Rule> = (0..count)
            .map(|id| Rule {
                remote: Prefix::new(Ipv4Addr::from(0xcb00_0000 | id << 9), if id + 1 == count { 0 } else { 24 }),
                remote_ports: (id + 1 != count).then_some((id as u16 * 100, id as u16 * 100 + 10)),
                local_ports: (id % 2 == 1 && id + 1 != count).then_some((5000, 5000 + id as u16)),
                protocol: (id % 3 == 0).then_some(17),
                ..Rule::any(id, id)
            })
            .collect();
        let rows: Vec<(&Rule, u8, u8)> = rules.iter().map(|rule| (rule, 0, 0)).collect();
        if let Some(policy) = self.tables.policies.get(1) {
            Compiled::new(&rows, 0).write(policy);
        }
        for (index, record) in (0u32..).zip(self.tables.uplink.iter()) {
            record.policy.set(1);
            record.states.set(index);
            record.flags.set(record.flags.get() | UplinkFlags::RULES);
        }
        for (index, record) in (0u32..).zip(self.tables.downlink.iter()) {
            record.policy.set(1);
            record.states.set(index);
            record.flags.set(record.flags.get() | DownlinkFlags::RULES);
        }
    }

    /// Has every session translated, or none: each with a block of its own.
    fn translate(&self, on: bool) {
        let Some(nat) = self.tables.nat.get(0) else { return };
        nat.block_bits.set(BLOCK_BITS);
        nat.timeouts.iter().for_each(|timeout| timeout.set(u32::MAX));
        for (index, record) in (0u32..).zip(self.tables.uplink.iter()) {
            // The first blocks have ports that nobody gets.
            let number = index + (1024 >> BLOCK_BITS);
            if let Some(block) = self.tables.blocks.get(number as usize) {
                block.external.set(Address::new(Ipv4Addr::new(198, 51, 100, 7)).0);
                block.inside.set(record.ue.get());
                record.block.set(number);
            }
            let flags = record.flags.get() & !UplinkFlags::TRANSLATED;
            record.flags.set(if on { flags | UplinkFlags::TRANSLATED } else { flags });
        }
    }

    /// Limits every session to a rate that nothing here reaches: a limit costs the same whether it lets pass or not.
    fn limit(&self) {
        const FAST: u64 = 100_000_000_000;
        for record in self.tables.uplink.iter() {
            record.meter.limit(Some((FAST, u32::MAX)), 0);
            record.flags.set(record.flags.get() | UplinkFlags::METERED);
        }
        for record in self.tables.downlink.iter() {
            record.meter.limit(Some((FAST, u32::MAX)), 0);
            record.flags.set(record.flags.get() | DownlinkFlags::METERED);
        }
    }

    /// Nanoseconds a run, the minimum of all rounds.
    fn run(&mut self, name: &str, frame: &[u8]) -> Result<f64, Error> {
        let absent = || Error::Bpf { what: name.into(), cause: "not in the object".into() };
        let program: &Xdp = self.ebpf.program(name).ok_or_else(absent)?.try_into().map_err(Error::bpf(name))?;
        let mut least = f64::INFINITY;
        for _ in 0..self.rounds {
            let options = TestRunOptions { data_in: Some(frame), repeat: self.repeat, ..TestRunOptions::new() };
            let result = program.test_run(options).map_err(Error::bpf(format!("running {name}")))?;
            if result.return_value != 2 {
                let cause = format!("verdict {}: the packet was not forwarded", result.return_value);
                return Err(Error::Bpf { what: name.into(), cause });
            }
            // The kernel has divided by the number of repetitions already, in whole nanoseconds.
            least = least.min(result.duration.as_nanos() as f64);
        }
        Ok(least)
    }
}

fn region<T: crate::region::Record>(ebpf: &Ebpf, name: &str, length: u32) -> Result<Region<T>, Error> {
    let absent = || Error::Bpf { what: name.into(), cause: "no such array in the object".into() };
    let Some(Map::Array(map)) = ebpf.map(name) else { return Err(absent()) };
    Region::of_map(map.fd().as_fd(), length as usize).map_err(Error::system(format!("mapping {name}")))
}

/// The TEID of a session, never 0.
fn teid(layout: TeidLayout, session: u32) -> u32 {
    layout.compose(session, GENERATION).unwrap_or(1)
}

fn fill(tables: &Tables, layout: TeidLayout, sessions: u32) {
    if let Some(settings) = tables.settings.get(0) {
        settings.local.set(Address::new(GATEWAY).0);
        settings.tunnel_mtu.set(1400);
        settings.buffer_limit.set(64);
        settings.pools[0].first.set(FIRST_UE);
        settings.pools[0].count.set(sessions);
        settings.pool_count.set(1);
    }
    for (hop, octet) in [(KERNEL_NEXT_HOP, 1), (DIRECT_HOP, 2), (STATION_HOP, 3)] {
        if let Some(hop) = tables.next_hops.get(hop as usize) {
            hop.resolve(1, 1600, Mac([octet; 6]), Mac([octet + 8; 6]));
        }
    }
    for session in 0..sessions {
        let ue = Address::from_host(FIRST_UE + session).0;
        let teid = teid(layout, session);
        if let Some(record) = tables.uplink.get(session as usize) {
            record.peer.set(Address::new(BASE_STATION).0);
            record.peer_mask.set(u32::MAX);
            record.ue.set(ue);
            record.home.set(session);
            record.teid.set(teid);
        }
        if let Some(record) = tables.downlink.get(session as usize) {
            record.ue.set(ue);
            record.owner.set(teid);
            record.peer.set(Address::new(BASE_STATION).0);
            record.teid.set(teid.to_be());
            record.next_hop.set(STATION_HOP);
            record.state.set(DownlinkState::ACTIVE);
        }
    }
}

/// UDP from `source` to `destination`, 64 octets with the IPv4 header.
fn packet(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, INNER as u8, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend([0x13, 0x88, 0, 53, 0, INNER as u8 - 20, 0, 0]);
    packet.resize(INNER as usize, 0xa5);
    packet
}

fn ethernet() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0]);
    frame
}

/// A G-PDU of the first session; the programs put in the others.
fn uplink_frame(teids: TeidLayout) -> Vec<u8> {
    let first = teid(teids, 0);
    let tunnel =
        Tunnel { peer: Address::new(GATEWAY), local: Address::new(BASE_STATION), teid: first.to_be(), tos: 0, qfi: 0 };
    let mut frame = ethernet();
    frame.extend(encapsulation(tunnel, INNER, 0).iter().flat_map(|word| word.to_ne_bytes()));
    debug_assert_eq!(frame.len(), 14 + TUNNEL_OVERHEAD);
    frame.extend(packet(Ipv4Addr::from(FIRST_UE), Ipv4Addr::new(203, 0, 113, 1)));
    frame
}

fn downlink_frame() -> Vec<u8> {
    let mut frame = ethernet();
    frame.extend(packet(Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::from(FIRST_UE)));
    frame
}
