//! Who has which block of external ports. The fast path only reads it: a subscriber's first block is given with the session, more of
//! them when a packet finds no port left.

use crate::blocklog::{BlockLog, Entry, Keep, What, now};
use crate::error::Error;
use crate::reports::{PortBlock, Report};
use crate::tables::Tables;
use basalt_ebpf_abi::{
    Address, Block, Filtering as AbiFiltering, MAX_BLOCK_BITS, MAX_BLOCKS, MAX_EXTERNAL_ADDRESSES, MAX_EXTERNALS,
    MIN_BLOCK_BITS, Phase, Prefix, Uplink,
};
use basalt_ids::Imsi;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// From whom packets come through a mapping (RFC 4787 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filtering {
    /// From everyone: what games and calls between phones like most.
    EndpointIndependent,
    /// From addresses that the phone has sent to.
    Address,
    /// From addresses and ports that the phone has sent to.
    AddressAndPort,
}

/// How addresses of phones are translated in XDP (NAT44, RFC 4787, RFC 5382, RFC 5508, RFC 6888).
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// External addresses, at most 256 in eight ranges. Empty: the internet interface's own.
    pub addresses: Vec<Prefix>,
    /// Ports given to phones. `None`: 1024 to 65535, and of the gateway's own addresses 10240 to 32767, below those that the kernel takes.
    pub ports: Option<RangeInclusive<u16>>,
    /// Ports in a block, a power of two from 16 to 512.
    pub block: u16,
    /// Most blocks of one subscriber, 1 to 4.
    pub blocks: u8,
    /// From whom packets come through a mapping.
    pub filtering: Filtering,
    /// How long a mapping lives after its last packet from the inside: UDP (RFC 4787 REQ-5: at least two minutes).
    pub udp: Duration,
    /// An established TCP connection (RFC 5382 REQ-5: at least two hours and four minutes).
    pub tcp_established: Duration,
    /// A TCP connection that begins or ends (RFC 5382 REQ-5: at least four minutes).
    pub tcp_transitory: Duration,
    /// An ICMP query (RFC 5508 REQ-2: at least 60 s).
    pub icmp: Duration,
    /// How long a block rests between two subscribers (RFC 6888 REQ-8).
    pub rest: Duration,
    /// The log of blocks; `None` for none.
    pub log: Option<Keep>,
}

impl Default for Translation {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            ports: None,
            block: 512,
            blocks: 4,
            filtering: Filtering::EndpointIndependent,
            udp: Duration::from_secs(300),
            tcp_established: Duration::from_secs(7_440),
            tcp_transitory: Duration::from_secs(240),
            icmp: Duration::from_secs(60),
            rest: Duration::from_secs(120),
            log: None,
        }
    }
}

impl Translation {
    /// Refuses what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::Configuration(text.into()));
        let bits = self.block.trailing_zeros();
        if !self.block.is_power_of_two() || !(MIN_BLOCK_BITS..=MAX_BLOCK_BITS).contains(&bits) {
            return refuse("a block of ports must have 16, 32, 64, 128, 256 or 512 of them");
        }
        if self.blocks == 0 || usize::from(self.blocks) > MAX_BLOCKS {
            return refuse("a subscriber may have 1 to 4 blocks of ports");
        }
        let count: u64 = self.addresses.iter().map(|range| u64::from(range.last() - range.first()) + 1).sum();
        if self.addresses.len() > MAX_EXTERNALS || count > u64::from(MAX_EXTERNAL_ADDRESSES) {
            return refuse("at most 256 external addresses in eight ranges");
        }
        if let Some(ports) = &self.ports
            && (*ports.start() < 1024 || ports.end() < ports.start() || ports.end() - ports.start() < self.block)
        {
            return refuse("ports for translation must be from 1024 to 65535, and more than a block");
        }
        Ok(())
    }

    pub(crate) fn bits(&self) -> u32 {
        self.block.trailing_zeros()
    }
}

/// A subscriber that is translated.
struct Subscriber {
    teid: u32,
    /// Unknown for a moment after a restart without log.
    imsi: Option<Imsi>,
    blocks: Vec<u32>,
}

/// Blocks in use and free ones.
pub(crate) struct Nat {
    settings: Translation,
    externals: Vec<Ipv4Addr>,
    /// Free blocks of each external address.
    free: Vec<VecDeque<u32>>,
    /// Blocks at rest, oldest first, with whose they were.
    resting: VecDeque<(Instant, u32, Option<Imsi>)>,
    subscribers: BTreeMap<Ipv4Addr, Subscriber>,
    log: Option<BlockLog>,
    /// Who is told besides the log.
    reports: mpsc::Sender<Report>,
    salt: u32,
    /// Requests for a block that were refused.
    pub(crate) refused: u64,
}

