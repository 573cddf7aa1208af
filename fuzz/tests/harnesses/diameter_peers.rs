//! A node of Diameter between peers that speak the protocol, and break it: introductions, watchdogs, answers that fit and that do not,
//! requests, farewells, deaths and changed octets, in any order and at any time.
//!
//! What must hold whatever happens: no panic; a request of ours ends exactly once, by its deadline; no more of them wait than peers may
//! have; a peer's request is answered once at most; nothing is sent over a connection that is gone; a peer goes up and down by turns.

use basalt_diameter::node::{
    Effect, Effects, Event, Handle, Input, LinkId, Local, Node, Outgoing, PeerConfig, PeerId, Route, Service, Token,
    answer,
};
use basalt_diameter::{
    Application, Command, HEADER, Header, Limits, Message, ResultCode, Writer, dictionary as name, vendor,
};
use basalt_fuzz::Changes;
use basalt_sansio::{Duration, SecureSeed, Time};
use std::collections::{BTreeMap, BTreeSet};

use crate::{LONGEST, MANY};

const HOSTS: [&str; 3] = ["hss1.home.example", "hss2.home.example", "zeta.home.example"];
const REALM: &str = "home.example";
/// Of each peer: requests of ours that may wait, and of its own.
const OUTSTANDING: usize = 4;
const SERVED: usize = 3;
/// What is numbered begins here: no recorded message has such an identifier.
const FIRST: u32 = 0x5eed_0000;
/// No deadline is later.
const PATIENCE: Duration = Duration::from_secs(4);
/// After all this, nothing waits any more: deadlines, and the node's own for what nobody answers.
const END: Duration = Duration::from_secs(40);

/// What happens, drawn by the fuzzer. The first number is the connection.
#[derive(Debug, Clone, bolero::TypeGenerator)]
enum Happening {
    Accepted,
    /// One of those that the node asked for stands.
    Connected(u8),
    Closed(u8),
    /// A CER of that host.
    Introduced(u8, u8),
    /// The node's CER is answered by that host, with that code.
    Agreed(u8, u8, Code),
    /// A request of the node's over this connection is answered so; the changes are made afterwards.
    Answered(u8, u8, Code, Lie, Option<Changes>),
    /// The node is asked whether it is there, or hears that the peer is.
    Watched(u8, bool),
    /// A peer asks; by which identifier, whether it may have asked before, and as whom.
    Asked(u8, u8, bool, u8),
    Leaves(u8),
    Octets(u8, u16, Changes),
    Pass(u16),
    /// A request of ours: to that host or any, how many tenths of a second it may take, and changes.
    Send(u8, u8, Option<Changes>),
    /// One of the peers' requests is answered.
    Serve(u8),
    Stop,
}

#[derive(Debug, Clone, Copy, bolero::TypeGenerator)]
enum Code {
    Success,
    Busy,
    Undeliverable,
    Refused,
}

/// How an answer is wrong.
#[derive(Debug, Clone, Copy, bolero::TypeGenerator)]
enum Lie {
    None,
    Again,
    OtherIdentifier,
    OtherEnd,
    OtherCommand,
}

impl Code {
    const fn result(self) -> ResultCode {
        match self {
            Self::Success => ResultCode::SUCCESS,
            Self::Busy => ResultCode::TOO_BUSY,
            Self::Undeliverable => ResultCode::UNABLE_TO_DELIVER,
            Self::Refused => ResultCode::AUTHORIZATION_REJECTED,
        }
    }
}

/// One end of a connection, as its peer sees it.
#[derive(Debug, Default)]
struct Wire {
    /// Requests of the node's that wait.
    requests: Vec<Vec<u8>>,
    /// Its connection is gone.
    gone: bool,
}

struct World {
    node: Node,
    now: Time,
    out: Effects,
    wires: BTreeMap<LinkId, Wire>,
    /// In the order in which they came to be.
    links: Vec<LinkId>,
    /// Those that the node asked for and that do not stand yet.
    wanted: Vec<LinkId>,
    /// Of each request of ours: its deadline, and how often it ended.
    sent: Vec<(Time, u32)>,
    handles: Vec<Handle>,
    /// How often each request of a peer's was answered, by its hop-by-hop identifier, which no two have.
    asked: BTreeMap<u32, u32>,
    up: BTreeSet<PeerId>,
}

