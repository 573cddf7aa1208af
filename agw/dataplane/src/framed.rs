//! Networks behind phones: which there are, whose, and the table by which programs find them.

use crate::tables::Tables;
use agw_types::IpPrefix;
use basalt_ebpf_abi::{Address, Framed, Key, Settings};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use tokio::sync::Notify;

/// Entries of the map for so many networks: each begins one interval and may end another, in two tables.
pub(crate) const fn entries(networks: u32) -> u32 {
    ((networks * 2 + 1).next_power_of_two()) * 2
}

/// Where IPv4 addresses stand among IPv6 addresses.
const MAPPED: u128 = 0xffff << 32;

/// Networks behind the phones of all sessions.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    /// By TEID: downlink slot, what was asked for, what of it is there.
    sessions: BTreeMap<u32, (u32, Vec<IpPrefix>, Vec<IpPrefix>)>,
    /// Wakes whoever tells the kernel.
    changed: Arc<Notify>,
}

impl Networks {
    /// Wakes after each change.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// What was asked for a session.
    pub(crate) fn of(&self, teid: u32) -> &[IpPrefix] {
        self.sessions.get(&teid).map_or(&[], |(_, wanted, _)| wanted)
    }

    /// Whether a session has networks that packets find.
    pub(crate) fn any(&self, teid: u32) -> bool {
        self.sessions.get(&teid).is_some_and(|(_, _, there)| !there.is_empty())
    }

    /// All that packets find.
    pub(crate) fn all(&self) -> impl Iterator<Item = IpPrefix> {
        self.sessions.values().flat_map(|(_, _, there)| there.iter().copied())
    }

    /// Makes a session's networks exactly these. One that lies in a pool, meets another phone's or has no room is left out, with a word
    /// about it: its session goes on all the same.
    pub(crate) fn set(&mut self, tables: &Tables, teid: u32, slot: u32, wanted: &[IpPrefix]) {
        let former = self.sessions.get(&teid);
        if former.map_or(wanted.is_empty(), |(place, before, _)| *place == slot && before == wanted) {
            return;
        }
        self.sessions.remove(&teid);
        let mut there: Vec<IpPrefix> = Vec::new();
        for network in wanted.iter().copied() {
            let refusal = if network.length() == 0 || in_pool(tables, network) {
                Some("it lies in an address pool")
            } else if self.all().chain(there.iter().copied()).any(|other| other.overlaps(network)) {
                Some("it overlaps the network behind another phone")
            } else if self.all().count() + there.len() >= room(tables) {
                Some("there is no room for more")
            } else {
                None
            };
            match refusal {
                None => there.push(network),
                Some(why) => tracing::warn!(teid, %network, why, "a network behind a phone is not forwarded"),
            }
        }
        if !wanted.is_empty() {
            self.sessions.insert(teid, (slot, wanted.to_vec(), there));
        }
        self.publish(tables);
    }

    /// A session is gone.
    pub(crate) fn forget(&mut self, tables: &Tables, teid: u32) {
        if self.sessions.remove(&teid).is_some() {
            self.publish(tables);
        }
    }

    /// Takes over what the tables hold from before.
    pub(crate) fn adopt(&mut self, tables: &Tables) {
        for (slot, owner, network) in read(tables) {
            let (_, wanted, there) = self.sessions.entry(owner).or_insert_with(|| (slot, Vec::new(), Vec::new()));
            wanted.push(network);
            there.push(network);
        }
    }

    /// Forgets those of whom nobody knows.
    pub(crate) fn keep(&mut self, tables: &Tables, known: impl Fn(u32) -> bool) {
        let before = self.sessions.len();
        self.sessions.retain(|teid, _| known(*teid));
        if self.sessions.len() != before {
            self.publish(tables);
        }
    }

    /// Writes the table that is not in use, and takes it into use.
    fn publish(&self, tables: &Tables) {
        let Some(settings) = tables.settings.get(0) else { return };
        let mut intervals: BTreeMap<u128, (u32, u32)> = BTreeMap::from([(0, (0, 0))]);
        for (teid, (slot, _, there)) in &self.sessions {
            for (first, last) in there.iter().map(|network| span(*network)) {
                intervals.insert(first, (slot + 1, *teid));
                if let Some(next) = last.checked_add(1) {
                    intervals.entry(next).or_insert((0, 0));
                }
            }
        }
        let version = settings.framed.get().wrapping_add(1);
        let rest = std::iter::repeat((u128::MAX, (0, 0)));
        let used = intervals.len();
        let all = (0..).zip(intervals.into_iter().chain(rest)).take(tables.framed.iter().len() / 2);
        for (interval, (start, (slot, owner))) in all {
            let Some(entry) = tables.framed.get(Framed::index(interval, version) as usize) else { break };
            let [high, low] = halves(start);
            entry.high.set(high);
            entry.low.set(low);
            entry.slot.set(slot);
            entry.owner.set(owner);
        }
        let step = if used > 1 { u32::try_from(used.next_power_of_two() / 2).unwrap_or(0) } else { 0 };
        if let Some(cell) = settings.framed_steps.get((version & 1) as usize) {
            cell.set(step);
        }
        settings.framed.set(version);
        self.changed.notify_one();
    }
}

