//! Dedicated bearers of sessions in the tables.

use super::quota::has_quota;
use super::rooms::bearer_blocks;
use super::{Parts, Volume, volume};
use crate::error::Error;
use crate::limits::mark;
use crate::rules::{Dedicated, Service};
use crate::sessions::Sessions;
use crate::tables::Tables;
use agw_types::{Peer, UeAddress};
use basalt_ebpf_abi::{Address, BEARER_BLOCK, Bearer, Downlink, DownlinkFlags, Shared64, Uplink, UplinkFlags};
use basalt_ids::{Ebi, Teid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

impl Sessions {
    /// Where the dedicated bearers of a connected session lead to, by our TEID.
    pub(crate) fn bearer_peers(&self, tables: &Tables, teid: Teid, address: UeAddress) -> BTreeMap<u32, Peer> {
        let Ok((_, _, downlink)) = self.records(tables, teid, address) else { return BTreeMap::new() };
        let connected = bearers(tables, downlink).filter(|bearer| bearer.peer.get() != 0);
        connected
            .map(|bearer| {
                let peer = Address(bearer.peer.get()).to_ipv4();
                (bearer.owner.get(), Peer { address: peer.into(), teid: Teid(u32::from_be(bearer.teid.get())) })
            })
            .collect()
    }

    /// A phone that becomes idle has no tunnel on any bearer.
    pub(crate) fn idle_bearers(&self, tables: &Tables, downlink: &Downlink) {
        for bearer in bearers(tables, downlink) {
            bearer.peer.set(0);
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                mark(&record.flags, UplinkFlags::IDLE, true);
            }
        }
    }

    /// Shuts the tunnels of a session that ends, and leaves their counters.
    pub(crate) fn close_bearers(&self, tables: &Tables, downlink: &Downlink) {
        for bearer in bearers(tables, downlink) {
            bearer.peer.set(0);
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                record.teid.set(0);
            }
        }
    }

    /// Whether this TEID may become a bearer of the session.
    pub(super) fn may_have(&self, tables: &Tables, home: &Uplink, bearer: &Dedicated) -> Result<(), Error> {
        if matches!(bearer.peer, Some(Peer { address: IpAddr::V6(_), .. })) {
            return Err(Error::Ipv6Peer);
        }
        let teid = bearer.teid.0;
        if teid == 0 || teid == u32::MAX || teid == home.teid.get() {
            return Err(Error::Teid(teid));
        }
        let record = tables.uplink.get(self.layout.index(teid) as usize).ok_or(Error::Teid(teid))?;
        let free = record.teid.get() == 0;
        let ours = record.teid.get() == teid && record.home.get() == home.home.get();
        if free || ours { Ok(()) } else { Err(Error::Teid(teid)) }
    }

    pub(super) fn block(&mut self, tables: &Tables, downlink: &Downlink, wanted: bool) -> Result<u32, Error> {
        let has = downlink.bearers.get();
        if has != 0 || !wanted {
            return Ok(has);
        }
        let block = self.rooms.blocks.take(1, bearer_blocks(tables), None).ok_or(Error::Full("dedicated bearers"))? + 1;
        for bearer in
            (block * BEARER_BLOCK..(block + 1) * BEARER_BLOCK).filter_map(|at| tables.bearers.get(at as usize))
        {
            bearer.owner.set(0);
            bearer.volume.iter().chain(&bearer.base).for_each(|cell| cell.set(0));
        }
        Ok(block)
    }

    pub(super) fn write_bearers(
        &mut self,
        tables: &Tables,
        home: &Uplink,
        block: u32,
        service: &Service,
        hops: &[(Ipv4Addr, u32)],
    ) {
        for (number, wanted) in (1u32..).zip(&service.bearers) {
            let Some(bearer) = tables.bearers.get((block * BEARER_BLOCK + number) as usize) else { continue };
            let Some(record) = tables.uplink.get(self.layout.index(wanted.teid.0) as usize) else { continue };
            let peer = match wanted.peer {
                Some(Peer { address: IpAddr::V4(address), teid }) => Some((address, teid)),
                _ => None,
            };
            let ebi = u32::from(wanted.ebi.value());
            let known = record.teid.get() == wanted.teid.0 && bearer.owner.get() == wanted.teid.0;
            if !known {
                record.teid.set(0);
                for cell in [&record.packets, &record.bytes, &record.refused] {
                    cell.set(0);
                }
                bearer.owner.set(0);
                let past = self.past.get_mut(&home.teid.get()).and_then(|past| past.bearers.remove(&wanted.ebi));
                let counted = past.unwrap_or_default().cells();
                for ((base, now), counted) in bearer.base.iter().zip(&bearer.volume).zip(counted) {
                    base.set(now.get().wrapping_sub(counted));
                }
            }
            let mut flags =
                self.flags | home.flags.get() & (UplinkFlags::EGRESS | UplinkFlags::FRAMED) | UplinkFlags::RULES;
            // A session without limits has meters that let everything pass.
            flags |= if wanted.guaranteed { 0 } else { UplinkFlags::METERED };
            flags |= if has_quota(home, service) { UplinkFlags::QUOTA } else { 0 };
            record.flags.set(flags | UplinkFlags::IDLE);
            record.bearer.set(ebi | number << 8);
            record.ue.set(home.ue.get());
            record.prefix.set(home.prefix.get());
            record.home.set(home.home.get());
            if let Some((address, _)) = peer {
                record.peer_mask.set(self.peer_mask);
                record.peer.set(Address::new(address).0 & self.peer_mask);
            }
            record.teid.set(wanted.teid.0);
            if peer.is_some() {
                record.flags.set(flags);
            }
            let mut marking = u32::from(wanted.tos) << DownlinkFlags::TOS_SHIFT;
            marking |= if wanted.guaranteed { 0 } else { DownlinkFlags::METERED };
            let sequence = bearer.sequence.get() | 1;
            bearer.sequence.set(sequence);
            bearer.flags.set(marking);
            bearer.bearer.set(ebi);
            bearer.owner.set(wanted.teid.0);
            bearer.teid.set(peer.map_or(0, |(_, teid)| teid.0.to_be()));
            let hop = peer.and_then(|(address, _)| hops.iter().find(|(to, _)| *to == address));
            bearer.next_hop.set(hop.map_or(0, |(_, hop)| *hop));
            bearer.peer.set(peer.map_or(0, |(address, _)| Address::new(address).0));
            bearer.sequence.set(sequence.wrapping_add(1));
        }
    }

    /// Shuts the tunnels of bearers that are not to be kept; whether there were any.
    pub(super) fn shut_bearers(&self, tables: &Tables, downlink: &Downlink, keep: &BTreeSet<u32>) -> bool {
        let mut shut = false;
        for bearer in bearers(tables, downlink).filter(|bearer| !keep.contains(&bearer.owner.get())) {
            bearer.peer.set(0);
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                mark(&record.flags, UplinkFlags::IDLE, true);
            }
            shut = true;
        }
        shut
    }

    /// Takes away bearers; the session keeps what they have carried.
    pub(super) fn drop_bearers(
        &mut self,
        tables: &Tables,
        home: &Uplink,
        downlink: &Downlink,
        keep: &BTreeSet<u32>,
        parts: &mut Parts,
    ) {
        for bearer in bearers(tables, downlink).filter(|bearer| !keep.contains(&bearer.owner.get())) {
            bearer.peer.set(0);
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                record.teid.set(0);
                home.refused.add(record.refused.get());
            }
            if let Some(ebi) = ebi(bearer) {
                parts.bearers.insert(ebi, bearer_volume(bearer));
            }
            bearer.owner.set(0);
        }
    }

    /// What the session's dedicated bearers have carried, past and present.
    pub(crate) fn dedicated_volume(&self, tables: &Tables, downlink: &Downlink) -> Volume {
        let mut sum = [0u64; 4];
        for bearer in block(tables, downlink) {
            sum.iter_mut().zip(&bearer.volume).for_each(|(sum, cell)| *sum += cell.get());
        }
        volume(sum)
    }

    /// Packets that its dedicated bearers have refused.
    pub(crate) fn dedicated_refused(&self, tables: &Tables, downlink: &Downlink) -> u64 {
        let records = bearers(tables, downlink).filter_map(|bearer| self.uplink_of(tables, bearer.owner.get()));
        records.map(|record| record.refused.get()).sum()
    }
}

pub(super) fn bearers<'t>(tables: &'t Tables, downlink: &Downlink) -> impl Iterator<Item = &'t Bearer> {
    block(tables, downlink).filter(|bearer| bearer.owner.get() != 0)
}

/// The places of a session's dedicated bearers, past and present.
fn block<'t>(tables: &'t Tables, downlink: &Downlink) -> impl Iterator<Item = &'t Bearer> {
    let first = downlink.bearers.get() * BEARER_BLOCK;
    let end = if first == 0 { 0 } else { first + BEARER_BLOCK };
    (first..end).filter_map(|index| tables.bearers.get(index as usize))
}

pub(super) fn ebi(bearer: &Bearer) -> Option<Ebi> {
    u8::try_from(bearer.bearer.get()).ok().and_then(|ebi| Ebi::new(ebi).ok())
}

pub(super) fn bearer_volume(bearer: &Bearer) -> Volume {
    volume(std::array::from_fn(|at| {
        let (now, base) = (bearer.volume.get(at), bearer.base.get(at));
        now.map_or(0, Shared64::get).wrapping_sub(base.map_or(0, Shared64::get))
    }))
}
