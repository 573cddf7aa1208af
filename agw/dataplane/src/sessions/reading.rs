//! Finds the two records of a session, and reads sessions and counters back from the tables.

use super::prefixes::{address, cell, prefix_of};
use super::{Installed, Sessions, Usage};
use crate::error::Error;
use crate::pools;
use crate::tables::Tables;
use agw_types::{Peer, TunnelState, UeAddress};
use basalt_ebpf_abi::{Address, Downlink, DownlinkState, Uplink, UplinkFlags};
use basalt_ids::{Ebi, Teid};
use std::net::Ipv4Addr;

impl Sessions {
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

    /// Whether the session is in the tables, with both halves.
    pub(crate) fn has(&self, tables: &Tables, teid: Teid, address: UeAddress) -> bool {
        let records = self.records(tables, teid, address);
        records.is_ok_and(|(uplink, _, downlink)| uplink.teid.get() == teid.0 && downlink.owner.get() == teid.0)
    }

    /// Whether something tells packets of this session apart, or bounds them.
    pub(crate) fn is_served(&self, tables: &Tables, session: &Installed) -> bool {
        let served = |flags| [UplinkFlags::RULES, UplinkFlags::QUOTA].iter().any(|flag| UplinkFlags(flags).has(*flag));
        let records = self.records(tables, session.teid, session.address);
        records.is_ok_and(|(uplink, ..)| served(uplink.flags.get()))
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

    pub(super) fn read(&self, tables: &Tables, slot: u32, downlink: &Downlink) -> Option<Installed> {
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
}

pub(super) fn connected_peer(record: &Downlink) -> Option<(Ipv4Addr, u32)> {
    let connected = record.state.get() == DownlinkState::ACTIVE;
    connected.then(|| (Address(record.peer.get()).to_ipv4(), u32::from_be(record.teid.get())))
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
