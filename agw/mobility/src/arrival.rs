//! The first NAS message over a new connection: who sends it, and is it so?
//!
//! ```text
//!   INITIAL UE MESSAGE
//!     ├─ SERVICE REQUEST, MAC right ─────────────► service
//!     ├─ protected, MAC right by the keys of the GUTI's owner ─► attach, update, detach, service of that UE
//!     ├─ ATTACH REQUEST otherwise ───────────────► a claim
//!     ├─ TRACKING AREA UPDATE, DETACH REQUEST of a known GUTI otherwise ─► a claim
//!     ├─ the same of an unknown GUTI ────────────► #9, or nothing to detach
//!     └─ anything else ──────────────────────────► the connection ends
//! ```

use crate::collision::{Arriving, Resolution, resolve};
use crate::common::{Claimed, Proof};
use crate::cx::{Cx, Refusal, Want};
use crate::eps::{attach, detach, guti, release, service, tau};
use crate::generation::{Eps, EpsCapability, Generation, octets};
use crate::trust::{Untrusted, Verified};
use crate::ue::{Claim, Purpose, Ue};
use crate::{Mobility, claim};
use agw_types::{Area, AuthFailure, Effect, Metric, Now, Procedure, RadioCause, RadioCommand, RadioId, UeId};
use basalt_ids::{Guti, Imsi, STmsi};
use basalt_nas::emm::{
    AttachReject, AttachRequest, DetachAccept, DetachRequestUe, ServiceReject, TrackingAreaUpdateReject,
    TrackingAreaUpdateRequest,
};
use basalt_nas::ie::{AttachType, EmmCause, EpsMobileIdentity, GprsTimer2, KeySetIdentifier, MobileIdentity};
use basalt_nas::{DecodeError, Direction, EmmMessage, Envelope, Header, Plain};
use basalt_sansio::Outbox;

/// Where a message came from.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) radio: RadioId,
    pub(crate) area: Area,
}

/// No phone's first message is longer; a claim keeps it until it is proven, so its length is bounded.
const LONGEST_FIRST: usize = 4096;

/// Message types whose reject carries a decoding error's cause.
const ATTACH_REQUEST: u8 = 0x41;
const TAU_REQUEST: u8 = 0x48;
const EXTENDED_SERVICE_REQUEST: u8 = 0x4c;

impl Mobility {
    /// The first message over a connection.
    pub(crate) fn initial(
        &mut self,
        now: Now,
        radio: RadioId,
        nas: &[u8],
        area: Area,
        s_tmsi: Option<STmsi>,
        out: &mut Outbox<Want>,
    ) {
        let from = Origin { radio, area };
        if nas.len() > LONGEST_FIRST {
            drop_connection(from, "first message too long", out);
            return;
        }
        match Envelope::parse(nas) {
            Ok(Envelope::ServiceRequest(_)) => self.service_request(now, from, nas, s_tmsi, out),
            Ok(Envelope::Plain(Plain(plain))) => match EmmMessage::decode(plain, Direction::Uplink) {
                Ok(message) => self.untrusted(now, from, Plain(message), out),
                Err(error) => refuse_unreadable(from, &error, out),
            },
            Ok(Envelope::Protected(protected)) if protected.header_type.is_ciphered() => {
                // Only the identity that the radio was told says whose keys it takes.
                let verified = self.owner(s_tmsi).and_then(|id| Some((id, self.verify(id, nas, None)?)));
                match verified {
                    Some((id, verified)) => {
                        match verified.try_map(|plain| EmmMessage::decode(&plain, Direction::Uplink)) {
                            Ok(message) => self.trusted(now, from, id, message, out),
                            Err(_) => drop_connection(from, "unreadable first message", out),
                        }
                    }
                    None => drop_connection(from, "ciphered first message of an unknown phone", out),
                }
            }
            Ok(Envelope::Protected(protected)) => {
                let message = match EmmMessage::decode(protected.payload, Direction::Uplink) {
                    Ok(message) => message,
                    Err(error) => return refuse_unreadable(from, &error, out),
                };
                let (owner, ksi) = self.claimed(&message, s_tmsi);
                let verified = owner.and_then(|id| Some((id, self.verify(id, nas, ksi)?)));
                match verified {
                    // The payload was not ciphered: what was decoded is what was verified.
                    Some((id, verified)) => self.trusted(now, from, id, verified.map(|_| message), out),
                    None => self.untrusted(now, from, Plain(message), out),
                }
            }
            Err(_) => drop_connection(from, "first message too short or not of EMM", out),
        }
    }

