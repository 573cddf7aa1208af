//! Attach (TS 24.301 §5.5.1).
//!
//! ```text
//!   UE                              MME                        other rooms
//!    │ ATTACH REQUEST                │
//!    ├──────────────────────────────►│  valid MAC by stored keys: known at once
//!    │ ◄── identify, authenticate, ──│  else a claim: nothing of the known UE is touched
//!    │     secure (common/) ───────► │  proven: takes the place of what is known
//!    │                               ├─ Profile ─► subscribers
//!    │                               ├─ Attach ──► session ─► (ESM INFORMATION REQUEST / RESPONSE)
//!    │                               │◄ AttachReady
//!    │                               │  Save(new GUTI, address) before anything leaves
//!    │ ATTACH ACCEPT (with context)  │
//!    │◄──────────────────────────────┤  T3450; the old GUTI stays valid
//!    │                               │◄ BearersReady ─ radio;  ─ Connected ─► session
//!    │ ATTACH COMPLETE               │
//!    ├──────────────────────────────►│  registered; Save
//!    │ EMM INFORMATION               │
//!    │◄──────────────────────────────┤
//! ```

use super::{equivalent_plmns, guti, information, registration_area, release, settled, tai_list};
use crate::common::TRANSMISSIONS;
use crate::cx::{Cx, Refusal};
use crate::generation::{EpsCapability, octets};
use crate::line::protect;
use crate::reject::{cause_for, words_for};
use crate::trust::Verified;
use crate::ue::{Emm, Ue};
use agw_types::{
    Ambr, Answer, AuthFailure, BearerEndpoint, BearerFailure, BearerSetup, ContextSetup, Event, Metric, Outcome,
    Procedure, Profile, Question, RadioCause, RadioCommand, SessionRequest, TimerName, Unavailable,
};
use basalt_ids::Tac;
use basalt_nas::EmmMessage;
use basalt_nas::emm::{AttachAccept, AttachComplete, AttachReject, AttachRequest};
use basalt_nas::ie::{
    AttachResult, AttachType, EmmCause, EpsNetworkFeatureSupport, EsmContainer, GprsTimer, GprsTimer2,
};
use basalt_sansio::Time;
use basalt_security::Protection;

/// An attach of a proven UE.
#[derive(Debug, Clone)]
pub(crate) struct Attach {
    /// As it came, to tell a repetition from another request.
    pub(crate) request: AttachRequest,
    started: Time,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    /// The profile was asked for.
    Profile { asked: u16 },
    /// The session room sets the default bearer up.
    Session {
        profile: Box<Profile>,
        /// Areas in which the subscriber is not served.
        barred: Vec<Tac>,
    },
    /// ATTACH ACCEPT is out.
    Accepted {
        profile: Box<Profile>,
        /// The plain message, to be sent again.
        accept: Vec<u8>,
        sent: u8,
        /// The base station has the context.
        context: bool,
    },
}

impl Attach {
    /// ATTACH ACCEPT was sent.
    pub(crate) const fn accepted(&self) -> bool {
        matches!(self.step, Step::Accepted { .. })
    }

    /// The subscriber's profile, once it is known.
    pub(crate) const fn profile(&self) -> Option<&Profile> {
        match &self.step {
            Step::Profile { .. } => None,
            Step::Session { profile, .. } | Step::Accepted { profile, .. } => Some(profile),
        }
    }

    pub(crate) const fn waiting_for(&self) -> &'static str {
        match &self.step {
            Step::Profile { .. } => "the subscriber's profile",
            Step::Session { .. } => "the session",
            Step::Accepted { context: false, .. } => "the base station's context setup",
            Step::Accepted { context: true, .. } => "the phone's attach complete",
        }
    }
}

/// What the UE says of its algorithms.
pub(crate) fn capability(request: &AttachRequest) -> EpsCapability {
    EpsCapability {
        network: request.ue_network_capability,
        ms: request.ms_network_capability,
        additional: request.ue_additional_security_capability,
    }
}

