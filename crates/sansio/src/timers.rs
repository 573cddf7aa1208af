//! Any number of armed timers, earliest first.

use core::hash::Hash;

use crate::{DetHashMap, Time};

/// A queue of timers, at most one per key.
///
/// Keys are whatever names a timer: `(SlotId, TimerKind)`, say. Arming a key again moves its deadline and cancelling
/// removes it from the queue, so nothing stale can ever fire; a key that carries a [`SlotId`](crate::SlotId) carries
/// its generation, so what is left armed for a past life falls dead at the lookup. Equal deadlines fire in the order in
/// which they were armed.
///
/// Inside is a 4-ary heap of positions and a slab, both plain vectors: arm, re-arm, cancel and pop are O(log n) without
/// an allocation per timer. A hundred thousand armed timers of an 8-byte key take about 8 MB.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    /// Heap of (deadline, arming order, slab index).
    heap: Vec<Waiting>,
    slab: Vec<Armed<K>>,
    /// Slab entries not in use.
    free: Vec<u32>,
    by_key: DetHashMap<K, u32>,
    armings: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    at: Time,
    order: u64,
    slab: u32,
}

#[derive(Clone, Copy, Debug)]
struct Armed<K> {
    key: K,
    /// Where in the heap this timer waits.
    position: u32,
}

const ARITY: usize = 4;

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { heap: Vec::new(), slab: Vec::new(), free: Vec::new(), by_key: DetHashMap::default(), armings: 0 }
    }
}

impl<K: Copy + Eq + Hash> Timers<K> {
    /// A queue with nothing armed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Arms `key` for `at`; if it was armed already, only the new deadline holds.
    pub fn arm(&mut self, key: K, at: Time) {
        self.armings += 1;
        let order = self.armings;
        if let Some(&slab) = self.by_key.get(&key) {
            let position = self.slab[slab as usize].position as usize;
            self.heap[position] = Waiting { at, order, slab };
            self.settle(position);
            return;
        }
        let position = self.heap.len();
        let slab = self.occupy(Armed { key, position: position as u32 });
        self.by_key.insert(key, slab);
        self.heap.push(Waiting { at, order, slab });
        self.settle(position);
    }

    /// Disarms `key` and says when it would have fired; `None` if it was not armed.
    pub fn cancel(&mut self, key: &K) -> Option<Time> {
        let slab = self.by_key.remove(key)?;
        self.free.push(slab);
        let position = self.slab[slab as usize].position as usize;
        Some(self.take_out(position).at)
    }

    /// When `key` fires, if it is armed.
    #[must_use]
    pub fn deadline(&self, key: &K) -> Option<Time> {
        let slab = *self.by_key.get(key)?;
        Some(self.heap[self.slab[slab as usize].position as usize].at)
    }

    /// Whether `key` is armed.
    #[must_use]
    pub fn is_armed(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// The earliest deadline: when the driver must call again, exactly.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.heap.first().map(|first| first.at)
    }

    /// Disarms and returns the earliest timer whose deadline is not after `now`. Call until `None`.
    pub fn pop_expired(&mut self, now: Time) -> Option<K> {
        let first = self.heap.first()?;
        if first.at > now {
            return None;
        }
        let slab = self.take_out(0).slab;
        let key = self.slab[slab as usize].key;
        self.by_key.remove(&key);
        self.free.push(slab);
        Some(key)
    }

