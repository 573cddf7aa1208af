//! Recorded conversations of other implementations: every authentication is recomputed from the subscriber's keys, every
//! protected message is verified and deciphered. What comes out is kept in `fixtures/nas/plain.txt`, where the codec's tests
//! read it; `UPDATE_FIXTURES=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_ids::Plmn;
use basalt_security::{
    AMF_EPS, AkaAlgorithm, Algorithms, Ciphering, Integrity, NasSecurityContext, Provider, Secret, Side, SqnTracker,
    Usim,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// K and OPc of the laboratory's subscribers (see `fixtures/nas/README.md`).
const K: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";
const OPC: &str = "E8ED289DEBA952E4283B54E88E6183CA";

/// K_ASME of the first Security Mode Command per recording, computed by another implementation.
const KASME: &[(&str, &str)] = &[
    ("s1ap-srsran-open5gs-attach", "58191873b01735a9418c9c8de0bcb85292b3b123f15aef3c8f24d193176b0afd"),
    ("s1ap-srsran-open5gs-eea2eia1-attach", "8b0d500b4a823085b5883adab35442795c7ddc7efba6b4998cfee0b38f4f7dcb"),
    ("s1ap-srsran-srsepc-attach", "62c41fd3ac55c0e6e220c7093260b4946031ae6d427275d167016fe4ad568922"),
    ("s1ap-srsran-srsepc-eea1eia1-attach", "126dde1c8b6fd0e72f0a3813caf91b426b92c9f70dc83c0d3129eb27a79eb336"),
    ("s1ap-srsran-open5gs-mnc3-310410", "56a2d684880c7d7335dade718e3a24d871636c07093a46ff1471e7a22c0e4b09"),
    ("s1ap-o5gstest-attach-simple", "cd0d8cb3a49df02260d8a6bc7b74fdbb030bf780d2ee18648237d4a3fa72596e"),
    ("s1ap-o5gstest-attach-auth", "75e16b331831073534aa67707abf53eeb9feb1f9a2052565b1b1b4081c491df5"),
    ("s1ap-o5gstest-attach-idle", "aa8018190c5bf9406ae5618388e9ee6b9177547f8f0191adc97fe7cf490ec1ff"),
    ("s1ap-o5gstest-attach-ue-context", "e9ba68fe0ce846c863cf9147310684a991c571ede0041f9c84e56a9273017e0d"),
    ("s1ap-o5gstest-attach-reset", "c908aa66cf2e0f29a572f583e5b26be7d20d50854d83a5925f42d6fb73665dd0"),
    ("s1ap-o5gstest-csfb-mo-idle", "cf021cf610bd9a98fdd668a83b99f4f898deee913703f68a2a6e7d9d60b5f486"),
    ("s1ap-o5gstest-csfb-mo-active", "cb321ad4a341117c1d979969f1a45cc4bf5923f2726a3a6c6f1f555b016a747f"),
    ("s1ap-o5gstest-csfb-mt-active", "2c76efec1518e8b61edf13158f9154868134a87ac231973fe3b50612013f76de"),
    ("s1ap-o5gstest-csfb-mo-sms", "bfb0e72dc52fcd9106a65677fecff8b9f94658f8ef29cf1c8cc8695392227e08"),
    ("s1ap-o5gstest-csfb-crash", "6a8530e829bce4601c5f8b46fa2ff5ef787ddb6e251c5217fad176502ba6248d"),
    ("s1ap-o5gstest-volte-bearer", "0f49b9b68929dbdadb9372633c944636ec8a33e013567111188ab21eba078a67"),
    ("s1ap-o5gstest-volte-simple", "3af7038cfa27375971bfee31ba1da377ac4bb10d3bbd32a3d05533f4193ebfe0"),
    ("s1ap-o5gstest-volte-rx", "0b39ee759cd2879cd1ce50ef40f2547104eda2b2ee51e35ef6802b2eefa100d6"),
    ("s1ap-o5gstest-volte-cx", "571c6b669d51fbee130c9ad9c36383b222d3a741d39de76b14a856f18e3f9645"),
    ("s1ap-o5gstest-handover-x2", "721fa33cdd473da28ea8a12d9e954878204971af87407a38888186588ca0466a"),
];

/// Recordings that go on with the security context of another one, in the order they were made.
const FOLLOWS: &[(&str, &str)] = &[
    ("s1ap-srsran-open5gs-idle-servicerequest", "s1ap-srsran-open5gs-attach"),
    ("s1ap-srsran-open5gs-detach", "s1ap-srsran-open5gs-attach"),
    ("s1ap-srsran-open5gs-eea2eia1-idle-paging", "s1ap-srsran-open5gs-eea2eia1-attach"),
    ("s1ap-srsran-srsepc-idle-paging", "s1ap-srsran-srsepc-attach"),
    ("s1ap-srsran-srsepc-detach", "s1ap-srsran-srsepc-attach"),
    ("s1ap-srsran-srsepc-eea1eia1-detach", "s1ap-srsran-srsepc-eea1eia1-attach"),
];

/// A SERVICE REQUEST of a test program that never attached before: nobody has its keys.
const WITHOUT_CONTEXT: (&str, &str) = ("s1ap-o5gstest-attach-reset", "45");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn secret<const N: usize>(hex: &str) -> Secret<[u8; N]> {
    Secret::new(bytes(hex).try_into().unwrap())
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../fixtures/nas", name].iter().collect()
}

/// A line of `s1ap.txt`.
struct Line<'a> {
    recording: &'a str,
    packet: &'a str,
    uplink: bool,
    nas: Vec<u8>,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [recording, packet, direction, _enb, _mme, _procedure, nas] = fields[..] else {
            panic!("malformed line {line:?}");
        };
        Line { recording, packet, uplink: direction == "up", nas: if nas == "-" { Vec::new() } else { bytes(nas) } }
    })
}