/// A proven UE attaches. Whatever it had before ends (§5.5.1.2.7 f).
pub(crate) fn begin(ue: &mut Ue, request: AttachRequest, started: Time, cx: &mut Cx<'_>) {
    let Some(imsi) = ue.imsi else { return };
    release::abort_running(ue, Some(Outcome::Superseded), cx);
    cx.session(SessionRequest::Release { ue: cx.id });
    // Its address and tunnel may soon be another's: its record must not have them any more.
    cx.save();
    stop_idle_timers(cx);
    ue.capability = capability(&request);
    ue.drx = request.drx.and_then(|drx| drx_frames(drx.0));
    // TS 23.401 §5.11.2: a UE that attaches is asked for its radio capability again.
    ue.radio_capability = None;
    ue.called = false;
    ue.paging_backoff = false;
    // The whole of it has one guard, the proof before it included.
    let left = cx.config.timers.procedure.saturating_sub(cx.now.mono - started);
    cx.arm(TimerName::Procedure, left);
    let asked = cx.ask(Question::Profile {
        imsi,
        serving: ue.area.tai.plmn,
        area: ue.area.tai.tac,
        attach: true,
        imeisv: ue.imeisv,
    });
    ue.emm = Emm::Attaching(Box::new(Attach { request, started, step: Step::Profile { asked } }));
}

/// Timers of a UE at rest.
fn stop_idle_timers(cx: &mut Cx<'_>) {
    for timer in [TimerName::MobileReachable, TimerName::ImplicitDetach, TimerName::PagingBackoff] {
        cx.stop(timer);
    }
}

/// UE-specific DRX cycle in radio frames (TS 24.008 §10.5.5.6, TS 36.304 §7.1).
pub(crate) const fn drx_frames(octets: [u8; 2]) -> Option<u16> {
    match octets[1] >> 4 {
        6 => Some(32),
        7 => Some(64),
        8 => Some(128),
        9 => Some(256),
        _ => None,
    }
}

/// The subscriber side gave the profile, or (`None`) did not in time.
pub(crate) fn profile(ue: &mut Ue, sequence: Option<u16>, answer: Answer, cx: &mut Cx<'_>) {
    let Emm::Attaching(attach) = &mut ue.emm else { return };
    let Step::Profile { asked } = attach.step else { return };
    if sequence.is_some_and(|sequence| sequence != asked) {
        return;
    }
    cx.stop(TimerName::Question);
    let failure = match answer {
        Answer::Profile(profile, barred) => {
            ue.ambr = profile.ambr;
            let esm = attach.request.esm_container.0.clone();
            attach.step = Step::Session { profile: profile.clone(), barred };
            cx.session(SessionRequest::Attach { ue: cx.id, esm, profile });
            return;
        }
        Answer::NoProfile(failure) => failure,
        Answer::Vector(_) | Answer::NoVector(_) => AuthFailure::Unavailable(Unavailable::Timeout),
    };
    let home = ue.imsi.is_some_and(|imsi| cx.config.plmns.iter().any(|plmn| imsi.belongs_to(*plmn)));
    reject(ue, cause_for(failure, home), words_for(failure).to_owned(), cx);
}

/// The session room has the default bearer ready.
pub(crate) fn session_ready(ue: &mut Ue, esm: Vec<u8>, mut bearer: BearerSetup, ambr: Ambr, cx: &mut Cx<'_>) {
    let Emm::Attaching(attach) = &ue.emm else { return };
    let Step::Session { barred, .. } = &attach.step else { return };
    // Where it is not served it shows itself, and is refused.
    let areas = registration_area(cx.config, ue.area.tai);
    ue.areas = areas.into_iter().filter(|area| !barred.contains(&area.tac)).collect();
    let guti = guti::allocate(ue, cx);
    let accept = accept(ue, guti, esm, cx);
    // The promise of a new identity and an address is kept before it is made.
    cx.save();
    let (Some(keys), Some(connection)) = (ue.keys.as_deref_mut(), ue.connection.as_mut()) else { return };
    let chain = keys.access_keys(connection.uplink_count);
    let Some(nas) = protect(keys, Protection::IntegrityCiphered, &accept, cx) else { return };
    bearer.nas = Some(nas);
    let (encryption_algorithms, integrity_algorithms) = ue.capability.for_radio();
    let context = ContextSetup {
        key: chain.kenb().clone(),
        encryption_algorithms,
        integrity_algorithms,
        ambr,
        bearers: vec![bearer],
        capability: None,
    };
    cx.radio(RadioCommand::SetupContext { radio: connection.radio, context: Box::new(context) });
    connection.access_keys = Some(Box::new(chain));
    cx.arm(TimerName::T3450, cx.config.timers.t3450);
    cx.arm(TimerName::RadioSetup, cx.config.timers.radio);
    let Emm::Attaching(attach) = &mut ue.emm else { return };
    if let Step::Session { profile, .. } = &attach.step {
        attach.step = Step::Accepted { profile: profile.clone(), accept, sent: 1, context: false };
    }
}

