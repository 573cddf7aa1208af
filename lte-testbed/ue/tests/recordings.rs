//! The phone in the place of one that others wrote: given the recorded downlink messages it must send, octet for octet, what
//! was recorded uplink.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;

use basalt_ids::{Ebi, Plmn, Tac, Tai};
use basalt_sansio::{Outbox, Time};
use basalt_security::{AkaAlgorithm, Secret, Sqn};
use testbed_ue::{AttachKind, Configuration, DetachKind, Effect, EmmState, Event, Input, Page, Profile, Ue, Usim};

const K: [u8; 16] = 0x465B_5CE8_B199_B49F_AA5F_0A2E_E238_A6BCu128.to_be_bytes();
const OPC: [u8; 16] = 0xE8ED_289D_EBA9_52E4_283B_54E8_8E61_83CAu128.to_be_bytes();
/// What the recorded phone (srsUE) is: it asks for nothing by options, and conceals its access point.
const IMEISV: &str = "3534900698733153";

struct Line {
    up: bool,
    procedure: u32,
    octets: Vec<u8>,
}

fn recording(name: &str) -> Vec<Line> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/nas/s1ap.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<Line> = text
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| fields[0] == name)
        .map(|fields| Line {
            up: fields[2] == "up",
            procedure: fields[5].parse().unwrap(),
            octets: (0..fields[6].len() / 2)
                .map(|i| u8::from_str_radix(&fields[6][2 * i..2 * i + 2], 16).unwrap())
                .collect(),
        })
        .collect();
    assert!(!lines.is_empty(), "{name}");
    lines
}

struct Replay {
    ue: Ue,
    out: Outbox<Effect>,
    sent: std::collections::VecDeque<Vec<u8>>,
    events: Vec<Event>,
}

impl Replay {
    fn new(plmn: Plmn, imsi: &str) -> Self {
        let profile = Profile {
            apn: Some("internet".parse().unwrap()),
            conceals_esm_information: true,
            asks_options: false,
            ..Profile::default()
        };
        let algorithm = AkaAlgorithm::milenage(&Secret::new(K), &Secret::new(OPC));
        let usim = Usim::new(imsi.parse().unwrap(), algorithm, Sqn::default());
        let ue = Ue::new(Arc::new(profile), usim, IMEISV.parse().unwrap());
        let mut replay = Self { ue, out: Outbox::new(), sent: Default::default(), events: Vec::new() };
        replay.step(Input::Camp(Tai { plmn, tac: Tac(1) }));
        replay
    }

    fn step(&mut self, input: Input) {
        self.ue.step(Time::ZERO, input, &mut self.out);
        for effect in self.out.take() {
            match effect {
                Effect::Connect(connect) => self.sent.push_back(connect.nas),
                Effect::Uplink(nas) => self.sent.push_back(nas),
                Effect::Event(event) => self.events.push(event),
                Effect::Configured(ok) => assert!(ok),
                Effect::Abandon => panic!("the phone left"),
            }
        }
    }

    /// Plays the network's side of a recording and checks the phone's.
    fn play(&mut self, name: &str) {
        self.play_part(name, 0..usize::MAX);
    }

    /// The same with some of its messages only.
    fn play_part(&mut self, name: &str, part: std::ops::Range<usize>) {
        let lines = recording(name).into_iter().enumerate();
        for (_, line) in lines.filter(|(number, _)| part.contains(number)) {
            if line.up {
                let sent = self.sent.pop_front();
                assert_eq!(sent.as_deref(), Some(&line.octets[..]), "{name}: {:02x?} {:?}", line.octets, self.events);
            } else if line.procedure == 9 {
                let (added, nas) = (vec![Ebi::FIRST], vec![line.octets]);
                self.step(Input::Configure(Configuration { security: None, added, removed: Vec::new(), nas }));
            } else {
                self.step(Input::Nas(line.octets));
            }
        }
        assert!(self.sent.is_empty(), "{name}: more was sent than recorded: {:02x?}", self.sent);
        let distrust = self.events.iter().find(|event| matches!(event, Event::Distrust(_)));
        assert_eq!(distrust, None, "{name}");
    }

    fn bearers(&mut self) {
        let (added, nas) = (vec![Ebi::FIRST], Vec::new());
        self.step(Input::Configure(Configuration { security: None, added, removed: Vec::new(), nas }));
    }
}

fn test_network() -> Plmn {
    Plmn::new(1, 1, 2).unwrap()
}

#[test]
fn a_life_with_open5gs_is_lived_again() {
    let mut phone = Replay::new(test_network(), "001010000000001");
    phone.step(Input::Attach(AttachKind::Imsi));
    phone.play("s1ap-srsran-open5gs-attach");
    assert_eq!(phone.ue.state(), EmmState::Registered);
    let session = &phone.ue.sessions()[0];
    assert!(session.address.is_some(), "{session:?}");
    assert!(phone.events.contains(&Event::NetworkName(Some("Open5GS".to_owned()))), "{:?}", phone.events);
    phone.step(Input::Released);
    phone.step(Input::UplinkData);
    phone.play("s1ap-srsran-open5gs-idle-servicerequest");
    phone.bearers();
    assert_eq!(phone.ue.state(), EmmState::Registered);
}

#[test]
fn ciphered_with_aes_protected_with_snow_and_paged() {
    let mut phone = Replay::new(test_network(), "001010000000001");
    phone.step(Input::Attach(AttachKind::Imsi));
    phone.play("s1ap-srsran-open5gs-eea2eia1-attach");
    phone.step(Input::Released);
    // The service request of a recording that is not in the folder came in between.
    phone.step(Input::UplinkData);
    phone.bearers();
    phone.step(Input::Released);
    phone.sent.clear();
    let s_tmsi = phone.ue.guti().unwrap().s_tmsi();
    phone.step(Input::Page(Page::STmsi(s_tmsi)));
    phone.play("s1ap-srsran-open5gs-eea2eia1-idle-paging");
}

#[test]
fn srsepc_snow_and_snow() {
    let mut phone = Replay::new(test_network(), "001010000000001");
    phone.step(Input::Attach(AttachKind::Imsi));
    phone.play("s1ap-srsran-srsepc-eea1eia1-attach");
    phone.step(Input::Released);
    phone.step(Input::Detach(DetachKind::SwitchOff));
    phone.play("s1ap-srsran-srsepc-eea1eia1-detach");
    assert_eq!(phone.ue.state(), EmmState::Null);
}

#[test]
fn srsepc_without_ciphering() {
    let mut phone = Replay::new(test_network(), "001010000000001");
    phone.step(Input::Attach(AttachKind::Imsi));
    phone.play("s1ap-srsran-srsepc-attach");
    assert_eq!(phone.ue.state(), EmmState::Registered);
}

#[test]
fn three_digit_mnc() {
    let network = Plmn::new(310, 410, 3).unwrap();
    let mut phone = Replay::new(network, "310410000000001");
    phone.step(Input::Attach(AttachKind::Imsi));
    phone.play_part("s1ap-srsran-open5gs-mnc3-310410", 0..10);
    assert_eq!(phone.ue.state(), EmmState::Registered);
    phone.step(Input::Released);
    phone.step(Input::Detach(DetachKind::SwitchOff));
    phone.play_part("s1ap-srsran-open5gs-mnc3-310410", 10..11);
    assert_eq!(phone.ue.state(), EmmState::Null);
}
