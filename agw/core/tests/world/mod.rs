//! Some base stations and phones, and everything that can be done with them in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use crate::site::Site;
use crate::site::enb::Enb;
use crate::site::phone::{Heard, Phone};
use agw_types::{Command, Input, Peer, Traffic, TunnelState};
use basalt_ids::Ebi;
use basalt_nas::EmmMessage;
use basalt_nas::emm::{
    AttachComplete, DetachAccept, EmmStatus, GutiReallocationComplete, SecurityModeReject, TrackingAreaUpdateComplete,
};
use basalt_nas::esm::{ActivateDefaultEpsBearerContextAccept, EsmMessage, EsmPdu, PdnConnectivityRequest};
use basalt_nas::ie::{AccessPointName, EmmCause, EsmContainer, PdnType, RequestType};
use basalt_s1ap::{Cause, InitialContextSetupFailure, MiscCause, Pdu, RadioNetworkCause, Reset, ResetType, encode};
use basalt_sansio::Duration;
use proptest::prelude::*;
use std::collections::BTreeSet;

pub const PHONES: usize = 4;
const ENBS: usize = 2;

#[derive(Debug, Clone)]
pub enum Act {
    Attach {
        phone: usize,
        enb: usize,
        forget_keys: bool,
        forget_guti: bool,
    },
    Service {
        phone: usize,
        enb: usize,
    },
    Update {
        phone: usize,
        enb: usize,
        active: bool,
        over: bool,
    },
    Detach {
        phone: usize,
        enb: usize,
        off: bool,
        over: bool,
    },
    /// Answers what was heard, once.
    Answer {
        phone: usize,
    },
    /// Answers until nothing more is said.
    Settle {
        phone: usize,
    },
    /// Throws away what was said.
    Lose {
        phone: usize,
    },
    Say {
        phone: usize,
        what: u8,
    },
    /// A message with one octet changed, over the phone's connection.
    Mutated {
        phone: usize,
        what: u8,
        at: usize,
        with: u8,
    },
    /// Any octets as NAS, over the phone's connection or as a first message.
    Nas {
        phone: usize,
        octets: Vec<u8>,
        first: bool,
    },
    /// Any octets as S1AP.
    Raw {
        enb: usize,
        octets: Vec<u8>,
    },
    /// A valid S1AP message with octets changed.
    Bent {
        enb: usize,
        phone: usize,
        what: u8,
        at: usize,
        with: u8,
    },
    Inactivity {
        phone: usize,
    },
    FailContext {
        phone: usize,
    },
    SecondSession {
        phone: usize,
    },
    Packets {
        phone: usize,
    },
    Operator {
        phone: usize,
        what: u8,
    },
    Wait {
        seconds: u64,
    },
    LinkDown {
        enb: usize,
    },
    ResetByEnb {
        enb: usize,
    },
    Restart,
}

