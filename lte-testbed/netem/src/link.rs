//! One direction of a link.

use std::collections::BTreeMap;

use basalt_sansio::{Duration, Rng, SimRng, Time};
use serde::{Deserialize, Serialize};

/// A probability in millionths, 0 to 1,000,000. More counts as certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerMillion(pub u32);

impl PerMillion {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1_000_000);

    /// So many in a hundred.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self(percent.saturating_mul(10_000))
    }

    fn happens(self, rng: &mut SimRng) -> bool {
        rng.chance(self.0.into(), 1_000_000)
    }
}

/// How a link treats messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// How often a message is lost.
    pub loss: PerMillion,
    /// How often a message that is not lost comes twice.
    pub duplication: PerMillion,
    /// How often a message is held back by [`Profile::reorder_by`] and may be overtaken.
    pub reorder: PerMillion,
    /// How long a reordered message is held back, besides its delay.
    pub reorder_by: Duration,
    /// The least time that every message takes.
    pub delay: Duration,
    /// Up to so much more, evenly.
    pub jitter: Duration,
    /// So many messages are on their way at most; what comes when the link is full is lost.
    pub capacity: usize,
}

impl Profile {
    /// Everything arrives at once, in order, once.
    pub const PERFECT: Self = Self {
        loss: PerMillion::NEVER,
        duplication: PerMillion::NEVER,
        reorder: PerMillion::NEVER,
        reorder_by: Duration::ZERO,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        capacity: 1 << 20,
    };

    /// Nothing arrives.
    pub const CUT: Self = Self { loss: PerMillion::ALWAYS, ..Self::PERFECT };
}

/// What a link has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Messages that went in.
    pub sent: u64,
    /// Messages that came out, duplicates included.
    pub delivered: u64,
    /// Lost at random.
    pub lost: u64,
    /// Lost because the link was full.
    pub overflowed: u64,
    /// Messages that were given a second copy.
    pub duplicated: u64,
    /// Messages that were held back.
    pub reordered: u64,
}

/// One direction between two parties.
#[derive(Clone, Debug)]
pub struct Link<M> {
    profile: Profile,
    rng: SimRng,
    /// What is on its way, by arrival and then by the order of sending.
    on_the_way: BTreeMap<(Time, u64), M>,
    order: u64,
    /// The last arrival of a message that must not be overtaken.
    last_arrival: Time,
    stats: Stats,
}

