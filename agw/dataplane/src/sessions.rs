//! Writes sessions into the tables and reads them back.

use crate::error::Error;
use crate::limits::UeLimits;
use crate::service::{Rooms, Volume};
use crate::tables::Tables;
use agw_types::{Peer, TunnelState};
use basalt_ebpf_abi::{Address, Downlink, DownlinkState, Prefix, Shared64, TeidLayout, Uplink, UplinkFlags};
use basalt_ids::{Ebi, Teid};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Bound::{Excluded, Unbounded};

/// What a session has carried, inner IP octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Packets from the phone that were forwarded.
    pub uplink_packets: u64,
    /// Their octets.
    pub uplink_bytes: u64,
    /// Packets from the phone that were refused.
    pub uplink_refused: u64,
    /// Packets sent to the phone.
    pub downlink_packets: u64,
    /// Their octets.
    pub downlink_bytes: u64,
    /// Packets for the phone lost because a buffer was full.
    pub downlink_dropped: u64,
}

impl Usage {
    pub(crate) fn add(&mut self, volume: Volume) {
        self.uplink_packets += volume.uplink_packets;
        self.uplink_bytes += volume.uplink_bytes;
        self.downlink_packets += volume.downlink_packets;
        self.downlink_bytes += volume.downlink_bytes;
    }
}

/// A session as the tables have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// The gateway's endpoint.
    pub teid: Teid,
    /// The phone's address.
    pub ue_ipv4: Ipv4Addr,
    /// Bearer, when it was told.
    pub ebi: Option<Ebi>,
    /// Where to.
    pub state: TunnelState,
}

/// What a change of a session found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// The session's downlink slot.
    pub(crate) slot: u32,
    /// The peer that a connected session had before, if it is another one now.
    pub(crate) left: Option<Peer>,
    /// The slots belonged to someone else, or to nobody.
    pub(crate) new: bool,
}

/// Who owns which record. The records themselves are in the tables.
pub(crate) struct Sessions {
    pub(crate) layout: TeidLayout,
    pub(crate) peer_mask: u32,
    pub(crate) flags: u32,
    /// Base station and its TEID → our TEID.
    by_peer: BTreeMap<(Ipv4Addr, u32), u32>,
    pub(crate) ue_limits: UeLimits,
    pub(crate) rooms: Rooms,
    /// Counters of removed sessions are kept until they are settled.
    pub(crate) accounting: bool,
}

impl Sessions {
    pub(crate) fn new(layout: TeidLayout, peer_prefix: u8, phone_to_phone: bool) -> Self {
        let mask = Prefix::new(Ipv4Addr::UNSPECIFIED, peer_prefix).mask();
        Self {
            layout,
            peer_mask: Address::from_host(mask).0,
            flags: if phone_to_phone { UplinkFlags::PHONE_TO_PHONE } else { 0 },
            by_peer: BTreeMap::new(),
            ue_limits: UeLimits::default(),
            rooms: Rooms::default(),
            accounting: false,
        }
    }

    /// Takes over the sessions that the tables hold from before.
    pub(crate) fn adopt(&mut self, tables: &Tables) {
        self.ue_limits.adopt(tables);
        self.rooms.adopt(tables);
        for installed in self.installed(tables) {
            if let TunnelState::Connected(Peer { address: IpAddr::V4(address), teid }) = installed.state {
                self.by_peer.insert((address, teid.0), installed.teid.0);
            }
        }
    }

