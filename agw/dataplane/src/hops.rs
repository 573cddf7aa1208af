//! Which next hop leads to which base station.

use crate::error::Error;
use crate::host::{Link, Snapshot};
use crate::tables::Tables;
use basalt_ebpf_abi::{Address, DownlinkState};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use tokio::sync::mpsc;

/// Entries of the next-hop table given to base stations. An entry is never given to another one: sessions refer to it.
#[derive(Debug)]
pub(crate) struct Hops {
    of: BTreeMap<Ipv4Addr, u32>,
    next: u32,
    end: u32,
    /// What the kernel knew when somebody looked last.
    snapshot: Snapshot,
    /// Whoever resolves neighbours learns of new ones here; `None` where nothing is resolved (software plane).
    news: Option<mpsc::Sender<(Ipv4Addr, u32)>>,
}

impl Hops {
    /// First entry for base stations; the ones before are for egress.
    pub(crate) const FIRST: u32 = 256;
    /// The entry of the software plane, which needs none.
    const SOCKET: u32 = 1;

    /// For a plane in which programs need resolved neighbours. `end` bounds the entries; `news` must have room for as many.
    pub(crate) fn resolved(end: u32, news: mpsc::Sender<(Ipv4Addr, u32)>) -> Self {
        Self { of: BTreeMap::new(), next: Self::FIRST, end, snapshot: Snapshot::default(), news: Some(news) }
    }

    /// For a plane that sends through a socket: one entry for all.
    pub(crate) fn socket(tables: &Tables) -> Self {
        if let Some(hop) = tables.next_hops.get(Self::SOCKET as usize) {
            hop.resolve(u32::MAX, u32::MAX, basalt_ebpf_abi::Mac::default(), basalt_ebpf_abi::Mac::default());
        }
        Self { of: BTreeMap::new(), next: Self::SOCKET, end: Self::SOCKET, snapshot: Snapshot::default(), news: None }
    }

    /// Takes over the entries that sessions of before refer to.
    pub(crate) fn adopt(&mut self, tables: &Tables) {
        for record in tables.downlink.iter().filter(|record| record.state.get() == DownlinkState::ACTIVE) {
            let (peer, hop) = (Address(record.peer.get()).to_ipv4(), record.next_hop.get());
            if hop < Self::FIRST || hop >= self.end {
                continue;
            }
            if self.of.insert(peer, hop).is_none() {
                self.tell(peer, hop);
            }
            self.next = self.next.max(hop + 1);
        }
    }

    /// Base stations that have an entry.
    pub(crate) fn used(&self) -> usize {
        self.of.len()
    }

    /// Base stations that may have one.
    pub(crate) fn room(&self) -> usize {
        self.end.saturating_sub(Self::FIRST) as usize
    }

    /// Remembers what the kernel knows.
    pub(crate) fn learn(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
    }

    /// An interface as it was when somebody looked last.
    pub(crate) fn link(&self, name: &str) -> Option<Link> {
        self.snapshot.link(name).cloned()
    }

    /// Base stations whose neighbour is not resolved: packets to them take the slow path.
    pub(crate) fn unresolved(&self, tables: &Tables) -> usize {
        let open = |hop: &&u32| tables.next_hops.get(**hop as usize).is_some_and(|hop| hop.ifindex.get() == 0);
        self.of.values().filter(open).count()
    }

    /// The entry towards a base station; resolved at once if its neighbour is known already, as it is where S1AP takes the same way.
    pub(crate) fn towards(&mut self, tables: &Tables, peer: Ipv4Addr) -> Result<u32, Error> {
        if self.news.is_none() {
            return Ok(Self::SOCKET);
        }
        if let Some(hop) = self.of.get(&peer) {
            return Ok(*hop);
        }
        if self.next >= self.end {
            return Err(Error::Full("base stations"));
        }
        let hop = self.next;
        self.next += 1;
        self.of.insert(peer, hop);
        if let (Some(entry), Some((link, source, destination))) =
            (tables.next_hops.get(hop as usize), self.snapshot.resolved(peer))
        {
            entry.follow(link.index, link.mtu, source, destination);
        }
        self.tell(peer, hop);
        Ok(hop)
    }

    fn tell(&self, peer: Ipv4Addr, hop: u32) {
        if let Some(news) = &self.news {
            // Never full, as it has room for every entry there is; and nobody listens in a plane that is being taken down.
            let _ = news.try_send((peer, hop));
        }
    }
}
