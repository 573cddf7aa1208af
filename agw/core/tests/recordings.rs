//! Conversations between programs that others wrote (`fixtures/s1ap`): their base station's and phone's side is played to the
//! core, and the core's answers are held against those of the recorded core.
//!
//! Challenges, keys and identities differ, so each uplink NAS message is opened with the recorded keys (the subscriber's K and OPc
//! are known), its identities, response and token are put right for this run, and it is protected again with this run's keys.
//! Everything else reaches the core octet for octet as it was sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../../crates/s1ap/tests/common/recording.rs"]
mod recording;
mod site;

use agw_core::Core;
use agw_subscribers::Subscribers;
use agw_types::{GatewayConfig, Input, Limits, LinkId, LinkInfo, NetworkName, Traffic};
use basalt_ids::{EnbUeS1apId, Guti, Imsi, MmeUeS1apId, Plmn};
use basalt_nas::ie::{AuthenticationFailureParameter, EpsMobileIdentity, KeySetIdentifier, MobileIdentity, Res};
use basalt_nas::{Direction, EmmMessage, Envelope, EsmPdu, Plain, SecurityHeaderType};
use basalt_s1ap::{Pdu, decode, encode};
use basalt_sansio::{Duration, SecureSeed};
use basalt_security::{
    AkaAlgorithm, Algorithms, Ciphering, Integrity, NasSecurityContext, Protection, Provider, Secret, Side, Sqn, kasme,
};
use recording::{UserMessage, s1ap_messages};
use site::Site;
use std::collections::BTreeMap;

const K: [u8; 16] = [0x46, 0x5b, 0x5c, 0xe8, 0xb1, 0x99, 0xb4, 0x9f, 0xaa, 0x5f, 0x0a, 0x2e, 0xe2, 0x38, 0xa6, 0xbc];
const OPC: [u8; 16] = [0xe8, 0xed, 0x28, 0x9d, 0xeb, 0xa9, 0x52, 0xe4, 0x28, 0x3b, 0x54, 0xe8, 0x8e, 0x61, 0x83, 0xca];

fn sim() -> AkaAlgorithm {
    AkaAlgorithm::milenage(&Secret::new(K), &Secret::new(OPC))
}

/// One side's view of a phone's keys.
#[derive(Default)]
struct Keys {
    /// RAND and AUTN of the last challenge, with its key set.
    challenge: Option<([u8; 16], [u8; 16], u8)>,
    /// To open what the phone sends.
    uplink: Option<NasSecurityContext>,
    /// To open what the network sends.
    downlink: Option<NasSecurityContext>,
    guti: Option<Guti>,
}

impl Keys {
    fn take_command(&mut self, nas: &[u8], payload: &[u8], plmn: Plmn) -> Option<EmmMessage> {
        let Ok(EmmMessage::SecurityModeCommand(command)) = EmmMessage::decode(payload, Direction::Downlink) else {
            return None;
        };
        let (rand, autn, ksi) = self.challenge?;
        // CK and IK do not depend on the sequence number.
        let vector = sim().vector(&rand, Sqn::new(32).unwrap(), [0x80, 0]);
        let key = kasme(&vector.ck, &vector.ik, plmn, &autn);
        let algorithms = Algorithms {
            ciphering: Ciphering::from_number(command.algorithms.ciphering)?,
            integrity: Integrity::from_number(command.algorithms.integrity)?,
        };
        let context = |side| NasSecurityContext::new(side, ksi, key.clone(), algorithms, Provider::STANDARD);
        let mut downlink = context(Side::Ue);
        downlink.verify(nas).ok()?;
        self.downlink = Some(downlink);
        self.uplink = Some(context(Side::Network));
        Some(EmmMessage::SecurityModeCommand(command))
    }

