//! This version's gateway hears what an orchestrator of an earlier version said: `fixtures/conversation` keeps it octet by octet (see
//! `orchestrator/fleet/tests/skew.rs`, which makes the recordings and replays the gateway's side).

use crate::convert::{self, Speaker};
use basalt_cloud_sync::{
    CommandState, Effect, Event, Identity, Input, Memory, Now, Phone, Progress, Refusal, Settings, Sync, UsageRecord,
};
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::from_gateway::Message as Up;
use basalt_desired::ItemKey;
use basalt_sansio::{Duration, Outbox, SecureSeed, Time};
use prost::Message as _;
use std::collections::BTreeMap;
use std::path::Path;

/// Some moment, milliseconds since 1970.
const NOW: u64 = 1_800_000_000_000;
/// Field 2000, octets: none that this version knows.
const UNKNOWN: [u8; 6] = [0x82, 0x7d, 3, b'n', b'e', b'w'];

/// The gateway, with a daemon that has what was recorded.
struct World {
    core: Sync,
    out: Outbox<Effect>,
    said: Vec<Up>,
    bodies: BTreeMap<ItemKey, String>,
}

impl World {
    fn new() -> Self {
        let text = str::to_owned;
        let identity = Identity {
            network: text("lab"),
            gateway: text("north"),
            address: text("core:1"),
            certificate: vec![1],
            authority: vec![2],
            not_before: NOW / 1000,
            not_after: NOW / 1000 + 86_400,
        };
        let memory = Memory { identity: Some(identity), held: Vec::new(), events: (0, Vec::new()) };
        let now = Now { mono: Time::ZERO, unix_millis: NOW };
        // No time goes by here: state and metrics go at once.
        let settings = Settings { report_interval: Duration::from_secs(0), ..Settings::default() };
        let core = Sync::new(settings, memory, 5, &SecureSeed([3; 32]), now);
        Self { core, out: Outbox::new(), said: Vec::new(), bodies: BTreeMap::new() }
    }

    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.core.step(Now { mono: Time::ZERO, unix_millis: NOW }, input, &mut self.out);
            for effect in self.out.take() {
                inputs.extend(self.carry_out(effect));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Open(_) => Some(Input::Opened),
            Effect::Send(up) => {
                let speaker = Speaker { network: "lab", gateway: "north", software: "0.1.0" };
                self.said.extend(convert::up(up, &speaker).message);
                None
            }
            Effect::Apply(page) => {
                let puts = page.puts.iter().map(|put| (put.key.clone(), put.body.clone()));
                self.bodies.extend(puts);
                Some(Input::Applied { page, refusals: Vec::new() })
            }
            Effect::KeepEvents { .. } => Some(Input::EventsKept),
            Effect::ReadUsage { .. } => Some(Input::UsageRead { ledger: 77, records: vec![usage()] }),
            Effect::Run(command) => {
                let (id, output) = (command.id, "pong".to_owned());
                Some(Input::Progress(Progress {
                    data: Vec::new(),
                    id,
                    state: CommandState::Done,
                    percent: 100,
                    output,
                }))
            }
            _ => None,
        }
    }
}

fn usage() -> UsageRecord {
    UsageRecord {
        number: 1,
        session: "9".to_owned(),
        epoch: 1,
        sequence: 1,
        imsi: "001010000000001".to_owned(),
        apn: "internet".to_owned(),
        from: NOW,
        to: NOW + 60_000,
        uplink_bytes: 700,
        downlink_bytes: 1400,
        uplink_packets: 1,
        downlink_packets: 2,
        last: true,
    }
}

/// What happens at the gateway's site, as in the recording.
fn happenings() -> Vec<Input> {
    let text = str::to_owned;
    let imsi = || text("001010000000001");
    let key = ItemKey { collection: text("apns"), name: text("odd") };
    let (kind, json) = (text("attached"), text("{}"));
    let event = Event { number: 0, place: 0, at: NOW, kind, imsi: imsi(), text: text("it attached"), json };
    let phone = Phone {
        imsi: imsi(),
        state: text("connected"),
        enb: text("001-01/0x19b"),
        apns: vec![text("internet")],
        addresses: vec![text("10.45.0.2")],
        json: text("{}"),
    };
    vec![
        Input::InForce { refused: vec![Refusal { key, reason: text("no addresses") }], pending: Vec::new() },
        Input::CheckIn { state: text(r#"{"version":"0.1.0"}"#), urgent: false },
        Input::Metrics([(text("basalt_sessions"), 3.0)].into()),
        Input::Phones { after: String::new(), through: None, phones: vec![phone] },
        Input::Event(event),
    ]
}

/// What is the same in all conversations.
fn comparable(up: Up) -> Option<Up> {
    Some(match up {
        Up::Hello(it) => Up::Hello(api::Hello { instance: Vec::new(), ..it }),
        Up::Events(it) => Up::Events(api::Events { epoch: 0, ..it }),
        Up::Metrics(it) => Up::Metrics(api::Metrics { at: 0, ..it }),
        Up::Beat(_) => return None,
        other => other,
    })
}

/// With a field that this version does not know, at the end and in what is inside.
fn stranger(octets: &[u8]) -> Vec<u8> {
    let head = 2 + octets[1..].iter().position(|octet| octet & 0x80 == 0).unwrap();
    let inner = [&octets[head..], &UNKNOWN].concat();
    let mut whole = vec![octets[0]];
    prost::encoding::encode_varint(inner.len() as u64, &mut whole);
    [whole.as_slice(), &inner, &UNKNOWN].concat()
}

fn play(recording: &str, strange: bool) {
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let mut world = World::new();
    world.step(Input::Wakeup);
    let mut expected = Vec::new();
    for line in recording.lines() {
        if let Some(octets) = line.strip_prefix("up ") {
            expected.extend(api::FromGateway::decode(unhex(octets).as_slice()).unwrap().message.and_then(comparable));
        }
        let Some(octets) = line.strip_prefix("down ").map(unhex) else { continue };
        let told = api::FromOrchestrator::decode(octets.as_slice()).unwrap();
        let octets = if strange { stranger(&octets) } else { octets };
        let heard = api::FromOrchestrator::decode(octets.as_slice()).unwrap();
        assert_eq!(heard, told, "what is unknown is ignored");
        let welcomed = world.core.is_talking();
        world.step(Input::Down(convert::down(heard).expect("a message that is known")));
        if !welcomed && world.core.is_talking() {
            happenings().into_iter().for_each(|input| world.step(input));
        }
    }
    // One of a later version altogether.
    let later = api::FromOrchestrator::decode([0x82, 0x7d, 0].as_slice()).unwrap();
    assert_eq!(convert::down(later), None);
    assert!(world.core.is_talking());
    let said: Vec<Up> = world.said.into_iter().filter_map(comparable).collect();
    for up in &expected {
        assert!(said.contains(up), "this version does not say {up:?}, but {said:?}");
    }
    let key = ItemKey { collection: "subscribers".to_owned(), name: "001010000000001".to_owned() };
    assert!(world.bodies[&key].contains("well"), "the last change is held: {}", world.bodies[&key]);
    assert_eq!(
        world.bodies.keys().map(|key| key.collection.as_str()).collect::<Vec<_>>(),
        ["gateways", "networks", "subscribers", "tiers"]
    );
}

#[test]
fn orchestrators_of_earlier_versions_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/conversation");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let recording = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        play(&recording, false);
        play(&recording, true);
        count += 1;
    }
    assert!(count > 0);
}
