//! Where each pool's downlink records are.

use crate::config::Config;
use crate::error::Error;
use crate::tables::Tables;
use agw_types::AddressPool;
use basalt_ebpf_abi::{Address, Downlink, DownlinkState, Prefix};

/// Number of downlink records that these pools need, rounded up so that a pool may grow a little without new tables.
pub(crate) fn slots(config: &Config) -> Result<u32, Error> {
    let count = |pool: &AddressPool| u64::from(Prefix::new(pool.network, pool.prefix).last() - first(pool)) + 1;
    let total: u64 = config.pools.iter().map(count).sum();
    u32::try_from(total.next_multiple_of(1 << 12)).map_err(|_| Error::Full("addresses"))
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
            let slot = settings.slot(Address(session.ue.get()));
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
    to.drained.set(to.handed.get());
    to.state.set(from.state.get());
}
