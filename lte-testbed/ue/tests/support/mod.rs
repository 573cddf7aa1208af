//! A phone opposite a network that is written down message by message.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use basalt_ids::{Apn, Ebi, Gummei, Guti, MTmsi, MmeCode, MmeGroupId, Plmn, Pti, Qci, Tac, Tai};
use basalt_nas::emm::{
    AttachAccept, AttachRequest, AuthenticationRequest, AuthenticationResponse, SecurityModeCommand,
};
use basalt_nas::esm::ActivateDefaultEpsBearerContextRequest;
use basalt_nas::ie::{
    AccessPointName, AttachResult, Autn, EpsQos, GprsTimer, KeySetIdentifier, PcoItem, PdnAddress,
    ProtocolConfigurationOptions, Rand, SelectedNasAlgorithms, TaiList, UeSecurityCapability,
};
use basalt_nas::{Direction, EmmMessage, Envelope, EsmMessage, EsmPdu, NasMessage, Plain};
use basalt_sansio::{Duration, Outbox, Time};
use basalt_security::{
    AMF_EPS, AkaAlgorithm, Algorithms, Ciphering, Integrity, NasSecurityContext, Protection, Provider, Secret, Side,
    Sqn,
};
use testbed_ue::{
    AttachKind, Configuration, Connect, Effect, EmmState, Event, Input, Profile, RadioSecurity, Ue, Usim,
};

pub const ALGORITHMS: Algorithms = Algorithms { ciphering: Ciphering::Eea2, integrity: Integrity::Eia2 };

pub fn plmn() -> Plmn {
    Plmn::new(1, 1, 2).unwrap()
}

pub fn tai(tac: u16) -> Tai {
    Tai { plmn: plmn(), tac: Tac(tac) }
}

pub fn guti(m_tmsi: u32) -> Guti {
    Guti { gummei: Gummei { plmn: plmn(), group: MmeGroupId(2), code: MmeCode(1) }, m_tmsi: MTmsi(m_tmsi) }
}

pub fn key() -> AkaAlgorithm {
    AkaAlgorithm::milenage(&Secret::new([7; 16]), &Secret::new([9; 16]))
}

/// A phone, what it said, and the network's side of its security.
pub struct Pair {
    pub ue: Ue,
    pub now: Time,
    pub events: Vec<Event>,
    /// What the phone sent and nobody has looked at.
    pub sent: Vec<Vec<u8>>,
    /// Radio connections the phone asked for.
    pub connects: Vec<Connect>,
    /// The phone let the radio go by itself.
    pub abandoned: u32,
    pub configured: Vec<bool>,
    pub network: Option<NasSecurityContext>,
    pub sqn: u64,
    out: Outbox<Effect>,
}

impl Pair {
    pub fn new() -> Self {
        Self::with(Profile::default())
    }

    pub fn with(profile: Profile) -> Self {
        let usim = Usim::new("001010000000001".parse().unwrap(), key(), Sqn::default());
        let ue = Ue::new(Arc::new(profile), usim, "3534900698733153".parse().unwrap());
        let mut pair = Self {
            ue,
            now: Time::ZERO,
            events: Vec::new(),
            sent: Vec::new(),
            connects: Vec::new(),
            abandoned: 0,
            configured: Vec::new(),
            network: None,
            sqn: 32,
            out: Outbox::new(),
        };
        pair.step(Input::Camp(tai(1)));
        pair
    }

    pub fn step(&mut self, input: Input) {
        self.ue.step(self.now, input, &mut self.out);
        for effect in self.out.take() {
            match effect {
                Effect::Connect(connect) => {
                    self.sent.push(connect.nas.clone());
                    self.connects.push(connect);
                }
                Effect::Uplink(nas) => self.sent.push(nas),
                Effect::Configured(ok) => self.configured.push(ok),
                Effect::Abandon => self.abandoned += 1,
                Effect::Event(event) => self.events.push(event),
            }
        }
    }

    pub fn later(&mut self, wait: Duration) {
        self.now += wait;
        self.step(Input::Wakeup);
    }

    /// The next message of the phone, its protection checked as far as the network can.
    pub fn next(&mut self) -> NasMessage {
        assert!(!self.sent.is_empty(), "the phone said nothing; {:?}", self.events);
        let octets = self.sent.remove(0);
        match Envelope::parse(&octets).unwrap() {
            Envelope::Plain(Plain(plain)) => NasMessage::decode(plain, Direction::Uplink).unwrap(),
            Envelope::Protected(_) => {
                let context = self.network.as_mut().expect("a protected message without a context");
                let verified = context.verify(&octets).unwrap();
                NasMessage::decode(verified.get(), Direction::Uplink).unwrap()
            }
            Envelope::ServiceRequest(_) => panic!("a service request"),
        }
    }

    pub fn next_emm(&mut self) -> EmmMessage {
        match self.next() {
            NasMessage::Emm(message) => message,
            NasMessage::Esm(message) => panic!("{message:?}"),
        }
    }

    pub fn next_esm(&mut self) -> EsmPdu {
        match self.next() {
            NasMessage::Esm(message) => message,
            NasMessage::Emm(message) => panic!("{message:?}"),
        }
    }

    pub fn service_request(&mut self) {
        let octets = self.sent.remove(0);
        self.network.as_mut().unwrap().verify_service_request(&octets).unwrap();
    }

    pub fn said_nothing(&self) -> bool {
        self.sent.is_empty()
    }

    pub fn plain(&mut self, message: impl Into<NasMessage>) {
        let octets = message.into().encode().unwrap();
        self.step(Input::Nas(octets));
    }