impl World {
    fn new() -> Self {
        let peer = |host: &&str| PeerConfig {
            outstanding: OUTSTANDING,
            served: SERVED,
            watchdog: Duration::from_secs(6),
            realms: vec![REALM.to_owned()],
            ..PeerConfig::new(host)
        };
        let peers = HOSTS.iter().map(peer).collect();
        let ranks = [(PeerId(0), 0), (PeerId(1), 0), (PeerId(2), 1)];
        let route = Route { realm: REALM.to_owned(), application: None, peers: ranks.to_vec() };
        let node =
            Node::new(local("feg1.visited.example"), peers, vec![route], Limits::default(), &SecureSeed([7; 32]), 1);
        let mut world = Self {
            node,
            now: Time::from_secs(1),
            out: Effects::default(),
            wires: BTreeMap::new(),
            links: Vec::new(),
            wanted: Vec::new(),
            sent: Vec::new(),
            handles: Vec::new(),
            asked: BTreeMap::new(),
            up: BTreeSet::new(),
        };
        world.step(Input::Wakeup);
        world
    }

    fn step(&mut self, input: Input<'_>) {
        self.node.step(self.now, input, &mut self.out);
        for effect in self.out.take() {
            self.judge(effect);
        }
        let waiting = self.sent.iter().filter(|(_, ended)| *ended == 0).count();
        assert_eq!(self.node.outstanding(), waiting, "what has not ended waits, and nothing else");
        assert!(waiting <= OUTSTANDING * HOSTS.len(), "no more wait than peers may have");
    }

