//! Addresses and prefixes for UEs: pools with static ones, and a quarantine before one comes back.

use agw_types::{AddressPool, Prefix64, PrefixPool};
use basalt_sansio::{Duration, Time};
use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

/// What pools are made of.
pub(crate) trait Number: Copy + Ord {
    /// Its place among all.
    fn to_number(self) -> u64;
    /// The one at this place; `None` beyond the last.
    fn from_number(number: u64) -> Option<Self>;
}

impl Number for Ipv4Addr {
    fn to_number(self) -> u64 {
        self.to_bits().into()
    }

    fn from_number(number: u64) -> Option<Self> {
        u32::try_from(number).ok().map(Ipv4Addr::from_bits)
    }
}

impl Number for Prefix64 {
    fn to_number(self) -> u64 {
        self.to_bits()
    }

    fn from_number(number: u64) -> Option<Self> {
        Some(Prefix64::from_bits(number))
    }
}

/// A pool's addresses: `size` of them from `first`, each `1 << step` after the one before; some never given.
#[derive(Debug)]
pub(crate) struct Range {
    first: u64,
    size: u32,
    step: u32,
    closed: Vec<u32>,
}

impl From<&AddressPool> for Range {
    fn from(pool: &AddressPool) -> Self {
        let (first, size) = (u64::from(pool.network.to_bits()), 1u32 << (32 - u32::from(pool.prefix.clamp(8, 30))));
        let gateway = pool.gateway.and_then(|gateway| u64::from(gateway.to_bits()).checked_sub(first));
        let mut closed = vec![0, size - 1];
        closed.extend(gateway.and_then(|index| u32::try_from(index).ok()).filter(|index| *index < size));
        Range { first, size, step: 0, closed }
    }
}

impl From<&PrefixPool> for Range {
    fn from(pool: &PrefixPool) -> Self {
        let each = pool.each.clamp(1, 64);
        let bits = u32::from(each - pool.prefix.min(each)).min(20);
        let first = Prefix64::of(pool.network).to_bits();
        Range { first, size: 1 << bits, step: 64 - u32::from(each), closed: Vec::new() }
    }
}

/// The addresses of one access point, of one IP version.
///
/// Given out in order, round the pool, so that an address rests as long as possible before it is given again; in any case
/// it rests for the quarantine (TS 33.250 §4.2.6.3). Whoever gave it back may have it again before that, when there is no other: what
/// still arrives for it is theirs. A static address is set apart for its subscriber, who may return to it at once.
#[derive(Debug)]
pub(crate) struct Addresses<A> {
    pools: Vec<Pool>,
    /// Released addresses, those that may come back first in front.
    resting: VecDeque<Resting<A>>,
    /// Addresses whose owners came back before these had rested, and until when they would have: who gives them back untouched changes nothing.
    early: BTreeMap<A, Time>,
    /// Static addresses: never given to another subscriber.
    fixed: BTreeMap<A, Fixed>,
}

/// An address that was given back.
#[derive(Debug, Clone, Copy)]
struct Resting<A> {
    until: Time,
    address: A,
    /// Who gave it back; `None` where that is not known any more.
    owner: Option<u64>,
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
    range: Range,
    /// One bit an address: set while it is used, resting or not to be given.
    taken: Vec<u64>,
    free: u32,
    /// Addresses that can be given at all.
    capacity: u32,
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

impl<A: Number> Addresses<A> {
    pub(crate) fn new(pools: impl IntoIterator<Item = Range>) -> Self {
        let pools = pools.into_iter().map(Pool::new).collect();
        Self { pools, resting: VecDeque::new(), early: BTreeMap::new(), fixed: BTreeMap::new() }
    }

