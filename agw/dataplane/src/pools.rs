//! Where each pool's downlink records are.

use crate::config::Config;
use crate::error::Error;
use crate::tables::Tables;
use agw_types::{AddressPool, Prefix64, PrefixPool};
use basalt_ebpf_abi::{Address, Downlink, DownlinkState, Prefix};
use std::net::Ipv6Addr;

/// Number of downlink records that these pools need, rounded up so that a pool may grow a little without new tables.
pub(crate) fn slots(config: &Config) -> Result<u32, Error> {
    let count = |pool: &AddressPool| u64::from(Prefix::new(pool.network, pool.prefix).last() - first(pool)) + 1;
    let total: u64 = config.pools.iter().map(count).sum();
    // Sessions without IPv4 have theirs behind the pools' (see `alone`).
    let alone = if config.pools6.is_empty() { 0 } else { u64::from(config.teids()?.slots()) };
    u32::try_from(total.next_multiple_of(1 << 12) + alone).map_err(|_| Error::Full("addresses"))
}

/// The first of the downlink records of sessions without IPv4, one for each TEID index; `None` where there are no IPv6 pools.
pub(crate) fn alone(tables: &Tables) -> Option<u32> {
    let settings = tables.settings.get(0)?;
    let any = settings.pools6.iter().any(|pool| pool.count.get() != 0);
    settings.downlink_slots.get().checked_sub(settings.uplink_slots.get()).filter(|_| any)
}

/// Number of IPv6 prefixes in these pools, at least 1.
pub(crate) fn places6(config: &Config) -> u32 {
    config.pools6.iter().map(count6).sum::<u32>().max(1)
}

fn count6(pool: &PrefixPool) -> u32 {
    1 << u32::from(pool.each.saturating_sub(pool.prefix)).min(20)
}

/// First half of an IPv6 network, host order, and its mask.
fn first6((network, length): (Ipv6Addr, u8)) -> (u64, u64) {
    let mask = u64::MAX << (64 - u32::from(length.clamp(1, 64)));
    (Prefix64::of(network).to_bits() & mask, mask)
}

/// Writes the IPv6 pools and networks.
pub(crate) fn install6(tables: &Tables, config: &Config) {
    let Some(settings) = tables.settings.get(0) else { return };
    let mut base = 0;
    for (index, entry) in settings.pools6.iter().enumerate() {
        let pool = config.pools6.get(index);
        let first = pool.map_or(0, |pool| Prefix64::of(pool.network).to_bits());
        let (count, shift) = pool.map_or((0, 0), |pool| (count6(pool), 64 - u32::from(pool.each.clamp(33, 64))));
        if (entry.first.get(), entry.count.get(), entry.base.get(), entry.shift.get()) != (first, count, base, shift) {
            // Sessions that had prefixes here are told theirs again by whoever sets them.
            tables.prefixes.iter().for_each(|slot| slot.set(0));
            entry.count.set(0);
            entry.first.set(first);
            entry.base.set(base);
            entry.shift.set(shift);
            entry.count.set(count);
        }
        base += count;
    }
    for (index, entry) in settings.forbidden6.iter().enumerate() {
        let (first, mask) = config.forbidden6.get(index).map_or((0, 0), |network| first6(*network));
        entry.first.set(first);
        entry.mask.set(mask);
    }
}

/// Writes the pools, moving records of sessions from where they were under the pools of before.
pub(crate) fn install(tables: &Tables, pools: &[AddressPool]) {
    let Some(settings) = tables.settings.get(0) else { return };
    let mut base = 0;
    let wanted: Vec<(u32, u32, u32)> = pools
        .iter()
        .map(|pool| {
            let count = Prefix::new(pool.network, pool.prefix).last() - first(pool) + 1;
            let start = base;
            base += count;
            (first(pool), count, start)
        })
        .collect();
    let now: Vec<(u32, u32, u32)> = settings
        .pools
        .iter()
        .take(settings.pool_count.get() as usize)
        .map(|pool| (pool.first.get(), pool.count.get(), pool.base.get()))
        .collect();
    if now != wanted {
        let sessions: Vec<Downlink> = tables.downlink.iter().filter(|record| used(record)).map(copy).collect();
        for record in tables.downlink.iter() {
            record.state.set(DownlinkState::NONE);
            record.owner.set(0);
        }
        settings.pool_count.set(0);
        for ((first, count, base), pool) in wanted.iter().zip(&settings.pools) {
            pool.first.set(*first);
            pool.count.set(*count);
            pool.base.set(*base);
        }
        settings.pool_count.set(u32::try_from(wanted.len()).unwrap_or(0));
        for session in &sessions {
            let slot = match (session.ue.get(), alone(tables)) {
                (0, Some(first)) => Some(first + (session.owner.get() & settings.teid_mask.get())),
                (ue, _) => settings.slot(Address(ue)),
            };
            if let Some(record) = slot.and_then(|slot| tables.downlink.get(slot as usize)) {
                restore(record, session);
            }
        }
    }
    for gateway in pools.iter().filter_map(|pool| pool.gateway) {
        let slot = settings.slot(Address::new(gateway));
        if let Some(record) = slot.and_then(|slot| tables.downlink.get(slot as usize)) {
            record.ue.set(Address::new(gateway).0);
            record.state.set(DownlinkState::LOCAL);
        }
    }
}

fn first(pool: &AddressPool) -> u32 {
    Prefix::new(pool.network, pool.prefix).first()
}

fn used(record: &Downlink) -> bool {
    matches!(record.state.get(), DownlinkState::IDLE | DownlinkState::ACTIVE)
}

fn copy(from: &Downlink) -> Downlink {
    let to = Downlink::default();
    restore(&to, from);
    to
}

/// Everything but what is on its way to user space, which names the old slot.
fn restore(to: &Downlink, from: &Downlink) {
    for (to, from) in [
        (&to.sequence, &from.sequence),
        (&to.ue, &from.ue),
        (&to.teid, &from.teid),
        (&to.peer, &from.peer),
        (&to.flags, &from.flags),
        (&to.next_hop, &from.next_hop),
        (&to.owner, &from.owner),
    ] {
        to.set(from.get());
    }
    for (to, from) in [(&to.packets, &from.packets), (&to.bytes, &from.bytes), (&to.dropped, &from.dropped)] {
        to.set(from.get());
    }
    to.meter.due.set(from.meter.due.get());
    for (to, from) in [
        (&to.meter.rate, &from.meter.rate),
        (&to.meter.burst, &from.meter.burst),
        (&to.ue_meter, &from.ue_meter),
        (&to.policy, &from.policy),
        (&to.states, &from.states),
        (&to.bearers, &from.bearers),
    ] {
        to.set(from.get());
    }
    to.prefix.set(from.prefix.get());
    to.drained.set(to.handed.get());
    to.state.set(from.state.get());
}
