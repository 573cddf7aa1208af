//! The ways to a peer.
//!
//! The stack knows no addresses. This side remembers from where packets of the association came, and where to (their
//! verification tag vouches for them), and which addresses the peer listed. It answers each packet to where it came
//! from, and sends the rest over one active path. The active path changes when data comes over another while it is
//! silent, or when something sent over it stays unanswered until a timer fires (RFC 9260 §6.4).

use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::Duration;

use super::socket::Hop;

/// Paths remembered per association.
const MAX_PATHS: usize = 8;
/// A path silent for this long gives way to one that carries data.
const SILENCE: Duration = Duration::from_millis(250);

/// One way to the peer: over which socket, to which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub socket: usize,
    pub hop: Hop,
}

/// A pair of our socket and an address of the peer.
#[derive(Clone, Copy, Debug)]
struct Path {
    route: Route,
    /// When a packet of the association last came over it; `None` for a listed address not heard yet.
    heard: Option<Duration>,
    /// How often something sent over it was left unanswered in a row.
    failures: u32,
}

/// The paths of one association.
#[derive(Debug)]
pub(crate) struct Paths {
    paths: Vec<Path>,
    active: usize,
    /// Something that wants an answer was sent since the last answer.
    unanswered: bool,
}

/// What a packet carried, as far as paths care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// DATA or SACK: the peer uses this path.
    pub data: bool,
    /// SACK or HEARTBEAT ACK: what was sent over the active path has arrived.
    pub answer: bool,
}

impl Paths {
    /// The first route is the primary path. `None` without any.
    pub(crate) fn new(routes: impl IntoIterator<Item = Route>) -> Option<Self> {
        let mut paths = Self { paths: Vec::new(), active: 0, unanswered: false };
        for route in routes {
            if !paths.addresses().any(|known| known == route.hop.peer) {
                paths.add(route);
            }
        }
        (!paths.paths.is_empty()).then_some(paths)
    }

    pub(crate) fn active(&self) -> Route {
        self.paths[self.active].route
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.paths.iter().map(|path| path.route.hop.peer)
    }

    /// Whether there is a choice at all.
    pub(crate) fn several(&self) -> bool {
        self.paths.len() > 1
    }

    /// A way that the peer listed, or that was given.
    pub(crate) fn add(&mut self, route: Route) {
        self.index_of(route);
    }

    fn index_of(&mut self, route: Route) -> Option<usize> {
        let same = |path: &Path| path.route.hop.peer == route.hop.peer && path.route.socket == route.socket;
        if let Some(index) = self.paths.iter().position(same) {
            return Some(index);
        }
        if self.paths.len() >= MAX_PATHS {
            return None;
        }
        self.paths.push(Path { route, heard: None, failures: 0 });
        Some(self.paths.len() - 1)
    }

    /// A packet with the right tag came. True when nothing had come that way before.
    pub(crate) fn heard(&mut self, now: Duration, route: Route, carried: Carried) -> bool {
        if carried.answer {
            self.paths[self.active].failures = 0;
            self.unanswered = false;
        }
        let Some(index) = self.index_of(route) else {
            return false;
        };
        let path = &mut self.paths[index];
        // The peer's UDP port may change under it (RFC 6951 §5.4).
        path.route = route;
        let first = path.heard.replace(now).is_none();
        if index != self.active && carried.data && self.silent(now) {
            self.activate(index);
        }
        first
    }

    fn silent(&self, now: Duration) -> bool {
        let heard = self.paths[self.active].heard;
        heard.is_none_or(|heard| now.saturating_sub(heard) > SILENCE)
    }

    fn activate(&mut self, index: usize) {
        self.active = index;
        self.unanswered = false;
    }

    /// Something that wants an answer is about to leave. `by_timer`: because nothing came so far. Call it only
    /// where there are [several](Self::several) paths.
    pub(crate) fn ask(&mut self, by_timer: bool) {
        if by_timer && self.unanswered {
            self.paths[self.active].failures += 1;
            self.activate(self.best_other());
        }
        self.unanswered = true;
    }

    /// The path beside the active one that failed least; of those, the one heard last; of those never heard, the
    /// next in turn.
    fn best_other(&self) -> usize {
        let count = self.paths.len();
        (1..count)
            .map(|step| (self.active + step) % count)
            .min_by_key(|index| (self.paths[*index].failures, Reverse(self.paths[*index].heard)))
            .unwrap_or(self.active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: Carried = Carried { data: true, answer: false };
    const SACK: Carried = Carried { data: true, answer: true };
    const HEARTBEAT: Carried = Carried { data: false, answer: false };

    fn route(last: u8) -> Route {
        Route { socket: 0, hop: Hop { peer: [10, 0, 0, last].into(), udp: 0, local: None } }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn data_over_a_second_path_moves_only_when_the_first_is_silent() {
        let mut paths = Paths::new([route(1), route(2)]).unwrap();
        paths.heard(ms(0), route(1), DATA);
        assert!(paths.heard(ms(100), route(2), DATA), "heard for the first time");
        assert_eq!(paths.active(), route(1));
        assert!(!paths.heard(ms(300), route(2), HEARTBEAT));
        assert_eq!(paths.active(), route(1), "a heartbeat moves nothing");
        paths.heard(ms(300), route(2), DATA);
        assert_eq!(paths.active(), route(2));
    }

    #[test]
    fn an_unanswered_request_moves_to_the_path_heard_last() {
        let mut paths = Paths::new([route(1), route(2), route(3)]).unwrap();
        paths.heard(ms(0), route(1), DATA);
        paths.heard(ms(5), route(3), HEARTBEAT);
        paths.ask(false);
        paths.ask(true);
        assert_eq!(paths.active(), route(3));
        paths.heard(ms(9), route(3), SACK);
        paths.ask(true);
        assert_eq!(paths.active(), route(3), "answered in between");
    }

    #[test]
    fn every_path_is_tried_also_when_those_that_are_heard_do_not_carry() {
        let mut paths = Paths::new([route(1), route(2), route(3)]).unwrap();
        let mut tried = Vec::new();
        for step in 0..6 {
            // The peer is heard over the first two, and answers nothing.
            paths.heard(ms(step), route(1), HEARTBEAT);
            paths.heard(ms(step), route(2), HEARTBEAT);
            paths.ask(true);
            tried.push(paths.active());
        }
        for last in 1..=3 {
            assert!(tried.contains(&route(last)), "{tried:?}");
        }
    }

    #[test]
    fn one_address_of_the_peer_by_two_of_ours_is_two_paths() {
        let mut paths = Paths::new([route(1)]).unwrap();
        let crossed = Route { socket: 1, ..route(1) };
        assert!(paths.heard(ms(0), crossed, HEARTBEAT));
        assert_eq!(paths.active(), route(1));
        paths.ask(false);
        paths.ask(true);
        assert_eq!(paths.active(), crossed);
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let mut paths = Paths::new((1..20).map(route)).unwrap();
        assert_eq!(paths.addresses().count(), MAX_PATHS);
        assert!(!paths.heard(ms(1), route(99), DATA));
        assert_eq!(paths.addresses().count(), MAX_PATHS);
        assert!(Paths::new([]).is_none());
    }
}