pub fn act() -> impl Strategy<Value = Act> {
    let (phone, enb) = (0..PHONES, 0..ENBS);
    let octets = || proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        6 => (phone.clone(), enb.clone(), 0..4u8, 0..4u8).prop_map(|(phone, enb, keys, guti)| {
            Act::Attach { phone, enb, forget_keys: keys == 0, forget_guti: guti == 0 }
        }),
        4 => (phone.clone(), enb.clone()).prop_map(|(phone, enb)| Act::Service { phone, enb }),
        4 => (phone.clone(), enb.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(phone, enb, active, over)| Act::Update { phone, enb, active, over }),
        2 => (phone.clone(), enb.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(phone, enb, off, over)| Act::Detach { phone, enb, off, over }),
        10 => phone.clone().prop_map(|phone| Act::Answer { phone }),
        10 => phone.clone().prop_map(|phone| Act::Settle { phone }),
        1 => phone.clone().prop_map(|phone| Act::Lose { phone }),
        3 => (phone.clone(), any::<u8>()).prop_map(|(phone, what)| Act::Say { phone, what }),
        3 => (phone.clone(), any::<u8>(), 0..200usize, any::<u8>())
            .prop_map(|(phone, what, at, with)| Act::Mutated { phone, what, at, with }),
        2 => (phone.clone(), octets(), any::<bool>()).prop_map(|(phone, octets, first)| Act::Nas { phone, octets, first }),
        1 => (enb.clone(), octets()).prop_map(|(enb, octets)| Act::Raw { enb, octets }),
        3 => (enb.clone(), phone.clone(), any::<u8>(), 0..200usize, any::<u8>())
            .prop_map(|(enb, phone, what, at, with)| Act::Bent { enb, phone, what, at, with }),
        3 => phone.clone().prop_map(|phone| Act::Inactivity { phone }),
        1 => phone.clone().prop_map(|phone| Act::FailContext { phone }),
        1 => phone.clone().prop_map(|phone| Act::SecondSession { phone }),
        2 => phone.clone().prop_map(|phone| Act::Packets { phone }),
        2 => (phone, any::<u8>()).prop_map(|(phone, what)| Act::Operator { phone, what }),
        3 => (0..20u64).prop_map(|seconds| Act::Wait { seconds }),
        1 => enb.clone().prop_map(|enb| Act::LinkDown { enb }),
        1 => enb.prop_map(|enb| Act::ResetByEnb { enb }),
        1 => Just(Act::Restart),
    ]
}

pub struct World {
    pub site: Site,
    enbs: Vec<Enb>,
    phones: Vec<Phone>,
}

impl World {
    /// Some of the phones are attached to begin with, every second of those idle.
    pub fn new(attached: usize) -> Self {
        let mut site = Site::new();
        let enbs: Vec<_> = (1..=ENBS as u8).map(|n| Enb::ready(&mut site, n)).collect();
        let mut phones: Vec<_> = (0..PHONES).map(|n| Phone::new(n as u64 + 1, &enbs[n % ENBS])).collect();
        for (n, phone) in phones.iter_mut().take(attached).enumerate() {
            phone.attach(&mut site);
            if n % 2 == 1 {
                phone.go_idle(&mut site);
                phone.mme_id = None;
            }
        }
        Self { site, enbs, phones }
    }

    fn open(&mut self, phone: usize, enb: usize, message: &EmmMessage) {
        let (phone, enb) = (&mut self.phones[phone], &self.enbs[enb]);
        let next = phone.enb.clone();
        phone.enb = enb.clone();
        if next.link == enb.link {
            phone.enb = next;
        }
        phone.open(&mut self.site, message);
    }

    fn connected(&self, phone: usize) -> bool {
        self.phones[phone].mme_id.is_some()
    }