/// The keys of the authentications seen in one run of programs, and the contexts taken into use.
#[derive(Default)]
struct Run {
    kasme: Vec<Secret<[u8; 32]>>,
    first_used: Option<Secret<[u8; 32]>>,
    contexts: Vec<(NasSecurityContext, NasSecurityContext)>,
    last_rand: [u8; 16],
    resynchronisations: usize,
}

/// Protected messages in the recordings.
const OPENED: usize = 454;

impl Run {
    /// Takes an AUTHENTICATION REQUEST: the token must be the one that the subscriber's keys give for its sequence number.
    fn authenticate(&mut self, nas: &[u8]) {
        let rand: [u8; 16] = nas[3..19].try_into().unwrap();
        let autn: [u8; 16] = nas[20..36].try_into().unwrap();
        let algorithm = AkaAlgorithm::milenage(&secret(K), &secret(OPC));
        let mut usim = Usim::new(algorithm.clone(), SqnTracker::new());
        let response = usim.answer(&rand, &autn).expect("the token is right");
        let vector = algorithm.vector(&rand, usim.highest_sqn(), AMF_EPS);
        assert_eq!(vector.autn, autn);
        assert!(vector.xres.matches(response.res.expose()));
        for plmn in ["001-01", "310-410", "999-70", "724-21", "310-014"] {
            let plmn: Plmn = plmn.parse().unwrap();
            assert_eq!(vector.kasme(plmn), response.kasme(plmn));
            self.kasme.push(vector.kasme(plmn));
        }
        self.last_rand = rand;
    }

    /// Takes the AUTS of an AUTHENTICATION FAILURE: it must be the subscriber's.
    fn resynchronise(&mut self, auts: &[u8]) {
        let algorithm = AkaAlgorithm::milenage(&secret(K), &secret(OPC));
        let auts = auts.try_into().unwrap();
        assert!(algorithm.open_auts(&self.last_rand, &auts).is_ok());
        self.resynchronisations += 1;
    }

    /// Takes a SECURITY MODE COMMAND: one of the authentications made its key.
    fn new_context(&mut self, nas: &[u8]) -> Option<Vec<u8>> {
        let algorithms = Algorithms {
            ciphering: Ciphering::from_number(nas[8] >> 4)?,
            integrity: Integrity::from_number(nas[8] & 7)?,
        };
        for kasme in self.kasme.iter().rev() {
            let context = |side| NasSecurityContext::new(side, nas[9], kasme.clone(), algorithms, Provider::STANDARD);
            let mut ue = context(Side::Ue);
            if let Ok(verified) = ue.verify(nas) {
                self.first_used.get_or_insert_with(|| kasme.clone());
                self.contexts.push((context(Side::Network), ue));
                return Some(verified.into_inner());
            }
        }
        None
    }

