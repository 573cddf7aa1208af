//! The codec and the peer machine alone, on messages that Open5GS sent.

use basalt_diameter::node::{
    Effect, Effects, Event, Input, LinkId, Local, Node, Outgoing, PeerConfig, PeerId, Route, Service, Token, answer,
};
use basalt_diameter::{Application, Command, Limits, Message, ResultCode, dictionary as name, vendor};
use basalt_sansio::{Duration, SecureSeed, Time};
use feg_s6a::{To, Visit};
use std::hint::black_box;
use std::time::Instant;

/// Batches, and calls of each.
const BATCHES: usize = 40;
const ROUNDS: u32 = 5_000;

/// Keys and values.
pub fn measure() -> Vec<(String, f64)> {
    let limits = Limits::default();
    let recorded = recorded();
    let find = |command| {
        let fits = |octets: &&Vec<u8>| {
            Message::decode(octets, &limits).is_ok_and(|message| {
                let good = message.outcome().is_ok_and(|outcome| outcome.is_success());
                message.header.command == command && !message.header.request && good
            })
        };
        recorded.iter().rev().find(fits).expect("a recorded answer").clone()
    };
    let (aia, ula) = (find(Command::AUTHENTICATION_INFORMATION), find(Command::UPDATE_LOCATION));
    let session = |octets: &[u8]| {
        let message = Message::decode(octets, &limits).unwrap();
        message.need(name::SESSION_ID).unwrap().text().unwrap().to_owned()
    };
    let (of_aia, of_ula) = (session(&aia), session(&ula));
    let decode = |octets: &[u8]| black_box(Message::decode(black_box(octets), &limits).is_ok());
    let to = To {
        host: "feg1.visited.example",
        realm: "visited.example",
        session: "feg1.visited.example;1234567890;1",
        destination_host: None,
        destination_realm: "epc.mnc070.mcc999.3gppnetwork.org",
    };
    let visit = Visit { imsi: "999700000000001".parse().unwrap(), visited: "001-01".parse().unwrap() };
    let mut values = Vec::new();
    let mut run = |what: &str, mut work: Box<dyn FnMut() + '_>| {
        (0..ROUNDS).for_each(|_| work());
        let (calls, mut fastest) = (crate::calls(), f64::INFINITY);
        for _ in 0..BATCHES {
            let begin = Instant::now();
            (0..ROUNDS).for_each(|_| work());
            fastest = fastest.min(begin.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
        }
        let calls = (crate::calls() - calls) as f64 / (BATCHES as f64 * f64::from(ROUNDS));
        values.push((format!("{what}_ns"), fastest));
        values.push((format!("allocations_per_{what}"), calls));
    };
    run("aia_decode", Box::new(|| assert!(decode(&aia))));
    run("ula_decode", Box::new(|| assert!(decode(&ula))));
    run(
        "aia_read",
        Box::new(|| {
            let message = Message::decode(black_box(&aia), &limits).unwrap();
            black_box(feg_s6a::authentication_answer(&message, &of_aia).unwrap());
        }),
    );
    run(
        "ula_read",
        Box::new(|| {
            let message = Message::decode(black_box(&ula), &limits).unwrap();
            black_box(feg_s6a::update_location_answer(&message, &of_ula).unwrap());
        }),
    );
    run(
        "air_write",
        Box::new(|| {
            black_box(feg_s6a::authentication(black_box(&to), visit, 3, true, None));
        }),
    );
    run(
        "ulr_write",
        Box::new(|| {
            black_box(feg_s6a::update_location(black_box(&to), visit, None, true, false));
        }),
    );
    let mut machine = Machine::new(feg_s6a::authentication(&to, visit, 3, true, None));
    run("node_request", Box::new(|| machine.round()));
    values
}

fn recorded() -> Vec<Vec<u8>> {
    let text = include_str!("../../../../fixtures/diameter/messages.txt");
    let octets =
        |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    text.lines().filter(|line| line.starts_with("s1ap-")).map(|line| octets(line.split_once(' ').unwrap().1)).collect()
}

/// A node with one peer, and that peer.
struct Machine {
    node: Node,
    home: Local,
    link: LinkId,
    request: Vec<u8>,
    effects: Effects,
    now: Time,
    token: u64,
}

impl Machine {
    fn new(request: Vec<u8>) -> Self {
        let local = |host: &str, realm: &str| Local {
            host: host.to_owned(),
            realm: realm.to_owned(),
            addresses: vec!["127.0.0.1".parse().unwrap()],
            vendor: vendor::TGPP,
            product: "bench".to_owned(),
            applications: vec![Service { application: Application::S6A, vendor: vendor::TGPP }],
            state_id: 1,
        };
        let realm = "epc.mnc070.mcc999.3gppnetwork.org";
        let route = Route { realm: realm.to_owned(), application: None, peers: vec![(PeerId(0), 0)] };
        let peers = vec![PeerConfig::new("hss1.home.example")];
        let here = local("feg1.visited.example", "visited.example");
        let node = Node::new(here, peers, vec![route], Limits::default(), &SecureSeed([1; 32]), 1);
        let (effects, now) = (Effects::default(), Time::from_secs(1));
        let home = local("hss1.home.example", realm);
        let mut machine = Self { node, home, link: LinkId(0), request, effects, now, token: 0 };
        machine.node.step(now, Input::Wakeup, &mut machine.effects);
        let Some(Effect::Connect { link, .. }) = machine.effects.drain().next() else { panic!("no connection") };
        machine.link = link;
        machine.node.step(now, Input::Connected { link, names: None }, &mut machine.effects);
        let cer = machine.sent();
        let message = Message::decode(&cer, &Limits::default()).unwrap();
        let mut writer = answer(&machine.home, &message, ResultCode::SUCCESS);
        writer.u32(name::AUTH_APPLICATION_ID, Application::S6A.0);
        machine.node.step(now, Input::Received { link, octets: &writer.finish() }, &mut machine.effects);
        assert!(machine.node.is_up(PeerId(0)));
        machine.effects.drain().for_each(drop);
        machine
    }

    fn sent(&mut self) -> Vec<u8> {
        let sent = self.effects.drain().find_map(|effect| match effect {
            Effect::Transmit { octets, .. } => Some(octets),
            _ => None,
        });
        sent.expect("a message")
    }

    /// A request goes, and its answer comes. The answer's and the request's own octets are two allocations of the bench.
    fn round(&mut self) {
        self.token += 1;
        self.now += Duration::from_micros(10);
        let deadline = self.now + Duration::from_secs(5);
        let octets = self.request.clone();
        let request = Outgoing { token: Token(self.token), octets, key: self.token, deadline };
        self.node.step(self.now, Input::Send(request), &mut self.effects);
        let asked = self.sent();
        let message = Message::decode(&asked, &Limits::default()).unwrap();
        let octets = answer(&self.home, &message, ResultCode::SUCCESS).finish();
        self.node.step(self.now, Input::Received { link: self.link, octets: &octets }, &mut self.effects);
        let ended = self.effects.drain().filter(|effect| matches!(effect, Effect::Event(Event::Answer { .. }))).count();
        assert_eq!(ended, 1);
    }
}
