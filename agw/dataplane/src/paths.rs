//! Whether base stations answer: GTP-U Echo per peer (TS 29.281 §7.2.1; TS 23.007 §20.3).
//!
//! A path exists while a tunnel leads to the peer. It is asked once an interval; a request without answer is repeated, and after
//! the last one the path is down, which is told once. It is asked on, and the first answer brings it up again.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// When to ask, and when to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// From one Echo Request to the next on a path that answers. TS 29.281 §7.2.1 wants at least a minute.
    pub interval: Duration,
    /// How long to wait for an answer (T3-RESPONSE).
    pub response: Duration,
    /// Requests without answer after which a path is down (N3-REQUESTS), at least 1.
    pub requests: u32,
}

impl Echo {
    /// Every minute, three seconds, five times.
    pub const USUAL: Echo = Echo { interval: Duration::from_secs(60), response: Duration::from_secs(3), requests: 5 };
}

/// A path.
#[derive(Debug)]
struct Path {
    /// When to ask next, or when the request that is open counts as lost.
    due: Instant,
    /// Requests without answer.
    open: u32,
    up: bool,
    sequence: u16,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Send an Echo Request with this sequence number.
    Ask(Ipv4Addr, u16),
    /// The path does not answer.
    Down(Ipv4Addr),
}

/// All paths.
#[derive(Debug)]
pub(crate) struct Paths {
    echo: Option<Echo>,
    of: BTreeMap<Ipv4Addr, Path>,
    /// When to look at the peers again.
    look: Instant,
}

/// How often the list of peers is compared.
const LOOK: Duration = Duration::from_secs(1);

impl Paths {
    pub(crate) fn new(echo: Option<Echo>, now: Instant) -> Self {
        Self { echo, of: BTreeMap::new(), look: now }
    }

    /// When [`Paths::poll`] wants to be called.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.echo?;
        self.of.values().map(|path| path.due).chain([self.look]).min()
    }

    /// What is to be done now. `peers` gives those to which tunnels lead, and is asked once a second at most.
    pub(crate) fn poll(&mut self, now: Instant, peers: impl FnOnce() -> Vec<Ipv4Addr>) -> Vec<Act> {
        let Some(echo) = self.echo else { return Vec::new() };
        if now >= self.look {
            self.look = now + LOOK;
            let peers = peers();
            self.of.retain(|peer, _| peers.binary_search(peer).is_ok());
            for peer in peers {
                self.of.entry(peer).or_insert(Path { due: now + echo.interval, open: 0, up: true, sequence: 0 });
            }
        }
        let mut acts = Vec::new();
        for (peer, path) in self.of.iter_mut().filter(|(_, path)| path.due <= now) {
            if path.open >= echo.requests && path.up {
                path.up = false;
                acts.push(Act::Down(*peer));
            }
            path.open = path.open.saturating_add(1);
            path.sequence = path.sequence.wrapping_add(1);
            // A path that is down is asked less often, for ever.
            path.due = now + if path.up { echo.response } else { echo.interval };
            acts.push(Act::Ask(*peer, path.sequence));
        }
        acts
    }

    /// An Echo Response; whether it brings the path up. Only the request that is open can be answered.
    pub(crate) fn answered(&mut self, now: Instant, peer: Ipv4Addr, sequence: Option<u16>) -> bool {
        let (Some(echo), Some(path)) = (self.echo, self.of.get_mut(&peer)) else { return false };
        if path.open == 0 || sequence != Some(path.sequence) {
            return false;
        }
        path.open = 0;
        path.due = now + echo.interval;
        !std::mem::replace(&mut path.up, true)
    }

    /// Paths, and how many of them are down.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.of.len(), self.of.values().filter(|path| !path.up).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    #[test]
    fn silence_is_told_once_and_so_is_its_end() {
        let start = Instant::now();
        let mut paths = Paths::new(Some(Echo { requests: 3, ..Echo::USUAL }), start);
        let at = |seconds| start + Duration::from_secs(seconds);
        let poll = |paths: &mut Paths, seconds| paths.poll(at(seconds), || vec![PEER]);
        assert_eq!(paths.due(), Some(start));
        assert_eq!(poll(&mut paths, 0), []);
        assert_eq!(poll(&mut paths, 60), [Act::Ask(PEER, 1)]);
        assert!(!paths.answered(at(61), PEER, Some(1)), "was up");
        assert_eq!(poll(&mut paths, 119), []);
        for (seconds, sequence) in [(121, 2), (124, 3), (127, 4)] {
            assert_eq!(poll(&mut paths, seconds), [Act::Ask(PEER, sequence)]);
        }
        assert_eq!(poll(&mut paths, 130), [Act::Down(PEER), Act::Ask(PEER, 5)]);
        assert_eq!(paths.count(), (1, 1));
        assert_eq!(poll(&mut paths, 190), [Act::Ask(PEER, 6)]);
        // Neither a stale nor a foreign answer counts.
        assert!(!paths.answered(at(191), PEER, Some(5)));
        assert!(!paths.answered(at(191), OTHER, Some(6)));
        assert!(!paths.answered(at(191), PEER, None));
        assert!(paths.answered(at(191), PEER, Some(6)));
        assert_eq!(paths.count(), (1, 0));
        assert!(!paths.answered(at(191), PEER, Some(6)), "answered already");
    }

    #[test]
    fn paths_come_and_go_with_their_tunnels() {
        let start = Instant::now();
        let mut paths = Paths::new(Some(Echo::USUAL), start);
        assert_eq!(paths.poll(start, || vec![PEER, OTHER]), []);
        assert_eq!(paths.count(), (2, 0));
        assert_eq!(paths.poll(start + LOOK, || vec![OTHER]), []);
        assert_eq!(paths.count(), (1, 0));
        let mut silent = Paths::new(None, start);
        assert_eq!((silent.due(), silent.poll(start, || vec![PEER])), (None, vec![]));
    }
}
