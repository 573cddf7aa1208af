//! IPv4 addresses for UEs: pools with static addresses, and a quarantine before an address comes back.

use agw_types::AddressPool;
use basalt_sansio::{Duration, Time};
use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

/// The addresses of one access point.
///
/// Given out in order, round the pool, so that an address rests as long as possible before it is given again; in any case
/// it rests for the quarantine (TS 33.250 §4.2.6.3). A static address is set apart for its subscriber, who may return to it
/// at once.
#[derive(Debug)]
pub(crate) struct Addresses {
    pools: Vec<Pool>,
    /// Released addresses and when they may come back, oldest first.
    resting: VecDeque<(Time, Ipv4Addr)>,
    /// Static addresses: never given to another subscriber.
    fixed: BTreeMap<Ipv4Addr, Fixed>,
}

#[derive(Debug, Clone, Copy)]
struct Fixed {
    owner: u64,
    held: bool,
    /// When another owner may have it, after the operator moved it.
    rests_until: Time,
}

#[derive(Debug)]
struct Pool {
    config: AddressPool,
    /// One bit an address: set while it is used, resting or not to be given.
    taken: Vec<u64>,
    free: u32,
    next: u32,
}

/// Why there is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAddress {
    /// All are used or resting.
    Exhausted,
    /// The static address is held by a session that is still alive.
    StaticInUse,
    /// The static address lies in none of the access point's pools.
    StaticOutside,
}

impl Addresses {
    pub(crate) fn new(pools: &[AddressPool]) -> Self {
        Self {
            pools: pools.iter().map(|config| Pool::new(*config)).collect(),
            resting: VecDeque::new(),
            fixed: BTreeMap::new(),
        }
    }

    /// An address for `owner` (any number that tells one subscriber from another).
    pub(crate) fn take(&mut self, now: Time, owner: u64, fixed: Option<Ipv4Addr>) -> Result<Ipv4Addr, NoAddress> {
        self.wake(now);
        if let Some(address) = fixed {
            return self.take_fixed(now, owner, address);
        }
        let address = self.pools.iter_mut().find_map(Pool::take_next);
        address.ok_or(NoAddress::Exhausted)
    }

    fn take_fixed(&mut self, now: Time, owner: u64, address: Ipv4Addr) -> Result<Ipv4Addr, NoAddress> {
        if let Some(fixed) = self.fixed.get_mut(&address) {
            let moved = fixed.owner != owner;
            if fixed.held || (moved && fixed.rests_until > now) {
                return Err(NoAddress::StaticInUse);
            }
            *fixed = Fixed { owner, held: true, rests_until: now };
            return Ok(address);
        }
        if !self.pools.iter().any(|pool| pool.index(address).is_some()) {
            return Err(NoAddress::StaticOutside);
        }
        if !self.pools.iter_mut().any(|pool| pool.mark(address)) {
            return Err(NoAddress::StaticInUse);
        }
        self.fixed.insert(address, Fixed { owner, held: true, rests_until: now });
        Ok(address)
    }

    /// Sets a static address apart before it is first used. Does nothing while another session holds it.
    pub(crate) fn reserve(&mut self, owner: u64, address: Ipv4Addr) {
        if self.pools.iter_mut().any(|pool| pool.mark(address)) {
            self.fixed.insert(address, Fixed { owner, held: false, rests_until: Time::ZERO });
        }
    }

    /// Takes an address that a stored session holds. False when another session has it already or no pool contains it.
    pub(crate) fn restore(&mut self, address: Ipv4Addr) -> bool {
        if let Some(fixed) = self.fixed.get_mut(&address) {
            return !core::mem::replace(&mut fixed.held, true);
        }
        self.pools.iter_mut().any(|pool| pool.mark(address))
    }

    /// Gives an address back; it rests until `now + quarantine`.
    pub(crate) fn release(&mut self, now: Time, quarantine: Duration, address: Ipv4Addr) {
        match self.fixed.get_mut(&address) {
            Some(fixed) => {
                fixed.held = false;
                fixed.rests_until = now + quarantine;
            }
            None => self.resting.push_back((now + quarantine, address)),
        }
    }

    /// Lets an address rest that was given back before the gateway started. One that is in use again is left alone.
    pub(crate) fn rest(&mut self, until: Time, address: Ipv4Addr) {
        match self.fixed.get_mut(&address) {
            Some(fixed) => fixed.rests_until = fixed.rests_until.max(until),
            None if self.pools.iter_mut().any(|pool| pool.mark(address)) => {
                let place = self.resting.partition_point(|(other, _)| *other <= until);
                self.resting.insert(place, (until, address));
            }
            None => {}
        }
    }