impl Nat {
    /// Takes over what the tables say. `externals` are the addresses with whether the gateway has them itself; `reports` hears of every
    /// block that is given or taken back, as far as there is room.
    pub(crate) fn open(
        settings: Translation,
        externals: &[(Prefix, bool)],
        tables: &Tables,
        adopt: bool,
        reports: mpsc::Sender<Report>,
    ) -> Result<Self, Error> {
        let (log, logged) = match &settings.log {
            Some(keep) => {
                let (log, logged) = BlockLog::open(keep).map_err(Error::system("the log of port blocks"))?;
                (Some(log), logged)
            }
            None => (None, Vec::new()),
        };
        let mut nat = Self {
            externals: Vec::new(),
            free: Vec::new(),
            resting: VecDeque::new(),
            subscribers: BTreeMap::new(),
            log,
            reports,
            salt: now() as u32,
            refused: 0,
            settings,
        };
        nat.install(externals, tables);
        if adopt {
            nat.adopt(tables, &logged);
        }
        nat.close(&logged);
        nat.collect(externals, tables);
        Ok(nat)
    }

    /// Writes addresses and times into the tables.
    fn install(&mut self, externals: &[(Prefix, bool)], tables: &Tables) {
        let Some(table) = tables.nat.get(0) else { return };
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        table.block_bits.set(self.settings.bits());
        table.filtering.set(match self.settings.filtering {
            Filtering::EndpointIndependent => AbiFiltering::ENDPOINT_INDEPENDENT,
            Filtering::Address => AbiFiltering::ADDRESS,
            Filtering::AddressAndPort => AbiFiltering::ADDRESS_AND_PORT,
        });
        let transitory = seconds(self.settings.tcp_transitory);
        for (phase, time) in [
            (Phase::UDP, seconds(self.settings.udp)),
            (Phase::OPENING, transitory),
            (Phase::ANSWERED, transitory),
            (Phase::ESTABLISHED, seconds(self.settings.tcp_established)),
            (Phase::CLOSING, transitory),
            (Phase::ICMP, seconds(self.settings.icmp)),
        ] {
            if let Some(timeout) = table.timeouts.get(phase as usize) {
                timeout.set(time);
            }
        }
        table.fragment_timeout.set(30);
        tick(tables);
        let mut base = 0;
        for (entry, (range, own)) in table.externals.iter().zip(externals) {
            let count = range.last() - range.first() + 1;
            entry.first.set(range.first());
            entry.count.set(count);
            entry.base.set(base);
            entry.own.set(u32::from(*own));
            self.externals.extend((range.first()..=range.last()).map(Ipv4Addr::from));
            base += count;
        }
        table.count.set(u32::try_from(externals.len()).unwrap_or(0));
    }

    /// Learns from the tables which blocks are given, and from the log whose they are.
    fn adopt(&mut self, tables: &Tables, logged: &[Entry]) {
        let known: BTreeMap<(Ipv4Addr, u16), &Entry> =
            logged.iter().map(|entry| ((entry.outside, entry.first), entry)).collect();
        let bits = self.settings.bits();
        for (number, block) in (0u32..).zip(tables.blocks.iter()) {
            if block.inside.get() == 0 {
                continue;
            }
            let inside = Address(block.inside.get()).to_ipv4();
            let (outside, first, _) = self.place(number);
            if Some(Address(block.external.get()).to_ipv4()) != outside {
                // Of addresses that are not ours any more.
                clear(tables, number, block, bits);
                continue;
            }
            let imsi = outside
                .and_then(|outside| known.get(&(outside, first)))
                .filter(|entry| entry.inside == inside)
                .map(|entry| entry.imsi);
            let teid = block.owner.get();
            let subscriber = self.subscribers.entry(inside).or_insert(Subscriber { teid, imsi, blocks: Vec::new() });
            subscriber.imsi = subscriber.imsi.or(imsi);
            subscriber.blocks.push(number);
        }
        // In the order in which they are linked.
        for subscriber in self.subscribers.values_mut() {
            let last = |number: &u32| tables.blocks.get(*number as usize).map_or(0, |block| block.since.get());
            subscriber.blocks.sort_by_key(last);
        }
    }

