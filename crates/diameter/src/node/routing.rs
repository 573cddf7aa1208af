//! Which peer a request goes to.

use super::types::{PeerId, Route};
use crate::code::Application;
use core::cmp::Reverse;

/// The routes, and the choice among the peers of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(Vec<Route>);

impl Routes {
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The route for a realm: its own for this application, its own for all, then that of all realms.
    pub(crate) fn find(&self, realm: &str, application: Application) -> Option<&Route> {
        let rank = |route: &&Route| {
            let own = route.realm.eq_ignore_ascii_case(realm);
            let fits = (own || route.realm == "*") && route.application.is_none_or(|only| only == application);
            fits.then_some((own, route.application.is_some()))
        };
        self.0.iter().filter(|route| rank(route).is_some()).max_by_key(|route| rank(route))
    }
}

impl Route {
    /// Its peers, and how much each should be tried first, the smallest before all: by rank, and within a rank by what is best for
    /// this key. The same key has the same order wherever it is asked for, so that nodes side by side choose alike; and when a peer
    /// goes, only its own keys move (rendezvous hashing).
    pub(crate) fn preferences(&self, key: u64) -> impl Iterator<Item = (PeerId, (u8, Reverse<u64>))> + '_ {
        self.peers.iter().map(move |(peer, rank)| (*peer, (*rank, Reverse(score(key, *peer)))))
    }
}

/// How much a key likes a peer: splitmix64's finish over both.
fn score(key: u64, peer: PeerId) -> u64 {
    let mut mixed = key ^ (peer.0 as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(realm: &str, application: Option<Application>, peers: &[(usize, u8)]) -> Route {
        let peers = peers.iter().map(|(peer, rank)| (PeerId(*peer), *rank)).collect();
        Route { realm: realm.to_owned(), application, peers }
    }

    #[test]
    fn the_most_particular_route_is_taken() {
        let routes = Routes::new(vec![
            route("*", None, &[(0, 0)]),
            route("home.example", None, &[(1, 0)]),
            route("home.example", Some(Application::S13), &[(2, 0)]),
        ]);
        let peer = |realm, application| routes.find(realm, application).map(|route| route.peers[0].0.0);
        assert_eq!(peer("Home.Example", Application::S13), Some(2));
        assert_eq!(peer("home.example", Application::S6A), Some(1));
        assert_eq!(peer("other.example", Application::S13), Some(0));
        assert!(Routes::default().find("home.example", Application::S6A).is_none());
    }

    fn order(route: &Route, key: u64) -> Vec<PeerId> {
        let mut all: Vec<_> = route.preferences(key).collect();
        all.sort_by_key(|(_, preference)| *preference);
        all.into_iter().map(|(peer, _)| peer).collect()
    }

    #[test]
    fn keys_spread_over_the_first_rank_and_stay_when_others_go() {
        let three = route("x", None, &[(0, 0), (1, 0), (2, 0), (3, 1)]);
        let two = route("x", None, &[(0, 0), (2, 0), (3, 1)]);
        let mut counts = [0; 4];
        for key in 0..3000 {
            let order = order(&three, key);
            counts[order[0].0] += 1;
            assert_eq!(order[3], PeerId(3), "the stand-in comes last");
            if order[0] != PeerId(1) {
                assert_eq!(self::order(&two, key)[0], order[0]);
            }
        }
        assert!(counts[..3].iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }
}
