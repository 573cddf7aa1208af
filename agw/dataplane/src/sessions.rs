//! Writes sessions into the tables and reads them back.

use crate::egress::Egresses;
use crate::error::Error;
use crate::framed::Networks;
use crate::ledger::Reading;
use crate::limits::UeLimits;
use crate::pools;
use crate::relay::is_relay;
use crate::service::{Parts, Rooms, Volume};
use crate::tables::Tables;
use agw_types::{IpPrefix, Peer, Prefix64, TunnelState, UeAddress};
use basalt_ebpf_abi::{Address, Downlink, DownlinkState, Prefix, Shared64, TeidLayout, Uplink, UplinkFlags};
use basalt_ids::{Ebi, Teid};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The gateway's endpoint.
    pub teid: Teid,
    /// The phone's address.
    pub address: UeAddress,
    /// Networks behind the phone, as they were asked for.
    pub framed_routes: Vec<IpPrefix>,
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
    /// The phone is connected again or has another prefix: it is to be told its prefix.
    pub(crate) prefixed: bool,
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
    pub(crate) egress: Egresses,
    pub(crate) networks: Networks,
    /// What rules and bearers of sessions had counted that are no more, by the session's TEID: if one comes back under its number, it goes on
    /// from there.
    pub(crate) past: BTreeMap<u32, Parts>,
    /// What sessions had counted whose records got another owner before they were settled.
    pub(crate) evicted: Vec<Reading>,
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
            egress: Egresses::default(),
            networks: Networks::default(),
            past: BTreeMap::new(),
            evicted: Vec::new(),
        }
    }

    /// Takes over the sessions that the tables hold from before.
    pub(crate) fn adopt(&mut self, tables: &Tables) {
        self.ue_limits.adopt(tables);
        self.rooms.adopt(tables);
        self.networks.adopt(tables);
        let known = |teid| tables.uplink.get(self.layout.index(teid) as usize).is_some_and(|up| up.teid.get() == teid);
        self.networks.keep(tables, known);
        for installed in self.installed(tables) {
            if let TunnelState::Connected(Peer { address: IpAddr::V4(address), teid }) = installed.state {
                self.by_peer.insert((address, teid.0), installed.teid.0);
            }
        }
    }

    /// Makes the session exactly so. `hop` is the next hop towards the peer of a connected one.
    pub(crate) fn set(&mut self, tables: &Tables, tunnel: &Installed, hop: u32) -> Result<Outcome, Error> {
        let (uplink, slot, downlink) = self.records(tables, tunnel.teid, tunnel.address)?;
        let peer = ipv4_peer(tunnel.state)?;
        let place = tunnel.address.prefix().map(|prefix| place(tables, prefix)).transpose()?;
        let ue = tunnel.address.ipv4().map_or(Address::NONE, Address::new);
        let before = connected_peer(downlink);
        let new = uplink.teid.get() != tunnel.teid.0 || downlink.owner.get() != tunnel.teid.0;
        if new {
            if self.accounting {
                self.keep_counts(tables, uplink, downlink);
            }
            self.evict(tables, uplink, downlink);
            self.unlimit(tables, uplink, downlink);
            self.unserve(tables, uplink, downlink);
            clear_counters(uplink, downlink);
            uplink.serial.set(tables.next_serial());
            uplink.block.set(0);
            uplink.home.set(self.layout.index(tunnel.teid.0));
        }
        uplink.closed.set(0);
        let told = address(0, downlink.prefix.get()).and_then(UeAddress::prefix);
        let prefixed = place.is_some() && (before.is_none() || new || told != tunnel.address.prefix());
        if let Some(place) = place {
            self.evict_prefix(tables, place, slot);
        }
        write_prefix(tables, uplink, downlink, slot, tunnel.address.prefix());
        self.networks.set(tables, tunnel.teid.0, slot, &tunnel.framed_routes);
        self.write_uplink(uplink, tunnel, ue, peer);
        if peer.is_none() {
            self.idle_bearers(tables, downlink);
        }
        self.write_downlink(downlink, tunnel.teid, ue, peer, hop);
        if let Some(cell) = place.and_then(|place| tables.prefixes.get(place as usize)) {
            cell.set(u64::from(slot) + 1);
        }
        let left = if new { None } else { before.filter(|before| Some(*before) != peer) };
        if let Some((address, teid)) = left {
            self.by_peer.remove(&(address, teid));
        }
        if let Some((address, teid)) = peer {
            self.by_peer.insert((address, teid), tunnel.teid.0);
        }
        // A session that becomes idle has left its peer by signalling, not by moving.
        let left = left.filter(|_| peer.is_some());
        Ok(Outcome {
            slot,
            left: left.map(|(address, teid)| Peer { address: address.into(), teid: Teid(teid) }),
            new,
            prefixed,
        })
    }

    /// Removes the session; gives its slot and last counters, `None` if it was not there. Its records keep what they have counted until
    /// it is settled.
    pub(crate) fn remove(&mut self, tables: &Tables, teid: Teid, address: UeAddress) -> Option<(u32, Usage)> {
        let (uplink, slot, downlink) = self.records(tables, teid, address).ok()?;
        let ours = (uplink.teid.get() == teid.0, downlink.owner.get() == teid.0);
        let gone = uplink.closed.get() == teid.0;
        if !ours.0 && (!ours.1 || gone) {
            return None;
        }
        self.networks.forget(tables, teid.0);
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
        if ours.1 {
            free_place(tables, downlink.prefix.get(), slot);
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
            self.settle(tables, teid, address);
        }
        Some((slot, usage))
    }

    /// Gives up the counters of a session that was removed.
    pub(crate) fn settle(&mut self, tables: &Tables, teid: Teid, address: UeAddress) {
        let Ok((uplink, _, downlink)) = self.records(tables, teid, address) else { return };
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
    pub(crate) fn usage(&self, tables: &Tables, teid: Teid, address: UeAddress) -> Option<Usage> {
        let (uplink, _, downlink) = self.records(tables, teid, address).ok()?;
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
        (0..).zip(tables.downlink.iter()).filter_map(|(slot, downlink)| self.read(tables, slot, downlink)).collect()
    }

    /// Whether something tells packets of this session apart.
    pub(crate) fn has_rules(&self, tables: &Tables, session: &Installed) -> bool {
        let records = self.records(tables, session.teid, session.address);
        records.is_ok_and(|(uplink, ..)| UplinkFlags(uplink.flags.get()).has(UplinkFlags::RULES))
    }

    /// Downlink records in use of which the uplink half is missing or another's.
    pub(crate) fn halves(&mut self, tables: &Tables) -> Vec<(Teid, UeAddress)> {
        let used = (0..).zip(tables.downlink.iter()).filter(|(slot, record)| {
            matches!(record.state.get(), DownlinkState::IDLE | DownlinkState::ACTIVE)
                && self.read(tables, *slot, record).is_none()
        });
        let address = |record: &Downlink| address(record.ue.get(), record.prefix.get());
        used.filter_map(|(_, record)| Some((Teid(record.owner.get()), address(record)?))).collect()
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
        for (slot, downlink) in (0..).zip(tables.downlink.iter()) {
            let state = downlink.state.get();
            let used = state == DownlinkState::IDLE || state == DownlinkState::ACTIVE;
            if used && self.read(tables, slot, downlink).is_none() {
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
            if self.dedicated_of(tables, uplink) || is_relay(uplink) {
                continue;
            }
            let whole = || self.other_half(tables, uplink).is_some_and(|(_, downlink)| downlink.owner.get() == teid);
            if teid != 0 && !whole() {
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
        let Some((_, downlink)) = self.other_half(tables, home) else { return false };
        let block = downlink.bearers.get() * basalt_ebpf_abi::BEARER_BLOCK;
        let number = uplink.number();
        let bearer = tables.bearers.get((block + number) as usize);
        block != 0 && downlink.owner.get() == home.teid.get() && bearer.is_some_and(|b| b.owner.get() == teid)
    }

    fn read(&self, tables: &Tables, slot: u32, downlink: &Downlink) -> Option<Installed> {
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
        let ebi = u8::try_from(uplink.bearer.get() & 0xff).ok().and_then(|ebi| Ebi::new(ebi).ok());
        let prefix = downlink.prefix.get();
        let found = prefix_of(prefix).and_then(|prefix| cell(tables, prefix)).is_some_and(|cell| cell == slot + 1);
        // A prefix by which only half of the packets find their way is none.
        let address = address(downlink.ue.get(), if found && uplink.prefix.get() == prefix { prefix } else { 0 })?;
        let framed_routes = self.networks.of(teid).to_vec();
        Some(Installed { teid: Teid(teid), address, framed_routes, ebi, state })
    }

    pub(crate) fn records<'t>(
        &self,
        tables: &'t Tables,
        teid: Teid,
        address: UeAddress,
    ) -> Result<(&'t Uplink, u32, &'t Downlink), Error> {
        if teid.0 == 0 || teid.0 == u32::MAX {
            return Err(Error::Teid(teid.0));
        }
        let uplink = tables.uplink.get(self.layout.index(teid.0) as usize).ok_or(Error::Teid(teid.0))?;
        let slot = match address.ipv4() {
            Some(ipv4) => tables.settings.get(0).and_then(|settings| settings.slot(Address::new(ipv4))),
            None => pools::alone(tables).map(|first| first + self.layout.index(teid.0)),
        };
        let slot = slot.ok_or(Error::OutsidePools(address))?;
        let downlink = tables.downlink.get(slot as usize).ok_or(Error::OutsidePools(address))?;
        if downlink.state.get() == DownlinkState::LOCAL {
            return Err(Error::OutsidePools(address));
        }
        Ok((uplink, slot, downlink))
    }

    /// The downlink record, and its slot, that belongs to the owner of an uplink record.
    pub(crate) fn other_half<'t>(&self, tables: &'t Tables, uplink: &Uplink) -> Option<(u32, &'t Downlink)> {
        let address = address(uplink.ue.get(), uplink.prefix.get())?;
        let (_, slot, downlink) = self.records(tables, Teid(uplink.teid.get()), address).ok()?;
        Some((slot, downlink))
    }

    /// Removes who was in these slots, with the other half of it.
    fn evict(&mut self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) {
        if let Some((slot, other)) = self.other_half(tables, uplink)
            && other.owner.get() == uplink.teid.get()
        {
            self.forget_peer(other);
            other.state.set(DownlinkState::NONE);
            other.owner.set(0);
            free_place(tables, other.prefix.get(), slot);
            other.prefix.set(0);
        }
        self.ue_limits.leave(tables, uplink.teid.get(), uplink.ue_meter.get());
        uplink.ue_meter.set(0);
        for gone in [uplink.teid.get(), downlink.owner.get()] {
            self.networks.forget(tables, gone);
        }
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
            other.teid.set(0);
        }
        self.forget_peer(downlink);
        downlink.state.set(DownlinkState::NONE);
    }

    /// Removes who had a prefix, if it was not the one in `slot`.
    fn evict_prefix(&mut self, tables: &Tables, place: u32, slot: u32) {
        let held = tables.prefixes.get(place as usize).map_or(0, Shared64::get);
        let Some(former) = u32::try_from(held).ok().and_then(|held| held.checked_sub(1)).filter(|held| *held != slot)
        else {
            return;
        };
        let Some(downlink) = tables.downlink.get(former as usize) else { return };
        if let Some(uplink) = tables.uplink.get(self.layout.index(downlink.owner.get()) as usize)
            && place_of(tables, downlink) == Some(place)
        {
            self.evict(tables, uplink, downlink);
            downlink.prefix.set(0);
        }
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
        let (egress, hop, _) = self.egress.of(ue);
        let framed = if self.networks.any(tunnel.teid.0) { UplinkFlags::FRAMED } else { 0 };
        let flags = self.flags | egress | framed | record.flags.get() & UplinkFlags::SERVICE;
        record.flags.set(flags | UplinkFlags::IDLE);
        record.bearer.set(record.bearer.get() & !0xffff | tunnel.ebi.map_or(0, |ebi| u32::from(ebi.value())));
        record.ue.set(ue.0);
        record.egress.set(hop);
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
        let (_, _, vlan) = self.egress.of(ue);
        record.vlan.set(u64::from(vlan));
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

/// What a session's records say of its address: IPv4 address and first half of the IPv6 addresses, both in wire order, 0 for none.
pub(crate) fn address(ue: u32, prefix: u64) -> Option<UeAddress> {
    UeAddress::new((ue != 0).then(|| Address(ue).to_ipv4()), prefix_of(prefix))
}

fn prefix_of(prefix: u64) -> Option<Prefix64> {
    (prefix != 0).then(|| Prefix64::from_bits(u64::from_be(prefix)))
}

/// The downlink slot of an address; for one without IPv4, of the session that has its prefix.
pub(crate) fn slot_of(tables: &Tables, address: UeAddress) -> Option<u32> {
    match (address.ipv4(), address.prefix()) {
        (Some(ipv4), _) => tables.settings.get(0)?.slot(Address::new(ipv4)),
        (None, Some(prefix)) => cell(tables, prefix)?.checked_sub(1),
        (None, None) => None,
    }
}

/// Where the slot of a prefix is kept.
fn place(tables: &Tables, prefix: Prefix64) -> Result<u32, Error> {
    let place = tables.settings.get(0).and_then(|settings| settings.place6(prefix.to_bits()));
    place.map(|place| place.place).ok_or(Error::OutsidePools(prefix.into()))
}

fn place_of(tables: &Tables, downlink: &Downlink) -> Option<u32> {
    prefix_of(downlink.prefix.get()).and_then(|prefix| place(tables, prefix).ok())
}

/// One more than the slot that is kept for a prefix; 0 for none.
fn cell(tables: &Tables, prefix: Prefix64) -> Option<u32> {
    let cell = place(tables, prefix).ok().and_then(|place| tables.prefixes.get(place as usize));
    cell.and_then(|cell| u32::try_from(cell.get()).ok())
}

/// No packet finds this slot by this prefix (wire order) any more.
fn free_place(tables: &Tables, prefix: u64, slot: u32) {
    let place = prefix_of(prefix).and_then(|prefix| place(tables, prefix).ok());
    if let Some(cell) = place.and_then(|place| tables.prefixes.get(place as usize))
        && cell.get() == u64::from(slot) + 1
    {
        cell.set(0);
    }
}

/// Gives both records of a session its prefix.
fn write_prefix(tables: &Tables, uplink: &Uplink, downlink: &Downlink, slot: u32, prefix: Option<Prefix64>) {
    let number = prefix.map_or(0, |prefix| prefix.to_bits().to_be());
    if downlink.prefix.get() != number {
        free_place(tables, downlink.prefix.get(), slot);
    }
    uplink.prefix.set(number);
    downlink.prefix.set(number);
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
