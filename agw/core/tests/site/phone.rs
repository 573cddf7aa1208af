//! A phone that says what it is told to, with keys and counts of its own.

use super::enb::Enb;
use super::{Site, functions, imsi};
use basalt_ids::{EnbUeS1apId, Guti, Imsi, MmeUeS1apId, Pti};
use basalt_nas::emm::{
    AttachAccept, AttachComplete, AttachRequest, AuthenticationFailure, AuthenticationRequest, AuthenticationResponse,
    DetachRequestUe, IdentityResponse, SecurityModeComplete, TrackingAreaUpdateComplete, TrackingAreaUpdateRequest,
};
use basalt_nas::esm::{
    ActivateDefaultEpsBearerContextAccept, ActivateDefaultEpsBearerContextRequest, EsmInformationResponse, EsmMessage,
    EsmPdu, PdnConnectivityRequest,
};
use basalt_nas::ie::{
    AttachType, AuthenticationFailureParameter, DetachKindUe, DetachTypeUe, EmmCause, EpsMobileIdentity, EsmContainer,
    EsmInformationTransfer, KeySetIdentifier, MobileIdentity, PdnType, RequestType, Res, TauKind, TauType,
    UeNetworkCapability,
};
use basalt_nas::{Direction, EmmMessage, Envelope, Plain};
use basalt_s1ap::{InitialContextSetupRequest, Pdu, UeCapabilityInfoIndication};
use basalt_sansio::Duration;
use basalt_security::{
    Algorithms, Ciphering, Integrity, NasSecurityContext, Protection, Provider, Secret, Side, SqnTracker, Usim,
    UsimFailure,
};

#[derive(Debug)]
pub struct Phone {
    pub imsi: Imsi,
    pub usim: Usim,
    pub keys: Option<NasSecurityContext>,
    pub guti: Option<Guti>,
    pub capability: UeNetworkCapability,
    /// K_ASME of the last challenge, until security mode.
    pub kasme: Option<(u8, Secret<[u8; 32]>)>,
    pub enb: Enb,
    pub enb_id: EnbUeS1apId,
    pub mme_id: Option<MmeUeS1apId>,
    /// The key of the last context setup, for those who look.
    pub kenb: Option<[u8; 32]>,
    pub esm_flag: bool,
}

/// What a phone hears.
#[derive(Debug)]
pub enum Heard {
    Emm(EmmMessage),
    Esm(EsmPdu),
    /// The connection ends.
    Released(basalt_s1ap::Cause),
}

impl Phone {
    /// Subscriber `number`, switched on under `enb`.
    pub fn new(number: u64, enb: &Enb) -> Self {
        Self {
            imsi: imsi(number),
            usim: Usim::new(functions(number), SqnTracker::new()),
            keys: None,
            guti: None,
            capability: UeNetworkCapability::from_octets(&[0xf0, 0x70, 0xc0, 0x40]).unwrap(),
            kasme: None,
            enb: enb.clone(),
            enb_id: EnbUeS1apId::new(0).unwrap(),
            mme_id: None,
            kenb: None,
            esm_flag: false,
        }
    }

    // --- messages -----------------------------------------------------------------------------------------------------

    pub fn ksi(&self) -> KeySetIdentifier {
        self.keys.as_ref().map_or(KeySetIdentifier::NONE, |keys| KeySetIdentifier::native(keys.ksi()))
    }

    pub fn identity(&self) -> EpsMobileIdentity {
        self.guti.map_or(EpsMobileIdentity::Imsi(self.imsi), EpsMobileIdentity::Guti)
    }

