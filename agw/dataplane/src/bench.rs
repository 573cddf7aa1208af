//! Cost of the XDP programs by `BPF_PROG_TEST_RUN`.
//!
//! Method. A measuring program does its work and puts the packet back for another, random session, a million times in one call. A
//! base program moves the packet's front as the work does and puts it back likewise. The difference is the work without one move of
//! the front; a third program measures that move, and it is added again. So the cost of an empty program and of restoring is out,
//! the cost of everything the gateway does is in: checks, counters, header rewrite, next hop, redirect. What driver and transmit
//! queue cost is not in. Each figure is the minimum of several runs, because a busy machine only ever adds.
//!
//! What a packet touches, over IPv4, without quota, rating group or limit of the UE. Look-ups are of arrays, some eight instructions; lines
//! are those of 64 octets that belong to its session, two neighbours counted as two; a chain of misses is how many of them wait for each
//! other, because one says where the next is. All else (settings, next hops, policies, classes of destinations) is shared and stays cached.
//!
//! | packet | look-ups | lines | pages | chain | locked additions |
//! |---|---|---|---|---|---|
//! | uplink | 4 | 1 | 1 | 1 | 2 |
//! | uplink with a limit | 4 | 2 | 1 | 1 | 3 |
//! | uplink with a limit and a rule | 7 | 4 | 2 | 1 | 5 |
//! | uplink, translated | 17 | 4 | 3 | 3 | 2 |
//! | uplink, translated, with a limit and a rule | 21 | 6 | 4 | 3 | 5 |
//! | downlink | 4 | 2 | 1 | 1 | 2 |
//! | downlink with a limit | 4 | 2 | 1 | 1 | 3 |
//! | downlink with a limit and a rule | 7 | 4 | 2 | 1 | 5 |
//! | downlink, translated | 6 | 4 | 3 | 2 | 2 |
//! | downlink, translated, with a limit and a rule | 9 | 6 | 4 | 2 | 5 |
//!
//! The state of a rule is no link of the chain, because it is fetched before it is known to be the one: by the phone's address, where the
//! session's states begin at [`RuleState::RUN`] times its slot. Here all do, one kilobyte for a session; in a gateway, those of slots that its
//! table of states reaches (`Config::rules`).
//!
//! A million sessions are hundreds of megabytes in pages of 4 KB, which is how the kernel maps arrays: a random one costs a miss of the
//! chain to memory, and one to find the page, for each. What that is on this machine is measured beside ([`Report::miss_ns`]): the figure
//! at a million sessions cannot be far below the chain times it. Every packet calls the kernel twice (front, redirect), 7 ns each.

mod frames;
mod reflector;

pub use reflector::Reflector;

use crate::error::Error;
use crate::object;
use crate::region::Region;
use crate::rules::{Compiled, Rule};
use crate::tables::{SharedRegions, Sizes, Tables};
use aya::maps::{Map, MapData, ProgramArray};
use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use basalt_ebpf_abi::{
    Address, BenchPlan, Block, Class, DownlinkFlags, DownlinkState, FRAGMENTS, KERNEL_NEXT_HOP, Mac, Mapping, Phase,
    Prefix, RuleState, SettingFlags, TeidLayout, Uplink, UplinkFlags, maps,
};
use frames::{downlink_frame, downlink_nat_frame, downlink6_frame, uplink_frame, uplink6_frame};
use std::net::{Ipv4Addr, Ipv6Addr};
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
/// First half of the first phone's IPv6 address.
const PREFIX: u64 = 0x2001_0db8_0000_0000;
/// First half of the far end's.
const FAR6: u64 = 0x2a00_0001_0000_0000;
/// The first external address, 100.64.0.0.
const EXTERNAL: u32 = 0x6440_0000;
/// The first blocks have ports that nobody gets.
const FIRST_BLOCK: u32 = 1024 >> BLOCK_BITS;
/// The phones' port.
const PORT: u16 = 5000;

/// Nanoseconds per packet with a number of sessions of which a random one is hit each time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Sessions.
    pub sessions: u32,
    /// What was measured, and nanoseconds. `uplink`: checks, decapsulation, count, lifetime, cached next hop, redirect; `uplink_kernel`: to
    /// the kernel, so without lifetime; `downlink`: lookup, encapsulation with checksum, count, lifetime, next hop, redirect; `_limited`:
    /// with a limit of the session. `uplink_v4_8_rules_nat` and the like: with a limit and so many rules of different ports and prefixes, the last
    /// of which is for the packet; IPv6 goes to the kernel and comes from it; `_nat`: translated.
    pub costs: Vec<(String, f64)>,
}