    /// Makes the session exactly so. `hop` is the next hop towards the peer of a connected one.
    pub(crate) fn set(&mut self, tables: &Tables, tunnel: &Installed, hop: u32) -> Result<Outcome, Error> {
        let (uplink, slot, downlink) = self.records(tables, tunnel.teid, tunnel.ue_ipv4)?;
        let peer = ipv4_peer(tunnel.state)?;
        let ue = Address::new(tunnel.ue_ipv4);
        let before = connected_peer(downlink);
        let new = uplink.teid.get() != tunnel.teid.0 || downlink.owner.get() != tunnel.teid.0;
        if new {
            self.evict(tables, uplink, downlink);
            self.unlimit(tables, uplink, downlink);
            self.unserve(tables, uplink, downlink);
            free_prefix(tables, &uplink.prefix);
            free_prefix(tables, &downlink.prefix);
            clear_counters(uplink, downlink);
            uplink.serial.set(tables.next_serial());
            uplink.home.set(self.layout.index(tunnel.teid.0));
        }
        uplink.closed.set(0);
        self.write_uplink(uplink, tunnel, ue, peer);
        if peer.is_none() {
            self.idle_bearers(tables, downlink);
        }
        self.write_downlink(downlink, tunnel.teid, ue, peer, hop);
        let left = if new { None } else { before.filter(|before| Some(*before) != peer) };
        if let Some((address, teid)) = left {
            self.by_peer.remove(&(address, teid));
        }
        if let Some((address, teid)) = peer {
            self.by_peer.insert((address, teid), tunnel.teid.0);
        }
        // A session that becomes idle has left its peer by signalling, not by moving.
        let left = left.filter(|_| peer.is_some());
        Ok(Outcome { slot, left: left.map(|(address, teid)| Peer { address: address.into(), teid: Teid(teid) }), new })
    }

    /// Removes the session; gives its slot and last counters, `None` if it was not there. Its records keep what they have counted until
    /// it is settled.
    pub(crate) fn remove(&mut self, tables: &Tables, teid: Teid, ue: Ipv4Addr) -> Option<(u32, Usage)> {
        let (uplink, slot, downlink) = self.records(tables, teid, ue).ok()?;
        let ours = (uplink.teid.get() == teid.0, downlink.owner.get() == teid.0);
        let gone = uplink.closed.get() == teid.0;
        if !ours.0 && (!ours.1 || gone) {
            return None;
        }
        if ours.0 {
            uplink.closed.set(teid.0);
            uplink.teid.set(0);
        }
        if ours.1 {
            self.forget_peer(downlink);
            downlink.state.set(DownlinkState::NONE);
            self.close_bearers(tables, downlink);
        }
        let mut usage = Usage::default();
        if ours.0 && ours.1 {
            free_prefix(tables, &uplink.prefix);
            downlink.prefix.set(0);
        }
        if ours.0 {
            uplink_usage(uplink, &mut usage);
        }
        if ours.1 {
            downlink_usage(downlink, &mut usage);
            usage.uplink_refused += self.dedicated_refused(tables, downlink);
            usage.add(self.dedicated_volume(tables, downlink));
        }
        if !self.accounting {
            self.settle(tables, teid, ue);
        }
        Some((slot, usage))
    }

    /// Gives a session a prefix, or none.
    pub(crate) fn set_prefix(
        &mut self,
        tables: &Tables,
        teid: Teid,
        ue: Ipv4Addr,
        prefix: Option<[u8; 8]>,
    ) -> Result<(), Error> {
        let (uplink, slot, downlink) = self.records(tables, teid, ue)?;
        if uplink.teid.get() != teid.0 || downlink.owner.get() != teid.0 {
            return Err(Error::NoSession(teid.0));
        }
        let mut entry = None;
        if let Some(prefix) = prefix {
            let [a, b, c, d, e, f, g, h] = prefix;
            let pair = |high, low| u16::from_be_bytes([high, low]);
            let bad =
                || Error::OutsidePools6(Ipv6Addr::new(pair(a, b), pair(c, d), pair(e, f), pair(g, h), 0, 0, 0, 0));
            let place = tables.settings.get(0).and_then(|settings| settings.place6(u64::from_be_bytes(prefix)));
            let cell = place.and_then(|place| tables.prefixes.get(place as usize)).ok_or_else(bad)?;
            if cell.get() != 0 && cell.get() != u64::from(slot) + 1 {
                return Err(bad());
            }
            entry = Some((cell, u64::from_ne_bytes(prefix)));
        }
        let (cell, number) = entry.map_or((None, 0), |(cell, number)| (Some(cell), number));
        if uplink.prefix.get() != number {
            free_prefix(tables, &uplink.prefix);
        }
        uplink.prefix.set(number);
        downlink.prefix.set(number);
        if let Some(cell) = cell {
            cell.set(u64::from(slot) + 1);
        }
        Ok(())
    }

