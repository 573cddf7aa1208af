//! Nodes that speak to each other over connections that a test can cut, under a clock that a test moves.

mod handshake;
mod hostile;
mod random;
mod requests;

use super::*;
use crate::code::{Application, ResultCode};
use crate::dictionary as name;
use crate::{Header, Writer, vendor};
use std::collections::{BTreeMap, VecDeque};

pub(super) const S6A: Service = Service { application: Application::S6A, vendor: vendor::TGPP };

pub(super) fn local(host: &str) -> Local {
    let realm = host.split_once('.').unwrap().1.to_owned();
    let addresses = vec!["192.0.2.1".parse().unwrap()];
    let product = "basalt".to_owned();
    Local { host: host.to_owned(), realm, addresses, vendor: 0, product, applications: vec![S6A], state_id: 1 }
}

pub(super) fn peer(host: &str, connect: bool) -> PeerConfig {
    PeerConfig { connect, ..PeerConfig::new(host) }
}

pub(super) fn node(host: &str, peers: Vec<PeerConfig>, routes: Vec<Route>) -> Node {
    let seed = SecureSeed([host.len() as u8; 32]);
    Node::new(local(host), peers, routes, Limits::default(), &seed, 1_700_000_000)
}

/// A route to the first `count` peers, all of one rank.
pub(super) fn route(realm: &str, count: usize) -> Route {
    Route { realm: realm.to_owned(), application: None, peers: (0..count).map(|number| (PeerId(number), 0)).collect() }
}

/// A request of S6a.
pub(super) fn request(origin: &str, realm: &str, host: Option<&str>) -> Vec<u8> {
    let mut writer = Writer::new(&Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A));
    writer.text(name::SESSION_ID, "s;1;2").text(name::ORIGIN_HOST, origin);
    writer.text(name::ORIGIN_REALM, origin.split_once('.').unwrap().1).text(name::DESTINATION_REALM, realm);
    if let Some(host) = host {
        writer.text(name::DESTINATION_HOST, host);
    }
    writer.finish()
}

pub(super) fn outgoing(token: u64, octets: Vec<u8>, deadline: Time) -> Outgoing {
    Outgoing { token: Token(token), octets, key: token, deadline }
}

/// What may be done to what is on its way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    #[default]
    Arrives,
    Lost,
}

/// See the module.
pub(super) struct World {
    pub now: Time,
    pub nodes: Vec<Node>,
    /// By node and link: the node and link at the other end.
    ends: BTreeMap<(usize, LinkId), (usize, LinkId)>,
    queue: VecDeque<(usize, Wire)>,
    pub events: Vec<(usize, Event)>,
    /// Messages that were sent, by sender.
    pub wire: Vec<(usize, Vec<u8>)>,
    next_link: u64,
    /// Nodes that hear nothing.
    pub deaf: Vec<usize>,
    /// Nodes that cannot be connected to.
    pub unreachable: Vec<usize>,
}

#[derive(Debug)]
enum Wire {
    Message(LinkId, Vec<u8>),
    Closed(LinkId),
    Accepted(LinkId),
    Connected(LinkId),
}

impl World {
    pub fn new(nodes: Vec<Node>) -> Self {
        let mut world = Self {
            now: Time::from_secs(100),
            nodes,
            ends: BTreeMap::new(),
            queue: VecDeque::new(),
            events: Vec::new(),
            wire: Vec::new(),
            next_link: 1,
            deaf: Vec::new(),
            unreachable: Vec::new(),
        };
        for node in 0..world.nodes.len() {
            world.feed(node, Input::Wakeup);
        }
        world
    }

    /// Gives a node an input and carries out what it wants, without anything arriving yet.
    pub fn feed(&mut self, node: usize, input: Input<'_>) {
        let mut out = Effects::default();
        self.nodes[node].step(self.now, input, &mut out);
        for effect in out.take() {
            self.carry_out(node, effect);
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Connect { peer, link } => {
                let host = self.nodes[node].peers[peer.0].config.host.clone();
                let other = self.nodes.iter().position(|other| other.local.host == host);
                match other.filter(|other| !self.unreachable.contains(other)) {
                    Some(other) => {
                        let theirs = LinkId(self.next_link);
                        self.next_link += 1;
                        self.ends.insert((node, link), (other, theirs));
                        self.ends.insert((other, theirs), (node, link));
                        self.queue.push_back((node, Wire::Connected(link)));
                        self.queue.push_back((other, Wire::Accepted(theirs)));
                    }
                    None => self.queue.push_back((node, Wire::Closed(link))),
                }
            }
            Effect::Transmit { link, octets } => {
                self.wire.push((node, octets.clone()));
                if let Some((other, theirs)) = self.ends.get(&(node, link)) {
                    self.queue.push_back((*other, Wire::Message(*theirs, octets)));
                }
            }
            Effect::Close { link } => self.cut(node, link),
            Effect::StartTls { .. } => {}
            Effect::Event(event) => self.events.push((node, event)),
        }
    }

