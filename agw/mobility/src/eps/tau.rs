//! Tracking area update (TS 24.301 §5.5.3): normal, periodic, combined (taken as EPS only), with or without active flag.
//!
//! ```text
//!   UE                                     MME                       other rooms
//!    │ TRACKING AREA UPDATE REQUEST         │
//!    ├─────────────────────────────────────►│  valid MAC by stored keys, else proof or #9
//!    │                                      ├─ Synchronise, Resume ─► session
//!    │                                      │  new GUTI; Save before anything leaves
//!    │ TRACKING AREA UPDATE ACCEPT          │  with the context, when bearers are wanted
//!    │◄─────────────────────────────────────┤  T3450
//!    │ TRACKING AREA UPDATE COMPLETE        │
//!    ├─────────────────────────────────────►│  old GUTI gone; Save; the connection ends unless it is needed
//! ```

use super::{attach, detach, equivalent_plmns, guti, paging, registration_area, release, service, settled, tai_list};
use crate::collision::{Arriving, Resolution, resolve};
use crate::common::TRANSMISSIONS;
use crate::cx::{Cx, Refusal};
use crate::generation::octets;
use crate::line::protect;
use crate::ue::{Emm, Task, Ue};
use agw_types::{
    Ambr, BearerEndpoint, BearerFailure, BearerSetup, Metric, Outcome, Procedure, RadioCause, RadioCommand, RadioId,
    SessionRequest, TimerName,
};
use basalt_ids::Ebi;
use basalt_nas::EmmMessage;
use basalt_nas::emm::{TrackingAreaUpdateAccept, TrackingAreaUpdateReject, TrackingAreaUpdateRequest};
use basalt_nas::ie::{EmmCause, EpsBearerContextStatus, EpsNetworkFeatureSupport, GprsTimer, TauKind, TauResult};
use basalt_sansio::Time;
use basalt_security::Protection;

/// An update that runs.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    /// As it came, to tell a repetition from another request.
    pub(crate) request: TrackingAreaUpdateRequest,
    started: Time,
    then: Option<Box<detach::Wish>>,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    /// The session room was asked which bearers there are.
    Bearers,
    /// TRACKING AREA UPDATE ACCEPT is out.
    Accepted {
        /// The plain message, to be sent again.
        accept: Box<TrackingAreaUpdateAccept>,
        sent: u8,
        /// The base station's context: `None` when none is wanted, else whether it is there.
        context: Option<bool>,
        /// The UE has confirmed.
        confirmed: bool,
    },
}

impl Update {
    /// TRACKING AREA UPDATE ACCEPT was sent.
    pub(crate) const fn accepted(&self) -> bool {
        matches!(self.step, Step::Accepted { .. })
    }
}

/// A trusted UE updates over `radio`; `same_connection` when it is the one it has.
pub(crate) fn requested(
    ue: &mut Ue,
    request: TrackingAreaUpdateRequest,
    radio: RadioId,
    uplink_count: u32,
    cx: &mut Cx<'_>,
) {
    let same_connection = ue.connection.as_ref().is_some_and(|connection| connection.radio == radio);
    let same = same_connection
        && matches!(&ue.emm, Emm::Registered(Some(Task::Updating(update))) if update.request == request);
    let mut then = None;
    match resolve(ue.running(), if same { Arriving::SameUpdate } else { Arriving::Update }) {
        Resolution::Continue => {
            if !same_connection {
                cx.radio(RadioCommand::Release { radio, cause: RadioCause::NormalRelease });
            }
            return;
        }
        Resolution::Resend if matches!(ue.emm, Emm::Leaving(_)) => {
            ue.connect(radio, cx.id, uplink_count, cx);
            detach::resend(ue, cx);
            return;
        }
        Resolution::Resend => {
            resend(ue, cx);
            return;
        }
        Resolution::Complete => attach::complete_implicitly(ue, cx),
        Resolution::Progress => {
            let paged = matches!(ue.emm, Emm::Registered(Some(Task::Paging(_))));
            then = paging::answered(ue, cx);
            // The update crossed the page, or answers it: packets wait, flag or not (TS 23.401 §5.3.3.1).
            ue.called |= paged;
            release::abort_running(ue, Some(Outcome::Superseded), cx);
        }
    }
    // K_eNB comes from the count of the request that brings the bearers (TS 33.401 §7.2.6.2).
    ue.connect(radio, cx.id, uplink_count, cx);
    if !ue.is_registered() {
        reject(ue, EmmCause::ImplicitlyDetached, "the phone was detached meanwhile", cx);
        return;
    }
    begin(ue, request, then, cx);
}