    /// SERVICE REQUEST.
    fn service_request(&mut self, now: Now, from: Origin, nas: &[u8], s_tmsi: Option<STmsi>, out: &mut Outbox<Want>) {
        let count = self.owner(s_tmsi).and_then(|id| {
            let keys = self.ues.get_mut(id.0)?.keys.as_deref_mut()?;
            Some((id, keys.verify_service_request(nas).ok()?.count()))
        });
        let Some((id, count)) = count else {
            // §5.6.1.7, §4.4.4.3: whoever has the identity keeps its context.
            let reject = ServiceReject::new(EmmCause::UeIdentityCannotBeDerived);
            reject_plain(from, Procedure::ServiceRequest, EmmMessage::ServiceReject(reject), out);
            return;
        };
        self.with(id, now, out, |ue, cx| {
            heard(ue, from.area, s_tmsi.and_then(|s_tmsi| called(ue, s_tmsi)), cx);
            service::requested(ue, from.radio, count, cx);
        });
    }

    /// A message whose MAC was right by the keys of `id`.
    fn trusted(&mut self, now: Now, from: Origin, id: UeId, message: Verified<EmmMessage>, out: &mut Outbox<Want>) {
        let (count, radio) = (message.count(), from.radio);
        let guti = identity(message.get());
        if let EmmMessage::AttachRequest(request) = message.get()
            && !self.keys_fit(id, request)
        {
            // The MAC proves the UE, but its keys are of no more use: it proves itself anew (§5.5.1.2.3).
            let imsi = self.ues.get(id.0).and_then(|ue| ue.imsi);
            let EmmMessage::AttachRequest(request) = message.into_inner() else { return };
            self.claim_attach(now, from, Claimed::by_imsi(imsi), Plain(request), out);
            return;
        }
        self.with(id, now, out, |ue, cx| {
            heard(ue, from.area, guti, cx);
            match message.into_inner() {
                EmmMessage::AttachRequest(request) => attach_again(ue, request, from, count, cx),
                EmmMessage::TrackingAreaUpdateRequest(request) => tau::requested(ue, request, radio, count, cx),
                EmmMessage::DetachRequestUe(request) => {
                    ue.connect(radio, cx.id, count, cx);
                    detach::by_ue(ue, &request, cx);
                }
                EmmMessage::ExtendedServiceRequest(request) => service::extended(ue, &request, radio, count, cx),
                EmmMessage::ControlPlaneServiceRequest(_) => {
                    ue.connect(radio, cx.id, count, cx);
                    service::reject(ue, EmmCause::MessageTypeNonExistent, "control plane CIoT is not offered", cx);
                }
                _ => {
                    cx.count(Metric::Unexpected("first NAS message"));
                    cx.radio(RadioCommand::Release { radio, cause: RadioCause::NasUnspecified });
                }
            }
        });
    }

    /// Whether an attach may go on with the keys the UE has: they are fresh, and made for what it says of its algorithms.
    fn keys_fit(&self, id: UeId, request: &AttachRequest) -> bool {
        let Some(ue) = self.ues.get(id.0) else { return false };
        let Some(keys) = &ue.keys else { return false };
        let wanted = Eps::select(&self.algorithms, &ue.capability);
        attach::capability(request) == ue.capability
            && wanted.is_ok_and(|wanted| wanted == keys.algorithms())
            && !keys.new_keys_due()
    }

