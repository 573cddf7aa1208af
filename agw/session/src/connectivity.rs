//! PDN connectivity: with an attach, or by itself (TS 24.301 §6.4.1, §6.5.1, §6.6.1.2).
//!
//! ```text
//!   UE                                   network
//!    │ PDN CONNECTIVITY REQUEST             │   (with ATTACH REQUEST, or by itself)
//!    │─────────────────────────────────────►│
//!    │ ESM INFORMATION REQUEST        T3489 │   only if the UE set the transfer flag
//!    │◄─────────────────────────────────────│
//!    │ ESM INFORMATION RESPONSE             │
//!    │─────────────────────────────────────►│   policy grants, address and TEID are taken
//!    │ ACTIVATE DEFAULT EPS BEARER …  T3485 │   (with ATTACH ACCEPT: guarded by T3450 instead)
//!    │◄─────────────────────────────────────│
//!    │ … ACCEPT                             │
//!    │─────────────────────────────────────►│   confirmed
//! ```

mod allocation;
mod refusal;

use crate::addresses::ApnAddresses;
use crate::{SessionOut, Sessions, UeSessions, bearer_setup, encode, pco, pdn_type};
use agw_types::{Event, Outcome, Policy, Procedure, Profile, Session, SessionReply, TimerName, UeAddress, UeId};
use basalt_ids::{Apn, Ebi, Pti};
use basalt_nas::Direction;
use basalt_nas::esm::{
    ActivateDefaultEpsBearerContextRequest, EsmInformationRequest, EsmInformationResponse, EsmMessage, EsmPdu,
    EsmStatus, PdnConnectivityRequest,
};
use basalt_nas::ie::{AccessPointName, ApnAmbr, EpsQos, EsmCause, PdnAddress, PdnType, ProtocolConfigurationOptions};
use basalt_sansio::{Rng as _, SecureRng, Time};
use refusal::{Refused, unacceptable};

/// A connection on its way.
#[derive(Debug)]
pub(crate) struct Connecting {
    /// It came with an attach.
    attach: bool,
    pub(crate) pti: Pti,
    profile: Box<Profile>,
    apn: Option<Requested>,
    pdn_type: PdnType,
    pco: Option<ProtocolConfigurationOptions>,
    /// The UE used the extended element for its options, so the answer does.
    extended: bool,
    pub(crate) phase: Phase,
}

impl Connecting {
    /// The bearer of the session that was offered, if it is so far.
    pub(crate) const fn offers(&self) -> Option<Ebi> {
        match self.phase {
            Phase::Information(_) => None,
            Phase::Activation { ebi, .. } => Some(ebi),
        }
    }
}

/// What the UE named as access point.
#[derive(Debug)]
enum Requested {
    Apn(Apn),
    /// Octets that are no name.
    Malformed,
}

/// What is waited for.
#[derive(Debug)]
pub(crate) enum Phase {
    /// ESM INFORMATION RESPONSE; so many requests were sent.
    Information(u8),
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT of a connection by itself; the message and how often it was sent.
    Activation { ebi: Ebi, esm: Vec<u8>, sent: u8 },
}

/// Transmissions of ESM INFORMATION REQUEST (TS 24.301 §6.6.1.2.6).
const INFORMATION_ATTEMPTS: u8 = 3;
/// Transmissions of ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST (TS 24.301 §6.4.1.6).
const ACTIVATION_ATTEMPTS: u8 = 5;

impl Sessions {
    /// The ESM message container of ATTACH REQUEST. Sessions that the subscriber still has from before end: the UE has
    /// authenticated and starts anew (TS 24.301 §5.5.1.2.4).
    pub(crate) fn attach(
        &mut self,
        now: Time,
        policy: &dyn Policy,
        ue: UeId,
        esm: &[u8],
        profile: &Profile,
        out: &mut SessionOut,
    ) {
        if let Some(former) = self.by_imsi.get(&profile.imsi).copied() {
            self.release(now, former, "the phone attached anew", out);
            // There is one record of a subscriber, which tells of what rests (`rest`).
            self.resting.follow(former, ue);
        }
        self.by_imsi.insert(profile.imsi, ue);
        self.ues.insert(ue, UeSessions::new(profile.imsi, profile.ambr));
        let pdu = match EsmPdu::decode(esm, Direction::Uplink) {
            Ok(pdu) => pdu,
            Err(error) => {
                let cause = error.kind.esm_cause().unwrap_or(EsmCause::ProtocolErrorUnspecified);
                let refused = Refused {
                    cause,
                    reason: "the session request in the attach cannot be read",
                    advice: "the phone or the base station garbles messages; take a trace of this phone",
                };
                self.refuse(ue, true, Pti(0), profile, &refused, out);
                return;
            }
        };
        let EsmMessage::PdnConnectivityRequest(request) = pdu.message else {
            let refused = Refused {
                cause: EsmCause::MessageTypeNotCompatibleWithState,
                reason: "the attach carries another session message than PDN CONNECTIVITY REQUEST",
                advice: "the phone does not follow TS 24.301 §5.5.1.2.2; take a trace of this phone",
            };
            self.refuse(ue, true, pdu.pti, profile, &refused, out);
            return;
        };
        self.connect(now, policy, ue, true, pdu.pti, request, profile, out);
    }