    fn message(phone: &Phone, what: u8) -> EmmMessage {
        match what % 9 {
            0 => EmmMessage::AttachRequest(phone.attach_request()),
            1 => EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(true)),
            2 => phone.detach_request(false),
            3 => EmmMessage::TrackingAreaUpdateComplete(TrackingAreaUpdateComplete::new()),
            4 => EmmMessage::GutiReallocationComplete(GutiReallocationComplete::new()),
            5 => EmmMessage::DetachAccept(DetachAccept::new()),
            6 => EmmMessage::EmmStatus(EmmStatus::new(EmmCause::ProtocolErrorUnspecified)),
            7 => EmmMessage::SecurityModeReject(SecurityModeReject::new(EmmCause::SecurityModeRejected)),
            _ => EmmMessage::AttachComplete(AttachComplete::new(EsmContainer(vec![0x52, 0, 0xc2]))),
        }
    }

    /// Answers one message as a phone and its base station do. False when nothing was said.
    fn answer(&mut self, phone: usize) -> bool {
        let (phone, site) = (&mut self.phones[phone], &mut self.site);
        let Some(pdu) = phone.s1ap(site) else { return false };
        match pdu {
            Pdu::DownlinkNasTransport(message) => {
                let heard = phone.try_read(&message.nas_pdu);
                react(phone, site, heard);
            }
            Pdu::InitialContextSetupRequest(setup) => {
                phone.enb.clone().context_ready(site, &setup);
                for erab in &setup.erabs {
                    let heard = erab.nas_pdu.as_ref().and_then(|nas| phone.try_read(nas));
                    react(phone, site, heard);
                }
            }
            Pdu::ErabSetupRequest(setup) => {
                let mut response = basalt_s1ap::ErabSetupResponse::new(setup.mme_ue_id, setup.enb_ue_id);
                for erab in &setup.erabs {
                    response.erabs.push(basalt_s1ap::ErabTunnel {
                        ebi: erab.ebi,
                        address: phone.enb.address.into(),
                        teid: basalt_ids::Teid(erab.teid.0 ^ 0xff00),
                        extensions: Vec::new(),
                    });
                }
                phone.enb.clone().send(site, response);
                for erab in &setup.erabs {
                    let heard = erab.nas_pdu.as_ref().and_then(|nas| phone.try_read(nas));
                    react(phone, site, heard);
                }
            }
            Pdu::ErabReleaseCommand(command) => {
                let mut response = basalt_s1ap::ErabReleaseResponse::new(command.mme_ue_id, command.enb_ue_id);
                response.erabs = command.erabs.iter().map(|item| basalt_s1ap::ErabDone::new(item.ebi)).collect();
                phone.enb.clone().send(site, response);
                let heard = command.nas_pdu.as_ref().and_then(|nas| phone.try_read(nas));
                react(phone, site, heard);
            }
            Pdu::UeContextReleaseCommand(_) => {
                if let Some(mme) = phone.mme_id.take() {
                    phone.enb.clone().release_complete(site, mme, phone.enb_id);
                }
            }
            _ => {}
        }
        true
    }

    pub fn act(&mut self, act: Act) {
        match act {
            Act::Attach { phone, enb, forget_keys, forget_guti } => {
                let own = &mut self.phones[phone];
                if forget_keys {
                    own.keys = None;
                }
                if forget_guti {
                    own.guti = None;
                }
                let message = EmmMessage::AttachRequest(own.attach_request());
                self.open(phone, enb, &message);
            }
            Act::Service { phone, enb } => {
                let own = &mut self.phones[phone];
                own.enb = self.enbs[enb].clone();
                if own.keys.is_some() {
                    own.start_service(&mut self.site);
                }
            }
            Act::Update { phone, enb, active, over } => {
                let message = EmmMessage::TrackingAreaUpdateRequest(self.phones[phone].tau_request(active));
                self.request(phone, enb, message, over);
            }
            Act::Detach { phone, enb, off, over } => {
                let message = self.phones[phone].detach_request(off);
                self.request(phone, enb, message, over);
            }
            Act::Answer { phone } => {
                self.answer(phone);
            }
            Act::Settle { phone } => {
                for _ in 0..30 {
                    if !self.answer(phone) {
                        break;
                    }
                }
            }
            Act::Lose { phone } => while self.phones[phone].s1ap(&mut self.site).is_some() {},
            Act::Say { phone, what } if self.connected(phone) => {
                let message = Self::message(&self.phones[phone], what);
                self.phones[phone].say(&mut self.site, message);
            }
            Act::Mutated { phone, what, at, with } if self.connected(phone) => {
                let own = &mut self.phones[phone];
                let mut nas = Self::message(own, what).encode().unwrap();
                // Half of them are bent before they are protected: trusted nonsense.
                let inside = with & 1 == 0;
                let length = nas.len();
                if inside {
                    nas[at % length] ^= with | 2;
                }
                let mut nas = own.seal(&nas);
                let length = nas.len();
                if !inside {
                    nas[at % length] ^= with | 2;
                }
                own.say_octets(&mut self.site, nas);
            }
            Act::Nas { phone, octets, first } => {
                if first {
                    self.phones[phone].open_with(&mut self.site, octets);
                } else if self.connected(phone) {
                    let nas = self.phones[phone].seal(&octets);
                    self.phones[phone].say_octets(&mut self.site, nas);
                }
            }
            Act::Raw { enb, octets } => self.enbs[enb].send_raw(&mut self.site, octets),
            Act::Bent { enb, phone, what, at, with } => self.bent(enb, phone, what, at, with),
            Act::Inactivity { phone } => {
                let own = &self.phones[phone];
                if let Some(mme) = own.mme_id {
                    own.enb.clone().request_release(&mut self.site, mme, own.enb_id);
                }
            }
            Act::FailContext { phone } => {
                let own = &self.phones[phone];
                if let Some(mme) = own.mme_id {
                    let cause = Cause::RadioNetwork(RadioNetworkCause::Unspecified);
                    own.enb.clone().send(&mut self.site, InitialContextSetupFailure::new(mme, own.enb_id, cause));
                }
            }
            Act::SecondSession { phone } if self.connected(phone) => {
                let mut request = PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4);
                request.apn = Some(AccessPointName::from(&"ims".parse::<basalt_ids::Apn>().unwrap()));
                let message = EsmMessage::PdnConnectivityRequest(request);
                self.phones[phone].say_esm(&mut self.site, None, 9, message);
            }
            Act::Packets { phone } => {
                let sessions = self.site.core.ue(self.phones[phone].imsi).map(|ue| ue.sessions).unwrap_or_default();
                if let Some(address) = sessions.first().map(|session| session.address) {
                    self.site.input(Input::Traffic(Traffic::DownlinkWaiting { address }));
                }
            }
            Act::Operator { phone, what } => {
                let imsi = self.phones[phone].imsi;
                self.site.command(match what % 4 {
                    0 => Command::Detach { imsi, reattach: what & 16 != 0 },
                    1 => Command::Deactivate { imsi, ebi: Ebi::new(5 + what / 4 % 3).unwrap() },
                    2 => Command::Page { imsi },
                    _ => Command::ResetEnb { enb: self.enbs[usize::from(what) % ENBS].id },
                });
            }
            Act::Wait { seconds } => self.site.advance(Duration::from_secs(seconds)),
            Act::LinkDown { enb } => {
                self.site.input(Input::LinkDown { link: self.enbs[enb].link });
                self.enbs[enb] = Enb::ready_among(&mut self.site, enb as u8 + 1);
            }
            Act::ResetByEnb { enb } => {
                let cause = Cause::Misc(MiscCause::Unspecified);
                self.enbs[enb].send(&mut self.site, Reset::new(cause, ResetType::Full));
            }
            Act::Restart => self.site.restart(),
            Act::Say { .. } | Act::Mutated { .. } | Act::SecondSession { .. } => {}
        }
    }

    /// Over the connection there is, or over a new one.
    fn request(&mut self, phone: usize, enb: usize, message: EmmMessage, over: bool) {
        if over && self.connected(phone) {
            self.phones[phone].say(&mut self.site, message);
        } else {
            self.open(phone, enb, &message);
        }
    }

    fn bent(&mut self, enb: usize, phone: usize, what: u8, at: usize, with: u8) {
        let (enb, own) = (&self.enbs[enb], &self.phones[phone]);
        let mme = own.mme_id.unwrap_or(basalt_ids::MmeUeS1apId(1));
        let nas = EmmMessage::AttachRequest(own.attach_request()).encode().unwrap();
        let cause = Cause::RadioNetwork(RadioNetworkCause::Unspecified);
        let pdu: Pdu = match what % 7 {
            0 => enb.setup_request().into(),
            1 => basalt_s1ap::UplinkNasTransport::new(mme, own.enb_id, nas, enb.cell(), enb.tai).into(),
            2 => basalt_s1ap::UeContextReleaseComplete::new(mme, own.enb_id).into(),
            3 => basalt_s1ap::UeCapabilityInfoIndication::new(mme, own.enb_id, vec![1; 20]).into(),
            4 => Reset::new(cause, ResetType::Partial(vec![basalt_s1ap::UeIds { mme: Some(mme), enb: None }])).into(),
            5 => {
                let tunnel = basalt_s1ap::ErabTunnel {
                    ebi: Ebi::FIRST,
                    address: enb.address.into(),
                    teid: basalt_ids::Teid(0x77),
                    extensions: Vec::new(),
                };
                let capabilities = basalt_s1ap::UeSecurityCapabilities::from_nas(0xf0, 0x70);
                basalt_s1ap::PathSwitchRequest::new(own.enb_id, vec![tunnel], mme, enb.cell(), enb.tai, capabilities)
                    .into()
            }
            _ => {
                let mut error = basalt_s1ap::ErrorIndication::new();
                error.mme_ue_id = Some(mme);
                error.cause = Some(Cause::RadioNetwork(RadioNetworkCause::UnknownMmeUeS1apId));
                error.into()
            }
        };
        let mut octets = encode(&pdu).unwrap();
        let length = octets.len();
        octets[at % length] ^= with;
        enb.send_raw(&mut self.site, octets);
    }

    /// What must hold after every act.
    pub fn check(&self) {
        let site = &self.site;
        let mut gutis = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        let mut teids = BTreeSet::new();
        for guti in site.core.ues().filter_map(|ue| ue.guti) {
            assert!(gutis.insert(guti), "one temporary identity, two phones");
        }
        let mut wanted = BTreeSet::new();
        for (_, session) in site.core.sessions() {
            assert!(addresses.insert(session.address), "one address, two sessions");
            assert!(teids.insert(session.local.1), "one tunnel, two sessions");
            let state = match session.remote {
                Some((address, teid)) => TunnelState::Connected(Peer { address, teid }),
                None => TunnelState::Idle,
            };
            wanted.insert(format!("{:?} {state:?}", session.local.1));
        }
        let installed: BTreeSet<_> =
            site.installed().iter().map(|tunnel| format!("{:?} {:?}", tunnel.teid, tunnel.state)).collect();
        // A session is told to the data plane when its first endpoint is known.
        let silent = wanted.difference(&installed).filter(|tunnel| !tunnel.ends_with("Idle")).count();
        assert_eq!(silent, 0, "wanted {wanted:?}, installed {installed:?}");
        assert!(installed.is_subset(&wanted), "wanted {wanted:?}, installed {installed:?}");
    }
}

