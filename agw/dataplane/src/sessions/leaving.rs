//! Ends of sessions: removed and settled, put out by whoever gets their records, left in halves by a crash.

use super::prefixes::{free_place, place_of};
use super::reading::{connected_peer, downlink_usage, uplink_usage};
use super::{Sessions, Usage};
use crate::relay::is_relay;
use crate::tables::Tables;
use agw_types::UeAddress;
use basalt_ebpf_abi::{Downlink, DownlinkState, Shared64, Uplink};
use basalt_ids::Teid;

impl Sessions {
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

    /// Removes who was in these slots, with the other half of it.
    pub(super) fn evict(&mut self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) {
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
    pub(super) fn evict_prefix(&mut self, tables: &Tables, place: u32, slot: u32) {
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
}