    /// Ends what the log believes to be given and nobody has.
    fn close(&self, logged: &[Entry]) {
        for entry in logged {
            let of = self.subscribers.get(&entry.inside);
            let still = of.is_some_and(|subscriber| {
                subscriber.imsi == Some(entry.imsi)
                    && subscriber.blocks.iter().any(|number| self.place(*number).1 == entry.first)
            });
            if !still {
                self.record(Entry { time: now(), what: What::Taken, ..entry.clone() });
            }
        }
    }

    /// Finds the free blocks.
    fn collect(&mut self, externals: &[(Prefix, bool)], tables: &Tables) {
        let bits = self.settings.bits();
        let owns = externals.iter().flat_map(|(range, own)| (range.first()..=range.last()).map(|_| *own));
        for (external, own) in (0u32..).zip(owns) {
            let usual = if own { 10_240..=32_767 } else { 1024..=u16::MAX };
            let ports = self.settings.ports.clone().unwrap_or(usual);
            let first = (external << 16 | u32::from(*ports.start())).div_ceil(1 << bits);
            let end = ((external << 16 | u32::from(*ports.end())) + 1) >> bits;
            let is_free = |number: &u32| tables.blocks.get(*number as usize).is_some_and(|b| b.inside.get() == 0);
            self.free.push((first..end).filter(is_free).collect());
        }
    }

    /// Address, first and last port of a block.
    fn place(&self, number: u32) -> (Option<Ipv4Addr>, u16, u16) {
        let first = number << self.settings.bits();
        let port = first as u16;
        (self.externals.get((first >> 16) as usize).copied(), port, port + (self.settings.block - 1))
    }

    /// Sees to it that a subscriber has a block, that it is the subscriber's own, and that the session's record names it.
    pub(crate) fn assign(
        &mut self,
        tables: &Tables,
        uplink: &Uplink,
        inside: Ipv4Addr,
        imsi: Option<Imsi>,
    ) -> Result<(), Error> {
        let teid = uplink.teid.get();
        let other = |subscriber: &Subscriber| {
            subscriber.teid != teid || (imsi.is_some() && subscriber.imsi.is_some() && subscriber.imsi != imsi)
        };
        if self.subscribers.get(&inside).is_some_and(other) {
            self.release(tables, inside);
        }
        if let Some(subscriber) = self.subscribers.get_mut(&inside) {
            let known = subscriber.imsi.is_some();
            subscriber.imsi = subscriber.imsi.or(imsi);
            let (first, blocks) = (subscriber.blocks.first().copied().unwrap_or(0), subscriber.blocks.clone());
            if !known && imsi.is_some() {
                blocks.iter().for_each(|number| self.tell(tables, What::Given, *number, inside));
            }
            uplink.block.set(first);
            return Ok(());
        }
        self.subscribers.insert(inside, Subscriber { teid, imsi, blocks: Vec::new() });
        match self.give(tables, inside) {
            Some(number) => uplink.block.set(number),
            None => {
                self.subscribers.remove(&inside);
                self.refused += 1;
                return Err(Error::Full("blocks of external ports"));
            }
        }
        Ok(())
    }

    /// Gives a subscriber one block more, if it may have more and there is one.
    pub(crate) fn more(&mut self, tables: &Tables, inside: Ipv4Addr) -> bool {
        let Some(subscriber) = self.subscribers.get(&inside) else { return false };
        let last = subscriber.blocks.last().copied();
        if subscriber.blocks.len() >= usize::from(self.settings.blocks) {
            return false;
        }
        let Some(number) = self.give(tables, inside) else {
            self.refused += 1;
            return false;
        };
        if let Some(last) = last.and_then(|last| tables.blocks.get(last as usize)) {
            last.next.set(number);
        }
        true
    }

    /// Takes all blocks of a subscriber back.
    pub(crate) fn release(&mut self, tables: &Tables, inside: Ipv4Addr) {
        let Some(blocks) = self.subscribers.get(&inside).map(|subscriber| subscriber.blocks.clone()) else { return };
        for number in &blocks {
            self.tell(tables, What::Taken, *number, inside);
            if let Some(block) = tables.blocks.get(*number as usize) {
                clear(tables, *number, block, self.settings.bits());
            }
        }
        let imsi = self.subscribers.remove(&inside).and_then(|subscriber| subscriber.imsi);
        let at = Instant::now();
        self.resting.extend(blocks.into_iter().map(|number| (at, number, imsi)));
    }

    /// The session whose blocks an address has.
    pub(crate) fn owner(&self, inside: Ipv4Addr) -> Option<u32> {
        self.subscribers.get(&inside).map(|subscriber| subscriber.teid)
    }