    fn judge(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { link, .. } => {
                self.begin(link);
                self.wanted.push(link);
            }
            Effect::Transmit { link, octets } => {
                let wire = self.wires.get_mut(&link).expect("a connection that there is");
                assert!(!wire.gone, "nothing is sent over a connection that is gone");
                let Ok(message) = Message::decode(&octets, &Limits::default()) else {
                    // A refusal gives Proxy-Info back as it came (RFC 6733 §6.2), which may be what could not be read.
                    assert!(Message::header_of(&octets).is_some_and(|header| !header.request));
                    return;
                };
                if message.header.request {
                    wire.requests.push(octets);
                } else if let Some(answers) = self.asked.get_mut(&message.header.hop_by_hop) {
                    *answers += 1;
                    assert_eq!(*answers, 1, "a request of a peer's is answered once");
                }
            }
            Effect::Close { link } => self.wires.entry(link).or_default().gone = true,
            Effect::StartTls { .. } => panic!("nobody wants TLS here"),
            Effect::Event(event) => self.told(event),
        }
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Answer { token, .. } | Event::Failed { token, .. } => {
                let (_, ended) = &mut self.sent[token.0 as usize];
                *ended += 1;
                assert_eq!(*ended, 1, "a request of ours ends once");
            }
            Event::Request { handle, .. } => self.handles.push(handle),
            Event::PeerUp(peer) => assert!(self.up.insert(peer), "who is up does not come up"),
            Event::PeerDown { peer, .. } => assert!(self.up.remove(&peer), "who is down does not go down"),
            Event::Stranger { .. } | Event::Stray(_) => {}
        }
    }

    fn begin(&mut self, link: LinkId) {
        self.links.push(link);
        self.wires.insert(link, Wire::default());
    }

    /// A connection that is not gone.
    fn link(&self, which: u8) -> Option<LinkId> {
        let alive: Vec<LinkId> = self.links.iter().copied().filter(|link| !self.wires[link].gone).collect();
        alive.get(usize::from(which) % alive.len().max(1)).copied()
    }

    fn receive(&mut self, link: LinkId, octets: &[u8]) {
        self.step(Input::Received { link, octets });
    }

    fn close(&mut self, link: LinkId) {
        self.wires.entry(link).or_default().gone = true;
        self.step(Input::Closed { link });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.step(Input::Wakeup);
        let late = self.sent.iter().filter(|(deadline, ended)| *deadline <= self.now && *ended == 0).count();
        assert_eq!(late, 0, "a request ends by its deadline");
    }

    /// A request of the node's over a connection, that its peer has not answered.
    fn request(&mut self, link: LinkId, which: u8, wanted: impl Fn(&Header) -> bool) -> Option<Vec<u8>> {
        let wire = self.wires.get_mut(&link)?;
        let fits = |octets: &Vec<u8>| Message::header_of(octets).is_some_and(|header| wanted(&header));
        let places: Vec<usize> = (0..wire.requests.len()).filter(|place| fits(&wire.requests[*place])).collect();
        let place = *places.get(usize::from(which) % places.len().max(1))?;
        Some(wire.requests.remove(place))
    }

    fn happen(&mut self, number: u32, happening: &Happening, seeds: &[Vec<u8>]) {
        match happening {
            Happening::Accepted => {
                let link = LinkId(u64::from(number));
                self.begin(link);
                self.step(Input::Accepted { link, names: None });
            }
            Happening::Pass(millis) => self.pass(Duration::from_millis(u64::from(*millis) % 12_000)),
            Happening::Send(to, tenths, changes) => self.send(*to, *tenths, changes.as_ref()),
            Happening::Serve(which) => self.serve(*which),
            Happening::Stop => self.step(Input::Stop),
            Happening::Connected(which) => {
                self.wanted.retain(|link| !self.wires[link].gone);
                if !self.wanted.is_empty() {
                    let link = self.wanted.remove(usize::from(*which) % self.wanted.len());
                    self.step(Input::Connected { link, names: None });
                }
            }
            Happening::Closed(which)
            | Happening::Introduced(which, _)
            | Happening::Agreed(which, ..)
            | Happening::Answered(which, ..)
            | Happening::Watched(which, _)
            | Happening::Asked(which, ..)
            | Happening::Leaves(which)
            | Happening::Octets(which, ..) => {
                if let Some(link) = self.link(*which) {
                    self.over(link, number, happening, seeds);
                }
            }
        }
    }

    /// Something happens over a connection.
    fn over(&mut self, link: LinkId, number: u32, happening: &Happening, seeds: &[Vec<u8>]) {
        match happening {
            Happening::Closed(_) => self.close(link),
            Happening::Introduced(_, host) => self.receive(link, &introduction(*host, number)),
            Happening::Agreed(_, host, code) => {
                let wanted = |header: &Header| header.command == Command::CAPABILITIES_EXCHANGE;
                if let Some(request) = self.request(link, 0, wanted) {
                    self.receive(link, &agreement(&request, *host, code.result()));
                }
            }
            Happening::Answered(_, which, code, lie, changes) => {
                let wanted = |header: &Header| header.command != Command::CAPABILITIES_EXCHANGE;
                if let Some(request) = self.request(link, *which, wanted) {
                    let octets = answered(&request, code.result(), *lie);
                    let octets = changes.as_ref().map_or(octets.clone(), |changes| changes.applied(&octets));
                    self.receive(link, &octets);
                    if matches!(lie, Lie::Again) && !self.wires[&link].gone {
                        self.receive(link, &octets);
                    }
                }
            }
            Happening::Watched(_, asks) => self.receive(link, &watchdog(*asks, number)),
            Happening::Asked(_, end_to_end, again, host) => {
                self.asked.insert(number, 0);
                self.receive(link, &question(*end_to_end, *again, *host, number));
            }
            Happening::Leaves(_) => self.receive(link, &farewell(number)),
            Happening::Octets(_, seed, changes) => {
                let octets = changes.applied(&seeds[usize::from(*seed) % seeds.len()]);
                self.receive(link, &octets);
            }
            _ => {}
        }
    }

    fn send(&mut self, to: u8, tenths: u8, changes: Option<&Changes>) {
        let token = Token(self.sent.len() as u64);
        let deadline = self.now + (Duration::from_millis(100) * u32::from(tenths)).min(PATIENCE);
        self.sent.push((deadline, 0));
        let octets = request(HOSTS.get(usize::from(to) % 5).copied());
        let octets = changes.map_or(octets.clone(), |changes| changes.applied(&octets));
        self.node.step(self.now, Input::Send(Outgoing { token, octets, key: token.0, deadline }), &mut self.out);
        for effect in self.out.take() {
            self.judge(effect);
        }
        // One whose time is over already has ended by now, like one that nobody can take.
        assert!(deadline > self.now || self.sent[token.0 as usize].1 == 1);
    }

    fn serve(&mut self, which: u8) {
        if let Some(handle) = self.handles.get(usize::from(which) % self.handles.len().max(1)).copied() {
            let header = Header::request(Command::CANCEL_LOCATION, Application::S6A).answer();
            let mut writer = Writer::new(&header);
            writer.u32(name::RESULT_CODE, 2001).text(name::ORIGIN_HOST, "feg1.visited.example");
            self.step(Input::Answer { handle, octets: writer.finish() });
        }
    }
}

fn local(host: &str) -> Local {
    Local {
        host: host.to_owned(),
        realm: host.split_once('.').map_or("", |(_, realm)| realm).to_owned(),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        vendor: vendor::TGPP,
        product: "basalt".to_owned(),
        applications: vec![Service { application: Application::S6A, vendor: vendor::TGPP }],
        state_id: 1,
    }
}

/// A peer's host; beyond those that are peers, a stranger.
fn host(which: u8) -> &'static str {
    HOSTS.get(usize::from(which) % 4).copied().unwrap_or("nobody.home.example")
}

