//! Every NAS message that other implementations exchanged in the recordings is read and written to the same octets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_nas::ie::{EsmContainer, UeSecurityCapability};
use basalt_nas::{Direction, EmmMessage, Envelope, EsmMessage, NasMessage};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../fixtures/nas", name].iter().collect();
    std::fs::read_to_string(path).unwrap()
}

fn direction(word: &str) -> Direction {
    match word {
        "up" => Direction::Uplink,
        "down" => Direction::Downlink,
        other => panic!("direction {other}"),
    }
}

/// The lines of `plain.txt`: recording, direction, octets.
fn plain(text: &str) -> impl Iterator<Item = (&str, Direction, Vec<u8>)> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [recording, _packet, way, octets] = fields[..] else {
            panic!("malformed line {line:?}");
        };
        (recording, direction(way), bytes(octets))
    })
}

/// The ESM message inside an EMM message.
fn container(message: &EmmMessage) -> Option<&EsmContainer> {
    match message {
        EmmMessage::AttachRequest(m) => Some(&m.esm_container),
        EmmMessage::AttachAccept(m) => Some(&m.esm_container),
        EmmMessage::AttachComplete(m) => Some(&m.esm_container),
        EmmMessage::AttachReject(m) => m.esm_container.as_ref(),
        _ => None,
    }
}

#[test]
fn every_message_comes_back_to_the_same_octets() {
    let text = fixture("plain.txt");
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (recording, direction, octets) in plain(&text) {
        let message =
            NasMessage::decode(&octets, direction).unwrap_or_else(|error| panic!("{recording} {octets:02x?}: {error}"));
        assert_eq!(message.encode().unwrap(), octets, "{recording} {message:?}");
        *kinds.entry(message.name()).or_default() += 1;
        let NasMessage::Emm(emm) = &message else { continue };
        if let Some(inner) = container(emm) {
            let inside = inner.decode(direction).unwrap();
            assert_eq!(inside.to_container().unwrap(), *inner, "{recording} {inside:?}");
            *kinds.entry(inside.message.name()).or_default() += 1;
        }
    }
    let seen: Vec<_> = kinds.iter().map(|(name, count)| format!("{name} {count}")).collect();
    assert_eq!(seen, SEEN, "{seen:#?}");
}

/// What the recordings hold, by name and count.
const SEEN: &[&str] = &[
    "ACTIVATE DEDICATED EPS BEARER CONTEXT ACCEPT 16",
    "ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST 16",
    "ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT 52",
    "ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST 57",
    "ATTACH ACCEPT 46",
    "ATTACH COMPLETE 41",
    "ATTACH REQUEST 50",
    "AUTHENTICATION FAILURE 4",
    "AUTHENTICATION REJECT 3",
    "AUTHENTICATION REQUEST 49",
    "AUTHENTICATION RESPONSE 45",
    "BEARER RESOURCE ALLOCATION REJECT 1",
    "BEARER RESOURCE ALLOCATION REQUEST 1",
    "BEARER RESOURCE MODIFICATION REJECT 1",
    "BEARER RESOURCE MODIFICATION REQUEST 4",
    "CS SERVICE NOTIFICATION 2",
    "DEACTIVATE EPS BEARER CONTEXT ACCEPT 9",
    "DEACTIVATE EPS BEARER CONTEXT REQUEST 10",
    "DETACH REQUEST 14",
    "EMM INFORMATION 41",
    "ESM INFORMATION REQUEST 42",
    "ESM INFORMATION RESPONSE 42",
    "EXTENDED SERVICE REQUEST 5",
    "IDENTITY REQUEST 11",
    "IDENTITY RESPONSE 11",
    "MODIFY EPS BEARER CONTEXT ACCEPT 7",
    "MODIFY EPS BEARER CONTEXT REQUEST 7",
    "PDN CONNECTIVITY REJECT 1",
    "PDN CONNECTIVITY REQUEST 62",
    "PDN DISCONNECT REQUEST 3",
    "SECURITY MODE COMMAND 45",
    "SECURITY MODE COMPLETE 45",
    "SERVICE REJECT 2",
    "TRACKING AREA UPDATE ACCEPT 3",
    "TRACKING AREA UPDATE REQUEST 3",
    "UPLINK NAS TRANSPORT 1",
];

#[test]
fn every_envelope_is_told() {
    let text = fixture("s1ap.txt");
    let (mut plain, mut protected, mut short, mut too_short) = (0, 0, 0, 0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let octets = line.rsplit(' ').next().unwrap();
        let octets = if octets == "-" { Vec::new() } else { bytes(octets) };
        match Envelope::parse(&octets) {
            Ok(Envelope::Plain(_)) => plain += 1,
            Ok(Envelope::Protected(envelope)) => {
                assert_eq!(octets.len(), envelope.payload.len() + 6);
                assert_eq!(octets[0], envelope.header_type.code() << 4 | 7);
                protected += 1;
            }
            Ok(Envelope::ServiceRequest(request)) => {
                assert_eq!(request.encode()[..], octets);
                short += 1;
            }
            Err(error) => {
                assert!(octets.len() < 2, "{octets:02x?} {error}");
                too_short += 1;
            }
        }
    }
    assert_eq!((plain, protected, short, too_short), ENVELOPES);
}

/// Plain messages, protected messages, service requests, and octets too short for a message.
const ENVELOPES: (usize, usize, usize, usize) = (154, 461, 16, 0);

#[test]
fn the_replayed_capability_is_the_one_of_other_networks() {
    let text = fixture("plain.txt");
    // A network may have the MS network capability from an earlier tracking area update than the attach it answers.
    let mut asked: BTreeMap<&str, (Vec<_>, Vec<_>)> = BTreeMap::new();
    let mut compared = 0;
    for (recording, direction, octets) in plain(&text) {
        let (network, ms) = asked.entry(recording).or_default();
        match NasMessage::decode(&octets, direction).unwrap() {
            NasMessage::Emm(EmmMessage::AttachRequest(request)) => {
                network.push(request.ue_network_capability);
                ms.push(request.ms_network_capability);
            }
            NasMessage::Emm(EmmMessage::TrackingAreaUpdateRequest(request)) => {
                ms.push(request.ms_network_capability);
            }
            NasMessage::Emm(EmmMessage::SecurityModeCommand(command)) => {
                let mut possible = network
                    .iter()
                    .flat_map(|network| ms.iter().map(|ms| UeSecurityCapability::replay_of(network, ms.as_ref())));
                let replayed = command.replayed_capability;
                assert!(possible.any(|replay| replay == replayed), "{recording} {replayed:?}");
                compared += 1;
            }
            _ => {}
        }
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn default_bearers_carry_what_the_phones_asked_for() {
    let text = fixture("plain.txt");
    let mut names = BTreeSet::new();
    for (_, direction, octets) in plain(&text) {
        let esm = match NasMessage::decode(&octets, direction).unwrap() {
            NasMessage::Emm(emm) => container(&emm).map(|inner| inner.decode(direction).unwrap()),
            NasMessage::Esm(pdu) => Some(pdu),
        };
        if let Some(EsmMessage::ActivateDefaultEpsBearerContextRequest(request)) = esm.map(|pdu| pdu.message) {
            names.insert(request.apn.apn().unwrap().to_string());
        }
    }
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["ims", "internet"]);
}