    /// Gives up the counters of a session that was removed.
    pub(crate) fn settle(&mut self, tables: &Tables, teid: Teid, ue: Ipv4Addr) {
        let Ok((uplink, _, downlink)) = self.records(tables, teid, ue) else { return };
        if uplink.closed.get() == teid.0 {
            self.unlimit(tables, uplink, downlink);
            self.unserve(tables, uplink, downlink);
            uplink.closed.set(0);
        }
        if downlink.owner.get() == teid.0 && uplink.teid.get() != teid.0 {
            downlink.owner.set(0);
        }
    }

    /// Counters of a session, `None` if it is not there.
    pub(crate) fn usage(&self, tables: &Tables, teid: Teid, ue: Ipv4Addr) -> Option<Usage> {
        let (uplink, _, downlink) = self.records(tables, teid, ue).ok()?;
        if uplink.teid.get() != teid.0 || downlink.owner.get() != teid.0 {
            return None;
        }
        let mut usage = Usage::default();
        uplink_usage(uplink, &mut usage);
        downlink_usage(downlink, &mut usage);
        usage.uplink_refused += self.dedicated_refused(tables, downlink);
        usage.add(self.dedicated_volume(tables, downlink));
        Some(usage)
    }

    /// All sessions in the tables. A record of which one half is missing is no session.
    pub(crate) fn installed(&self, tables: &Tables) -> Vec<Installed> {
        tables.downlink.iter().filter_map(|downlink| self.read(tables, downlink)).collect()
    }

    /// Downlink records in use of which the uplink half is missing or another's.
    pub(crate) fn halves(&mut self, tables: &Tables) -> Vec<(Teid, Ipv4Addr)> {
        let used = tables.downlink.iter().filter(|record| {
            matches!(record.state.get(), DownlinkState::IDLE | DownlinkState::ACTIVE)
                && self.read(tables, record).is_none()
        });
        used.map(|record| (Teid(record.owner.get()), Address(record.ue.get()).to_ipv4())).collect()
    }

    /// Our TEID of the tunnel to this endpoint.
    pub(crate) fn by_peer(&self, address: Ipv4Addr, teid: u32) -> Option<u32> {
        self.by_peer.get(&(address, teid)).copied()
    }

    /// Base stations to which tunnels lead, in order.
    pub(crate) fn peers(&self) -> Vec<Ipv4Addr> {
        let mut peers = Vec::new();
        let mut next = self.by_peer.first_key_value();
        while let Some(((peer, _), _)) = next {
            peers.push(*peer);
            // On to the first tunnel of the next one.
            next = self.by_peer.range((Excluded((*peer, u32::MAX)), Unbounded)).next();
        }
        peers
    }

    /// Frees every record that belongs to no whole session: what a crash between two writes may leave.
    pub(crate) fn sweep(&self, tables: &Tables) {
        for downlink in tables.downlink.iter() {
            let state = downlink.state.get();
            let used = state == DownlinkState::IDLE || state == DownlinkState::ACTIVE;
            if used && self.read(tables, downlink).is_none() {
                downlink.state.set(DownlinkState::NONE);
                let owner = downlink.owner.get();
                let closed =
                    tables.uplink.get(self.layout.index(owner) as usize).map_or(0, |record| record.closed.get());
                if closed != owner {
                    downlink.owner.set(0);
                }
            }
        }
        for uplink in tables.uplink.iter() {
            let teid = uplink.teid.get();
            if self.dedicated_of(tables, uplink) {
                continue;
            }
            let whole = || self.records(tables, Teid(teid), Address(uplink.ue.get()).to_ipv4());
            if teid != 0 && !whole().is_ok_and(|(_, _, downlink)| downlink.owner.get() == teid) {
                uplink.teid.set(0);
            }
        }
    }