    /// Takes over what rested in the pools that these replace.
    pub(crate) fn inherit(&mut self, former: &Self) {
        for (until, address) in &former.resting {
            self.rest(*until, *address);
        }
        for (address, fixed) in &former.fixed {
            if let Some(known) = self.fixed.get_mut(address) {
                known.rests_until = known.rests_until.max(fixed.rests_until);
            }
        }
    }

    /// Addresses that can be given out now, and all addresses of the pools.
    pub(crate) fn room(&mut self, now: Time) -> (u32, u32) {
        self.wake(now);
        self.pools.iter().fold((0, 0), |(free, all), pool| (free + pool.free, all + pool.capacity()))
    }

    fn wake(&mut self, now: Time) {
        while let Some((until, address)) = self.resting.front().copied() {
            if until > now {
                break;
            }
            self.resting.pop_front();
            if let Some(pool) = self.pools.iter_mut().find(|pool| pool.index(address).is_some()) {
                pool.clear(address);
            }
        }
    }
}

impl Pool {
    fn new(config: AddressPool) -> Self {
        let size = 1u32 << (32 - u32::from(config.prefix.clamp(8, 30)));
        let words = (size as usize).div_ceil(64);
        let mut pool = Self { config, taken: vec![0; words], free: size, next: 1 };
        pool.set(0);
        pool.set(size - 1);
        if let Some(index) = config.gateway.and_then(|gateway| pool.index(gateway)) {
            pool.set(index);
        }
        pool
    }

    const fn size(&self) -> u32 {
        1u32 << (32 - self.config.prefix as u32)
    }

    /// Addresses that can be given to UEs at all.
    fn capacity(&self) -> u32 {
        self.size() - 2 - u32::from(self.config.gateway.is_some_and(|gateway| self.index(gateway).is_some()))
    }

    fn index(&self, address: Ipv4Addr) -> Option<u32> {
        let offset = address.to_bits().checked_sub(self.config.network.to_bits())?;
        (offset < self.size()).then_some(offset)
    }

    fn is_set(&self, index: u32) -> bool {
        self.taken.get(index as usize / 64).is_none_or(|word| word >> (index % 64) & 1 == 1)
    }

    fn set(&mut self, index: u32) -> bool {
        if self.is_set(index) {
            return false;
        }
        if let Some(word) = self.taken.get_mut(index as usize / 64) {
            *word |= 1 << (index % 64);
            self.free -= 1;
        }
        true
    }

    fn mark(&mut self, address: Ipv4Addr) -> bool {
        self.index(address).is_some_and(|index| self.set(index))
    }

    fn clear(&mut self, address: Ipv4Addr) {
        let Some(index) = self.index(address) else { return };
        if let (true, Some(word)) = (self.is_set(index), self.taken.get_mut(index as usize / 64)) {
            *word &= !(1 << (index % 64));
            self.free += 1;
        }
    }

