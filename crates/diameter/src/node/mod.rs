//! A node: its peers, the requests that it sends and those that it gets (RFC 6733 §5, §6).
//!
//! [`Node::step`] takes what happened and says what is to be done; it has no socket and no clock. One input, then all its effects,
//! then the next input.
//!
//! ```text
//!   Input::Send ──► routing ──► pending ──► Effect::Transmit      Input::Received ──► handshake | watchdog
//!                      ▲            │                                               ├► pending ──► Event::Answer
//!                      └── failover ┘  (silence, loss, TOO_BUSY)                    └► serving ──► Event::Request
//! ```

mod base;
mod duplicates;
mod handshake;
mod peer;
mod pending;
mod requests;
mod routing;
mod serving;
mod types;
mod watchdog;

#[cfg(test)]
mod tests;

pub use base::{answer, refusal};
pub use types::{
    Down, Effect, Event, Failure, Handle, Input, LinkId, Local, Outgoing, PeerConfig, PeerId, Route, Service, Token,
};

use crate::message::{Limits, Message};
use crate::{Command, DecodeError};
use basalt_sansio::{DetHashMap, Duration, Outbox, Rng, SecureRng, SecureSeed, Time, Timers};
use duplicates::Served;
use peer::{Peer, State};
use pending::Outstanding;
use routing::Routes;
use watchdog::Verdict;

/// Effects of a step.
pub type Effects = Outbox<Effect>;

/// How long a stranger may take for his CER, a peer for its CEA, and for going when it was told (§5.6: Timeout).
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Tc: between two tries to connect (§2.1).
const RECONNECT: Duration = Duration::from_secs(30);
/// The first try after a loss comes sooner; those after it take twice as long each, up to Tc.
const FIRST_RECONNECT: Duration = Duration::from_secs(1);
/// Who is to answer a peer's request may take so long.
const SERVICE: Duration = Duration::from_secs(20);
/// Connections of which it is not known whose they are.
const STRANGERS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Timer {
    Reconnect(PeerId),
    Watchdog(PeerId),
    Handshake(LinkId),
    Request(u32),
    Serve(Handle),
}

/// A connection of which it is not known yet whose it is.
#[derive(Debug, Clone)]
struct Stranger {
    names: Option<Vec<String>>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Node {
    local: Local,
    limits: Limits,
    peers: Vec<Peer>,
    routes: Routes,
    strangers: DetHashMap<LinkId, Stranger>,
    /// Names of certificates of connections that we made.
    names: DetHashMap<LinkId, Option<Vec<String>>>,
    outstanding: Outstanding,
    served: Served,
    timers: Timers<Timer>,
    tries: Vec<u32>,
    rng: SecureRng,
    end_to_end: u32,
    next_link: u64,
    stopping: bool,
}

impl Node {
    /// A node with these peers, by their place. `seed` makes identifiers and times that cannot be guessed; `unix_secs` that
    /// those of this life are not those of the last (§3: the high bits of end-to-end identifiers are the time).
    ///
    /// The driver calls [`Node::step`] with [`Input::Wakeup`] once, and connections are made.
    #[must_use]
    pub fn new(
        local: Local,
        peers: Vec<PeerConfig>,
        routes: Vec<Route>,
        limits: Limits,
        seed: &SecureSeed,
        unix_secs: u64,
    ) -> Self {
        let mut rng = SecureRng::new(seed);
        let count = peers.len();
        let mut node = Self {
            local,
            limits,
            peers: peers.into_iter().map(Peer::new).collect(),
            routes: Routes::new(routes),
            strangers: DetHashMap::default(),
            names: DetHashMap::default(),
            outstanding: Outstanding::new(rng.next_u32()),
            served: Served::new((rng.next_u64(), rng.next_u64())),
            timers: Timers::new(),
            tries: vec![0; count],
            end_to_end: (unix_secs as u32) << 20 | (rng.next_u32() & 0x000f_ffff),
            rng,
            next_link: 1 << 63,
            stopping: false,
        };
        for peer in (0..count).map(PeerId) {
            node.timers.arm(Timer::Reconnect(peer), Time::ZERO);
        }
        node
    }

    /// When the node wants [`Input::Wakeup`].
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.timers.next_wakeup()
    }

    /// Whether a peer takes requests.
    #[must_use]
    pub fn is_up(&self, peer: PeerId) -> bool {
        self.peers.get(peer.0).is_some_and(|peer| peer.open().is_some())
    }

    /// The peer whose connection that is, as far as it is known.
    #[must_use]
    pub fn owner(&self, link: LinkId) -> Option<PeerId> {
        self.peer_of(link)
    }

    /// Requests of ours that wait for answers.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Takes one input. Time never goes back.
    pub fn step(&mut self, now: Time, input: Input<'_>, out: &mut Effects) {
        match input {
            Input::Accepted { link, names } => self.accepted(now, link, names, out),
            Input::Connected { link, names } => self.connected(now, link, names, out),
            Input::Secured { link, names } => self.secured(now, link, &names, out),
            Input::Received { link, octets } => self.received(now, link, octets, out),
            Input::Closed { link } => self.closed(now, link, out),
            Input::Send(request) => self.send(now, request, out),
            Input::Answer { handle, octets } => self.answer(handle, octets, out),
            Input::Wakeup => self.wakeup(now, out),
            Input::Stop => self.stop(now, out),
        }
    }