    /// A message that proves nothing.
    pub(crate) fn untrusted(&mut self, now: Now, from: Origin, message: Plain<EmmMessage>, out: &mut Outbox<Want>) {
        match Untrusted::admit(message) {
            Some(Untrusted::AttachRequest(request)) => {
                let claimed = match request.0.identity {
                    EpsMobileIdentity::Imsi(imsi) => Claimed::ByImsi(imsi),
                    EpsMobileIdentity::Guti(guti) => {
                        Claimed::by_guti(self.imsi_of(guti).or_else(|| self.imsi_of(request.0.additional_guti?)))
                    }
                    EpsMobileIdentity::Imei(_) => {
                        // Emergency without a SIM is not offered (§5.5.1.2.5A).
                        let reject = AttachReject::new(EmmCause::ImeiNotAccepted);
                        reject_plain(from, Procedure::Attach, EmmMessage::AttachReject(reject), out);
                        return;
                    }
                };
                self.claim_attach(now, from, claimed, request, out);
            }
            Some(Untrusted::TrackingAreaUpdateRequest(request)) => self.claim_update(now, from, request, out),
            Some(Untrusted::DetachRequest(request)) => self.claim_detach(now, from, request, out),
            Some(Untrusted::ExtendedServiceRequest) => {
                let reject = ServiceReject::new(EmmCause::UeIdentityCannotBeDerived);
                reject_plain(from, Procedure::ServiceRequest, EmmMessage::ServiceReject(reject), out);
            }
            Some(
                Untrusted::IdentityResponse(_)
                | Untrusted::AuthenticationResponse(_)
                | Untrusted::AuthenticationFailure(_)
                | Untrusted::SecurityModeReject(_)
                | Untrusted::DetachAccept,
            )
            | None => drop_connection(from, "plain first message outside the list of TS 24.301 §4.4.4.3", out),
        }
    }

    fn claim_attach(
        &mut self,
        now: Now,
        from: Origin,
        claimed: Claimed,
        request: Plain<AttachRequest>,
        out: &mut Outbox<Want>,
    ) {
        let imsi = claimed.imsi();
        let capability = attach::capability(&request.0);
        let home = imsi.is_none_or(|imsi| self.config.plmns.iter().any(|plmn| imsi.belongs_to(*plmn)));
        let refusal = if !self.config.areas.contains(&from.area.tai) {
            Some((EmmCause::NoSuitableCellsInTrackingArea, "the cell's tracking area is not served here"))
        } else if let Some(refusal) = not_offered(request.0.attach_type) {
            Some(refusal)
        } else if (self.config.home_only && !home)
            || imsi.is_some_and(|imsi| !self.config.access.admits_subscriber(imsi))
        {
            Some((EmmCause::PlmnNotAllowed, crate::reject::words_for(AuthFailure::RoamingNotAllowed)))
        } else if self.draining {
            Some((EmmCause::Congestion, "the gateway is being drained and takes no new phones"))
        } else if Eps::select(&self.algorithms, &capability).is_err() {
            Some((
                EmmCause::UeSecurityCapabilitiesMismatch,
                "the phone has none of the algorithms that are allowed here",
            ))
        } else if self.index.half_open >= self.limits.half_open || !self.make_room(now, out) {
            Some((EmmCause::Congestion, "too many phones attach at once"))
        } else {
            None
        };
        if let Some((cause, reason)) = refusal {
            self.refuse_attach(now, from, imsi, cause, reason, out);
            return;
        }
        let proof = Proof::new(claimed, capability, from.area.tai.plmn, ksi_in_use(request.0.ksi), now.mono);
        self.make_claim(now, from, Claim { proof, purpose: Purpose::Attach(request) }, out);
    }

    /// ATTACH REJECT for a UE that gets no entry.
    fn refuse_attach(
        &mut self,
        now: Now,
        from: Origin,
        imsi: Option<Imsi>,
        cause: EmmCause,
        reason: &str,
        out: &mut Outbox<Want>,
    ) {
        let mut reject = AttachReject::new(cause);
        if cause == EmmCause::Congestion {
            reject.t3346 = Some(GprsTimer2::at_least(self.config.timers.backoff));
        }
        reject_plain(from, Procedure::Attach, EmmMessage::AttachReject(reject), out);
        self.note_refusal(now, imsi, Procedure::Attach, cause, reason, out);
    }