/// Most networks that the table holds.
pub(crate) fn room(tables: &Tables) -> usize {
    (tables.framed.iter().len() / 2).saturating_sub(1) / 2
}

/// What the table in use says: slot, owner and network.
fn read(tables: &Tables) -> Vec<(u32, u32, IpPrefix)> {
    let Some(settings) = tables.settings.get(0) else { return Vec::new() };
    let version = settings.framed.get();
    let used = settings.framed_steps.get((version & 1) as usize).map_or(0, |step| step.get().saturating_mul(2));
    let entries: Vec<(u128, u32, u32)> = (0..used)
        .filter_map(|interval| tables.framed.get(Framed::index(interval, version) as usize))
        .map(|entry| {
            let start = u128::from(entry.high.get()) << 64 | u128::from(entry.low.get());
            (start, entry.slot.get(), entry.owner.get())
        })
        .collect();
    let ends = entries.iter().skip(1).map(|(start, ..)| start - 1).chain([u128::MAX]);
    let found = entries.iter().zip(ends).filter(|((_, slot, _), _)| *slot != 0);
    found.filter_map(|((first, slot, owner), last)| Some((slot - 1, *owner, network(*first, last)?))).collect()
}

/// First and last address.
fn span(network: IpPrefix) -> (u128, u128) {
    let (first, width) = match network.first() {
        IpAddr::V4(address) => (MAPPED | u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let host = 1u128.checked_shl(width - u32::from(network.length())).map_or(u128::MAX, |size| size - 1);
    (first, first | host)
}

/// The network from one address to another, if that is one.
fn network(first: u128, last: u128) -> Option<IpPrefix> {
    let host = (first ^ last).trailing_ones();
    let size = 1u128.checked_shl(host).unwrap_or(0);
    if first.wrapping_add(size).wrapping_sub(1) != last {
        return None;
    }
    let width: u32 = if first >> 32 == MAPPED >> 32 { 32 } else { 128 };
    let address: IpAddr = match width {
        32 => Ipv4Addr::from_bits(u32::try_from(first & 0xffff_ffff).ok()?).into(),
        _ => Ipv6Addr::from_bits(first).into(),
    };
    IpPrefix::new(address, u8::try_from(width.checked_sub(host)?).ok()?)
}

/// Both halves of an IPv6 address.
pub(crate) fn halves(number: u128) -> [u64; 2] {
    [number >> 64, number & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0))
}

/// Whether a network meets a pool: who has those addresses is found without this table.
fn in_pool(tables: &Tables, network: IpPrefix) -> bool {
    let Some(settings) = tables.settings.get(0) else { return false };
    let (first, last) = span(network);
    pools(settings).any(|(start, end)| first <= end && start <= last)
}

/// First and last address of each pool.
fn pools(settings: &Settings) -> impl Iterator<Item = (u128, u128)> {
    let used = settings.pools.iter().take(settings.pool_count.get() as usize);
    let ipv4 = used.map(|pool| {
        let first = u128::from(Key::ipv4(Address::from_host(pool.first.get())).low);
        (first, first + u128::from(pool.count.get().saturating_sub(1)))
    });
    let ipv6 = settings.pools6.iter().filter(|pool| pool.count.get() != 0).map(|pool| {
        let size = u128::from(pool.count.get()) << (pool.shift.get() & 31);
        let first = u128::from(pool.first.get()) << 64;
        (first, first + (size << 64) - 1)
    });
    ipv4.chain(ipv6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_become_intervals_and_back() {
        for text in ["10.94.7.0/24", "10.94.7.9/32", "128.0.0.0/1", "2001:db8:7::/48", "2001:db8::5/128", "8000::/1"] {
            let wanted: IpPrefix = text.parse().unwrap();
            let (first, last) = span(wanted);
            assert_eq!(network(first, last), Some(wanted));
        }
        assert_eq!(network(0x10, 0x12), None);
    }

    #[test]
    fn the_map_has_room_for_the_worst() {
        // So many networks with gaps between them, and what is before the first.
        for networks in [1, 2, 7, 4096] {
            assert!(entries(networks) / 2 > networks * 2);
        }
    }
}