    fn received(&mut self, now: Time, link: LinkId, octets: &[u8], out: &mut Effects) {
        let peer = self.peer_of(link);
        if peer.is_none() && !self.strangers.contains_key(&link) {
            // It was ended, and this was on its way.
            return;
        }
        let message = match Message::decode(octets, &self.limits) {
            Ok(message) => message,
            Err(error) => return self.unreadable(now, link, octets, error, out),
        };
        let Some(peer) = peer else {
            return self.introduced(now, link, &message, out);
        };
        if self.peers.get(peer.0).is_some_and(|peer| peer.open() == Some(link)) {
            self.heard(now, peer, message.header.command == Command::DEVICE_WATCHDOG && !message.header.request, out);
        }
        match (message.header.command, message.header.request) {
            (Command::CAPABILITIES_EXCHANGE, false) => self.capabilities_answered(now, peer, link, &message, out),
            (Command::DEVICE_WATCHDOG, true) => {
                let answer = answer(&self.local, &message, crate::ResultCode::SUCCESS);
                out.push(Effect::Transmit { link, octets: answer.finish() });
            }
            (Command::DEVICE_WATCHDOG, false) => {}
            (Command::DISCONNECT_PEER, true) => self.leaves(now, peer, link, &message, out),
            (Command::DISCONNECT_PEER, false) => self.end_link(now, peer, link, Down::Left, out),
            (_, true) => self.asked(now, peer, link, &message, out),
            (_, false) => self.answered(now, peer, link, &message, out),
        }
    }

    /// What cannot be read costs its sender an answer, or the connection if the next message cannot be found any more.
    fn unreadable(&mut self, now: Time, link: LinkId, octets: &[u8], error: DecodeError, out: &mut Effects) {
        if let Some(header) = Message::header_of(octets).filter(|header| header.request) {
            out.push(Effect::Transmit { link, octets: base::refusal(&self.local, &header, octets, error).finish() });
        }
        match self.peer_of(link) {
            Some(peer) if error.ends_stream() => self.end_link(now, peer, link, Down::Garbled, out),
            Some(_) => {}
            None => self.dismiss(link, out),
        }
    }

    fn wakeup(&mut self, now: Time, out: &mut Effects) {
        while let Some(timer) = self.timers.pop_expired(now) {
            match timer {
                Timer::Reconnect(peer) => self.connect(peer, out),
                Timer::Watchdog(peer) => self.silence(now, peer, out),
                Timer::Handshake(link) => match self.peer_of(link) {
                    Some(peer) => self.end_link(now, peer, link, Down::Silent, out),
                    None => self.dismiss(link, out),
                },
                Timer::Request(id) => self.overdue(id, out),
                Timer::Serve(handle) => {
                    if let Some(fallback) = self.served.unanswered(handle) {
                        self.answer(handle, fallback, out);
                    }
                }
            }
        }
    }

    /// A message came over a peer's open connection.
    fn heard(&mut self, now: Time, id: PeerId, answer: bool, out: &mut Effects) {
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        if peer.watchdog.heard(answer) {
            peer.failed = false;
            out.push(Effect::Event(Event::PeerUp(id)));
        }
        // The timer looks at this when it ends: to set it anew at each message would cost more than all the rest.
        peer.heard = now;
    }

    /// Tw with its jitter of two seconds (RFC 3539 §3.4.1).
    fn arm_watchdog(&mut self, from: Time, id: PeerId) {
        let Some(peer) = self.peers.get(id.0) else { return };
        let jitter = Duration::from_millis(self.rng.below(4000));
        let after = peer.config.watchdog.max(Duration::from_secs(6)) + jitter;
        self.timers.arm(Timer::Watchdog(id), from + after - Duration::from_secs(2));
    }

    fn silence(&mut self, now: Time, id: PeerId, out: &mut Effects) {
        let Some((link, peer)) = self.peers.get_mut(id.0).and_then(|peer| Some((peer.open()?, peer))) else { return };
        let shortest = peer.config.watchdog.max(Duration::from_secs(6)) - Duration::from_secs(2);
        if now.since(peer.heard) < shortest {
            // It was heard since the timer was set: silence begins there.
            let heard = peer.heard;
            return self.arm_watchdog(heard, id);
        }
        match peer.watchdog.silent() {
            Verdict::Ask => {
                peer.watchdog.asked();
                let ids = self.ids();
                out.push(Effect::Transmit { link, octets: base::watchdog_request(&self.local, ids) });
            }
            Verdict::FailOver => {
                out.push(Effect::Event(Event::PeerDown { peer: id, why: Down::Silent }));
                self.fail_over(now, link, out);
            }
            Verdict::GiveUp => return self.end_link(now, id, link, Down::Silent, out),
        }
        self.arm_watchdog(now, id);
    }

    fn stop(&mut self, now: Time, out: &mut Effects) {
        self.stopping = true;
        for id in (0..self.peers.len()).map(PeerId) {
            self.timers.cancel(&Timer::Reconnect(id));
            let ids = self.ids();
            let Some(peer) = self.peers.get_mut(id.0) else { continue };
            if let Some(link) = peer.open() {
                peer.state = State::Closing { link };
                let octets = base::disconnect_request(&self.local, ids);
                out.push(Effect::Transmit { link, octets });
                self.timers.arm(Timer::Handshake(link), now + HANDSHAKE);
            }
        }
    }

    /// Identifiers of a message of the base protocol.
    fn ids(&mut self) -> (u32, u32) {
        (self.outstanding.id(), self.end_to_end())
    }

    fn end_to_end(&mut self) -> u32 {
        let count = self.end_to_end.wrapping_add(1) & 0x000f_ffff;
        self.end_to_end = self.end_to_end & 0xfff0_0000 | count;
        self.end_to_end
    }

    fn peer_of(&self, link: LinkId) -> Option<PeerId> {
        self.peers.iter().position(|peer| peer.has(link)).map(PeerId)
    }
}
