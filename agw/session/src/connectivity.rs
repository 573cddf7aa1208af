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

use crate::addresses::ApnAddresses;
use crate::pool::NoAddress;
use crate::{SessionOut, Sessions, UeSessions, bearer_setup, encode, pco, pdn_type, rules};
use agw_types::{
    ApnProfile, Event, Outcome, Policy, Procedure, Profile, RejectInfo, Session, SessionReply, TimerName, UeAddress,
    UeId,
};
use basalt_ids::{Apn, Ebi, Pti};
use basalt_nas::Direction;
use basalt_nas::esm::{
    ActivateDefaultEpsBearerContextRequest, EsmInformationRequest, EsmInformationResponse, EsmMessage, EsmPdu,
    EsmStatus, PdnConnectivityReject, PdnConnectivityRequest,
};
use basalt_nas::ie::{
    AccessPointName, ApnAmbr, EpsQos, EsmCause, GprsTimer3, PdnAddress, PdnType, ProtocolConfigurationOptions,
    RequestType,
};
use basalt_sansio::{Rng as _, SecureRng, Time};

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

/// Why a connection is refused.
struct Refused {
    cause: EsmCause,
    reason: &'static str,
    advice: &'static str,
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

    fn allocate(
        &mut self,
        now: Time,
        policy: &dyn Policy,
        ue: UeId,
        connecting: &Connecting,
    ) -> Result<Session, Refused> {
        let granted = self.grant(policy, connecting)?;
        let list = self.ues.get(&ue).map_or(&[][..], |held| held.list.as_slice());
        let types = self.pools.get(&granted.apn).ok_or(UNKNOWN_APN)?.types();
        let (kinds, _) = pdn_type::decide(connecting.pdn_type, granted.pdn_types, types).map_err(wrong_type)?;
        // Two single addresses are two sessions on one access point (TS 24.301 §6.2.2), anything else is one too many.
        let clashes = |session: &Session| {
            let (ipv4, ipv6) = (session.address.ipv4().is_some(), session.address.prefix().is_some());
            session.apn == granted.apn && (kinds.ipv4 && ipv4 || kinds.ipv6 && ipv6 || ipv4 && ipv6)
        };
        if list.iter().any(clashes) {
            return Err(Refused {
                cause: EsmCause::MultiplePdnConnectionsNotAllowed,
                reason: "the phone already has a session on this access point",
                advice: "nothing to do unless it repeats: then restart the phone",
            });
        }
        let free = self.ues.get(&ue).map_or(Some(Ebi::FIRST), UeSessions::free_ebi);
        let ebi = free.ok_or(Refused {
            cause: EsmCause::MaximumBearersReached,
            reason: "the phone has as many bearers as there can be",
            advice: "remove access points from the phone's settings, or rules from its sessions",
        })?;
        let owner = connecting.profile.imsi.value();
        let pool = self.pools.get_mut(&granted.apn).ok_or(UNKNOWN_APN)?;
        let address = pool.take(now, owner, kinds, &granted).map_err(Refused::from)?;
        // Of a full table, who was there a moment ago has its own place again.
        let fresh = self.teids.take(now, &mut self.rng);
        let mut own = self.resting.teids(now, ue);
        let Some(teid) = fresh.or_else(|| own.find_map(|last| self.teids.take_again(last, &mut self.rng))) else {
            pool.release(now, basalt_sansio::Duration::ZERO, owner, address);
            return Err(Refused {
                cause: EsmCause::InsufficientResources,
                reason: "all tunnels are in use",
                advice: "raise `dataplane.max_sessions` in the gateway's configuration",
            });
        };
        let rules = rules::initial(policy.rules(connecting.profile.imsi, &granted.apn));
        Ok(Session {
            ebi,
            apn: granted.apn,
            address,
            framed_routes: granted.framed_routes,
            qos: granted.qos,
            ambr: granted.ambr,
            local: (self.config.user_plane, teid),
            remote: None,
            confirmed: false,
            rules,
            bearers: Vec::new(),
        })
    }