    /// The name of a downlink NAS message; keys, challenge and identity in it are remembered.
    fn hear(&mut self, nas: &[u8], plmn: Plmn) -> String {
        let plain = match Envelope::parse(nas).unwrap() {
            Envelope::Plain(Plain(plain)) => plain.to_vec(),
            Envelope::Protected(protected) if protected.header_type.is_new_context() => {
                match self.take_command(nas, protected.payload, plmn) {
                    Some(message) => return message.name().to_owned(),
                    None => return "unreadable command".to_owned(),
                }
            }
            Envelope::Protected(_) => match self.downlink.as_mut().map(|keys| keys.verify(nas)) {
                Some(Ok(verified)) => verified.into_inner(),
                _ => return "protected".to_owned(),
            },
            Envelope::ServiceRequest(_) => return "?".to_owned(),
        };
        if plain[0] & 0x0f == 2 {
            return EsmPdu::decode(&plain, Direction::Downlink).unwrap().message.name().to_owned();
        }
        let message = EmmMessage::decode(&plain, Direction::Downlink).unwrap();
        match &message {
            EmmMessage::AuthenticationRequest(request) => {
                self.challenge = Some((request.rand.0, request.autn.0, request.ksi.value));
            }
            EmmMessage::AttachAccept(accept) => self.guti = accept.guti.or(self.guti),
            EmmMessage::TrackingAreaUpdateAccept(accept) => self.guti = accept.guti.or(self.guti),
            _ => {}
        }
        message.name().to_owned()
    }
}

/// A run of one or several recordings of one phone.
struct Run {
    site: Site,
    imsi: Imsi,
    plmn: Plmn,
    recorded: Keys,
    ours: Keys,
    /// What the phone sends with, here.
    phone: Option<NasSecurityContext>,
    links: BTreeMap<std::net::SocketAddr, LinkId>,
    /// Our ids of the recorded connections.
    ids: BTreeMap<(LinkId, EnbUeS1apId), MmeUeS1apId>,
    last: Option<(EnbUeS1apId, MmeUeS1apId)>,
    theirs: Vec<String>,
    answers: Vec<String>,
}

