//! Requests of peers: which are being worked on, and which were answered already (RFC 6733 §5.5.4, appendix C).

use super::types::{Handle, LinkId, PeerId};
use crate::message::Header;
use basalt_sansio::{DetHashMap, DetState, Duration, Time};
use std::collections::{BTreeMap, VecDeque};

/// How long a request may come again (RFC 6733 §3: end-to-end identifiers stay unique for so long).
const MEMORY: Duration = Duration::from_secs(240);
/// Answers remembered at most; the oldest are forgotten first.
const MOST: usize = 16_384;

/// A request of a peer's that is being worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Serving {
    pub(crate) peer: PeerId,
    pub(crate) link: LinkId,
    pub(crate) header: Header,
    /// What is answered if nobody does.
    pub(crate) fallback: Vec<u8>,
    name: Name,
}

type Name = (Box<str>, u32);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Served(Handle),
    Answered(Vec<u8>),
}

/// What a request is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// New: to be worked on.
    New(Handle),
    /// It is being worked on; the answer goes where it was asked last.
    Served,
    /// It was answered so.
    Answered(Vec<u8>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Served {
    serving: DetHashMap<Handle, Serving>,
    known: DetHashMap<Name, (Time, Fate)>,
    order: VecDeque<(Time, Name)>,
    counts: BTreeMap<PeerId, usize>,
    next: u64,
}

impl Served {
    /// `keys`: names are chosen by peers, and must not be chosen so that they collide.
    pub(crate) fn new(keys: (u64, u64)) -> Self {
        Self {
            serving: DetHashMap::default(),
            known: DetHashMap::with_hasher(DetState::keyed(keys.0, keys.1)),
            order: VecDeque::new(),
            counts: BTreeMap::new(),
            next: 0,
        }
    }

    /// A request comes. Only one that says that it may have come before (the T bit) is looked up: some nodes are careless with
    /// identifiers otherwise, and would get others' answers.
    pub(crate) fn arrive(&mut self, now: Time, peer: PeerId, link: LinkId, header: &Header, origin: &str) -> Arrival {
        self.forget(now);
        let name: Name = (origin.to_ascii_lowercase().into(), header.end_to_end);
        if header.retransmitted {
            match self.known.get(&name) {
                Some((_, Fate::Answered(octets))) => return Arrival::Answered(octets.clone()),
                Some((_, Fate::Served(handle))) => {
                    if let Some(serving) = self.serving.get_mut(handle) {
                        *self.counts.entry(serving.peer).or_default() -= 1;
                        *self.counts.entry(peer).or_default() += 1;
                        (serving.peer, serving.link, serving.header) = (peer, link, *header);
                        return Arrival::Served;
                    }
                }
                None => {}
            }
        }
        let handle = Handle(self.next);
        self.next += 1;
        self.known.insert(name.clone(), (now, Fate::Served(handle)));
        self.order.push_back((now, name.clone()));
        *self.counts.entry(peer).or_default() += 1;
        self.serving.insert(handle, Serving { peer, link, header: *header, fallback: Vec::new(), name });
        Arrival::New(handle)
    }

    /// A request is answered: where the answer goes.
    pub(crate) fn answer(&mut self, handle: Handle, octets: &[u8]) -> Option<Serving> {
        let serving = self.serving.remove(&handle)?;
        *self.counts.entry(serving.peer).or_default() -= 1;
        if let Some((_, fate)) = self.known.get_mut(&serving.name)
            && *fate == Fate::Served(handle)
        {
            *fate = Fate::Answered(octets.to_vec());
        }
        Some(serving)
    }

    /// How many requests of a peer's wait for our answers.
    pub(crate) fn of_peer(&self, peer: PeerId) -> usize {
        self.counts.get(&peer).copied().unwrap_or(0)
    }

    /// Says what a request is answered if nobody does.
    pub(crate) fn fall_back(&mut self, handle: Handle, answer: Vec<u8>) {
        if let Some(serving) = self.serving.get_mut(&handle) {
            serving.fallback = answer;
        }
    }

    /// What a request is answered that nobody has answered.
    pub(crate) fn unanswered(&self, handle: Handle) -> Option<Vec<u8>> {
        self.serving.get(&handle).map(|serving| serving.fallback.clone())
    }

    fn forget(&mut self, now: Time) {
        while self.order.front().is_some_and(|(at, _)| self.order.len() > MOST || now.since(*at) > MEMORY) {
            let Some((at, name)) = self.order.pop_front() else { return };
            // The same name may have come again since.
            if self.known.get(&name).is_some_and(|(known, _)| *known == at) {
                self.known.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::{Application, Command};

    fn header(end_to_end: u32, retransmitted: bool) -> Header {
        let header = Header::request(Command::CANCEL_LOCATION, Application::S6A);
        Header { end_to_end, retransmitted, hop_by_hop: 9, ..header }
    }

    #[test]
    fn a_request_is_worked_on_once_and_answered_as_often_as_it_comes() {
        let mut served = Served::new((1, 2));
        let (now, peer, link) = (Time::from_secs(10), PeerId(0), LinkId(1));
        let Arrival::New(handle) = served.arrive(now, peer, link, &header(5, false), "Hss.Example") else { panic!() };
        assert_eq!(served.of_peer(peer), 1);
        let again = |served: &mut Served, at| served.arrive(at, peer, LinkId(2), &header(5, true), "hss.example");
        assert_eq!(again(&mut served, now), Arrival::Served);
        assert_eq!(served.answer(handle, &[1, 2]).unwrap().link, LinkId(2), "where it was asked last");
        assert_eq!(served.answer(handle, &[3]), None);
        assert_eq!(again(&mut served, now + MEMORY), Arrival::Answered(vec![1, 2]));
        assert!(matches!(again(&mut served, now + MEMORY + MEMORY), Arrival::New(_)), "forgotten");
        // Another node's number is another request.
        assert!(matches!(served.arrive(now, peer, link, &header(5, true), "other.example"), Arrival::New(_)));
    }

    #[test]
    fn the_memory_has_a_bound() {
        let mut served = Served::new((1, 2));
        for number in 0..40_000 {
            let Arrival::New(handle) = served.arrive(Time::ZERO, PeerId(0), LinkId(0), &header(number, false), "a")
            else {
                panic!()
            };
            served.answer(handle, &[]);
        }
        assert!(served.known.len() <= MOST + 1 && served.serving.is_empty());
    }
}
