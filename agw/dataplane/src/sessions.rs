//! Writes sessions into the tables and reads them back.

mod leaving;
mod prefixes;
mod reading;

pub(crate) use prefixes::{address, slot_of};
pub(crate) use reading::{downlink_usage, uplink_usage};

use crate::egress::Egresses;
use crate::error::Error;
use crate::framed::Networks;
use crate::ledger::Reading;
use crate::limits::UeLimits;
use crate::service::{Parts, Rooms, Volume};
use crate::tables::Tables;
use agw_types::{IpPrefix, Peer, TunnelState, UeAddress};
use basalt_ebpf_abi::{Address, Downlink, DownlinkState, Prefix, TeidLayout, Uplink, UplinkFlags};
use basalt_ids::{Ebi, Teid};
use prefixes::{place, write_prefix};
use reading::connected_peer;
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
