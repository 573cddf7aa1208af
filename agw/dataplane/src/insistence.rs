//! Base stations that go on sending into idle tunnels: they have not heard that the bearer is gone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Since when a base station sends into an idle tunnel, by TEID and sender.
///
/// A tunnel becomes idle before the base station's UE CONTEXT RELEASE COMMAND leaves, and becomes connected after the base station has
/// answered the context setup: for a moment, refused packets are in order. A base station that never hears of the release (its message
/// was lost with the process) keeps the bearer, and its phone stays connected to nothing for as long as it sends.
#[derive(Debug, Default)]
pub(crate) struct Insistence {
    since: BTreeMap<(u32, Ipv4Addr), Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    first: Instant,
    last: Instant,
}

impl Insistence {
    /// Refused for so long, a tunnel's end is told. Longer than any context setup takes, also under load.
    pub(crate) const ENOUGH: Duration = Duration::from_secs(2);
    /// After a pause of this length it begins anew.
    pub(crate) const PAUSE: Duration = Duration::from_secs(5);
    /// How many are remembered.
    const MOST: usize = 4096;

    /// Notes a refused packet. True when there have been such for long enough.
    pub(crate) fn refused(&mut self, now: Instant, teid: u32, peer: Ipv4Addr) -> bool {
        let recent = |span: &Span| now.saturating_duration_since(span.last) < Self::PAUSE;
        if self.since.len() >= Self::MOST && !self.since.contains_key(&(teid, peer)) {
            self.since.retain(|_, span| recent(span));
            if self.since.len() >= Self::MOST {
                return false;
            }
        }
        let span = self.since.entry((teid, peer)).or_insert(Span { first: now, last: now });
        if !recent(span) {
            span.first = now;
        }
        span.last = now;
        now.saturating_duration_since(span.first) >= Self::ENOUGH
    }

    /// The sender was told. If it goes on all the same, the word was lost: it is told again after as long.
    pub(crate) fn told(&mut self, teid: u32, peer: Ipv4Addr) {
        self.since.remove(&(teid, peer));
    }

    /// The tunnel is another now, or none.
    pub(crate) fn forget(&mut self, teid: u32) {
        let of_teid = (teid, Ipv4Addr::UNSPECIFIED)..=(teid, Ipv4Addr::BROADCAST);
        while let Some(key) = self.since.range(of_teid.clone()).next().map(|(key, _)| *key) {
            self.since.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 3);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 4);

    fn after(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn two_seconds_without_a_pause_are_enough() {
        let (mut insistence, start) = (Insistence::default(), Instant::now());
        for at in [0, 900, 1_800] {
            assert!(!insistence.refused(after(start, at), 7, PEER));
        }
        assert!(insistence.refused(after(start, 2_000), 7, PEER));
        // Each sender counts by itself: nobody can have another's bearer torn down early.
        assert!(!insistence.refused(after(start, 2_100), 7, OTHER));
        assert!(!insistence.refused(after(start, 2_100), 8, PEER));
        // Nothing was sent yet, so the next one is due at once; after it was, it takes as long again.
        assert!(insistence.refused(after(start, 2_200), 7, PEER));
        insistence.told(7, PEER);
        assert!(!insistence.refused(after(start, 2_300), 7, PEER));
        assert!(insistence.refused(after(start, 4_300), 7, PEER));
    }

    #[test]
    fn a_pause_or_a_change_begins_anew() {
        let (mut insistence, start) = (Insistence::default(), Instant::now());
        assert!(!insistence.refused(start, 7, PEER));
        assert!(!insistence.refused(after(start, 5_000), 7, PEER));
        assert!(insistence.refused(after(start, 9_900), 7, PEER));
        assert!(!insistence.refused(after(start, 9_900), 7, OTHER));
        insistence.forget(7);
        assert!(insistence.since.is_empty());
        assert!(!insistence.refused(after(start, 12_000), 7, PEER));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut insistence, start) = (Insistence::default(), Instant::now());
        for teid in 0..=Insistence::MOST as u32 {
            assert!(!insistence.refused(start, teid, PEER));
        }
        assert_eq!(insistence.since.len(), Insistence::MOST);
        assert!(!insistence.refused(after(start, 5_000), u32::MAX, PEER));
        assert_eq!(insistence.since.len(), 1);
    }
}
