//! Who behaves like an attacker: counted by sender, told when it is more than mistakes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// What a sender of GTP-U does that no honest base station does for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suspicion {
    /// Sends into tunnels that nobody has: it guesses TEIDs, or has lost its own.
    UnknownTunnels,
    /// Sends into tunnels of another base station.
    ForeignTunnels,
    /// Sends Error Indications or End Markers for tunnels that it does not have.
    ForgedControl,
}

impl Suspicion {
    /// So many within a [`Suspects::WINDOW`] are no mistake. Tunnels become unknown in numbers when sessions end under traffic,
    /// and the sender stops at the first Error Indication; the others do not happen at all.
    const fn enough(self) -> u32 {
        match self {
            Suspicion::UnknownTunnels => 200,
            Suspicion::ForeignTunnels | Suspicion::ForgedControl => 10,
        }
    }
}

/// Counters per sender.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    seen: BTreeMap<(Ipv4Addr, Suspicion), Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    number: u32,
    /// Since the last time it was told.
    untold: u64,
    told: Option<Instant>,
}

impl Suspects {
    /// In which it is counted.
    pub(crate) const WINDOW: Duration = Duration::from_secs(10);
    /// Between two words about one sender.
    pub(crate) const SILENCE: Duration = Duration::from_secs(60);
    /// How many are remembered. Beyond that, those that are quiet are forgotten, and new ones wait for room.
    const MOST: usize = 1024;

    /// Notes one act. How many there were since it was told last, if it is to be told now.
    pub(crate) fn note(&mut self, now: Instant, peer: Ipv4Addr, what: Suspicion) -> Option<u64> {
        let over = |since: Instant, span| now.saturating_duration_since(since) >= span;
        if self.seen.len() >= Self::MOST && !self.seen.contains_key(&(peer, what)) {
            let quiet = |count: &Count| {
                over(count.since, Self::WINDOW) && count.told.is_none_or(|told| over(told, Self::SILENCE))
            };
            self.seen.retain(|_, count| !quiet(count));
            if self.seen.len() >= Self::MOST {
                return None;
            }
        }
        let count = self.seen.entry((peer, what)).or_insert(Count { since: now, number: 0, untold: 0, told: None });
        if over(count.since, Self::WINDOW) {
            (count.since, count.number) = (now, 0);
        }
        count.number = count.number.saturating_add(1);
        count.untold = count.untold.saturating_add(1);
        if count.number < what.enough() || count.told.is_some_and(|told| !over(told, Self::SILENCE)) {
            return None;
        }
        count.told = Some(now);
        Some(std::mem::take(&mut count.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 3);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 4);

    #[test]
    fn mistakes_are_not_told_and_attacks_once_a_minute() {
        let (mut suspects, start) = (Suspects::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut note = |seconds, peer| suspects.note(at(seconds), peer, Suspicion::ForeignTunnels);
        // Nine in each window, for as long as one likes.
        for window in 0..5 {
            assert!((0..9).all(|_| note(window * 10, PEER).is_none()));
        }
        assert!((0..9).all(|_| note(100, PEER).is_none()));
        assert_eq!(note(100, PEER), Some(55), "with those that were no reason before");
        assert!((0..5000).all(|_| note(109, PEER).is_none()), "told already");
        assert!((0..9).all(|_| note(161, PEER).is_none()));
        assert_eq!(note(161, PEER), Some(5010));
        assert_eq!(note(161, OTHER), None, "each sender for itself");
    }

    #[test]
    fn many_senders_find_an_end() {
        let (mut suspects, start) = (Suspects::default(), Instant::now());
        for number in 0..10_000u32 {
            suspects.note(start, Ipv4Addr::from(number), Suspicion::UnknownTunnels);
        }
        assert_eq!(suspects.seen.len(), Suspects::MOST);
        let later = start + Suspects::WINDOW;
        suspects.note(later, OTHER, Suspicion::UnknownTunnels);
        assert_eq!(suspects.seen.len(), 1);
    }
}
