//! The ways to a peer.
//!
//! The stack knows no addresses. This side remembers from where packets of the association came (their
//! verification tag vouches for them) and which the peer listed, answers each packet to where it came from, and
//! sends the rest over one active path. The active path changes when data comes over another while it is silent,
//! or when something sent over it stays unanswered until a timer fires (RFC 9260 §6.4).

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

#[derive(Clone, Copy, Debug)]
struct Path {
    route: Route,
    /// When a packet of the association last came over it; `None` for a listed address not heard yet.
    heard: Option<Duration>,
}

/// The paths of one association.
#[derive(Debug)]
pub(crate) struct Paths {
    paths: Vec<Path>,
    active: usize,
    /// Something that wants an answer went over the active path since it was last heard.
    unanswered: bool,
}

/// What a packet carried, as far as paths care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// DATA or SACK.
    Data,
    /// Anything else.
    Control,
}

impl Paths {
    /// The first route is the primary path. `None` without any.
    pub(crate) fn new(routes: impl IntoIterator<Item = Route>) -> Option<Self> {
        let mut paths: Vec<Path> = Vec::new();
        for route in routes {
            let known = |path: &Path| path.route.hop.peer == route.hop.peer;
            if paths.len() < MAX_PATHS && !paths.iter().any(known) {
                paths.push(Path { route, heard: None });
            }
        }
        (!paths.is_empty()).then_some(Self { paths, active: 0, unanswered: false })
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

    /// A packet with the right tag came. `Some` when its address had not been heard before.
    pub(crate) fn heard(&mut self, now: Duration, route: Route, carried: Carried) -> Option<IpAddr> {
        let address = route.hop.peer;
        let index = self.index_of(route)?;
        let path = &mut self.paths[index];
        // The peer's UDP port may change under it (RFC 6951 §5.4), and our address with it.
        path.route = route;
        let first = path.heard.replace(now).is_none();
        if index == self.active {
            self.unanswered = false;
        } else if carried == Carried::Data && self.silent(now) {
            self.activate(index);
        }
        first.then_some(address)
    }

    /// A way that the peer listed.
    pub(crate) fn add(&mut self, route: Route) {
        self.index_of(route);
    }

    fn index_of(&mut self, route: Route) -> Option<usize> {
        let same = |path: &Path| path.route.hop.peer == route.hop.peer;
        if let Some(index) = self.paths.iter().position(same) {
            return Some(index);
        }
        if self.paths.len() >= MAX_PATHS {
            return None;
        }
        self.paths.push(Path { route, heard: None });
        Some(self.paths.len() - 1)
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
            self.activate(self.best_other());
        }
        self.unanswered = true;
    }

    /// The path most recently heard beside the active one; of paths never heard, the next in turn.
    fn best_other(&self) -> usize {
        let count = self.paths.len();
        (1..count)
            .map(|step| (self.active + step) % count)
            .rev()
            .max_by_key(|index| self.paths[*index].heard)
            .unwrap_or(self.active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(last: u8) -> Route {
        Route { socket: 0, hop: Hop { peer: [10, 0, 0, last].into(), udp: 0, local: None } }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn data_over_a_second_path_moves_only_when_the_first_is_silent() {
        let mut paths = Paths::new([route(1), route(2)]).unwrap();
        paths.heard(ms(0), route(1), Carried::Data);
        assert_eq!(paths.heard(ms(100), route(2), Carried::Data), Some([10, 0, 0, 2].into()));
        assert_eq!(paths.active(), route(1));
        assert_eq!(paths.heard(ms(300), route(2), Carried::Control), None);
        assert_eq!(paths.active(), route(1), "a heartbeat moves nothing");
        paths.heard(ms(300), route(2), Carried::Data);
        assert_eq!(paths.active(), route(2));
    }

    #[test]
    fn an_unanswered_request_moves_to_the_path_heard_last() {
        let mut paths = Paths::new([route(1), route(2), route(3)]).unwrap();
        paths.heard(ms(0), route(1), Carried::Data);
        paths.heard(ms(5), route(3), Carried::Control);
        paths.ask(false);
        paths.ask(true);
        assert_eq!(paths.active(), route(3));
        paths.heard(ms(9), route(3), Carried::Data);
        paths.ask(true);
        assert_eq!(paths.active(), route(3), "answered in between");
    }

    #[test]
    fn paths_never_heard_are_tried_in_turn() {
        let mut paths = Paths::new([route(1), route(2), route(3)]).unwrap();
        let mut tried = Vec::new();
        for _ in 0..4 {
            paths.ask(true);
            tried.push(paths.active());
        }
        assert_eq!(tried, [route(1), route(2), route(3), route(1)]);
    }

    #[test]
    fn the_number_of_paths_is_bounded() {
        let mut paths = Paths::new((1..20).map(route)).unwrap();
        assert_eq!(paths.addresses().count(), MAX_PATHS);
        assert_eq!(paths.heard(ms(1), route(99), Carried::Data), None);
        assert_eq!(paths.addresses().count(), MAX_PATHS);
        assert!(Paths::new([]).is_none());
    }
}