    /// PDN CONNECTIVITY REQUEST, in an attach or by itself.
    #[allow(clippy::too_many_arguments, reason = "one call a procedure; a struct would only rename the arguments")]
    pub(crate) fn connect(
        &mut self,
        now: Time,
        policy: &dyn Policy,
        ue: UeId,
        attach: bool,
        pti: Pti,
        request: PdnConnectivityRequest,
        profile: &Profile,
        out: &mut SessionOut,
    ) {
        let held = self.ues.entry(ue).or_insert_with(|| UeSessions::new(profile.imsi, profile.ambr));
        if let Some(running) = &held.connecting {
            // The same transaction again is a repetition, to be ignored; another one has to wait (TS 24.301 §6.5.1.6).
            if running.pti != pti {
                let refused = Refused {
                    cause: EsmCause::InsufficientResources,
                    reason: "the phone asks for two connections at the same time",
                    advice: "the phone will ask again by itself",
                };
                self.refuse(ue, attach, pti, profile, &refused, out);
            }
            return;
        }
        if let Some(refused) = unacceptable(pti, &request) {
            self.refuse(ue, attach, pti, profile, &refused, out);
            return;
        }
        let extended = request.extended_pco.is_some();
        let connecting = Connecting {
            attach,
            pti,
            profile: Box::new(profile.clone()),
            apn: request.apn.as_ref().map(Requested::read),
            pdn_type: request.pdn_type,
            pco: request.extended_pco.or(request.pco),
            extended,
            phase: Phase::Information(1),
        };
        if request.information_transfer.is_some_and(|flag| flag.0) {
            held.connecting = Some(Box::new(connecting));
            self.ask_information(ue, pti, out);
        } else {
            self.activate(now, policy, ue, connecting, out);
        }
    }

    fn ask_information(&self, ue: UeId, pti: Pti, out: &mut SessionOut) {
        out.send(ue, None, pti, EsmMessage::EsmInformationRequest(EsmInformationRequest::new()));
        out.arm(ue, TimerName::T3489, self.config.timers.t3489);
    }

