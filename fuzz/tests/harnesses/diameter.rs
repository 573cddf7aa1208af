//! Diameter: messages as any peer may send them, and a node that gets anything from its peers at any time.

use basalt_diameter::node::{
    Effects, Event, Input, LinkId, Local, Node, Outgoing, PeerConfig, PeerId, Route, Service, Token,
};
use basalt_diameter::{Application, Limits, Message, Writer, node, vendor};
use basalt_fuzz::Changes;
use basalt_sansio::{Duration, SecureSeed, Time};

use crate::{LONGEST, MANY};

fn digest(octets: &[u8]) {
    match Message::decode(octets, &Limits::default()) {
        Ok(message) => {
            let mut writer = Writer::new(&message.header);
            writer.copy(&message, &[]);
            let written = writer.finish();
            let again = Message::decode(&written, &Limits::default()).unwrap();
            // Spare bits and padding may differ; the meaning must not.
            assert_eq!(again.header, message.header);
            let values = |message: &Message<'_>| -> Vec<_> {
                message.avps().map(|avp| avp.map(|avp| (avp.id, avp.mandatory, avp.data.to_vec())).unwrap()).collect()
            };
            assert_eq!(values(&again), values(&message));
            let _ =
                (message.outcome(), message.avps().filter(|avp| avp.is_ok_and(|avp| avp.address().is_ok())).count());
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.result().is_success()),
    }
}

#[test]
fn octets_of_anyone() {
    bolero::check!().with_iterations(MANY).with_test_time(LONGEST).with_max_len(512).for_each(digest);
}

#[test]
fn message_with_changed_octets() {
    let seeds = basalt_fuzz::diameter();
    assert!(!seeds.is_empty());
    bolero::check!().with_type::<(u16, Changes)>().with_iterations(MANY).with_test_time(LONGEST).for_each(
        |(which, changes)| {
            digest(&changes.applied(&seeds[usize::from(*which) % seeds.len()]));
        },
    );
}

/// What happens to a node, drawn by the fuzzer.
#[derive(Debug, Clone, bolero::TypeGenerator)]
enum Happening {
    Accepted(u8),
    Connected(u8),
    Closed(u8),
    Message(u8, u16, Changes),
    Pass(u16),
    Send,
    Answer(u8),
}

fn feg() -> Node {
    let s6a = Service { application: Application::S6A, vendor: vendor::TGPP };
    let local = Local {
        host: "feg.visited.example".to_owned(),
        realm: "visited.example".to_owned(),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        vendor: 0,
        product: "basalt".to_owned(),
        applications: vec![s6a, Service { application: Application::RELAY, vendor: 0 }],
        state_id: 1,
    };
    // Peers by the names that the recorded ones have.
    let hosts = ["hss.localdomain", "mme.localdomain", "hss.home.example"];
    let peers: Vec<PeerConfig> = hosts.iter().map(|host| PeerConfig::new(host)).collect();
    let route =
        Route { realm: "*".to_owned(), application: None, peers: (0..3).map(|peer| (PeerId(peer), 0)).collect() };
    Node::new(local, peers, vec![route], Limits::default(), &SecureSeed([7; 32]), 1)
}

#[test]
fn a_node_with_any_peers() {
    let seeds = basalt_fuzz::diameter();
    bolero::check!().with_type::<Vec<Happening>>().with_iterations(MANY / 4).with_test_time(LONGEST).for_each(
        |story| {
            let (mut node, mut now, mut out) = (feg(), Time::from_secs(1), Effects::default());
            let (mut links, mut handles, mut sent, mut ended) = (Vec::new(), Vec::new(), 0u64, 0u64);
            node.step(now, Input::Wakeup, &mut out);
            for (number, happening) in story.iter().take(200).enumerate() {
                let link = |which: &u8, links: &[LinkId]| links.get(usize::from(*which) % links.len().max(1)).copied();
                match happening {
                    Happening::Accepted(_) => {
                        let link = LinkId(number as u64);
                        links.push(link);
                        node.step(now, Input::Accepted { link, names: None }, &mut out);
                    }
                    Happening::Connected(which) => {
                        if let Some(link) = link(which, &links) {
                            node.step(now, Input::Connected { link, names: None }, &mut out);
                        }
                    }
                    Happening::Closed(which) => {
                        if let Some(link) = link(which, &links) {
                            node.step(now, Input::Closed { link }, &mut out);
                        }
                    }
                    Happening::Message(which, seed, changes) => {
                        let octets = changes.applied(&seeds[usize::from(*seed) % seeds.len()]);
                        if let Some(link) = link(which, &links) {
                            node.step(now, Input::Received { link, octets: &octets }, &mut out);
                        }
                    }
                    Happening::Pass(millis) => {
                        now = now + Duration::from_millis(u64::from(*millis) * 10);
                        node.step(now, Input::Wakeup, &mut out);
                    }
                    Happening::Send => {
                        sent += 1;
                        let octets = seeds[number % seeds.len()].clone();
                        let deadline = now + Duration::from_secs(2);
                        let request = Outgoing { token: Token(sent), octets, key: sent, deadline };
                        node.step(now, Input::Send(request), &mut out);
                    }
                    Happening::Answer(which) => {
                        if let Some(handle) = handles.get(usize::from(*which) % handles.len().max(1)).copied() {
                            node.step(now, Input::Answer { handle, octets: vec![0; 20] }, &mut out);
                        }
                    }
                }
                for effect in out.take() {
                    match effect {
                        node::Effect::Connect { link, .. } => links.push(link),
                        node::Effect::Event(Event::Request { handle, .. }) => handles.push(handle),
                        node::Effect::Event(Event::Answer { .. } | Event::Failed { .. }) => ended += 1,
                        _ => {}
                    }
                }
            }
            // Whatever happened, no request of ours hangs.
            node.step(now + Duration::from_secs(5), Input::Wakeup, &mut out);
            ended += out
                .take()
                .iter()
                .filter(|effect| matches!(effect, node::Effect::Event(Event::Answer { .. } | Event::Failed { .. })))
                .count() as u64;
            assert_eq!((ended, node.outstanding()), (sent, 0));
        },
    );
}
