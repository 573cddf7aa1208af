//! How home networks do, realm by realm, for the orchestrator's alarms: whether anybody takes requests for them, and what became of those
//! of the last five minutes.

use basalt_diameter_link::PeerStatus;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// How far it is looked back.
const WINDOW: Duration = Duration::from_secs(300);
/// Realms told of at most; there are as many as the configuration names.
const MOST: usize = 128;

/// Requests to a realm since the daemon began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All that ended.
    pub asked: u64,
    /// Those that nobody answered.
    pub unanswered: u64,
    /// Those that took longer than a second.
    pub slow: u64,
}

/// A realm, as it is told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Realm {
    realm: String,
    /// Peers that requests for it may go to, and those of them that take any.
    peers: usize,
    up: usize,
    /// Of the last five minutes.
    asked: u64,
    unanswered: u64,
    slow: u64,
}

/// How many peers requests for a realm may go to, and how many of them take any.
pub fn ways(realm: &str, statuses: &[(PeerStatus, Vec<String>)]) -> (usize, usize) {
    let ways = statuses.iter().filter(|(_, realms)| realms.iter().any(|it| it == "*" || it == realm));
    ways.fold((0, 0), |(all, up), (peer, _)| (all + 1, up + usize::from(peer.up)))
}

/// What was counted by former looks, the oldest first.
#[derive(Debug, Default)]
pub struct Realms(VecDeque<(Instant, BTreeMap<String, Counts>)>);

impl Realms {
    /// Looks at the realms that the configuration names; `counted`: what was counted by now.
    pub fn look(
        &mut self,
        now: Instant,
        named: &BTreeSet<String>,
        statuses: &[(PeerStatus, Vec<String>)],
        counted: BTreeMap<String, Counts>,
    ) -> Vec<Realm> {
        while self.0.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.0.pop_front();
        }
        let before = self.0.front().map(|(_, counts)| counts);
        let realms = named.iter().take(MOST).map(|name| {
            let (peers, up) = ways(name, statuses);
            let count = |of: &BTreeMap<String, Counts>| of.get(name).copied().unwrap_or_default();
            let (now, then) = (count(&counted), before.map(count).unwrap_or_default());
            Realm {
                realm: name.clone(),
                peers,
                up,
                asked: now.asked - then.asked.min(now.asked),
                unanswered: now.unanswered - then.unanswered.min(now.unanswered),
                slow: now.slow - then.slow.min(now.slow),
            }
        });
        let realms = realms.collect();
        self.0.push_back((now, counted));
        realms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_has_its_peers_and_what_was_asked_of_late() {
        let mut realms = Realms::default();
        let named = BTreeSet::from(["a.example".to_owned(), "b.example".to_owned()]);
        let peer = |host: &str, up, realms: &[&str]| {
            let mut status = PeerStatus::of(host);
            status.up = up;
            (status, realms.iter().map(|&realm| realm.to_owned()).collect::<Vec<_>>())
        };
        let peers =
            [peer("hss1", true, &["a.example"]), peer("hss2", false, &["a.example"]), peer("dra", false, &["*"])];
        let counted = |asked, slow| BTreeMap::from([("a.example".to_owned(), Counts { asked, unanswered: 1, slow })]);
        let begin = Instant::now();
        let told = realms.look(begin, &named, &peers, counted(10, 0));
        let of =
            |told: &[Realm], place: usize| (told[place].peers, told[place].up, told[place].asked, told[place].slow);
        assert_eq!((of(&told, 0), of(&told, 1)), ((3, 1, 10, 0), (1, 0, 0, 0)));
        let told = realms.look(begin + WINDOW, &named, &peers, counted(30, 5));
        assert_eq!((of(&told, 0), told[0].unanswered), ((3, 1, 20, 5), 0), "since five minutes ago");
        let told = realms.look(begin + WINDOW * 2, &named, &peers, counted(31, 5));
        assert_eq!(of(&told, 0), (3, 1, 1, 0));
    }
}