/// ATTACH ACCEPT.
fn accept(ue: &Ue, guti: basalt_ids::Guti, esm: Vec<u8>, cx: &Cx<'_>) -> Vec<u8> {
    let timers = &cx.config.timers;
    let mut accept = AttachAccept::new(
        AttachResult::EpsOnly,
        GprsTimer::at_least(timers.t3412),
        tai_list(&ue.areas),
        EsmContainer(esm),
    );
    accept.guti = Some(guti);
    accept.t3402 = Some(GprsTimer::at_least(timers.t3402));
    accept.equivalent_plmns = equivalent_plmns(cx.config, ue.area.tai.plmn);
    accept.network_features = Some(EpsNetworkFeatureSupport::default());
    if let Emm::Attaching(attach) = &ue.emm
        && attach.request.attach_type == AttachType::Combined
    {
        // §5.5.1.3.4.3: attached for EPS services only, and why.
        accept.cause = Some(EmmCause::CsDomainNotAvailable);
    }
    octets(EmmMessage::AttachAccept(accept))
}

/// The base station has set the context up.
pub(crate) fn context_ready(ue: &mut Ue, established: Vec<BearerEndpoint>, failed: &[BearerFailure], cx: &mut Cx<'_>) {
    let Emm::Attaching(attach) = &mut ue.emm else { return };
    let Step::Accepted { context, .. } = &mut attach.step else { return };
    *context = true;
    cx.stop(TimerName::RadioSetup);
    if established.is_empty() {
        context_failed(ue, RadioCause::RadioResources, cx);
        return;
    }
    cx.ended(Procedure::InitialContextSetup, Outcome::Success);
    let failed = failed.to_vec();
    cx.session(SessionRequest::Connected { ue: cx.id, bearers: established, failed, switched: false });
}

/// The base station could not set the context up: the accept did not reach the UE, which tries again (§5.5.1.2.7 a).
pub(crate) fn context_failed(ue: &mut Ue, cause: RadioCause, cx: &mut Cx<'_>) {
    cx.ended(Procedure::InitialContextSetup, Outcome::PeerRefused);
    cx.rejected(Refusal {
        imsi: ue.imsi,
        procedure: Procedure::Attach,
        emm_cause: None,
        esm_cause: None,
        reason: format!("the base station could not set the phone's context up ({cause:?})"),
    });
    release::disconnect(ue, RadioCause::NasUnspecified, cx);
}

/// ATTACH COMPLETE.
pub(crate) fn complete(ue: &mut Ue, complete: Verified<AttachComplete>, cx: &mut Cx<'_>) {
    let Emm::Attaching(attach) = &ue.emm else {
        cx.count(Metric::Unexpected("ATTACH COMPLETE"));
        return;
    };
    let Step::Accepted { profile, .. } = &attach.step else {
        cx.count(Metric::Unexpected("ATTACH COMPLETE"));
        return;
    };
    let (started, profile) = (attach.started, profile.clone());
    registered(ue, started, cx);
    cx.session(SessionRequest::Uplink { ue: cx.id, esm: complete.into_inner().esm_container.0, profile });
    information::send(ue, cx);
    settled(ue, cx);
}