impl<M: Clone> Link<M> {
    /// An empty link.
    #[must_use]
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self {
            profile,
            rng: SimRng::new(seed),
            on_the_way: BTreeMap::new(),
            order: 0,
            last_arrival: Time::ZERO,
            stats: Stats::default(),
        }
    }

    /// Treats messages otherwise from now on; what is on its way keeps its fate.
    pub fn set_profile(&mut self, profile: Profile) {
        self.profile = profile;
    }

    /// Forgets what is on its way, as a link does whose end has died.
    pub fn clear(&mut self) {
        self.on_the_way.clear();
    }

    /// Puts a message in.
    pub fn send(&mut self, now: Time, message: M) {
        self.stats.sent += 1;
        if self.profile.loss.happens(&mut self.rng) {
            self.stats.lost += 1;
            return;
        }
        if self.profile.duplication.happens(&mut self.rng) {
            self.stats.duplicated += 1;
            self.put(now, message.clone());
        }
        self.put(now, message);
    }

    /// Takes the next message out that has arrived by `now`. Call until `None`.
    pub fn receive(&mut self, now: Time) -> Option<M> {
        let first = self.on_the_way.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        self.stats.delivered += 1;
        Some(first.remove())
    }

    /// When the next message arrives, exactly.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// How many messages are on their way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.on_the_way.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.on_the_way.is_empty()
    }

    /// What the link has done so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn put(&mut self, now: Time, message: M) {
        let at = self.arrival(now);
        if self.on_the_way.len() >= self.profile.capacity {
            self.stats.overflowed += 1;
            return;
        }
        self.order += 1;
        self.on_the_way.insert((at, self.order), message);
    }

    fn arrival(&mut self, now: Time) -> Time {
        let jitter = u64::try_from(self.profile.jitter.as_micros()).unwrap_or(u64::MAX);
        let at = now + self.profile.delay + Duration::from_micros(self.rng.below(jitter.saturating_add(1)));
        if self.profile.reorder.happens(&mut self.rng) {
            self.stats.reordered += 1;
            return at + self.profile.reorder_by;
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rough() -> Profile {
        Profile {
            loss: PerMillion::percent(10),
            duplication: PerMillion::percent(5),
            reorder: PerMillion::percent(20),
            reorder_by: Duration::from_millis(15),
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(5),
            capacity: 1000,
        }
    }

    /// Sends 0, 1, 2 … a millisecond apart; what arrives, and when.
    fn run(profile: Profile, seed: u64, messages: u64) -> (Vec<(Time, u64)>, Stats) {
        let mut link = Link::new(profile, seed);
        let mut arrived = Vec::new();
        for n in 0..messages {
            let now = Time::from_millis(n);
            link.send(now, n);
            arrived.extend(std::iter::from_fn(|| link.receive(now)).map(|message| (now, message)));
        }
        while let Some(at) = link.next_wakeup() {
            arrived.extend(link.receive(at).map(|message| (at, message)));
        }
        (arrived, link.stats())
    }

    #[test]
    fn a_perfect_link_is_a_queue_and_a_cut_one_is_silent() {
        let (arrived, stats) = run(Profile::PERFECT, 1, 100);
        assert_eq!(arrived, (0..100).map(|n| (Time::from_millis(n), n)).collect::<Vec<_>>());
        assert_eq!((stats.sent, stats.delivered), (100, 100));
        let (arrived, stats) = run(Profile::CUT, 1, 100);
        assert_eq!((arrived.len(), stats.lost), (0, 100));
    }

    #[test]
    fn impairments_come_as_often_as_they_should() {
        let (arrived, stats) = run(rough(), 7, 20_000);
        let near = |count: u64, expected: u64| count.abs_diff(expected) < expected / 10;
        assert!(near(stats.lost, 2_000) && near(stats.duplicated, 900), "{stats:?}");
        assert!(near(stats.reordered, 3_780), "{stats:?}");
        assert_eq!(stats.delivered, stats.sent - stats.lost + stats.duplicated);
        let overtaken = arrived.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
        assert!(overtaken > 2_000, "{overtaken} were overtaken");
    }

    #[test]
    fn jitter_alone_reorders_nothing() {
        let profile = Profile { reorder: PerMillion::NEVER, duplication: PerMillion::NEVER, ..rough() };
        let (arrived, _) = run(profile, 3, 5_000);
        assert!(arrived.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }

    #[test]
    fn a_full_link_loses_what_comes() {
        let profile = Profile { capacity: 3, delay: Duration::from_secs(1), ..Profile::PERFECT };
        let (arrived, stats) = run(profile, 1, 10);
        assert_eq!(arrived.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(stats.overflowed, 7);
    }

    #[test]
    fn a_dead_end_forgets_what_was_on_its_way() {
        let mut link = Link::new(Profile { delay: Duration::from_secs(1), ..Profile::PERFECT }, 1);
        link.send(Time::ZERO, 1);
        link.clear();
        assert_eq!((link.receive(Time::MAX), link.next_wakeup()), (None, None));
    }

    proptest! {
        #[test]
        fn the_same_seed_delivers_the_same(seed: u64) {
            prop_assert_eq!(run(rough(), seed, 200), run(rough(), seed, 200));
        }

        #[test]
        fn nothing_comes_early_or_more_than_twice(seed: u64) {
            let (arrived, _) = run(rough(), seed, 200);
            let mut times = [0; 200];
            for (at, n) in arrived {
                prop_assert!(at >= Time::from_millis(n + 10) && at <= Time::from_millis(n + 10 + 5 + 15 + 5));
                times[n as usize] += 1;
            }
            prop_assert!(times.iter().all(|count| *count <= 2));
        }
    }
}