/// Goes through with the update of a registered UE whose connection is in place.
pub(crate) fn begin(ue: &mut Ue, request: TrackingAreaUpdateRequest, then: Option<Box<detach::Wish>>, cx: &mut Cx<'_>) {
    for timer in [TimerName::MobileReachable, TimerName::ImplicitDetach] {
        cx.stop(timer);
    }
    if !cx.config.areas.contains(&ue.area.tai) {
        reject(ue, EmmCause::NoSuitableCellsInTrackingArea, "the phone's tracking area is not served here", cx);
        return;
    }
    let foreign = ue.imsi.is_some_and(|imsi| !cx.config.plmns.iter().any(|plmn| imsi.belongs_to(*plmn)));
    if cx.config.regional && foreign && !ue.areas.contains(&ue.area.tai) {
        // Whether its home network has it served there is asked at an attach, which this cause brings (§5.5.3.2.5).
        reject(ue, EmmCause::ImplicitlyDetached, "a visitor goes to an area that it was not given", cx);
        detach::finish(ue, "it attaches anew in another area", cx);
        return;
    }
    learn(ue, &request);
    if let Some(status) = request.bearer_status {
        cx.session(SessionRequest::Synchronise { ue: cx.id, active: status.0 });
    }
    cx.arm(TimerName::Procedure, cx.config.timers.procedure);
    cx.session(SessionRequest::Resume { ue: cx.id });
    let update = Update { request, started: cx.now.mono, then, step: Step::Bearers };
    ue.emm = Emm::Registered(Some(Task::Updating(Box::new(update))));
}

/// Takes over what the UE says about itself.
fn learn(ue: &mut Ue, request: &TrackingAreaUpdateRequest) {
    if let Some(network) = request.ue_network_capability {
        ue.capability.network = network;
    }
    if let Some(ms) = request.ms_network_capability {
        ue.capability.ms = Some(ms);
    }
    if let Some(additional) = request.ue_additional_security_capability {
        ue.capability.additional = Some(additional);
    }
    if let Some(drx) = request.drx {
        ue.drx = attach::drx_frames(drx.0);
    }
    if request.radio_capability_update.is_some_and(|needed| needed.0) {
        ue.radio_capability = None;
    }
}