    /// ESM INFORMATION RESPONSE.
    pub(crate) fn information(
        &mut self,
        now: Time,
        policy: &dyn Policy,
        ue: UeId,
        pti: Pti,
        response: EsmInformationResponse,
        out: &mut SessionOut,
    ) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let waiting =
            held.connecting.take_if(|running| running.pti == pti && matches!(running.phase, Phase::Information(_)));
        let Some(mut connecting) = waiting else {
            let status = EsmStatus::new(EsmCause::PtiMismatch);
            out.send(ue, None, pti, EsmMessage::EsmStatus(status));
            return;
        };
        out.stop(ue, TimerName::T3489);
        if let Some(apn) = &response.apn {
            connecting.apn = Some(Requested::read(apn));
        }
        connecting.extended |= response.extended_pco.is_some();
        if let Some(options) = response.extended_pco.or(response.pco) {
            connecting.pco = Some(options);
        }
        self.activate(now, policy, ue, *connecting, out);
    }

    /// T3489: ask again, or refuse.
    pub(crate) fn information_expired(&mut self, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(connecting) = &mut held.connecting else { return };
        let Phase::Information(sent) = &mut connecting.phase else { return };
        if *sent < INFORMATION_ATTEMPTS {
            *sent += 1;
            let pti = connecting.pti;
            out.effects.push(agw_types::Effect::Count(agw_types::Metric::Retransmitted("ESM INFORMATION REQUEST")));
            self.ask_information(ue, pti, out);
            return;
        }
        if let Some(connecting) = held.connecting.take() {
            let refused = Refused {
                cause: EsmCause::EsmInformationNotReceived,
                reason: "the phone did not tell the access point it wants",
                advice: "poor radio, or the phone's access point settings are broken; check them on the phone",
            };
            self.refuse(ue, connecting.attach, connecting.pti, &connecting.profile, &refused, out);
        }
    }

    /// Takes what the connection needs and offers it to the UE.
    fn activate(&mut self, now: Time, policy: &dyn Policy, ue: UeId, mut connecting: Connecting, out: &mut SessionOut) {
        let session = match self.allocate(now, policy, ue, &connecting) {
            Ok(session) => session,
            Err(refused) => {
                self.refuse(ue, connecting.attach, connecting.pti, &connecting.profile, &refused, out);
                return;
            }
        };
        let identifier = session.address.prefix().map(|_| interface_identifier(&mut self.rng)).unwrap_or_default();
        let message = self.offer(&session, &connecting, identifier);
        let esm =
            encode(Some(session.ebi), connecting.pti, EsmMessage::ActivateDefaultEpsBearerContextRequest(message));
        let (Some(esm), Some(held)) = (esm, self.ues.get_mut(&ue)) else {
            self.forget(now, ue, connecting.profile.imsi, &session, "the offer cannot be encoded", out);
            return;
        };
        let bearer = bearer_setup(&session);
        let ebi = session.ebi;
        self.by_address.insert(session.address, ue);
        self.by_teid.insert(session.local.1, ue);
        held.add(session, out);
        let ambr = held.ambr();
        if connecting.attach {
            out.reply(SessionReply::AttachReady { ue, esm, bearer, ambr });
        } else {
            connecting.phase = Phase::Activation { ebi, esm: esm.clone(), sent: 1 };
            held.connecting = Some(Box::new(connecting));
            out.arm(ue, TimerName::T3485, self.config.timers.t3485);
            out.reply(SessionReply::BearerReady { ue, esm, bearer, ambr: Some(ambr) });
        }
    }

    /// ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST for a session.
    fn offer(
        &self,
        session: &Session,
        connecting: &Connecting,
        interface_id: [u8; 8],
    ) -> ActivateDefaultEpsBearerContextRequest {
        let address = match session.address {
            UeAddress::Ipv4(ipv4) => PdnAddress::Ipv4(ipv4),
            UeAddress::Ipv6(_) => PdnAddress::Ipv6 { interface_id },
            UeAddress::Ipv4v6(ipv4, _) => PdnAddress::Ipv4v6 { interface_id, ipv4 },
        };
        let qos = EpsQos::non_gbr(session.qos.qci);
        let mut message =
            ActivateDefaultEpsBearerContextRequest::new(qos, AccessPointName::from(&session.apn), address);
        // In kbit/s, rounded up: a rate below one kbit/s would read as none.
        let (uplink, downlink) = (session.ambr.uplink.div_ceil(1000), session.ambr.downlink.div_ceil(1000));
        message.apn_ambr = Some(ApnAmbr::new(downlink, uplink));
        let types = self.pools.get(&session.apn).map(ApnAddresses::types).unwrap_or_default();
        let subscribed = connecting.profile.apns.iter().find(|apn| apn.apn == session.apn);
        let subscribed = subscribed.map(|apn| apn.pdn_types).unwrap_or_default();
        message.cause = pdn_type::decide(connecting.pdn_type, subscribed, types).ok().and_then(|(_, cause)| cause);
        let options = connecting.pco.as_ref().and_then(|pco| pco::answer(pco, &self.config, &session.apn));
        if connecting.extended {
            message.extended_pco = options;
        } else {
            message.pco = options;
        }
        message
    }

    /// T3485: offer again, or give the session up.
    pub(crate) fn activation_expired(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(connecting) = &mut held.connecting else { return };
        let Phase::Activation { ebi, esm, sent } = &mut connecting.phase else { return };
        if *sent < ACTIVATION_ATTEMPTS {
            *sent += 1;
            let esm = esm.clone();
            let metric = agw_types::Metric::Retransmitted("ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST");
            out.effects.push(agw_types::Effect::Count(metric));
            out.reply(SessionReply::Send { ue, esm });
            out.arm(ue, TimerName::T3485, self.config.timers.t3485);
            return;
        }
        let ebi = *ebi;
        held.connecting = None;
        out.ended(Procedure::PdnConnectivity, Outcome::Timeout);
        self.deactivate(now, ue, ebi, out);
    }

    /// The UE accepted its default bearer.
    pub(crate) fn accepted(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        held.connecting.take_if(|running| running.offers() == Some(ebi));
        let imsi = held.imsi;
        let Some(session) = held.session_mut(ebi) else { return };
        out.stop(ue, TimerName::T3485);
        if core::mem::replace(&mut session.confirmed, true) {
            return;
        }
        let (apn, address) = (session.apn.clone(), session.address);
        out.tell(Event::SessionStarted { imsi, ebi, apn, address });
        out.ended(Procedure::PdnConnectivity, Outcome::Success);
        out.reply(SessionReply::DefaultBearer { ue, accepted: true });
        out.reply(SessionReply::Changed { ue });
        self.pump(now, ue, out);
    }

    /// The UE refused its default bearer.
    pub(crate) fn refused(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        held.connecting.take_if(|running| running.offers() == Some(ebi));
        out.stop(ue, TimerName::T3485);
        out.ended(Procedure::PdnConnectivity, Outcome::PeerRefused);
        out.reply(SessionReply::DefaultBearer { ue, accepted: false });
        self.end_where(now, ue, "the phone refused the session", |session| session.ebi == ebi, out);
    }
}

/// Any that is nobody else's on the link: the gateway's is 1 (TS 23.401 §5.3.1.2.2).
fn interface_identifier(rng: &mut SecureRng) -> [u8; 8] {
    let mut identifier = [0; 8];
    rng.fill(&mut identifier);
    let [first, .., last] = &mut identifier;
    // Neither universal nor a group (RFC 4291 §2.5.1), and never a small number.
    *first = (*first & 0xfc) | 0x04;
    *last |= 1;
    identifier
}

impl Requested {
    fn read(name: &AccessPointName) -> Self {
        name.apn().map_or(Requested::Malformed, Requested::Apn)
    }
}