    fn claim_update(
        &mut self,
        now: Now,
        from: Origin,
        request: Plain<TrackingAreaUpdateRequest>,
        out: &mut Outbox<Want>,
    ) {
        let known = match request.0.old_guti {
            EpsMobileIdentity::Guti(guti) => self.by_guti(guti).or_else(|| self.by_guti(request.0.additional_guti?)),
            EpsMobileIdentity::Imsi(_) | EpsMobileIdentity::Imei(_) => None,
        };
        let known = known.and_then(|id| self.ues.get(id.0)).filter(|ue| ue.is_registered());
        let room = self.index.half_open < self.limits.half_open && self.ues.len() < self.limits.ues as usize;
        let Some(ue) = known.filter(|_| room) else {
            // §5.5.3.2.5: it attaches anew.
            let reject = TrackingAreaUpdateReject::new(EmmCause::UeIdentityCannotBeDerived);
            reject_plain(from, Procedure::TrackingAreaUpdate, EmmMessage::TrackingAreaUpdateReject(reject), out);
            return;
        };
        let capability = EpsCapability {
            network: request.0.ue_network_capability.unwrap_or(ue.capability.network),
            ms: request.0.ms_network_capability.or(ue.capability.ms),
            additional: request.0.ue_additional_security_capability.or(ue.capability.additional),
        };
        let proof =
            Proof::new(Claimed::by_guti(ue.imsi), capability, from.area.tai.plmn, ksi_in_use(request.0.ksi), now.mono);
        self.make_claim(now, from, Claim { proof, purpose: Purpose::Update(request) }, out);
    }

    /// §4.4.4.3: a detach without valid protection is ignored when the UE is switched off (it could not answer), else its sender
    /// is authenticated first.
    fn claim_detach(&mut self, now: Now, from: Origin, request: Plain<DetachRequestUe>, out: &mut Outbox<Want>) {
        if request.0.detach_type.switch_off {
            drop_connection(from, "switch-off without valid protection", out);
            return;
        }
        let known = match request.0.identity {
            EpsMobileIdentity::Guti(guti) => self.by_guti(guti),
            EpsMobileIdentity::Imsi(imsi) => self.index.imsi(imsi),
            EpsMobileIdentity::Imei(_) => None,
        };
        let known = known.and_then(|id| self.ues.get(id.0)).filter(|ue| ue.is_registered());
        let room = self.index.half_open < self.limits.half_open && self.ues.len() < self.limits.ues as usize;
        let Some(ue) = known.filter(|_| room) else {
            // Nobody is attached by that name: the UE is as detached as it wants to be.
            reject_plain(from, Procedure::Detach, EmmMessage::DetachAccept(DetachAccept::new()), out);
            return;
        };
        let claimed = match request.0.identity {
            EpsMobileIdentity::Imsi(imsi) => Claimed::ByImsi(imsi),
            EpsMobileIdentity::Guti(_) | EpsMobileIdentity::Imei(_) => Claimed::by_guti(ue.imsi),
        };
        let proof = Proof::new(claimed, ue.capability, from.area.tai.plmn, ksi_in_use(request.0.ksi), now.mono);
        self.make_claim(now, from, Claim { proof, purpose: Purpose::Detach(request) }, out);
    }

    fn make_claim(&mut self, now: Now, from: Origin, claim: Claim, out: &mut Outbox<Want>) {
        let ue = Ue::claiming(claim, from.radio, from.area, now.unix_secs);
        match self.ues.insert(ue) {
            Ok(slot) => {
                self.index.half_open += 1;
                self.with(UeId(slot), now, out, claim::begin);
            }
            Err(_) => drop_connection(from, "the table of phones is full", out),
        }
    }

    /// The UE whom the radio was told to come from.
    fn owner(&self, s_tmsi: Option<STmsi>) -> Option<UeId> {
        let s_tmsi = s_tmsi.filter(|s_tmsi| s_tmsi.mme_code == self.config.code)?;
        self.index.tmsi(s_tmsi.m_tmsi)
    }

    /// The UE that a GUTI of this gateway belongs to.
    fn by_guti(&self, guti: Guti) -> Option<UeId> {
        let id = self.index.tmsi(guti.m_tmsi)?;
        self.ues.get(id.0).is_some_and(|ue| ue.is_called(guti)).then_some(id)
    }

    fn imsi_of(&self, guti: Guti) -> Option<Imsi> {
        self.ues.get(self.by_guti(guti)?.0)?.imsi
    }