    /// Whether a tunnel is a dedicated bearer of a session that is there.
    fn dedicated_of(&self, tables: &Tables, uplink: &Uplink) -> bool {
        let (teid, home) = (uplink.teid.get(), uplink.home.get());
        if teid == 0 || home == self.layout.index(teid) {
            return false;
        }
        let Some(home) = tables.uplink.get(home as usize) else { return false };
        let session = self.records(tables, Teid(home.teid.get()), Address(home.ue.get()).to_ipv4());
        let Ok((_, _, downlink)) = session else { return false };
        let block = downlink.bearers.get() * basalt_ebpf_abi::BEARER_BLOCK;
        let number = uplink.bearer.get() >> 8;
        let bearer = tables.bearers.get((block + number) as usize);
        block != 0 && downlink.owner.get() == home.teid.get() && bearer.is_some_and(|b| b.owner.get() == teid)
    }

    fn read(&self, tables: &Tables, downlink: &Downlink) -> Option<Installed> {
        let teid = downlink.owner.get();
        let uplink = tables.uplink.get(self.layout.index(teid) as usize)?;
        if teid == 0 || uplink.teid.get() != teid || uplink.ue.get() != downlink.ue.get() {
            return None;
        }
        let state = match connected_peer(downlink) {
            Some((address, teid)) => TunnelState::Connected(Peer { address: address.into(), teid: Teid(teid) }),
            None if downlink.state.get() == DownlinkState::IDLE => TunnelState::Idle,
            None => return None,
        };
        let ebi = u8::try_from(uplink.bearer.get()).ok().and_then(|ebi| Ebi::new(ebi).ok());
        Some(Installed { teid: Teid(teid), ue_ipv4: Address(downlink.ue.get()).to_ipv4(), ebi, state })
    }

    pub(crate) fn records<'t>(
        &self,
        tables: &'t Tables,
        teid: Teid,
        ue: Ipv4Addr,
    ) -> Result<(&'t Uplink, u32, &'t Downlink), Error> {
        if teid.0 == 0 || teid.0 == u32::MAX {
            return Err(Error::Teid(teid.0));
        }
        let uplink = tables.uplink.get(self.layout.index(teid.0) as usize).ok_or(Error::Teid(teid.0))?;
        let slot = tables.settings.get(0).and_then(|settings| settings.slot(Address::new(ue)));
        let slot = slot.ok_or(Error::OutsidePools(ue))?;
        let downlink = tables.downlink.get(slot as usize).ok_or(Error::OutsidePools(ue))?;
        if downlink.state.get() == DownlinkState::LOCAL {
            return Err(Error::OutsidePools(ue));
        }
        Ok((uplink, slot, downlink))
    }

    /// Removes who was in these slots, with the other half of it.
    fn evict(&mut self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) {
        let stale = Address(uplink.ue.get()).to_ipv4();
        if let Ok((_, _, other)) = self.records(tables, Teid(uplink.teid.get()), stale)
            && other.owner.get() == uplink.teid.get()
        {
            self.forget_peer(other);
            other.state.set(DownlinkState::NONE);
            other.owner.set(0);
            // Freed with the uplink half.
            other.prefix.set(0);
        }
        self.ue_limits.leave(tables, uplink.teid.get(), uplink.ue_meter.get());
        uplink.ue_meter.set(0);
        if uplink.teid.get() != 0 {
            uplink.closed.set(uplink.teid.get());
        }
        uplink.teid.set(0);
        let owner = downlink.owner.get();
        if let Some(other) = tables.uplink.get(self.layout.index(owner) as usize)
            && owner != 0
            && other.teid.get() == owner
        {
            self.ue_limits.leave(tables, owner, other.ue_meter.get());
            other.ue_meter.set(0);
            other.closed.set(owner);
            // Freed with the downlink half.
            other.prefix.set(0);
            other.teid.set(0);
        }
        self.forget_peer(downlink);
        downlink.state.set(DownlinkState::NONE);
    }

    fn forget_peer(&mut self, downlink: &Downlink) {
        if let Some(peer) = connected_peer(downlink)
            && self.by_peer.get(&peer) == Some(&downlink.owner.get())
        {
            self.by_peer.remove(&peer);
        }
    }

    fn write_uplink(&self, record: &Uplink, tunnel: &Installed, ue: Address, peer: Option<(Ipv4Addr, u32)>) {
        // Under change, a record of the same session counts as idle: packets are held for a moment, not lost.
        let flags = self.flags | record.flags.get() & UplinkFlags::SERVICE;
        record.flags.set(flags | UplinkFlags::IDLE);
        record.bearer.set(tunnel.ebi.map_or(0, |ebi| u32::from(ebi.value())));
        record.ue.set(ue.0);
        if let Some((address, _)) = peer {
            record.peer_mask.set(self.peer_mask);
            record.peer.set(Address::new(address).0 & self.peer_mask);
        }
        record.teid.set(tunnel.teid.0);
        if peer.is_some() {
            record.flags.set(flags);
        }
    }

    fn write_downlink(&self, record: &Downlink, teid: Teid, ue: Address, peer: Option<(Ipv4Addr, u32)>, hop: u32) {
        let Some((address, peer_teid)) = peer else {
            record.ue.set(ue.0);
            record.owner.set(teid.0);
            record.state.set(DownlinkState::IDLE);
            return;
        };
        let sequence = record.sequence.get() | 1;
        record.sequence.set(sequence);
        record.ue.set(ue.0);
        record.teid.set(peer_teid.to_be());
        record.peer.set(Address::new(address).0);
        record.next_hop.set(hop);
        record.owner.set(teid.0);
        record.sequence.set(sequence.wrapping_add(1));
        record.state.set(DownlinkState::ACTIVE);
    }
}