    /// Addresses whose blocks are of sessions that `known` does not know.
    pub(crate) fn others(&self, known: impl Fn(u32) -> bool) -> Vec<Ipv4Addr> {
        let of = self.subscribers.iter().filter(|(_, subscriber)| !known(subscriber.teid));
        of.map(|(inside, _)| *inside).collect()
    }

    /// Blocks given, and all there are.
    pub(crate) fn used(&self) -> (usize, usize) {
        let given: usize = self.subscribers.values().map(|subscriber| subscriber.blocks.len()).sum();
        let free: usize = self.free.iter().map(VecDeque::len).sum();
        (given, given + free + self.resting.len())
    }

    /// Gives a block out of those of the subscriber's address, or, to one who has none, of the address with most left.
    fn give(&mut self, tables: &Tables, inside: Ipv4Addr) -> Option<u32> {
        let subscriber = self.subscribers.get(&inside)?;
        let (imsi, teid) = (subscriber.imsi, subscriber.teid);
        let bits = self.settings.bits();
        let paired = subscriber.blocks.first().map(|first| (first << bits) >> 16);
        let number = self.choose(paired, imsi)?;
        let (outside, _, _) = self.place(number);
        let block = tables.blocks.get(number as usize)?;
        clear(tables, number, block, bits);
        self.salt = self.salt.wrapping_mul(0x9e37_79b1).wrapping_add(number);
        block.external.set(Address::new(outside?).0);
        block.next.set(0);
        block.reach.set(0);
        block.salt.set(self.salt & 0x1fe);
        block.owner.set(teid);
        block.since.set(now());
        block.inside.set(Address::new(inside).0);
        self.subscribers.get_mut(&inside)?.blocks.push(number);
        self.tell(tables, What::Given, number, inside);
        Some(number)
    }

    fn choose(&mut self, paired: Option<u32>, imsi: Option<Imsi>) -> Option<u32> {
        let bits = self.settings.bits();
        let fits = |number: u32| paired.is_none_or(|external| (number << bits) >> 16 == external);
        // Whoever comes back gets the same one, if it rests still.
        let same = self.resting.iter().position(|(_, number, whose)| imsi.is_some() && *whose == imsi && fits(*number));
        if let Some((_, number, _)) = same.and_then(|place| self.resting.remove(place)) {
            return Some(number);
        }
        while self.resting.front().is_some_and(|(at, _, _)| at.elapsed() >= self.settings.rest) {
            if let Some((_, number, _)) = self.resting.pop_front()
                && let Some(free) = self.free.get_mut((number << bits >> 16) as usize)
            {
                free.push_back(number);
            }
        }
        let free = match paired {
            Some(external) => self.free.get_mut(external as usize),
            None => self.free.iter_mut().max_by_key(|free| free.len()),
        };
        if let Some(number) = free.and_then(VecDeque::pop_front) {
            return Some(number);
        }
        // Rather one that has not rested long enough than none.
        let place = self.resting.iter().position(|(_, number, _)| fits(*number))?;
        self.resting.remove(place).map(|(_, number, _)| number)
    }

    fn tell(&self, tables: &Tables, what: What, number: u32, inside: Ipv4Addr) {
        let imsi = self.subscribers.get(&inside).and_then(|subscriber| subscriber.imsi);
        let (outside, first, last) = self.place(number);
        let since = tables.blocks.get(number as usize).map_or(0, |block| block.since.get());
        if let (Some(imsi), Some(outside)) = (imsi, outside) {
            self.record(Entry { time: now(), what, imsi, inside, outside, first, last, since });
        }
    }

    /// Tells whoever listens, and the log, in which nothing is missing.
    fn record(&self, entry: Entry) {
        let Entry { what, imsi, inside, outside, first, last, .. } = entry;
        let block = PortBlock { imsi, inside, outside, ports: (first, last), given: what == What::Given };
        if self.reports.try_send(Report::PortBlock(block)).is_err() {
            tracing::debug!(?outside, first, "nobody takes reports");
        }
        if let Some(log) = &self.log {
            log.write(entry);
        }
    }
}

/// Makes a block nobody's, without mappings.
fn clear(tables: &Tables, number: u32, block: &Block, bits: u32) {
    block.inside.set(0);
    for index in number << bits..(number + 1) << bits {
        if let Some(mapping) = tables.mappings.get(index as usize) {
            mapping.state.set(0);
            mapping.filter.set(0);
        }
    }
}

/// Brings the clock of mappings up to date.
pub(crate) fn tick(tables: &Tables) {
    if let Some(nat) = tables.nat.get(0) {
        nat.clock.set(u32::try_from(crate::tables::tick() / 1_000_000_000).unwrap_or(u32::MAX));
    }
}