/// What a phone answers to a NAS message.
fn react(phone: &mut Phone, site: &mut Site, heard: Option<Heard>) {
    if phone.mme_id.is_none() {
        return;
    }
    match heard {
        Some(Heard::Emm(EmmMessage::IdentityRequest(_))) => phone.identify(site),
        Some(Heard::Emm(EmmMessage::AuthenticationRequest(request))) => phone.answer_challenge(site, &request),
        Some(Heard::Emm(EmmMessage::SecurityModeCommand(_))) if phone.keys.is_some() => phone.complete_security(site),
        Some(Heard::Emm(EmmMessage::AttachAccept(accept))) => {
            phone.guti = accept.guti.or(phone.guti);
            phone.send_complete(site, &accept);
        }
        Some(Heard::Emm(EmmMessage::TrackingAreaUpdateAccept(accept))) => {
            phone.guti = accept.guti.or(phone.guti);
            phone.complete_tau(site);
        }
        Some(Heard::Emm(EmmMessage::GutiReallocationCommand(command))) => {
            phone.guti = Some(command.guti);
            phone.say(site, EmmMessage::GutiReallocationComplete(GutiReallocationComplete::new()));
        }
        Some(Heard::Emm(EmmMessage::DetachRequestNetwork(_))) => {
            phone.say(site, EmmMessage::DetachAccept(DetachAccept::new()));
        }
        Some(Heard::Esm(EsmPdu { ebi, message: EsmMessage::ActivateDefaultEpsBearerContextRequest(_), .. })) => {
            let accept = ActivateDefaultEpsBearerContextAccept::new();
            let message = EsmMessage::ActivateDefaultEpsBearerContextAccept(accept);
            phone.say_esm(site, ebi.map(Ebi::value), 0, message);
        }
        _ => {}
    }
}