/// A base station is reached over IPv4.
fn ipv4_peer(state: TunnelState) -> Result<Option<(Ipv4Addr, u32)>, Error> {
    match state {
        TunnelState::Idle => Ok(None),
        TunnelState::Connected(Peer { address: IpAddr::V4(address), teid }) => Ok(Some((address, teid.0))),
        TunnelState::Connected(_) => Err(Error::Ipv6Peer),
    }
}

/// No packet finds its slot by this prefix any more.
fn free_prefix(tables: &Tables, cell: &Shared64) {
    let prefix = u64::from_be(cell.get());
    let place = tables.settings.get(0).filter(|_| prefix != 0).and_then(|settings| settings.place6(prefix));
    if let Some(slot) = place.and_then(|place| tables.prefixes.get(place as usize)) {
        slot.set(0);
    }
    cell.set(0);
}

fn connected_peer(record: &Downlink) -> Option<(Ipv4Addr, u32)> {
    let connected = record.state.get() == DownlinkState::ACTIVE;
    connected.then(|| (Address(record.peer.get()).to_ipv4(), u32::from_be(record.teid.get())))
}

fn clear_counters(uplink: &Uplink, downlink: &Downlink) {
    for counter in [&uplink.packets, &uplink.bytes, &uplink.refused] {
        counter.set(0);
    }
    for counter in [&downlink.packets, &downlink.bytes, &downlink.dropped] {
        counter.set(0);
    }
    // What is still under way belongs to the one before, and is recognised by its owner.
    downlink.drained.set(downlink.handed.get());
}

pub(crate) fn uplink_usage(record: &Uplink, usage: &mut Usage) {
    usage.uplink_packets += record.packets.get();
    usage.uplink_bytes += record.bytes.get();
    usage.uplink_refused += record.refused.get();
}

pub(crate) fn downlink_usage(record: &Downlink, usage: &mut Usage) {
    usage.downlink_packets += record.packets.get();
    usage.downlink_bytes += record.bytes.get();
    usage.downlink_dropped += record.dropped.get();
}