    /// How many timers are armed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether nothing is armed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn occupy(&mut self, armed: Armed<K>) -> u32 {
        match self.free.pop() {
            Some(slab) => {
                self.slab[slab as usize] = armed;
                slab
            }
            None => {
                self.slab.push(armed);
                (self.slab.len() - 1) as u32
            }
        }
    }

    /// Removes the heap entry at `position` and fills the gap with the last one.
    fn take_out(&mut self, position: usize) -> Waiting {
        let taken = self.heap.swap_remove(position);
        if position < self.heap.len() {
            self.settle(position);
        }
        taken
    }

    /// Moves the entry at `position`, which may be anything, to where it belongs.
    fn settle(&mut self, position: usize) {
        let risen = self.rise(position);
        if risen == position {
            self.sink(position);
        }
    }

    fn rise(&mut self, mut position: usize) -> usize {
        let moving = self.heap[position];
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.heap[parent] <= moving {
                break;
            }
            self.put(position, self.heap[parent]);
            position = parent;
        }
        self.put(position, moving);
        position
    }

    fn sink(&mut self, mut position: usize) {
        let moving = self.heap[position];
        loop {
            let first = position * ARITY + 1;
            let children = first..(first + ARITY).min(self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child]) else { break };
            if moving <= self.heap[least] {
                break;
            }
            self.put(position, self.heap[least]);
            position = least;
        }
        self.put(position, moving);
    }

    fn put(&mut self, position: usize, waiting: Waiting) {
        self.heap[position] = waiting;
        self.slab[waiting.slab as usize].position = position as u32;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Duration;

    #[test]
    fn equal_deadlines_fire_in_arming_order_and_rearming_moves_to_the_back() {
        let mut timers = Timers::new();
        let at = Time::from_secs(1);
        for key in [3, 1, 2] {
            timers.arm(key, at);
        }
        timers.arm(3, at);
        let fired: Vec<_> = std::iter::from_fn(|| timers.pop_expired(at)).collect();
        assert_eq!(fired, [1, 2, 3]);
    }

    #[test]
    fn nothing_fires_early_and_a_cancelled_timer_never_does() {
        let mut timers = Timers::new();
        timers.arm('a', Time::from_secs(1));
        timers.arm('b', Time::from_secs(2));
        assert_eq!(timers.pop_expired(Time::from_micros(999_999)), None);
        assert_eq!(timers.cancel(&'a'), Some(Time::from_secs(1)));
        assert_eq!(timers.cancel(&'a'), None);
        assert_eq!(timers.next_wakeup(), Some(Time::from_secs(2)));
        assert_eq!(timers.pop_expired(Time::MAX), Some('b'));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_timer_that_is_moved_again_and_again_takes_one_place() {
        let mut timers = Timers::new();
        for round in 0..10_000 {
            timers.arm((), Time::ZERO + Duration::from_millis(round));
        }
        assert_eq!((timers.len(), timers.heap.len(), timers.slab.len()), (1, 1, 1));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Arm(u8, u64),
        Cancel(u8),
        Advance(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0..40u8, 0..100u64).prop_map(|(key, delay)| Op::Arm(key, delay)),
            1 => (0..40u8).prop_map(Op::Cancel),
            2 => (0..60u64).prop_map(Op::Advance),
        ]
    }

    proptest! {
        /// Against the obvious model: a map searched for the least (deadline, order).
        #[test]
        fn behaves_like_a_searched_map(ops in proptest::collection::vec(op(), 1..400)) {
            let mut timers = Timers::new();
            let mut model: BTreeMap<u8, (Time, u64)> = BTreeMap::new();
            let (mut now, mut order) = (Time::ZERO, 0);
            for op in ops {
                match op {
                    Op::Arm(key, delay) => {
                        order += 1;
                        let at = now + Duration::from_micros(delay);
                        timers.arm(key, at);
                        model.insert(key, (at, order));
                    }
                    Op::Cancel(key) => {
                        prop_assert_eq!(timers.cancel(&key), model.remove(&key).map(|(at, _)| at));
                    }
                    Op::Advance(by) => {
                        now += Duration::from_micros(by);
                        while let Some(key) = timers.pop_expired(now) {
                            let least = model.iter().min_by_key(|(_, when)| **when).map(|(key, _)| *key);
                            prop_assert_eq!(Some(key), least);
                            let when = model.remove(&key);
                            prop_assert!(when.is_some_and(|(at, _)| at <= now));
                        }
                        prop_assert!(model.values().all(|(at, _)| *at > now));
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                prop_assert_eq!(timers.next_wakeup(), model.values().map(|(at, _)| *at).min());
                for (key, (at, _)) in &model {
                    prop_assert_eq!(timers.deadline(key), Some(*at));
                }
            }
        }
    }
}