/// The session room says which bearers there are.
pub(crate) fn bearers(ue: &mut Ue, mut bearers: Vec<BearerSetup>, kept: &[Ebi], ambr: Ambr, cx: &mut Cx<'_>) {
    // A bearer that the UE is just being given belongs to it: what the status does not tell, the UE ends without a word (§5.5.3.2.4).
    let status: EpsBearerContextStatus = kept.iter().copied().collect();
    let Emm::Registered(Some(Task::Updating(update))) = &mut ue.emm else { return };
    match &mut update.step {
        Step::Bearers => {}
        Step::Accepted { accept, .. } => {
            // Sent again: bearers may have come and gone since the first time.
            accept.bearer_status = Some(status);
            let again = encoded(accept);
            ue.send_octets(again, cx);
            return;
        }
    }
    let Emm::Registered(Some(Task::Updating(update))) = &ue.emm else { return };
    if bearers.is_empty() {
        reject(ue, EmmCause::ImplicitlyDetached, "the phone has no session any more", cx);
        detach::finish(ue, "no session was left", cx);
        return;
    }
    // Bearers are wanted by the flag, for packets that wait, and where the UE is to be detached anyway.
    let wanted = update.request.update_type.active || update.then.is_some() || ue.called;
    let has_context = ue.connection.as_ref().is_some_and(|connection| connection.access_keys.is_some());
    let request_kind = update.request.update_type.kind;
    ue.areas = registration_area(cx.config, ue.area.tai);
    let guti = guti::allocate(ue, cx);
    let accept = accept(ue, guti, request_kind, status, cx);
    cx.save();
    let context = (wanted && !has_context).then_some(false);
    if context.is_some() {
        let Some(keys) = ue.keys.as_deref_mut() else { return };
        if let (Some(first), Some(nas)) =
            (bearers.first_mut(), protect(keys, Protection::IntegrityCiphered, &encoded(&accept), cx))
        {
            first.nas = Some(nas);
        }
        service::setup_context(ue, bearers, ambr, cx);
    } else {
        ue.send_octets(encoded(&accept), cx);
    }
    cx.arm(TimerName::T3450, cx.config.timers.t3450);
    if let Emm::Registered(Some(Task::Updating(update))) = &mut ue.emm {
        update.step = Step::Accepted { accept: Box::new(accept), sent: 1, context, confirmed: false };
    }
}

/// TRACKING AREA UPDATE ACCEPT.
fn accept(
    ue: &Ue,
    guti: basalt_ids::Guti,
    kind: TauKind,
    status: EpsBearerContextStatus,
    cx: &Cx<'_>,
) -> TrackingAreaUpdateAccept {
    let timers = &cx.config.timers;
    let mut accept = TrackingAreaUpdateAccept::new(TauResult::TaUpdated);
    accept.t3412 = Some(GprsTimer::at_least(timers.t3412));
    accept.guti = Some(guti);
    accept.tai_list = Some(tai_list(&ue.areas));
    accept.bearer_status = Some(status);
    accept.t3402 = Some(GprsTimer::at_least(timers.t3402));
    accept.equivalent_plmns = equivalent_plmns(cx.config, ue.area.tai.plmn);
    accept.network_features = Some(EpsNetworkFeatureSupport::default());
    if matches!(kind, TauKind::CombinedTaLa | TauKind::CombinedTaLaWithImsiAttach) {
        // §5.5.3.3.4.3: updated for EPS services only, and why.
        accept.cause = Some(EmmCause::CsDomainNotAvailable);
    }
    accept
}

fn encoded(accept: &TrackingAreaUpdateAccept) -> Vec<u8> {
    octets(EmmMessage::TrackingAreaUpdateAccept(accept.clone()))
}

/// The base station has set the context up.
pub(crate) fn context_ready(ue: &mut Ue, established: Vec<BearerEndpoint>, failed: &[BearerFailure], cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Updating(update))) = &mut ue.emm else { return };
    let Step::Accepted { context: Some(ready), .. } = &mut update.step else { return };
    *ready = true;
    if established.is_empty() {
        context_failed(ue, cx);
        return;
    }
    service::connected(ue, established, failed, cx);
    finish_if_done(ue, cx);
}

/// The base station could not set the context up: the accept did not reach the UE, which tries again.
pub(crate) fn context_failed(ue: &mut Ue, cx: &mut Cx<'_>) {
    cx.ended(Procedure::InitialContextSetup, Outcome::PeerRefused);
    cx.ended(Procedure::TrackingAreaUpdate, Outcome::PeerRefused);
    release::disconnect(ue, RadioCause::NasUnspecified, cx);
}