    pub fn attach_request(&self) -> AttachRequest {
        let mut pdn = PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4);
        pdn.information_transfer = self.esm_flag.then_some(EsmInformationTransfer(true));
        let esm = EsmPdu { ebi: None, pti: Pti(1), message: EsmMessage::PdnConnectivityRequest(pdn) };
        let container = EsmContainer(esm.encode().unwrap());
        AttachRequest::new(AttachType::Eps, self.ksi(), self.identity(), self.capability, container)
    }

    pub fn tau_request(&self, active: bool) -> TrackingAreaUpdateRequest {
        TrackingAreaUpdateRequest::new(TauType { kind: TauKind::Ta, active }, self.ksi(), self.identity())
    }

    pub fn detach_request(&self, switch_off: bool) -> EmmMessage {
        let kind = DetachTypeUe { kind: DetachKindUe::Eps, switch_off };
        EmmMessage::DetachRequestUe(DetachRequestUe::new(kind, self.ksi(), self.identity()))
    }

    // --- sending ------------------------------------------------------------------------------------------------------

    /// The octets of a first message: integrity protected if there are keys, never ciphered.
    pub fn seal_initial(&mut self, message: &EmmMessage) -> Vec<u8> {
        let plain = message.encode().unwrap();
        match &mut self.keys {
            Some(keys) => keys.protect(Protection::Integrity, &plain).unwrap(),
            None => plain,
        }
    }

    /// The octets of a later message.
    pub fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        match &mut self.keys {
            Some(keys) => keys.protect(Protection::IntegrityCiphered, plain).unwrap(),
            None => plain.to_vec(),
        }
    }

    /// Opens a new connection with a first message.
    pub fn open_with(&mut self, site: &mut Site, nas: Vec<u8>) {
        self.enb_id = self.enb.new_ue_id();
        // Each phone has numbers of its own: the copies of a base station do not know of each other's.
        let own = 128 * (self.imsi.value() % 131_072) as u32;
        self.enb_id = EnbUeS1apId::new(own + self.enb_id.value() % 128).unwrap();
        self.mme_id = None;
        self.enb.initial(site, self.enb_id, nas, self.guti.map(Guti::s_tmsi));
    }

    pub fn open(&mut self, site: &mut Site, message: &EmmMessage) {
        let nas = self.seal_initial(message);
        self.open_with(site, nas);
    }

    pub fn say_octets(&mut self, site: &mut Site, nas: Vec<u8>) {
        let mme = self.mme_id.expect("connected");
        self.enb.uplink(site, mme, self.enb_id, nas);
    }

    pub fn say(&mut self, site: &mut Site, message: EmmMessage) {
        let nas = self.seal(&message.encode().unwrap());
        self.say_octets(site, nas);
    }

    pub fn say_esm(&mut self, site: &mut Site, ebi: Option<u8>, pti: u8, message: EsmMessage) {
        let ebi = ebi.map(|ebi| basalt_ids::Ebi::new(ebi).unwrap());
        let plain = EsmPdu { ebi, pti: Pti(pti), message }.encode().unwrap();
        let nas = self.seal(&plain);
        self.say_octets(site, nas);
    }

    // --- hearing ------------------------------------------------------------------------------------------------------

    /// The next message of S1AP for this phone's connection.
    pub fn s1ap(&mut self, site: &mut Site) -> Option<Pdu> {
        let at = site.inbox.iter().position(|(link, _, pdu)| {
            let ids = pdu.ue_ids();
            *link == self.enb.link && ids.enb == Some(self.enb_id)
        })?;
        let (_, stream, pdu) = site.inbox.remove(at)?;
        assert_ne!(stream, 0, "UE messages do not go on stream 0");
        self.mme_id = pdu.ue_ids().mme.or(self.mme_id);
        Some(pdu)
    }

    /// The next NAS message, deciphered; the base station answers releases.
    pub fn hear(&mut self, site: &mut Site) -> Option<Heard> {
        match self.s1ap(site)? {
            Pdu::DownlinkNasTransport(message) => Some(self.read(&message.nas_pdu)),
            Pdu::UeContextReleaseCommand(command) => {
                let mme = self.mme_id.unwrap();
                self.enb.release_complete(site, mme, self.enb_id);
                Some(Heard::Released(command.cause.unwrap()))
            }
            other => panic!("unexpected {}", other.name()),
        }
    }

    pub fn hear_emm(&mut self, site: &mut Site) -> EmmMessage {
        match self.hear(site) {
            Some(Heard::Emm(message)) => message,
            other => panic!("expected an EMM message, got {other:?}"),
        }
    }

    /// The next NAS message, which must be plain.
    pub fn hear_plain(&mut self, site: &mut Site) -> EmmMessage {
        let keys = self.keys.take();
        let message = self.hear_emm(site);
        self.keys = keys;
        message
    }

    pub fn hear_release(&mut self, site: &mut Site) -> basalt_s1ap::Cause {
        match self.hear(site) {
            Some(Heard::Released(cause)) => cause,
            other => panic!("expected a release, got {other:?}"),
        }
    }

    pub fn hear_nothing(&mut self, site: &mut Site) {
        if let Some(pdu) = self.s1ap(site) {
            panic!("expected silence, got {}", pdu.name());
        }
    }

    /// Opens a NAS message as a phone does.
    pub fn read(&mut self, nas: &[u8]) -> Heard {
        self.try_read(nas).expect("the gateway's message opens and decodes")
    }

    /// The same; `None` for what a phone drops.
    pub fn try_read(&mut self, nas: &[u8]) -> Option<Heard> {
        let plain = match Envelope::parse(nas).ok()? {
            Envelope::Plain(Plain(plain)) => plain.to_vec(),
            Envelope::Protected(protected) if protected.header_type.is_new_context() => {
                self.take_keys(nas, protected.payload)?
            }
            Envelope::Protected(_) => self.keys.as_mut()?.verify(nas).ok()?.into_inner(),
            Envelope::ServiceRequest(_) => return None,
        };
        if plain.first()? & 0x0f == 2 {
            return EsmPdu::decode(&plain, Direction::Downlink).ok().map(Heard::Esm);
        }
        EmmMessage::decode(&plain, Direction::Downlink).ok().map(Heard::Emm)
    }

    /// SECURITY MODE COMMAND: the keys are made from what it names, and it is checked with them.
    fn take_keys(&mut self, nas: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
        let Ok(EmmMessage::SecurityModeCommand(command)) = EmmMessage::decode(payload, Direction::Downlink) else {
            return None;
        };
        // A repeated command comes with keys that are there already.
        if let Some(keys) = self.keys.as_mut().filter(|_| self.kasme.is_none()) {
            return Some(keys.verify(nas).ok()?.into_inner());
        }
        let algorithms = Algorithms {
            ciphering: Ciphering::from_number(command.algorithms.ciphering)?,
            integrity: Integrity::from_number(command.algorithms.integrity)?,
        };
        // A phone takes no command that replays other capabilities than its own, or that names null integrity.
        let own = (self.capability.eea(), self.capability.eia());
        let replayed = (command.replayed_capability.eea(), command.replayed_capability.eia());
        let (ksi, kasme) = self.kasme.clone()?;
        if algorithms.integrity == Integrity::Eia0 || replayed != own || command.ksi != KeySetIdentifier::native(ksi) {
            return None;
        }
        let mut keys = NasSecurityContext::new(Side::Ue, ksi, kasme, algorithms, Provider::STANDARD);
        let plain = keys.verify(nas).ok()?.into_inner();
        self.kasme = None;
        self.keys = Some(keys);
        Some(plain)
    }

    // --- procedures ---------------------------------------------------------------------------------------------------

    /// Answers a challenge as the SIM says.
    pub fn answer_challenge(&mut self, site: &mut Site, request: &AuthenticationRequest) {
        match self.usim.answer(&request.rand.0, &request.autn.0) {
            Ok(response) => {
                self.kasme = Some((request.ksi.value, response.kasme(self.enb.tai.plmn)));
                let res = Res(response.res.expose().clone());
                self.say(site, EmmMessage::AuthenticationResponse(AuthenticationResponse::new(res)));
            }
            Err(failure) => {
                let (cause, auts) = match failure {
                    UsimFailure::Mac => (EmmCause::MacFailure, None),
                    UsimFailure::Synch { auts } => (EmmCause::SynchFailure, Some(AuthenticationFailureParameter(auts))),
                    UsimFailure::NotForEps => (EmmCause::NonEpsAuthenticationUnacceptable, None),
                };
                let mut failure = AuthenticationFailure::new(cause);
                failure.auts = auts;
                self.say(site, EmmMessage::AuthenticationFailure(failure));
            }
        }
    }

    pub fn complete_security(&mut self, site: &mut Site) {
        let mut complete = SecurityModeComplete::new();
        complete.imeisv = Some(MobileIdentity::Imeisv("3569380356438091".parse().unwrap()));
        let plain = EmmMessage::SecurityModeComplete(complete).encode().unwrap();
        let nas = self.keys.as_mut().unwrap().protect(Protection::IntegrityCipheredNew, &plain).unwrap();
        self.say_octets(site, nas);
    }

    pub fn identify(&mut self, site: &mut Site) {
        let response = IdentityResponse::new(MobileIdentity::Imsi(self.imsi));
        self.say(site, EmmMessage::IdentityResponse(response));
    }

    /// Goes through identification, authentication and security mode, as far as the network asks for them.
    pub fn prove(&mut self, site: &mut Site) {
        loop {
            // The base station's next message may be a context setup already.
            let waits = site.inbox.iter().any(|(link, _, pdu)| {
                *link == self.enb.link
                    && pdu.ue_ids().enb == Some(self.enb_id)
                    && matches!(pdu, Pdu::DownlinkNasTransport(_))
            });
            if !waits {
                return;
            }
            match self.hear(site) {
                Some(Heard::Emm(EmmMessage::IdentityRequest(_))) => self.identify(site),
                Some(Heard::Emm(EmmMessage::AuthenticationRequest(request))) => {
                    self.answer_challenge(site, &request);
                }
                Some(Heard::Emm(EmmMessage::SecurityModeCommand(_))) => {
                    self.complete_security(site);
                }
                Some(Heard::Esm(pdu)) if matches!(pdu.message, EsmMessage::EsmInformationRequest(_)) => {
                    let response = EsmInformationResponse::new();
                    self.say_esm(site, None, pdu.pti.0, EsmMessage::EsmInformationResponse(response));
                }
                other => panic!("unexpected while proving: {other:?}"),
            }
        }
    }

    pub fn start_attach(&mut self, site: &mut Site) {
        let request = EmmMessage::AttachRequest(self.attach_request());
        self.open(site, &request);
    }

    /// Reads the context setup with ATTACH ACCEPT in it.
    pub fn accept(&mut self, site: &mut Site) -> (InitialContextSetupRequest, AttachAccept) {
        match self.s1ap(site) {
            Some(Pdu::InitialContextSetupRequest(setup)) => {
                self.kenb = Some(setup.security_key.0);
                let nas = setup.erabs[0].nas_pdu.clone().expect("the accept comes with the bearer");
                match self.read(&nas) {
                    Heard::Emm(EmmMessage::AttachAccept(accept)) => {
                        self.guti = accept.guti.or(self.guti);
                        (setup, accept)
                    }
                    other => panic!("expected ATTACH ACCEPT, got {other:?}"),
                }
            }
            other => panic!("expected a context setup, got {:?}", other.map(|pdu| pdu.name())),
        }
    }

    pub fn send_complete(&mut self, site: &mut Site, accept: &AttachAccept) {
        let request = EsmPdu::decode(&accept.esm_container.0, Direction::Downlink).unwrap();
        assert!(matches!(request.message, EsmMessage::ActivateDefaultEpsBearerContextRequest(_)));
        let message = EsmMessage::ActivateDefaultEpsBearerContextAccept(ActivateDefaultEpsBearerContextAccept::new());
        let esm = EsmPdu { ebi: request.ebi, pti: Pti(0), message };
        let complete = AttachComplete::new(EsmContainer(esm.encode().unwrap()));
        self.say(site, EmmMessage::AttachComplete(complete));
    }

    /// A whole attach, to EMM INFORMATION.
    pub fn attach(&mut self, site: &mut Site) -> AttachAccept {
        self.start_attach(site);
        self.prove(site);
        let (setup, accept) = self.accept(site);
        let mme = self.mme_id.unwrap();
        self.enb.send(site, UeCapabilityInfoIndication::new(mme, self.enb_id, vec![0xca, 0xfe]));
        self.enb.context_ready(site, &setup);
        self.send_complete(site, &accept);
        assert!(matches!(self.hear_emm(site), EmmMessage::EmmInformation(_)));
        accept
    }

    /// The default bearer in an accept.
    pub fn bearer(accept: &AttachAccept) -> ActivateDefaultEpsBearerContextRequest {
        match EsmPdu::decode(&accept.esm_container.0, Direction::Downlink).unwrap().message {
            EsmMessage::ActivateDefaultEpsBearerContextRequest(request) => request,
            other => panic!("{other:?}"),
        }
    }

    /// The base station lets the phone go idle, and it listens to pages again.
    pub fn go_idle(&mut self, site: &mut Site) {
        let mme = self.mme_id.unwrap();
        self.enb.request_release(site, mme, self.enb_id);
        self.hear_release(site);
        site.advance(Duration::from_millis(200));
    }

    pub fn start_service(&mut self, site: &mut Site) {
        let nas = self.keys.as_mut().unwrap().protect_service_request().unwrap().to_vec();
        self.open_with(site, nas);
    }

    /// A whole service request.
    pub fn service(&mut self, site: &mut Site) -> InitialContextSetupRequest {
        self.start_service(site);
        let setup = self.context(site);
        self.enb.context_ready(site, &setup);
        setup
    }

    /// Reads a context setup without NAS in it.
    pub fn context(&mut self, site: &mut Site) -> InitialContextSetupRequest {
        match self.s1ap(site) {
            Some(Pdu::InitialContextSetupRequest(setup)) => {
                self.kenb = Some(setup.security_key.0);
                setup
            }
            other => panic!("expected a context setup, got {other:?}"),
        }
    }

    pub fn complete_tau(&mut self, site: &mut Site) {
        self.say(site, EmmMessage::TrackingAreaUpdateComplete(TrackingAreaUpdateComplete::new()));
    }
}