    /// A connection ends: the other side hears of it after what was sent.
    fn cut(&mut self, node: usize, link: LinkId) {
        if let Some((other, theirs)) = self.ends.remove(&(node, link)) {
            self.ends.remove(&(other, theirs));
            self.queue.push_back((other, Wire::Closed(theirs)));
        }
    }

    /// Cuts every connection of a node; both sides hear of it.
    pub fn crash_links(&mut self, node: usize) {
        let links: Vec<LinkId> = self.ends.keys().filter(|(owner, _)| *owner == node).map(|(_, link)| *link).collect();
        for link in links {
            self.cut(node, link);
            self.queue.push_back((node, Wire::Closed(link)));
        }
    }

    /// The first thing on its way arrives; false when there is nothing.
    pub fn deliver(&mut self, fate: Fate) -> bool {
        let Some((node, wire)) = self.queue.pop_front() else { return false };
        if fate == Fate::Lost || self.deaf.contains(&node) && matches!(wire, Wire::Message(..)) {
            return true;
        }
        match wire {
            Wire::Message(link, octets) => self.feed(node, Input::Received { link, octets: &octets }),
            Wire::Closed(link) => self.feed(node, Input::Closed { link }),
            Wire::Accepted(link) => self.feed(node, Input::Accepted { link, names: None }),
            Wire::Connected(link) => self.feed(node, Input::Connected { link, names: None }),
        }
        true
    }

    /// Everything arrives.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.deliver(Fate::Arrives) {
                return;
            }
        }
        panic!("the nodes do not come to rest");
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.settle();
            let next = (0..self.nodes.len()).filter_map(|node| Some((self.nodes[node].next_wakeup()?, node))).min();
            let Some((at, node)) = next.filter(|(at, _)| *at <= until) else { break };
            self.now = self.now.max(at);
            self.feed(node, Input::Wakeup);
        }
        self.now = until;
    }

    pub fn send(&mut self, node: usize, token: u64, octets: Vec<u8>) {
        let deadline = self.now + Duration::from_secs(5);
        self.feed(node, Input::Send(outgoing(token, octets, deadline)));
    }

    /// Answers every request that a node was asked, with this result. How many there were.
    pub fn serve(&mut self, node: usize, code: ResultCode) -> usize {
        let mut asked = Vec::new();
        self.events.retain(|(at, event)| match event {
            Event::Request { handle, octets, .. } if *at == node => {
                asked.push((*handle, octets.clone()));
                false
            }
            _ => true,
        });
        for (handle, octets) in &asked {
            let message = Message::decode(octets, &Limits::default()).unwrap();
            let octets = answer(&self.nodes[node].local, &message, code).finish();
            self.feed(node, Input::Answer { handle: *handle, octets });
        }
        asked.len()
    }

    /// What became of a request.
    pub fn outcome(&self, token: u64) -> Option<Result<crate::Outcome, Failure>> {
        let mut found = self.events.iter().filter_map(|(_, event)| match event {
            Event::Answer { token: Token(of), octets, .. } if *of == token => {
                Some(Ok(Message::decode(octets, &Limits::default()).unwrap().outcome().unwrap()))
            }
            Event::Failed { token: Token(of), why } if *of == token => Some(Err(*why)),
            _ => None,
        });
        let first = found.next();
        assert!(found.next().is_none(), "request {token} ended twice");
        first
    }

    pub fn success(&self, token: u64) -> bool {
        self.outcome(token) == Some(Ok(crate::Outcome::Base(ResultCode::SUCCESS)))
    }

    /// How many connections stand.
    pub fn links(&self) -> usize {
        self.ends.len() / 2
    }
}

/// A FeG with so many HSSs of one realm, all connected.
pub(super) fn home(count: usize) -> World {
    let hosts: Vec<String> = (1..=count).map(|number| format!("hss{number}.home.example")).collect();
    let feg = node(
        "feg.visited.example",
        hosts.iter().map(|host| peer(host, true)).collect(),
        vec![route("home.example", count)],
    );
    let mut nodes = vec![feg];
    nodes.extend(
        hosts
            .iter()
            .map(|host| node(host, vec![peer("feg.visited.example", false)], vec![route("visited.example", 1)])),
    );
    let mut world = World::new(nodes);
    world.settle();
    assert!((0..count).all(|number| world.nodes[0].is_up(PeerId(number))));
    world
}