    fn grant(&self, policy: &dyn Policy, connecting: &Connecting) -> Result<ApnProfile, Refused> {
        let requested = match &connecting.apn {
            Some(Requested::Apn(apn)) => Some(apn),
            Some(Requested::Malformed) => return Err(UNKNOWN_APN),
            None => None,
        };
        policy.grant(&connecting.profile, requested).map_err(|cause| match EsmCause::from_code(cause) {
            EsmCause::MissingOrUnknownApn => UNKNOWN_APN,
            cause => Refused {
                cause,
                reason: "the subscriber may not use the access point it asks for",
                advice: "add the access point to the subscriber, or correct the name in the phone's settings",
            },
        })
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

    /// PDN CONNECTIVITY REJECT, within ATTACH REJECT or by itself.
    fn refuse(&mut self, ue: UeId, attach: bool, pti: Pti, profile: &Profile, refused: &Refused, out: &mut SessionOut) {
        let cause = refused.cause.code();
        out.ended(Procedure::PdnConnectivity, Outcome::EsmCause(cause));
        let mut message = PdnConnectivityReject::new(refused.cause);
        if matches!(refused.cause, EsmCause::InsufficientResources | EsmCause::MissingOrUnknownApn) {
            message.back_off = Some(GprsTimer3::at_least(self.config.timers.backoff));
        }
        let message = EsmMessage::PdnConnectivityReject(message);
        if !attach {
            out.tell(Event::Rejected(RejectInfo {
                imsi: Some(profile.imsi),
                procedure: "PDN connectivity".to_owned(),
                emm_cause: None,
                esm_cause: Some(cause),
                reason: refused.reason.to_owned(),
                advice: refused.advice.to_owned(),
                unix_secs: 0,
            }));
            out.send(ue, None, pti, message);
            return;
        }
        self.ues.remove(&ue);
        if self.by_imsi.get(&profile.imsi) == Some(&ue) {
            self.by_imsi.remove(&profile.imsi);
        }
        let reason = format!("{}: {}", refused.reason, refused.advice);
        let esm = encode(None, pti, message).unwrap_or_default();
        out.reply(SessionReply::AttachRejected { ue, esm, cause, reason });
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

const UNKNOWN_APN: Refused = Refused {
    cause: EsmCause::MissingOrUnknownApn,
    reason: "the phone asks for an access point that does not exist here",
    advice: "correct the access point name in the phone's settings, or add it to the gateway's configuration",
};

fn wrong_type(cause: EsmCause) -> Refused {
    Refused {
        cause,
        reason: "the phone asks for a kind of session that the access point or the subscriber does not have",
        advice: "set the access point to another type (IPv4, IPv6, IPv4v6) on the phone, or give it a pool of that type",
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

impl From<NoAddress> for Refused {
    fn from(why: NoAddress) -> Self {
        let (reason, advice) = match why {
            NoAddress::Exhausted => (
                "no address is left in the access point's pools",
                "add a pool to it; those given back rest for the quarantine first",
            ),
            NoAddress::StaticInUse => (
                "the subscriber's static address is in use by another session",
                "give this subscriber another address, or detach the phone that holds it",
            ),
            NoAddress::StaticOutside => (
                "the subscriber's static address lies in no pool of the access point",
                "correct the address, or add a pool that contains it",
            ),
        };
        Refused { cause: EsmCause::InsufficientResources, reason, advice }
    }
}

/// What can be said against a request before anything is looked up.
fn unacceptable(pti: Pti, request: &PdnConnectivityRequest) -> Option<Refused> {
    let (cause, reason, advice) = if pti.0 == 0 || pti.0 == 255 {
        (EsmCause::InvalidPtiValue, "the request has no transaction identity", "the phone is faulty")
    } else if matches!(request.request_type, RequestType::Emergency | RequestType::HandoverOfEmergency) {
        (
            EsmCause::ServiceOptionNotSupported,
            "emergency sessions are not offered by this gateway",
            "none; the phone looks for another network",
        )
    } else {
        return None;
    };
    Some(Refused { cause, reason, advice })
}