    /// An address for `owner` (any number that tells one subscriber from another).
    pub(crate) fn take(&mut self, now: Time, owner: u64, fixed: Option<A>) -> Result<A, NoAddress> {
        self.wake(now);
        if let Some(address) = fixed {
            return self.take_fixed(now, owner, address);
        }
        let address = self.pools.iter_mut().find_map(Pool::take_next);
        address.or_else(|| self.take_back(owner)).ok_or(NoAddress::Exhausted)
    }

    /// What this owner gave back last and still rests.
    fn take_back(&mut self, owner: u64) -> Option<A> {
        let place = self.resting.iter().rposition(|resting| resting.owner == Some(owner))?;
        let Resting { until, address, .. } = self.resting.remove(place)?;
        self.early.insert(address, until);
        Some(address)
    }

    fn take_fixed(&mut self, now: Time, owner: u64, address: A) -> Result<A, NoAddress> {
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
    pub(crate) fn reserve(&mut self, owner: u64, address: A) {
        if self.pools.iter_mut().any(|pool| pool.mark(address)) {
            self.fixed.insert(address, Fixed { owner, held: false, rests_until: Time::ZERO });
        }
    }

    /// Takes an address that a stored session holds. False when another session has it already or no pool contains it.
    pub(crate) fn restore(&mut self, address: A) -> bool {
        if let Some(fixed) = self.fixed.get_mut(&address) {
            return !core::mem::replace(&mut fixed.held, true);
        }
        self.pools.iter_mut().any(|pool| pool.mark(address))
    }

    /// Gives an address back that `owner` had; it rests until `now + quarantine`.
    pub(crate) fn release(&mut self, now: Time, quarantine: Duration, owner: u64, address: A) {
        match self.fixed.get_mut(&address) {
            Some(fixed) => {
                fixed.held = false;
                fixed.rests_until = now + quarantine;
            }
            None => {
                let until = self.early.remove(&address).map_or(now + quarantine, |until| until.max(now + quarantine));
                self.lay(Resting { until, address, owner: Some(owner) });
            }
        }
    }

    /// Lets an address rest that was given back before the gateway started. One that is in use again is left alone.
    pub(crate) fn rest(&mut self, until: Time, owner: Option<u64>, address: A) {
        match self.fixed.get_mut(&address) {
            Some(fixed) => fixed.rests_until = fixed.rests_until.max(until),
            None if self.pools.iter_mut().any(|pool| pool.mark(address)) => {
                self.lay(Resting { until, address, owner });
            }
            None => {}
        }
    }

    fn lay(&mut self, resting: Resting<A>) {
        let place = self.resting.partition_point(|other| other.until <= resting.until);
        self.resting.insert(place, resting);
    }

    /// Takes over what rested in the pools that these replace.
    pub(crate) fn inherit(&mut self, former: &Self) {
        for resting in &former.resting {
            self.rest(resting.until, resting.owner, resting.address);
        }
        for (address, fixed) in &former.fixed {
            if let Some(known) = self.fixed.get_mut(address) {
                known.rests_until = known.rests_until.max(fixed.rests_until);
            }
        }
    }

    /// For each pool, addresses that can be given out now, and all of its addresses.
    pub(crate) fn rooms(&mut self, now: Time) -> Vec<(u32, u32)> {
        self.wake(now);
        self.pools.iter().map(|pool| (pool.free, pool.capacity)).collect()
    }

    fn wake(&mut self, now: Time) {
        while let Some(Resting { until, address, .. }) = self.resting.front().copied() {
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
    fn new(range: Range) -> Self {
        let (size, words) = (range.size, (range.size as usize).div_ceil(64));
        let mut pool = Self { taken: vec![0; words], free: size, next: 1, capacity: 0, range };
        for index in core::mem::take(&mut pool.range.closed) {
            pool.set(index);
        }
        pool.capacity = pool.free;
        pool
    }

    const fn size(&self) -> u32 {
        self.range.size
    }

    fn index(&self, address: impl Number) -> Option<u32> {
        let offset = address.to_number().checked_sub(self.range.first)?;
        let whole = offset.trailing_zeros() >= self.range.step;
        u32::try_from(offset >> self.range.step).ok().filter(|index| whole && *index < self.size())
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

    fn mark(&mut self, address: impl Number) -> bool {
        self.index(address).is_some_and(|index| self.set(index))
    }

    fn clear(&mut self, address: impl Number) {
        let Some(index) = self.index(address) else { return };
        if let (true, Some(word)) = (self.is_set(index), self.taken.get_mut(index as usize / 64)) {
            *word &= !(1 << (index % 64));
            self.free += 1;
        }
    }

    /// The next free address after the last one given, whole words at a time where all are taken.
    fn take_next<A: Number>(&mut self) -> Option<A> {
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
                return A::from_number(self.range.first + (u64::from(index) << self.range.step));
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
    use std::collections::{BTreeMap, BTreeSet};

    const REST: Duration = Duration::from_secs(60);

    fn pool(prefix: u8) -> Addresses<Ipv4Addr> {
        let pool =
            AddressPool { network: Ipv4Addr::new(10, 45, 0, 0), prefix, gateway: Some(Ipv4Addr::new(10, 45, 0, 1)) };
        Addresses::new([Range::from(&pool)])
    }

    #[test]
    fn network_broadcast_and_gateway_are_never_given() {
        let mut addresses = pool(29);
        let given: Vec<_> = (0..5).map(|n| addresses.take(Time::ZERO, n, None).unwrap()).collect();
        assert_eq!(given.first(), Some(&Ipv4Addr::new(10, 45, 0, 2)));
        assert_eq!(given.last(), Some(&Ipv4Addr::new(10, 45, 0, 6)));
        assert_eq!(addresses.take(Time::ZERO, 9, None), Err(NoAddress::Exhausted));
        assert_eq!(addresses.rooms(Time::ZERO), [(0, 5)]);
    }

    #[test]
    fn a_released_address_rests_for_the_quarantine() {
        let mut addresses = pool(29);
        let all: Vec<_> = (0..5).map(|n| addresses.take(Time::ZERO, n, None).unwrap()).collect();
        addresses.release(Time::from_secs(1), REST, 2, all[2]);
        assert_eq!(addresses.take(Time::from_secs(60), 7, None), Err(NoAddress::Exhausted));
        assert_eq!(addresses.take(Time::from_secs(61), 7, None), Ok(all[2]));
    }

    #[test]
    fn of_a_full_pool_who_gave_an_address_back_has_it_again_at_once_and_nobody_else() {
        let mut addresses = pool(29);
        let all: Vec<_> = (0..5).map(|n| addresses.take(Time::ZERO, n, None).unwrap()).collect();
        addresses.release(Time::from_secs(1), REST, 2, all[2]);
        addresses.release(Time::from_secs(1), REST, 3, all[3]);
        assert_eq!(addresses.take(Time::from_secs(2), 7, None), Err(NoAddress::Exhausted));
        assert_eq!(addresses.take(Time::from_secs(2), 2, None), Ok(all[2]));
        assert_eq!(addresses.take(Time::from_secs(2), 2, None), Err(NoAddress::Exhausted));
        // It turns out that it cannot be used: it rests as before.
        addresses.release(Time::from_secs(2), Duration::ZERO, 2, all[2]);
        assert_eq!(addresses.take(Time::from_secs(3), 7, None), Err(NoAddress::Exhausted));
        assert_eq!(addresses.take(Time::from_secs(3), 2, None), Ok(all[2]));
        // What rests no more is anybody's, once.
        assert_eq!(addresses.take(Time::from_secs(61), 7, None), Ok(all[3]));
        assert_eq!(addresses.take(Time::from_secs(61), 3, None), Err(NoAddress::Exhausted));
        assert_eq!(addresses.rooms(Time::from_secs(200)), [(0, 5)]);
    }

    #[test]
    fn a_static_address_is_never_another_ones() {
        let mut addresses = pool(29);
        let fixed = Ipv4Addr::new(10, 45, 0, 3);
        assert_eq!(addresses.take(Time::ZERO, 1, Some(fixed)), Ok(fixed));
        assert_eq!(addresses.take(Time::ZERO, 2, Some(fixed)), Err(NoAddress::StaticInUse));
        addresses.release(Time::ZERO, REST, 1, fixed);
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
        addresses.release(Time::ZERO, REST, 1, fixed);
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
        addresses.release(Time::ZERO, REST, 1, fixed);
        assert_eq!(addresses.take(Time::from_secs(59), 2, Some(fixed)), Err(NoAddress::StaticInUse));
        assert_eq!(addresses.take(Time::from_secs(60), 2, Some(fixed)), Ok(fixed));
    }

    #[test]
    fn what_rested_before_a_restart_or_under_another_configuration_goes_on_resting() {
        let mut addresses = pool(30);
        let only = Ipv4Addr::new(10, 45, 0, 2);
        addresses.rest(Time::from_secs(7), Some(9), only);
        assert_eq!(addresses.take(Time::from_secs(6), 1, None), Err(NoAddress::Exhausted));
        let mut others = pool(30);
        others.inherit(&addresses);
        assert_eq!(others.take(Time::from_secs(6), 1, None), Err(NoAddress::Exhausted));
        assert_eq!(others.take(Time::from_secs(7), 1, None), Ok(only));
        // What is in use does not begin to rest.
        others.rest(Time::from_secs(8), None, only);
        assert_eq!(others.take(Time::from_secs(9), 2, None), Err(NoAddress::Exhausted));
    }

    #[test]
    fn prefixes_are_given_whole() {
        let network: core::net::Ipv6Addr = "2001:db8:1::".parse().unwrap();
        for (prefix, each, second, all) in [(62, 64, "2001:db8:1:1::", 4), (54, 56, "2001:db8:1:100::", 4)] {
            let mut prefixes = Addresses::new([Range::from(&PrefixPool { network, prefix, each })]);
            let given: BTreeSet<Prefix64> = (0..4).map(|n| prefixes.take(Time::ZERO, n, None).unwrap()).collect();
            assert_eq!((given.len(), prefixes.rooms(Time::ZERO)), (4, vec![(0, all)]));
            assert!(given.contains(&Prefix64::of(network)) && given.contains(&Prefix64::of(second.parse().unwrap())));
            assert_eq!(prefixes.take(Time::ZERO, 9, None), Err(NoAddress::Exhausted));
        }
        // A /64 within another's delegation is no prefix of the pool.
        let mut prefixes = Addresses::new([Range::from(&PrefixPool { network, prefix: 54, each: 56 })]);
        let within = Prefix64::of("2001:db8:1:1::".parse().unwrap());
        assert_eq!(prefixes.take(Time::ZERO, 1, Some(within)), Err(NoAddress::StaticOutside));
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
            let mut held: Vec<(u64, Ipv4Addr)> = Vec::new();
            let mut left: BTreeMap<Ipv4Addr, (u64, Time)> = BTreeMap::new();
            let mut now = Time::ZERO;
            for (take, pick) in steps {
                now += Duration::from_secs(u64::from(pick));
                if take || held.is_empty() {
                    let owner = u64::from(pick % 8);
                    if let Ok(address) = addresses.take(now, owner, None) {
                        prop_assert!(held.iter().all(|(_, other)| *other != address));
                        if let Some((before, at)) = left.remove(&address) {
                            prop_assert!(before == owner || now >= at + REST, "it rests for everybody else");
                        }
                        held.push((owner, address));
                    }
                } else {
                    let (owner, address) = held.swap_remove(usize::from(pick) % held.len());
                    addresses.release(now, REST, owner, address);
                    left.insert(address, (owner, now));
                }
            }
        }
    }
}