/// Ports of a session, as a power of two, so that a million sessions find room.
const BLOCK_BITS: u32 = 4;
/// Rules of a session in the table.
const RULES: [u32; 3] = [1, 8, 64];

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
/// minimum of `rounds` runs of `repeat` packets. With names of [`Figures::costs`], only those.
///
/// # Errors
/// Without root or without the object; when a program refuses its packet, which would make the figure worthless.
pub fn measure(sessions: &[u32], rounds: u32, repeat: u32, names: &[String]) -> Result<Report, Error> {
    let (_, object) = object::named(OBJECT).map_err(Error::Object)?;
    let miss_ns = miss(rounds).map_err(Error::system("memory"))?;
    let mut report = Report { empty_ns: 0.0, shift_ns: 0.0, miss_ns, figures: Vec::new() };
    for &wanted in sessions {
        let mut bench = Bench::new(&object, wanted, rounds, repeat)?;
        report.empty_ns = bench.run(BenchPlan::EMPTY, &uplink_frame(bench.teids))?;
        report.shift_ns = (bench.run(BenchPlan::SHIFT, &uplink_frame(bench.teids))? - report.empty_ns) / 2.0;
        let costs = bench.table(report.shift_ns, names)?;
        report.figures.push(Figures { sessions: bench.sessions, costs });
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

/// A program that works and restores, one that only restores, and the packet.
struct Work {
    program: &'static str,
    base: &'static str,
    frame: fn(TeidLayout) -> Vec<u8>,
}

impl Work {
    const UPLINK: Work = Work { program: BenchPlan::UPLINK, base: BenchPlan::UPLINK_BASE, frame: uplink_frame };
    const UPLINK6: Work = Work { program: BenchPlan::UPLINK6, base: BenchPlan::UPLINK6_BASE, frame: uplink6_frame };
    const DOWNLINK: Work = Work { program: BenchPlan::DOWNLINK, base: BenchPlan::DOWNLINK_BASE, frame: downlink_frame };
    const DOWNLINK6: Work =
        Work { program: BenchPlan::DOWNLINK6, base: BenchPlan::DOWNLINK6_BASE, frame: downlink6_frame };
    const DOWNLINK_NAT: Work =
        Work { program: BenchPlan::DOWNLINK_NAT, base: BenchPlan::DOWNLINK_NAT_BASE, frame: downlink_nat_frame };
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
            rule_states: sessions.max(64) * RuleState::RUN,
            bearers: 32,
            prefixes: sessions,
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
            plan.length6.set(INNER + 20);
            plan.prefix.set(PREFIX);
            plan.mapping.set(FIRST_BLOCK << BLOCK_BITS | Block::place(PORT, 0, BLOCK_BITS, 0));
            plan.block_bits.set(BLOCK_BITS);
            plan.external.set(EXTERNAL);
        }
        Ok(Self { ebpf, tables, teids, sessions, rounds, repeat, _plan: plan, _stages: stages })
    }

    /// What is measured with these sessions, or what of it has one of these names.
    fn table(&mut self, shift: f64, names: &[String]) -> Result<Vec<(String, f64)>, Error> {
        let direct = Class(DIRECT_HOP as u8);
        let mut costs = Vec::new();
        let mut row = |bench: &mut Self, name: String, work: &Work, way: Class| -> Result<(), Error> {
            if names.is_empty() || names.contains(&name) {
                costs.push((name, bench.cost(work, way, shift)?));
            }
            Ok(())
        };
        row(self, "uplink".to_owned(), &Work::UPLINK, direct)?;
        row(self, "uplink_kernel".to_owned(), &Work::UPLINK, Class::KERNEL)?;
        row(self, "downlink".to_owned(), &Work::DOWNLINK, direct)?;
        self.translate(true);
        row(self, "uplink_nat".to_owned(), &Work::UPLINK, direct)?;
        row(self, "downlink_nat".to_owned(), &Work::DOWNLINK_NAT, direct)?;
        self.translate(false);
        self.limit();
        row(self, "uplink_limited".to_owned(), &Work::UPLINK, direct)?;
        row(self, "downlink_limited".to_owned(), &Work::DOWNLINK, direct)?;
        for count in RULES {
            self.rules(count, false);
            for (translated, name) in [(false, ""), (true, "_nat")] {
                self.translate(translated);
                let down = if translated { &Work::DOWNLINK_NAT } else { &Work::DOWNLINK };
                row(self, format!("uplink_v4_{count}_rules{name}"), &Work::UPLINK, direct)?;
                row(self, format!("downlink_v4_{count}_rules{name}"), down, direct)?;
            }
            self.translate(false);
            self.rules(count, true);
            row(self, format!("uplink_v6_{count}_rules"), &Work::UPLINK6, direct)?;
            row(self, format!("downlink_v6_{count}_rules"), &Work::DOWNLINK6, direct)?;
        }
        Ok(costs)
    }

    /// Nanoseconds of a packet, of which those from phones go this way.
    fn cost(&mut self, work: &Work, way: Class, shift: f64) -> Result<f64, Error> {
        self.destination(way);
        let frame = (work.frame)(self.teids);
        Ok(self.run(work.program, &frame)? - self.run(work.base, &frame)? + shift)
    }

    /// Sends the packets' destination this way.
    fn destination(&self, class: Class) {
        if let Some(destinations) = self.tables.destinations.get(0) {
            destinations.set([203, 0], class);
        }
    }

    /// Gives every session this set of rules, the last of which is for the packet. With `version6`, they ask for IPv6 far ends.
    fn rules(&self, count: u32, version6: bool) {
        let far6 = |id: u32| (Ipv6Addr::from_bits(u128::from(FAR6) << 64 | u128::from(id) << 80), 48);
        let rules: Vec<Rule> = (0..count)
            .map(|id| Rule {
                remote6: (version6 && id + 1 != count).then(|| far6(id + 1)),
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
        if let Some(settings) = self.tables.settings.get(0) {
            settings.flags.set(SettingFlags::RULES);
        }
        for (index, record) in (0u32..).zip(self.tables.uplink.iter()) {
            record.policy.set(1);
            record.states.set(index * RuleState::RUN);
            record.flags.set(record.flags.get() | UplinkFlags::RULES);
        }
        for (index, record) in (0u32..).zip(self.tables.downlink.iter()) {
            record.policy.set(1);
            record.states.set(index * RuleState::RUN);
            record.flags.set(record.flags.get() | DownlinkFlags::RULES);
        }
    }

    /// Has every session translated, or none: each with a block of its own, in which it has used one port.
    fn translate(&self, on: bool) {
        let Some(nat) = self.tables.nat.get(0) else { return };
        let external = |number: u32| EXTERNAL + (number << BLOCK_BITS >> 16);
        nat.block_bits.set(BLOCK_BITS);
        nat.timeouts.iter().for_each(|timeout| timeout.set(u32::MAX));
        nat.externals[0].first.set(EXTERNAL);
        nat.externals[0].count.set(external(FIRST_BLOCK + self.sessions) - EXTERNAL + 1);
        nat.count.set(u32::from(on));
        for (index, record) in (0u32..).zip(self.tables.uplink.iter()) {
            let number = FIRST_BLOCK + index;
            if let Some(block) = self.tables.blocks.get(number as usize) {
                block.external.set(Address::from_host(external(number)).0);
                block.inside.set(record.ue.get());
                record.block.set(number);
            }
            let place = number << BLOCK_BITS | Block::place(PORT, 0, BLOCK_BITS, 0);
            if let Some(mapping) = self.tables.mappings.get(place as usize) {
                mapping.state.set(Mapping::compose(17, PORT, Phase::UDP, 0));
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
        settings.pools6[0].first.set(PREFIX);
        settings.pools6[0].count.set(sessions);
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
            record.prefix.set((PREFIX + u64::from(session)).to_be());
            record.teid.set(teid);
        }
        if let Some(record) = tables.downlink.get(session as usize) {
            record.ue.set(ue);
            record.owner.set(teid);
            record.peer.set(Address::new(BASE_STATION).0);
            record.teid.set(teid.to_be());
            record.next_hop.set(STATION_HOP);
            record.prefix.set((PREFIX + u64::from(session)).to_be());
            record.state.set(DownlinkState::ACTIVE);
        }
        if let Some(slot) = tables.prefixes.get(session as usize) {
            slot.set(u64::from(session) + 1);
        }
    }
}