    /// Whom a message claims to be from, and with which keys.
    fn claimed(&self, message: &EmmMessage, s_tmsi: Option<STmsi>) -> (Option<UeId>, Option<KeySetIdentifier>) {
        let by_identity = |identity: &EpsMobileIdentity| match identity {
            EpsMobileIdentity::Guti(guti) => self.by_guti(*guti),
            EpsMobileIdentity::Imsi(imsi) => self.index.imsi(*imsi),
            EpsMobileIdentity::Imei(_) => None,
        };
        match message {
            // An identity mapped from another system comes first there, the native one beside it.
            EmmMessage::AttachRequest(request) => {
                let owner = by_identity(&request.identity);
                (owner.or_else(|| self.by_guti(request.additional_guti?)), Some(request.ksi))
            }
            EmmMessage::TrackingAreaUpdateRequest(request) => {
                let owner = by_identity(&request.old_guti);
                (owner.or_else(|| self.by_guti(request.additional_guti?)), Some(request.ksi))
            }
            EmmMessage::DetachRequestUe(request) => (by_identity(&request.identity), Some(request.ksi)),
            EmmMessage::ExtendedServiceRequest(request) => {
                let named = match request.m_tmsi {
                    MobileIdentity::Tmsi(tmsi) => self.index.tmsi(tmsi),
                    _ => None,
                };
                (named.or(self.owner(s_tmsi)), Some(request.ksi))
            }
            EmmMessage::ControlPlaneServiceRequest(request) => (self.owner(s_tmsi), Some(request.ksi)),
            _ => (self.owner(s_tmsi), None),
        }
    }

    /// Checks octets with a UE's keys. A key set that the UE does not name is not tried.
    fn verify(&mut self, id: UeId, nas: &[u8], ksi: Option<KeySetIdentifier>) -> Option<Verified<Vec<u8>>> {
        let keys = self.ues.get_mut(id.0)?.keys.as_deref_mut()?;
        if ksi.is_some_and(|ksi| ksi.mapped || ksi.value != keys.ksi()) {
            return None;
        }
        keys.verify(nas).ok()
    }

    /// Remembers and tells the refusal of a UE that gets no entry.
    fn note_refusal(
        &mut self,
        now: Now,
        imsi: Option<Imsi>,
        procedure: Procedure,
        cause: EmmCause,
        reason: &str,
        out: &mut Outbox<Want>,
    ) {
        let refusal = Refusal { imsi, procedure, emm_cause: Some(cause), esm_cause: None, reason: reason.to_owned() };
        let info = refusal.info(now);
        self.rejections.note(info.clone());
        out.push(Want::Effect(Effect::Tell(Box::new(agw_types::Event::Rejected(info)))));
    }
}

/// Kinds of attach that are not offered (§5.5.1.1, §5.5.1.2.5A, §5.5.1.2.5C).
const fn not_offered(kind: AttachType) -> Option<(EmmCause, &'static str)> {
    match kind {
        AttachType::Emergency => Some((EmmCause::ImeiNotAccepted, "emergency attach is not offered here")),
        AttachType::Rlos => Some((
            EmmCause::ServiceOptionNotAuthorizedInPlmn,
            "restricted local operator services are not offered here",
        )),
        _ => None,
    }
}

/// A known UE attaches with keys that are good: nothing needs to be proven.
fn attach_again(ue: &mut Ue, request: AttachRequest, from: Origin, count: u32, cx: &mut Cx<'_>) {
    if resolve(ue.running(), Arriving::Attach) == Resolution::Continue {
        cx.radio(RadioCommand::Release { radio: from.radio, cause: RadioCause::NormalRelease });
        return;
    }
    ue.connect(from.radio, cx.id, count, cx);
    if let Some((cause, reason)) = not_offered(request.attach_type) {
        release::abort_running(ue, Some(agw_types::Outcome::Superseded), cx);
        attach::reject(ue, cause, reason.to_owned(), cx);
        return;
    }
    if !cx.config.areas.contains(&from.area.tai) {
        release::abort_running(ue, Some(agw_types::Outcome::Superseded), cx);
        let reason = "the cell's tracking area is not served here".to_owned();
        attach::reject(ue, EmmCause::NoSuitableCellsInTrackingArea, reason, cx);
        return;
    }
    let started = cx.now.mono;
    attach::begin(ue, request, started, cx);
}