impl Run {
    fn new(imsi: &str, config: GatewayConfig) -> Self {
        let imsi: Imsi = imsi.parse().unwrap();
        let seed = SecureSeed([3; 32]);
        let mut subscribers = Subscribers::new(&seed);
        let mut subscriber = site::subscriber(1);
        subscriber.profile.imsi = imsi;
        subscriber.aka = sim();
        subscribers.insert(subscriber, false);
        let plmn = config.plmns[0];
        Self {
            site: Site::around(Core::new(config, Limits::default(), 1000, &seed, subscribers)),
            imsi,
            plmn,
            recorded: Keys::default(),
            ours: Keys::default(),
            phone: None,
            links: BTreeMap::new(),
            ids: BTreeMap::new(),
            last: None,
            theirs: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn play(&mut self, files: &[&str]) {
        for file in files {
            let path = format!("{}/../../fixtures/s1ap/s1ap-{file}.pcap", env!("CARGO_MANIFEST_DIR"));
            for message in s1ap_messages(path) {
                let Ok(decoded) = decode(&message.data) else { continue };
                // The MME listens on the port of S1AP.
                if message.to.port() == 36412 {
                    self.uplink(&message, decoded.pdu);
                } else {
                    self.downlink(decoded.pdu);
                }
            }
        }
    }

    // --- their side ---------------------------------------------------------------------------------------------------

    fn downlink(&mut self, pdu: Pdu) {
        let plmn = self.plmn;
        let recorded = &mut self.recorded;
        let kind = kind(&pdu, |nas| recorded.hear(nas, plmn));
        self.theirs.push(kind);
        if let Pdu::Paging(_) = pdu {
            // The recorded core paged because packets came; a connected phone, because its base station had lost the tunnel.
            let session = self.site.core.ue(self.imsi).unwrap().sessions[0].clone();
            if let Some((address, teid)) = session.remote {
                let peer = agw_types::Peer { address, teid };
                self.site.input(Input::Traffic(Traffic::ErrorIndication { teid: session.local.1, peer }));
            }
            // A phone that has just gone idle is not called at once.
            self.site.advance(Duration::from_millis(200));
            let address = session.address;
            self.site.input(Input::Traffic(Traffic::DownlinkWaiting { address }));
            self.hear();
        }
    }

    fn uplink(&mut self, message: &UserMessage, mut pdu: Pdu) {
        let link = self.link(message, matches!(pdu, Pdu::S1SetupRequest(_)));
        let enb = pdu.ue_ids().enb;
        // A recording between two others may be missing: then its connection is the last one there was.
        let known = enb.and_then(|enb| Some((enb, *self.ids.get(&(link, enb))?))).or(self.last);
        if let Some(nas) = nas_mut(&mut pdu) {
            *nas = self.translate(&nas.clone());
        }
        if let Pdu::InitialUeMessage(initial) = &mut pdu
            && initial.s_tmsi.is_some()
        {
            initial.s_tmsi = self.ours.guti.map(Guti::s_tmsi).or(initial.s_tmsi);
        }
        if !matches!(pdu, Pdu::InitialUeMessage(_)) && enb.is_some() {
            let Some((enb, mme)) = known else { return };
            set_ids(&mut pdu, enb, mme);
        }
        let pdu = encode(&pdu).unwrap();
        self.site.input(Input::S1ap { link, stream: message.stream, pdu });
        self.hear();
    }

    /// The association of a message. A recording that begins in the middle goes on over the last one of its base station.
    fn link(&mut self, message: &UserMessage, setup: bool) -> LinkId {
        let own = self.links.get(&message.from);
        let earlier = self.links.iter().rfind(|(from, _)| !setup && from.ip() == message.from.ip());
        if let Some(link) = own.or(earlier.map(|(_, link)| link)) {
            return *link;
        }
        let link = LinkId(self.links.len() as u32 + 1);
        self.links.insert(message.from, link);
        let info = LinkInfo { peers: vec![message.from.ip()], streams: 10, resumed: false };
        self.site.input(Input::LinkUp { link, info });
        link
    }

    /// A recorded NAS message as the phone would have said it here.
    fn translate(&mut self, nas: &[u8]) -> Vec<u8> {
        match Envelope::parse(nas) {
            Ok(Envelope::ServiceRequest(_)) => {
                let known = self.recorded.uplink.as_mut().is_some_and(|keys| keys.verify_service_request(nas).is_ok());
                match self.phone.as_mut().filter(|_| known) {
                    Some(keys) => keys.protect_service_request().unwrap().to_vec(),
                    None => nas.to_vec(),
                }
            }
            Ok(Envelope::Plain(Plain(plain))) => self.put_right(plain),
            Ok(Envelope::Protected(protected)) => {
                let opened = self.recorded.uplink.as_mut().and_then(|keys| keys.verify(nas).ok());
                // With keys that nobody has any more, or none: as good as plain.
                let Some(opened) = opened else { return nas.to_vec() };
                let plain = self.put_right(opened.get());
                let protection = match protected.header_type {
                    SecurityHeaderType::Integrity => Protection::Integrity,
                    SecurityHeaderType::IntegrityCipheredNew => Protection::IntegrityCipheredNew,
                    _ => Protection::IntegrityCiphered,
                };
                match &mut self.phone {
                    Some(keys) => keys.protect(protection, &plain).unwrap(),
                    None => plain,
                }
            }
            Err(_) => nas.to_vec(),
        }
    }

    fn put_right(&mut self, plain: &[u8]) -> Vec<u8> {
        let Ok(mut message) = EmmMessage::decode(plain, Direction::Uplink) else { return plain.to_vec() };
        let (recorded, ours) = (self.recorded.guti, self.ours.guti);
        let identity = |identity: &mut EpsMobileIdentity| {
            if let (EpsMobileIdentity::Guti(guti), Some(ours)) = (&*identity, ours)
                && recorded == Some(*guti)
            {
                *identity = EpsMobileIdentity::Guti(ours);
            }
        };
        let ksi = self.phone.as_ref().map_or(KeySetIdentifier::NONE, |keys| KeySetIdentifier::native(keys.ksi()));
        let right_ksi = |own: &mut KeySetIdentifier| {
            if own.is_available() {
                *own = ksi;
            }
        };
        match &mut message {
            EmmMessage::AttachRequest(request) => {
                identity(&mut request.identity);
                right_ksi(&mut request.ksi);
            }
            EmmMessage::TrackingAreaUpdateRequest(request) => {
                identity(&mut request.old_guti);
                right_ksi(&mut request.ksi);
            }
            EmmMessage::DetachRequestUe(request) => {
                identity(&mut request.identity);
                right_ksi(&mut request.ksi);
            }
            EmmMessage::ExtendedServiceRequest(request) => {
                right_ksi(&mut request.ksi);
                if let Some(ours) = ours {
                    request.m_tmsi = MobileIdentity::Tmsi(ours.m_tmsi);
                }
            }
            EmmMessage::AuthenticationResponse(response) => {
                if let Some((rand, ..)) = self.ours.challenge {
                    let vector = sim().vector(&rand, Sqn::new(32).unwrap(), [0x80, 0]);
                    response.res = Res(vector.xres.expose().clone());
                }
            }
            EmmMessage::AuthenticationFailure(failure) => {
                if let (Some(_), Some((rand, ..))) = (failure.auts, self.ours.challenge) {
                    let auts = sim().auts(&rand, Sqn::new(1 << 20).unwrap());
                    failure.auts = Some(AuthenticationFailureParameter(auts));
                }
            }
            _ => {}
        }
        message.encode().unwrap()
    }

    // --- our side -----------------------------------------------------------------------------------------------------

    fn hear(&mut self) {
        while let Some((link, _, pdu)) = self.site.inbox.pop_front() {
            let ids = pdu.ue_ids();
            if let (Some(mme), Some(enb)) = (ids.mme, ids.enb) {
                self.ids.insert((link, enb), mme);
                self.last = Some((enb, mme));
            }
            let (plmn, ours) = (self.plmn, &mut self.ours);
            let answer = kind(&pdu, |nas| ours.hear(nas, plmn));
            if answer.ends_with("SECURITY MODE COMMAND") {
                let keys = self.ours.downlink.as_ref().unwrap();
                let key = keys.kasme().clone();
                self.phone =
                    Some(NasSecurityContext::new(Side::Ue, keys.ksi(), key, keys.algorithms(), Provider::STANDARD));
            }
            self.answers.push(answer);
        }
    }

    /// Both cores said the same kinds of things, in the same order, `count` of them.
    fn agree(&self, count: usize) {
        assert_eq!(self.answers, self.theirs);
        assert_eq!(self.answers.len(), count, "{:?}", self.answers);
    }
}

/// What a downlink message is, with the NAS message in it.
fn kind(pdu: &Pdu, mut hear: impl FnMut(&[u8]) -> String) -> String {
    match pdu {
        Pdu::DownlinkNasTransport(message) => format!("NAS {}", hear(&message.nas_pdu)),
        Pdu::InitialContextSetupRequest(request) => match request.erabs.iter().find_map(|erab| erab.nas_pdu.as_ref()) {
            Some(nas) => format!("{} {}", pdu.name(), hear(nas)),
            None => pdu.name().to_owned(),
        },
        _ => pdu.name().to_owned(),
    }
}

fn nas_mut(pdu: &mut Pdu) -> Option<&mut Vec<u8>> {
    match pdu {
        Pdu::InitialUeMessage(message) => Some(&mut message.nas_pdu),
        Pdu::UplinkNasTransport(message) => Some(&mut message.nas_pdu),
        _ => None,
    }
}

fn set_ids(pdu: &mut Pdu, enb: EnbUeS1apId, mme: MmeUeS1apId) {
    macro_rules! both {
        ($message:ident) => {{
            $message.mme_ue_id = mme;
            $message.enb_ue_id = enb;
        }};
        (some $message:ident) => {{
            $message.mme_ue_id = Some(mme);
            $message.enb_ue_id = Some(enb);
        }};
    }
    match pdu {
        Pdu::UplinkNasTransport(message) => both!(message),
        Pdu::UeCapabilityInfoIndication(message) => both!(message),
        Pdu::UeContextReleaseRequest(message) => both!(message),
        Pdu::InitialContextSetupResponse(message) => both!(some message),
        Pdu::InitialContextSetupFailure(message) => both!(some message),
        Pdu::UeContextReleaseComplete(message) => both!(some message),
        Pdu::ErabSetupResponse(message) => both!(some message),
        // The new base station's id is its own.
        Pdu::PathSwitchRequest(message) => message.source_mme_ue_id = mme,
        other => panic!("{}", other.name()),
    }
}

fn config(plmn: &str, ciphering: u8, integrity: u8) -> GatewayConfig {
    let mut config = site::config();
    config.plmns = vec![plmn.parse().unwrap()];
    config.areas[0].plmn = config.plmns[0];
    config.security.ciphering = vec![ciphering];
    config.security.integrity = vec![integrity];
    config.network_name = Some(NetworkName { full: "x".to_owned(), short: None });
    config
}

#[test]
fn srs_with_open5gs_through_a_phones_life() {
    let mut run = Run::new("001010000000001", config("001-01", 0, 2));
    run.play(&["srsran-open5gs-s1setup", "srsran-open5gs-attach", "srsran-open5gs-idle-servicerequest"]);
    run.play(&["srsran-open5gs-detach"]);
    run.agree(9);
}

#[test]
fn srs_with_open5gs_ciphered() {
    let mut run = Run::new("001010000000001", config("001-01", 2, 1));
    run.play(&["srsran-open5gs-s1setup", "srsran-open5gs-eea2eia1-attach", "srsran-open5gs-eea2eia1-idle-paging"]);
    run.play(&["srsran-open5gs-eea2eia1-inactivity-release"]);
    run.agree(10);
}

#[test]
fn srs_with_srsepc() {
    let mut run = Run::new("001010000000001", config("001-01", 0, 1));
    run.play(&["srsran-srsepc-s1setup", "srsran-srsepc-attach", "srsran-srsepc-idle-paging", "srsran-srsepc-detach"]);
    run.agree(10);
    let mut run = Run::new("001010000000001", config("001-01", 1, 1));
    run.play(&["srsran-srsepc-s1setup", "srsran-srsepc-eea1eia1-attach", "srsran-srsepc-eea1eia1-detach"]);
    run.agree(7);
}

#[test]
fn a_network_code_of_three_digits() {
    let mut run = Run::new("310410000000001", config("310-410", 0, 2));
    run.play(&["srsran-open5gs-mnc3-310410"]);
    run.agree(7);
}

#[test]
fn open5gs_test_attach_and_detach() {
    let mut run = Run::new("999707364000060", config("999-70", 0, 2));
    run.play(&["o5gstest-attach-simple"]);
    run.agree(8);
}

/// Where both cores end connections at other moments: ours after each refusal, and not before an update is confirmed, since it
/// gives a new identity with each.
#[test]
fn open5gs_test_refusals_idle_and_contexts() {
    for (file, count) in
        [("o5gstest-attach-auth", 16), ("o5gstest-attach-idle", 29), ("o5gstest-attach-ue-context", 21)]
    {
        let mut run = Run::new("999707364000060", config("999-70", 0, 2));
        run.play(&[file]);
        let ends = |answer: &String| answer != "UEContextReleaseCommand";
        run.theirs.retain(ends);
        run.answers.retain(ends);
        run.agree(count);
    }
}

/// The recorded core sets a dedicated bearer up, which ours has none of; it is told so when the phone confirms it, and again by the
/// list of bearers to release when the phone moves. The phone moves all the same. The last request names one bearer twice, which
/// fails the procedure (TS 36.413 §8.4.4.4); the recorded core let it pass.
#[test]
fn open5gs_test_handover() {
    let mut run = Run::new("999707364000060", config("999-70", 0, 2));
    run.play(&["o5gstest-handover-x2"]);
    for (theirs, ours) in run.theirs.iter_mut().zip(&run.answers) {
        if theirs == "E-RABSetupRequest" && ours == "NAS ESM STATUS" {
            theirs.clone_from(ours);
        }
    }
    assert_eq!(run.theirs.pop().as_deref(), Some("PathSwitchRequestAcknowledge"));
    run.theirs.push("PathSwitchRequestFailure".to_owned());
    run.agree(19);
}