fn capabilities(writer: &mut Writer) {
    writer.address(name::HOST_IP_ADDRESS, [192, 0, 2, 2].into()).u32(name::VENDOR_ID, 0);
    writer.text(name::PRODUCT_NAME, "fuzz").u32(name::AUTH_APPLICATION_ID, Application::S6A.0);
}

fn introduction(which: u8, number: u32) -> Vec<u8> {
    let header = Header::request(Command::CAPABILITIES_EXCHANGE, Application::BASE);
    let mut writer = Writer::new(&Header { hop_by_hop: number, end_to_end: number, ..header });
    writer.text(name::ORIGIN_HOST, host(which)).text(name::ORIGIN_REALM, REALM);
    if which > 127 {
        writer.u32(name::ORIGIN_STATE_ID, number);
    }
    capabilities(&mut writer);
    writer.finish()
}

fn agreement(request: &[u8], which: u8, code: ResultCode) -> Vec<u8> {
    let request = Message::decode(request, &Limits::default()).unwrap();
    let mut writer = answer(&local(host(which)), &request, code);
    capabilities(&mut writer);
    writer.finish()
}

fn answered(request: &[u8], code: ResultCode, lie: Lie) -> Vec<u8> {
    let request = Message::decode(request, &Limits::default()).unwrap();
    let mut octets = answer(&local(HOSTS[0]), &request, code).finish();
    match lie {
        Lie::None | Lie::Again => {}
        Lie::OtherIdentifier => octets[12] ^= 1,
        Lie::OtherEnd => octets[16] ^= 1,
        Lie::OtherCommand => octets[7] ^= 1,
    }
    octets
}

fn watchdog(asks: bool, number: u32) -> Vec<u8> {
    let header = Header::request(Command::DEVICE_WATCHDOG, Application::BASE);
    let header = Header { hop_by_hop: number, end_to_end: number, ..header };
    let mut writer = Writer::new(&if asks { header } else { header.answer() });
    if !asks {
        writer.u32(name::RESULT_CODE, 2001);
    }
    writer.text(name::ORIGIN_HOST, HOSTS[0]).text(name::ORIGIN_REALM, REALM);
    writer.finish()
}

fn farewell(number: u32) -> Vec<u8> {
    let header = Header::request(Command::DISCONNECT_PEER, Application::BASE);
    let mut writer = Writer::new(&Header { hop_by_hop: number, end_to_end: number, ..header });
    writer.text(name::ORIGIN_HOST, HOSTS[0]).text(name::ORIGIN_REALM, REALM).u32(name::DISCONNECT_CAUSE, number % 3);
    writer.finish()
}

/// A request of a peer's: a few identifiers, so that some come again.
fn question(end_to_end: u8, again: bool, which: u8, number: u32) -> Vec<u8> {
    let header = Header::request(Command::CANCEL_LOCATION, Application::S6A);
    let ids = Header { hop_by_hop: number, end_to_end: u32::from(end_to_end % 4), retransmitted: again, ..header };
    let mut writer = Writer::new(&ids);
    writer.text(name::SESSION_ID, "hss;1;1").text(name::ORIGIN_HOST, host(which)).text(name::ORIGIN_REALM, REALM);
    writer.text(name::DESTINATION_HOST, "feg1.visited.example").text(name::DESTINATION_REALM, "visited.example");
    writer.text(name::USER_NAME, "999700000000001");
    writer.finish()
}

fn request(to: Option<&str>) -> Vec<u8> {
    let mut writer = Writer::new(&Header::request(Command::AUTHENTICATION_INFORMATION, Application::S6A));
    writer.text(name::SESSION_ID, "feg1;1;1").text(name::ORIGIN_HOST, "feg1.visited.example");
    writer.text(name::ORIGIN_REALM, "visited.example").text(name::DESTINATION_REALM, REALM);
    if let Some(host) = to {
        writer.text(name::DESTINATION_HOST, host);
    }
    writer.text(name::USER_NAME, "999700000000001");
    let octets = writer.finish();
    assert!(octets.len() > HEADER);
    octets
}

#[test]
fn a_node_between_peers_that_speak_and_lie() {
    let seeds = basalt_fuzz::diameter();
    bolero::check!().with_type::<Vec<Happening>>().with_iterations(MANY).with_test_time(LONGEST).for_each(|story| {
        let mut world = World::new();
        for (number, happening) in (FIRST..).zip(story.iter().take(300)) {
            world.happen(number, happening, seeds);
        }
        // Whatever happened, nothing is left.
        world.pass(END);
        assert!(world.sent.iter().all(|(_, ended)| *ended == 1), "every request of ours ended");
        assert_eq!(world.node.outstanding(), 0);
    });
}