impl Phone {
    /// A token as if the SIM had seen a high number.
    pub fn usim_auts(&self, challenge: &AuthenticationRequest) -> AuthenticationFailureParameter {
        let highest = basalt_security::Sqn::new(1 << 30).unwrap();
        let number = self.imsi.value() % 1_000_000;
        AuthenticationFailureParameter(functions(number).auts(&challenge.rand.0, highest))
    }

    /// Answers the last of several identity requests.
    pub fn identify_late(&mut self, site: &mut Site) {
        while let Some(pdu) = self.s1ap(site) {
            assert!(matches!(pdu, Pdu::DownlinkNasTransport(_)));
        }
        self.identify(site);
    }
}

impl Phone {
    /// Proves itself and is refused with ESM failure.
    pub fn prove_to_reject(&mut self, site: &mut Site) {
        loop {
            match self.hear_emm(site) {
                EmmMessage::AuthenticationRequest(request) => self.answer_challenge(site, &request),
                EmmMessage::SecurityModeCommand(_) => self.complete_security(site),
                EmmMessage::AttachReject(reject) => {
                    assert_eq!(reject.cause, EmmCause::EsmFailure);
                    self.hear_release(site);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Phone {
    /// A protected message that no network understands.
    pub fn say_octets_of_nonsense(&mut self, site: &mut Site) {
        let nas = self.seal(&[0x07, 0x7e]);
        self.say_octets(site, nas);
    }
}