/// TRACKING AREA UPDATE COMPLETE.
pub(crate) fn complete(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Updating(update))) = &mut ue.emm else {
        cx.count(Metric::Unexpected("TRACKING AREA UPDATE COMPLETE"));
        return;
    };
    let Step::Accepted { confirmed, .. } = &mut update.step else {
        cx.count(Metric::Unexpected("TRACKING AREA UPDATE COMPLETE"));
        return;
    };
    *confirmed = true;
    cx.stop(TimerName::T3450);
    guti::confirm_pending(ue, cx);
    cx.save();
    finish_if_done(ue, cx);
}

/// The UE acts as updated although its TRACKING AREA UPDATE COMPLETE was not seen.
pub(crate) fn complete_implicitly(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Updating(update))) = &ue.emm else { return };
    let started = update.started;
    for timer in [TimerName::T3450, TimerName::RadioSetup, TimerName::Procedure] {
        cx.stop(timer);
    }
    cx.succeeded(Procedure::TrackingAreaUpdate, started);
    ue.emm = Emm::Registered(None);
}

/// Over, once the UE has confirmed and the context that was wanted is there.
fn finish_if_done(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Updating(update))) = &mut ue.emm else { return };
    let Step::Accepted { context, confirmed, .. } = update.step else { return };
    if !confirmed || context == Some(false) {
        return;
    }
    let (started, then) = (update.started, update.then.take());
    let keep = update.request.additional_update_type.is_some_and(|kind| kind.keep_signalling);
    cx.stop(TimerName::Procedure);
    cx.succeeded(Procedure::TrackingAreaUpdate, started);
    ue.emm = Emm::Registered(None);
    if let Some(wish) = then {
        detach::start(ue, *wish, cx);
        return;
    }
    settled(ue, cx);
    let has_context = ue.connection.as_ref().is_some_and(|connection| connection.access_keys.is_some());
    if !matches!(ue.emm, Emm::Registered(None)) || has_context {
        return;
    }
    if ue.called {
        // Packets came meanwhile: the bearers are set up over the connection there is (TS 33.401 §7.2.6.2).
        service::serve(ue, None, cx);
    } else if !keep {
        // Nothing is left to say (TS 23.401 §5.3.3.1).
        release::disconnect(ue, RadioCause::NormalRelease, cx);
    }
}

/// T3450: the accept is sent again, or given up with both identities valid (§5.5.3.2.7 c).
pub(crate) fn t3450(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Updating(update))) = &mut ue.emm else { return };
    let Step::Accepted { sent, .. } = &mut update.step else { return };
    if *sent >= TRANSMISSIONS {
        cx.ended(Procedure::TrackingAreaUpdate, Outcome::Timeout);
        release::disconnect(ue, RadioCause::NasUnspecified, cx);
        return;
    }
    *sent += 1;
    cx.count(Metric::Retransmitted("TRACKING AREA UPDATE ACCEPT"));
    resend(ue, cx);
}

/// Sends the accept again, by itself. Before the base station has the context it still carries the first one.
fn resend(ue: &mut Ue, cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Updating(update))) = &ue.emm else { return };
    let Step::Accepted { context, .. } = &update.step else { return };
    cx.arm(TimerName::T3450, cx.config.timers.t3450);
    if *context != Some(false) {
        // The answer says what its bearer status is to be now.
        cx.session(SessionRequest::Resume { ue: cx.id });
    }
}

/// TRACKING AREA UPDATE REJECT, and the connection ends.
pub(crate) fn reject(ue: &mut Ue, cause: EmmCause, reason: &str, cx: &mut Cx<'_>) {
    ue.send(EmmMessage::TrackingAreaUpdateReject(TrackingAreaUpdateReject::new(cause)), cx);
    cx.rejected(Refusal {
        imsi: ue.imsi,
        procedure: Procedure::TrackingAreaUpdate,
        emm_cause: Some(cause),
        esm_cause: None,
        reason: reason.to_owned(),
    });
    release::abort_running(ue, None, cx);
    release::disconnect(ue, RadioCause::NormalRelease, cx);
}