/// A trusted message says where the UE is and which identity it goes by.
fn heard(ue: &mut Ue, area: Area, guti: Option<Guti>, cx: &mut Cx<'_>) {
    ue.area = area;
    ue.last_seen = cx.now.unix_secs;
    // Its count is used up: also after a crash nobody can say the same again (TS 24.301 §4.4.3.2).
    cx.save();
    if let Some(guti) = guti {
        guti::used(ue, guti, cx);
    }
}

/// The GUTI of a UE that a short identity stands for.
fn called(ue: &Ue, s_tmsi: STmsi) -> Option<Guti> {
    [ue.guti, ue.pending_guti].into_iter().flatten().find(|guti| guti.s_tmsi() == s_tmsi)
}

/// The temporary identity in a message.
fn identity(message: &EmmMessage) -> Option<Guti> {
    let (identity, native) = match message {
        EmmMessage::AttachRequest(request) => (request.identity, request.additional_guti),
        EmmMessage::TrackingAreaUpdateRequest(request) => (request.old_guti, request.additional_guti),
        EmmMessage::DetachRequestUe(request) => (request.identity, None),
        _ => return None,
    };
    match identity {
        EpsMobileIdentity::Guti(guti) => native.or(Some(guti)),
        EpsMobileIdentity::Imsi(_) | EpsMobileIdentity::Imei(_) => None,
    }
}

/// The identifier of keys that a UE has and that new ones must not get.
const fn ksi_in_use(ksi: KeySetIdentifier) -> u8 {
    if ksi.mapped { 7 } else { ksi.value }
}

/// Ends a connection that leads nowhere.
fn drop_connection(from: Origin, why: &'static str, out: &mut Outbox<Want>) {
    out.push(Want::Effect(Effect::Count(Metric::Discarded(why))));
    out.push(Want::Radio(RadioCommand::Release { radio: from.radio, cause: RadioCause::NasUnspecified }));
}

/// Answers a UE that gets no entry, in plain, and ends the connection.
fn reject_plain(from: Origin, procedure: Procedure, message: EmmMessage, out: &mut Outbox<Want>) {
    let outcome = match &message {
        EmmMessage::AttachReject(reject) => agw_types::Outcome::EmmCause(reject.cause.code()),
        EmmMessage::TrackingAreaUpdateReject(reject) => agw_types::Outcome::EmmCause(reject.cause.code()),
        EmmMessage::ServiceReject(reject) => agw_types::Outcome::EmmCause(reject.cause.code()),
        _ => agw_types::Outcome::Success,
    };
    out.push(Want::Effect(Effect::Count(Metric::Procedure { procedure, outcome })));
    out.push(Want::Radio(RadioCommand::Downlink { radio: from.radio, nas: octets(message) }));
    out.push(Want::Radio(RadioCommand::Release { radio: from.radio, cause: RadioCause::NormalRelease }));
}

/// A first message that cannot be read: the reject of its procedure, if it has one (§5.5.1.2.7 b, §5.5.3.2.7 b, §5.6.1.7 b).
fn refuse_unreadable(from: Origin, error: &DecodeError, out: &mut Outbox<Want>) {
    let cause = error.kind.emm_cause();
    let (Header::Emm { message_type }, Some(cause)) = (error.header, cause) else {
        drop_connection(from, "unreadable first message", out);
        return;
    };
    let (procedure, message) = match message_type {
        ATTACH_REQUEST => (Procedure::Attach, EmmMessage::AttachReject(AttachReject::new(cause))),
        TAU_REQUEST => {
            (Procedure::TrackingAreaUpdate, EmmMessage::TrackingAreaUpdateReject(TrackingAreaUpdateReject::new(cause)))
        }
        EXTENDED_SERVICE_REQUEST => (Procedure::ServiceRequest, EmmMessage::ServiceReject(ServiceReject::new(cause))),
        _ => {
            drop_connection(from, "unreadable first message", out);
            return;
        }
    };
    reject_plain(from, procedure, message, out);
}