/// The attach is complete: by its message, or because the UE acts as registered already (§5.5.1.2.7 g).
pub(crate) fn registered(ue: &mut Ue, started: Time, cx: &mut Cx<'_>) {
    ue.emm = Emm::Registered(None);
    for timer in [TimerName::T3450, TimerName::Procedure] {
        cx.stop(timer);
    }
    guti::confirm_pending(ue, cx);
    cx.save();
    let micros = cx.succeeded(Procedure::Attach, started);
    if let (Some(imsi), Some(guti)) = (ue.imsi, ue.guti) {
        cx.tell(Event::Attached { imsi, guti, cell: ue.area.cell, micros });
    }
}

/// The UE acts as registered although its ATTACH COMPLETE was lost.
pub(crate) fn complete_implicitly(ue: &mut Ue, cx: &mut Cx<'_>) {
    if let Emm::Attaching(attach) = &ue.emm
        && attach.accepted()
    {
        let started = attach.started;
        cx.stop(TimerName::RadioSetup);
        registered(ue, started, cx);
    }
}

/// T3450: the accept is sent again, or the attach is given up (§5.5.1.2.7 c).
pub(crate) fn t3450(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Attaching(attach) = &mut ue.emm else { return };
    let Step::Accepted { sent, .. } = &mut attach.step else { return };
    if *sent >= TRANSMISSIONS {
        cx.rejected(Refusal {
            imsi: ue.imsi,
            procedure: Procedure::Attach,
            emm_cause: None,
            esm_cause: None,
            reason: "the phone did not confirm the attach (ATTACH COMPLETE) in five attempts".to_owned(),
        });
        release::disconnect(ue, RadioCause::NasUnspecified, cx);
        return;
    }
    *sent += 1;
    cx.count(Metric::Retransmitted("ATTACH ACCEPT"));
    resend(ue, cx);
}

/// Sends ATTACH ACCEPT again, by itself. Before the base station has the context it still carries the first one.
pub(crate) fn resend(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Attaching(attach) = &ue.emm else { return };
    let Step::Accepted { accept, context, .. } = &attach.step else { return };
    cx.arm(TimerName::T3450, cx.config.timers.t3450);
    if *context {
        let accept = accept.clone();
        ue.send_octets(accept, cx);
    }
}

/// Refuses a proven UE's attach: protected, and its keys stay for the next time.
pub(crate) fn reject(ue: &mut Ue, cause: EmmCause, reason: String, cx: &mut Cx<'_>) {
    let message = reject_message(cause, cx);
    ue.send(EmmMessage::AttachReject(message), cx);
    let refusal =
        Refusal { imsi: ue.imsi, procedure: Procedure::Attach, emm_cause: Some(cause), esm_cause: None, reason };
    cx.rejected(refusal);
    release::disconnect(ue, RadioCause::NormalRelease, cx);
}

/// The session room refused the default bearer: EMM cause #19 with its message (§5.5.1.2.5).
pub(crate) fn session_refused(ue: &mut Ue, esm: Vec<u8>, cause: u8, reason: String, cx: &mut Cx<'_>) {
    if !matches!(&ue.emm, Emm::Attaching(attach) if matches!(attach.step, Step::Session { .. })) {
        return;
    }
    let mut message = AttachReject::new(EmmCause::EsmFailure);
    message.esm_container = Some(EsmContainer(esm));
    ue.send(EmmMessage::AttachReject(message), cx);
    cx.rejected(Refusal {
        imsi: ue.imsi,
        procedure: Procedure::Attach,
        emm_cause: Some(EmmCause::EsmFailure),
        esm_cause: Some(cause),
        reason,
    });
    release::disconnect(ue, RadioCause::NormalRelease, cx);
}

/// ATTACH REJECT, with the back-off that belongs to the cause.
pub(crate) fn reject_message(cause: EmmCause, cx: &Cx<'_>) -> AttachReject {
    let mut message = AttachReject::new(cause);
    if cause == EmmCause::Congestion {
        message.t3346 = Some(GprsTimer2::at_least(cx.config.timers.backoff));
    }
    message
}