    /// The next free address after the last one given, whole words at a time where all are taken.
    fn take_next(&mut self) -> Option<Ipv4Addr> {
        let size = self.size();
        let mut seen = 0;
        let mut index = self.next % size;
        while self.free > 0 && seen < size {
            if index.is_multiple_of(64) && self.taken.get(index as usize / 64) == Some(&u64::MAX) {
                seen += 64;
                index = (index + 64) % size;
                continue;
            }
            if self.set(index) {
                self.next = (index + 1) % size;
                return Some(Ipv4Addr::from_bits(self.config.network.to_bits() + index));
            }
            seen += 1;
            index = (index + 1) % size;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const REST: Duration = Duration::from_secs(60);

    fn pool(prefix: u8) -> Addresses {
        Addresses::new(&[AddressPool {
            network: Ipv4Addr::new(10, 45, 0, 0),
            prefix,
            gateway: Some(Ipv4Addr::new(10, 45, 0, 1)),
        }])
    }

    #[test]
    fn network_broadcast_and_gateway_are_never_given() {
        let mut addresses = pool(29);
        let given: Vec<_> = (0..5).map(|n| addresses.take(Time::ZERO, n, None).unwrap()).collect();
        assert_eq!(given.first(), Some(&Ipv4Addr::new(10, 45, 0, 2)));
        assert_eq!(given.last(), Some(&Ipv4Addr::new(10, 45, 0, 6)));
        assert_eq!(addresses.take(Time::ZERO, 9, None), Err(NoAddress::Exhausted));
        assert_eq!(addresses.room(Time::ZERO), (0, 5));
    }

    #[test]
    fn a_released_address_rests_for_the_quarantine() {
        let mut addresses = pool(29);
        let all: Vec<_> = (0..5).map(|n| addresses.take(Time::ZERO, n, None).unwrap()).collect();
        addresses.release(Time::from_secs(1), REST, all[2]);
        assert_eq!(addresses.take(Time::from_secs(60), 7, None), Err(NoAddress::Exhausted));
        assert_eq!(addresses.take(Time::from_secs(61), 7, None), Ok(all[2]));
    }

    #[test]
    fn a_static_address_is_never_another_ones() {
        let mut addresses = pool(29);
        let fixed = Ipv4Addr::new(10, 45, 0, 3);
        assert_eq!(addresses.take(Time::ZERO, 1, Some(fixed)), Ok(fixed));
        assert_eq!(addresses.take(Time::ZERO, 2, Some(fixed)), Err(NoAddress::StaticInUse));
        addresses.release(Time::ZERO, REST, fixed);
        let late = Time::from_secs(3600);
        let others: BTreeSet<_> = (0..4).map(|n| addresses.take(late, n + 10, None).unwrap()).collect();
        assert!(!others.contains(&fixed));
        assert_eq!(addresses.take(late, 1, Some(fixed)), Ok(fixed));
    }

    #[test]
    fn the_owner_returns_to_its_static_address_without_waiting() {
        let mut addresses = pool(24);
        let fixed = Ipv4Addr::new(10, 45, 0, 9);
        addresses.take(Time::ZERO, 1, Some(fixed)).unwrap();
        addresses.release(Time::ZERO, REST, fixed);
        assert_eq!(addresses.take(Time::from_secs(1), 1, Some(fixed)), Ok(fixed));
        assert_eq!(addresses.take(Time::from_secs(120), 2, Some(fixed)), Err(NoAddress::StaticInUse));
    }

    #[test]
    fn a_reserved_address_waits_for_its_owner_and_moves_after_a_rest() {
        let mut addresses = pool(29);
        let fixed = Ipv4Addr::new(10, 45, 0, 2);
        addresses.reserve(1, fixed);
        assert_eq!(addresses.take(Time::ZERO, 5, None), Ok(Ipv4Addr::new(10, 45, 0, 3)));
        assert!(addresses.restore(fixed));
        assert!(!addresses.restore(fixed));
        addresses.release(Time::ZERO, REST, fixed);
        assert_eq!(addresses.take(Time::from_secs(59), 2, Some(fixed)), Err(NoAddress::StaticInUse));
        assert_eq!(addresses.take(Time::from_secs(60), 2, Some(fixed)), Ok(fixed));
    }

    #[test]
    fn what_rested_before_a_restart_or_under_another_configuration_goes_on_resting() {
        let mut addresses = pool(30);
        let only = Ipv4Addr::new(10, 45, 0, 2);
        addresses.rest(Time::from_secs(7), only);
        assert_eq!(addresses.take(Time::from_secs(6), 1, None), Err(NoAddress::Exhausted));
        let mut others = pool(30);
        others.inherit(&addresses);
        assert_eq!(others.take(Time::from_secs(6), 1, None), Err(NoAddress::Exhausted));
        assert_eq!(others.take(Time::from_secs(7), 1, None), Ok(only));
        // What is in use does not begin to rest.
        others.rest(Time::from_secs(8), only);
        assert_eq!(others.take(Time::from_secs(9), 2, None), Err(NoAddress::Exhausted));
    }

    #[test]
    fn outside_and_restored_addresses() {
        let mut addresses = pool(24);
        let outside = Ipv4Addr::new(10, 46, 0, 9);
        assert_eq!(addresses.take(Time::ZERO, 1, Some(outside)), Err(NoAddress::StaticOutside));
        assert!(addresses.restore(Ipv4Addr::new(10, 45, 0, 2)));
        assert!(!addresses.restore(Ipv4Addr::new(10, 45, 0, 2)));
        assert_eq!(addresses.take(Time::ZERO, 1, None), Ok(Ipv4Addr::new(10, 45, 0, 3)));
    }

    proptest! {
        #[test]
        fn no_address_is_held_twice(prefix in 24u8..=30, steps in prop::collection::vec(any::<(bool, u8)>(), 0..400)) {
            let mut addresses = pool(prefix);
            let mut held: Vec<Ipv4Addr> = Vec::new();
            let mut now = Time::ZERO;
            for (take, pick) in steps {
                now += Duration::from_secs(u64::from(pick));
                if take || held.is_empty() {
                    if let Ok(address) = addresses.take(now, u64::from(pick), None) {
                        prop_assert!(!held.contains(&address));
                        held.push(address);
                    }
                } else {
                    let address = held.swap_remove(usize::from(pick) % held.len());
                    addresses.release(now, REST, address);
                }
            }
        }
    }
}