    pub fn protected(&mut self, message: impl Into<NasMessage>) {
        let octets = self.protect(message);
        self.step(Input::Nas(octets));
    }

    pub fn protect(&mut self, message: impl Into<NasMessage>) -> Vec<u8> {
        let plain = message.into().encode().unwrap();
        self.network.as_mut().unwrap().protect(Protection::IntegrityCiphered, &plain).unwrap()
    }

    /// ATTACH REQUEST of a phone without keys.
    pub fn attach_request(&mut self) -> AttachRequest {
        self.step(Input::Attach(AttachKind::Usual));
        match self.next_emm() {
            EmmMessage::AttachRequest(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// A challenge; what the network expects, and K_ASME.
    pub fn challenge(&mut self) -> (AuthenticationRequest, Vec<u8>, Secret<[u8; 32]>) {
        self.sqn += 33;
        let vector = key().vector(&[self.sqn as u8; 16], Sqn::new(self.sqn).unwrap(), AMF_EPS);
        let request = AuthenticationRequest::new(KeySetIdentifier::native(1), Rand(vector.rand), Autn(vector.autn));
        (request, vector.xres.expose().clone(), vector.kasme(plmn()))
    }

    pub fn authenticate(&mut self) -> Secret<[u8; 32]> {
        let (request, xres, kasme) = self.challenge();
        self.plain(EmmMessage::from(request));
        match self.next_emm() {
            EmmMessage::AuthenticationResponse(AuthenticationResponse { res, .. }) => assert_eq!(res.0, xres),
            other => panic!("{other:?}"),
        }
        kasme
    }

    /// SECURITY MODE COMMAND in its envelope.
    pub fn command(&mut self, kasme: Secret<[u8; 32]>, algorithms: Algorithms, replayed: &[u8]) -> Vec<u8> {
        let mut context = NasSecurityContext::new(Side::Network, 1, kasme, algorithms, Provider::STANDARD);
        let selected = SelectedNasAlgorithms {
            ciphering: algorithms.ciphering.number(),
            integrity: algorithms.integrity.number(),
        };
        let capability = UeSecurityCapability::from_octets(replayed).unwrap();
        let command = SecurityModeCommand::new(selected, KeySetIdentifier::native(1), capability);
        let plain = EmmMessage::from(command).encode().unwrap();
        let octets = context.protect(Protection::IntegrityNew, &plain).unwrap();
        self.network = Some(context);
        octets
    }

    pub fn secure(&mut self) {
        let kasme = self.authenticate();
        let octets = self.command(kasme, ALGORITHMS, &[0xf0, 0x70]);
        self.step(Input::Nas(octets));
        assert!(matches!(self.next_emm(), EmmMessage::SecurityModeComplete(_)));
    }

    /// Context setup with ATTACH ACCEPT.
    pub fn accept(&mut self, pti: Pti) {
        let nas = vec![self.attach_accept(pti)];
        self.context(nas);
        assert_eq!(self.configured.pop(), Some(true));
        assert!(matches!(self.next_emm(), EmmMessage::AttachComplete(_)));
    }

    pub fn attach_accept(&mut self, pti: Pti) -> Vec<u8> {
        let inner = default_bearer(5, pti, "internet", [10, 93, 0, 5]);
        let areas = TaiList::of(&[tai(1), tai(2)]);
        let timer = GprsTimer::at_least(Duration::from_secs(54 * 60));
        let mut accept = AttachAccept::new(AttachResult::EpsOnly, timer, areas, inner.to_container().unwrap());
        accept.guti = Some(guti(0x1234));
        self.protect(EmmMessage::from(accept))
    }

    /// What the base station does at INITIAL CONTEXT SETUP REQUEST, with the right keys.
    pub fn context(&mut self, nas: Vec<Vec<u8>>) {
        let context = self.network.as_ref().unwrap();
        let count = context.receive_count() - 1;
        let k_enb = context.access_keys(count).kenb().clone();
        let security = Some(RadioSecurity { k_enb, encryption: 0xe000, integrity: 0xe000 });
        self.step(Input::Configure(Configuration { security, added: vec![Ebi::FIRST], removed: Vec::new(), nas }));
    }

    /// A phone that is attached and connected.
    pub fn attached(profile: Profile) -> Self {
        let mut pair = Self::with(profile);
        let request = pair.attach_request();
        pair.secure();
        let pti = request.esm_container.decode(Direction::Uplink).unwrap().pti;
        pair.accept(pti);
        assert_eq!(pair.ue.state(), EmmState::Registered);
        pair
    }

    /// A phone that is attached and idle.
    pub fn idle() -> Self {
        let mut pair = Self::attached(Profile::default());
        pair.step(Input::Released);
        pair.events.clear();
        pair
    }

    pub fn saw(&self, event: &Event) -> bool {
        self.events.contains(event)
    }
}

pub fn default_bearer(ebi: u8, pti: Pti, apn: &str, address: [u8; 4]) -> EsmPdu {
    let apn: Apn = apn.parse().unwrap();
    let mut request = ActivateDefaultEpsBearerContextRequest::new(
        EpsQos::non_gbr(Qci(9)),
        AccessPointName::from(&apn),
        PdnAddress::Ipv4(address.into()),
    );
    let items = vec![PcoItem::DnsIpv4([203, 0, 113, 1].into()), PcoItem::Ipv4Mtu(1464)];
    request.pco = Some(ProtocolConfigurationOptions { items, trailing: Vec::new() });
    let message = EsmMessage::ActivateDefaultEpsBearerContextRequest(request);
    EsmPdu { ebi: Some(Ebi::new(ebi).unwrap()), pti, message }
}