    /// The content of a protected message, by the newest context that verifies it.
    fn open(&mut self, line: &Line<'_>) -> Option<Vec<u8>> {
        if line.nas[0] >> 4 == 3 {
            return self.new_context(&line.nas);
        }
        for (network, ue) in self.contexts.iter_mut().rev() {
            let context = if line.uplink { network } else { ue };
            let opened = if line.nas[0] >> 4 >= 12 {
                context.verify_service_request(&line.nas).map(|_| Vec::new())
            } else {
                context.verify(&line.nas).map(|verified| verified.into_inner())
            };
            if opened.is_ok() {
                return opened.ok();
            }
        }
        None
    }
}

/// In the order the recordings were made.
fn in_order(text: &str) -> Vec<Line<'_>> {
    let place = |line: &Line<'_>| FOLLOWS.iter().position(|(later, _)| *later == line.recording);
    let mut all: Vec<_> = lines(text).collect();
    all.sort_by_key(|line| place(line).map_or(0, |at| at + 1));
    all
}

#[test]
fn every_protected_message_of_the_recordings_verifies() {
    let text = std::fs::read_to_string(fixture("s1ap.txt")).unwrap();
    let mut runs: BTreeMap<&str, Run> = BTreeMap::new();
    let mut plain = String::from("# recording packet direction octets\n");
    let (mut opened, mut unopened) = (0, Vec::new());
    for line in in_order(&text) {
        let followed = FOLLOWS.iter().find(|(later, _)| *later == line.recording);
        let run = runs.entry(followed.map_or(line.recording, |(_, first)| first)).or_default();
        let direction = if line.uplink { "up" } else { "down" };
        let octets = match line.nas[..] {
            [] => continue,
            [0x07, 0x52, ..] => {
                run.authenticate(&line.nas);
                line.nas
            }
            [0x07, 0x5c, 0x15, 0x30, 14, ..] => {
                run.resynchronise(&line.nas[5..]);
                line.nas
            }
            [0x07, ..] => line.nas,
            // A test program's initial messages without a context: an envelope with a MAC of zero.
            [0x17, 0, 0, 0, 0, ..] => line.nas[6..].to_vec(),
            _ => match run.open(&line) {
                Some(inner) => {
                    opened += 1;
                    inner
                }
                None => {
                    unopened.push((line.recording, line.packet));
                    continue;
                }
            },
        };
        if !octets.is_empty() {
            let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            writeln!(plain, "{} {} {direction} {hex}", line.recording, line.packet).unwrap();
        }
    }
    assert_eq!(unopened, [WITHOUT_CONTEXT]);
    assert_eq!(opened, OPENED);
    assert_eq!(runs.values().map(|run| run.resynchronisations).sum::<usize>(), 2);
    access_keys_are_those_of_other_networks(&runs);
    for (recording, kasme) in KASME {
        let run = &runs[recording];
        assert_eq!(run.first_used, Some(secret(kasme)), "{recording}");
    }
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(fixture("plain.txt"), &plain).unwrap();
    }
    let kept = std::fs::read_to_string(fixture("plain.txt")).unwrap_or_default();
    assert!(plain == kept, "fixtures/nas/plain.txt is not what the recordings hold");
}

/// Every K_eNB and next hop key given to a base station comes from one of the run's contexts and an uplink count it has seen.
fn access_keys_are_those_of_other_networks(runs: &BTreeMap<&str, Run>) {
    let text = std::fs::read_to_string(fixture("keys.txt")).unwrap();
    let (mut kenbs, mut next_hops) = (0, 0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [recording, _packet, ncc, key] = fields[..] else {
            panic!("malformed line {line:?}");
        };
        let (ncc, key): (u8, Secret<[u8; 32]>) = (ncc.parse().unwrap(), secret(key));
        let followed = FOLLOWS.iter().find(|(later, _)| *later == recording);
        let run = &runs[followed.map_or(recording, |(_, first)| first)];
        let found = run.contexts.iter().any(|(network, _)| {
            (0..network.receive_count()).any(|count| {
                let mut chain = network.access_keys(count);
                if ncc == 0 {
                    return *chain.kenb() == key;
                }
                while chain.ncc() != ncc {
                    network.advance(&mut chain);
                }
                *chain.next_hop() == key
            })
        });
        assert!(found, "{line}");
        kenbs += usize::from(ncc == 0);
        next_hops += usize::from(ncc != 0);
    }
    assert_eq!((kenbs, next_hops), (63, 3));
}
