//! Service request (TS 24.301 §5.6.1).
//!
//! ```text
//!   UE                              MME                       other rooms
//!    │ SERVICE REQUEST (short MAC)   │
//!    ├──────────────────────────────►│  ─ Resume ─► session
//!    │                               │  K_eNB from the request's NAS COUNT
//!    │        (context at the radio) │
//!    │◄──────────────────────────────┤  SetupContext
//!    │                               │◄ BearersReady;  ─ Connected ─► session; Save
//!    │   or SERVICE REJECT           │
//!    │◄──────────────────────────────┤  #9 when the MAC is wrong or nobody has the identity: nothing else changes
//! ```

use super::{attach, detach, paging, release, settled, tau};
use crate::collision::{Arriving, Resolution, resolve};
use crate::cx::{Cx, Refusal};
use crate::ue::{Emm, Task, Ue};
use agw_types::{
    Ambr, BearerEndpoint, BearerFailure, BearerSetup, ContextSetup, Event, Outcome, Procedure, RadioCause,
    RadioCommand, RadioId, SessionRequest, TimerName,
};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{ExtendedServiceRequest, ServiceReject};
use basalt_nas::ie::{EmmCause, ServiceType};
use basalt_sansio::Time;

/// A service request that runs.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    started: Time,
    /// What is to happen once the UE is connected.
    then: Option<Box<detach::Wish>>,
}

/// A trusted UE asks for service over `radio`; `uplink_count` is that of its request.
pub(crate) fn requested(ue: &mut Ue, radio: RadioId, uplink_count: u32, cx: &mut Cx<'_>) {
    let mut then = None;
    match resolve(ue.running(), Arriving::Service) {
        Resolution::Continue => {
            cx.radio(RadioCommand::Release { radio, cause: RadioCause::NormalRelease });
            return;
        }
        Resolution::Resend => {
            ue.connect(radio, cx.id, uplink_count, cx);
            detach::resend(ue, cx);
            return;
        }
        Resolution::Complete => {
            attach::complete_implicitly(ue, cx);
            tau::complete_implicitly(ue, cx);
        }
        Resolution::Progress => {
            then = paging::answered(ue, cx);
            release::abort_running(ue, Some(Outcome::Superseded), cx);
        }
    }
    if !ue.is_registered() {
        reject_unregistered(ue, radio, cx);
        return;
    }
    ue.connect(radio, cx.id, uplink_count, cx);
    for timer in [TimerName::MobileReachable, TimerName::ImplicitDetach] {
        cx.stop(timer);
    }
    serve(ue, then, cx);
}

/// Brings the bearers of a registered UE up over the connection it has.
pub(crate) fn serve(ue: &mut Ue, then: Option<Box<detach::Wish>>, cx: &mut Cx<'_>) {
    ue.emm = Emm::Registered(Some(Task::Serving(Service { started: cx.now.mono, then })));
    cx.arm(TimerName::RadioSetup, cx.config.timers.radio);
    cx.session(SessionRequest::Resume { ue: cx.id });
}

/// The UE is known but not attached: it has to attach (#10, §5.6.1.5).
fn reject_unregistered(ue: &mut Ue, radio: RadioId, cx: &mut Cx<'_>) {
    ue.connect(radio, cx.id, 0, cx);
    reject(ue, EmmCause::ImplicitlyDetached, "the phone was detached meanwhile", cx);
}

/// SERVICE REJECT, and the connection ends.
pub(crate) fn reject(ue: &mut Ue, cause: EmmCause, reason: &str, cx: &mut Cx<'_>) {
    ue.send(EmmMessage::ServiceReject(ServiceReject::new(cause)), cx);
    cx.rejected(Refusal {
        imsi: ue.imsi,
        procedure: Procedure::ServiceRequest,
        emm_cause: Some(cause),
        esm_cause: None,
        reason: reason.to_owned(),
    });
    release::disconnect(ue, RadioCause::NormalRelease, cx);
}

/// EXTENDED SERVICE REQUEST of a trusted UE over `radio`. Packet services are a service request; CS fallback is not to be had
/// (#18: the UE looks for another network for its call, §5.6.1.5).
pub(crate) fn extended(
    ue: &mut Ue,
    request: &ExtendedServiceRequest,
    radio: RadioId,
    uplink_count: u32,
    cx: &mut Cx<'_>,
) {
    let already_connected =
        ue.connection.as_ref().is_some_and(|connection| connection.radio == radio && connection.access_keys.is_some());
    match request.service_type {
        ServiceType::PacketServicesViaS1 if already_connected => {}
        ServiceType::PacketServicesViaS1 => {
            if let Some(status) = request.bearer_status.filter(|_| ue.is_registered()) {
                cx.session(SessionRequest::Synchronise { ue: cx.id, active: status.0 });
            }
            requested(ue, radio, uplink_count, cx);
        }
        _ => {
            let cause = EmmCause::CsDomainNotAvailable;
            if already_connected {
                ue.send(EmmMessage::ServiceReject(ServiceReject::new(cause)), cx);
                return;
            }
            if ue.is_registered() {
                release::abort_running(ue, Some(Outcome::Superseded), cx);
            }
            ue.connect(radio, cx.id, uplink_count, cx);
            reject(ue, cause, "CS fallback was asked for", cx);
        }
    }
}

/// The session room says which bearers to set up.
pub(crate) fn resume(ue: &mut Ue, bearers: Vec<BearerSetup>, ambr: Ambr, cx: &mut Cx<'_>) {
    if bearers.is_empty() {
        release::abort_running(ue, None, cx);
        ue.send(EmmMessage::ServiceReject(ServiceReject::new(EmmCause::ImplicitlyDetached)), cx);
        cx.rejected(Refusal {
            imsi: ue.imsi,
            procedure: Procedure::ServiceRequest,
            emm_cause: Some(EmmCause::ImplicitlyDetached),
            esm_cause: None,
            reason: "the phone has no session any more".to_owned(),
        });
        detach::finish(ue, "no session was left", cx);
        return;
    }
    setup_context(ue, bearers, ambr, cx);
}

/// Gives the base station the context of a UE that returned.
pub(crate) fn setup_context(ue: &mut Ue, bearers: Vec<BearerSetup>, ambr: Ambr, cx: &mut Cx<'_>) {
    let (Some(keys), Some(connection)) = (ue.keys.as_deref(), ue.connection.as_mut()) else { return };
    let chain = keys.access_keys(connection.uplink_count);
    let (encryption_algorithms, integrity_algorithms) = ue.capability.for_radio();
    let context = ContextSetup {
        key: chain.kenb().clone(),
        encryption_algorithms,
        integrity_algorithms,
        ambr,
        bearers,
        capability: ue.radio_capability.as_ref().map(|octets| octets.to_vec()),
    };
    connection.access_keys = Some(Box::new(chain));
    cx.radio(RadioCommand::SetupContext { radio: connection.radio, context: Box::new(context) });
    cx.arm(TimerName::RadioSetup, cx.config.timers.radio);
}

/// The base station has set the context up.
pub(crate) fn context_ready(ue: &mut Ue, established: Vec<BearerEndpoint>, failed: &[BearerFailure], cx: &mut Cx<'_>) {
    let Emm::Registered(Some(Task::Serving(service))) = &mut ue.emm else { return };
    if established.is_empty() {
        context_failed(ue, cx);
        return;
    }
    let (started, then) = (service.started, service.then.take());
    ue.emm = Emm::Registered(None);
    connected(ue, established, failed, cx);
    cx.succeeded(Procedure::ServiceRequest, started);
    match then {
        Some(wish) => detach::start(ue, *wish, cx),
        None => settled(ue, cx),
    }
}

/// A registered UE is connected: its tunnels go to its base station.
pub(crate) fn connected(ue: &mut Ue, established: Vec<BearerEndpoint>, failed: &[BearerFailure], cx: &mut Cx<'_>) {
    ue.called = false;
    cx.stop(TimerName::RadioSetup);
    cx.ended(Procedure::InitialContextSetup, Outcome::Success);
    let failed = failed.to_vec();
    cx.session(SessionRequest::Connected { ue: cx.id, bearers: established, failed, switched: false });
    cx.save();
    if let Some(imsi) = ue.imsi {
        cx.tell(Event::Connected { imsi, cell: ue.area.cell });
    }
}

/// The base station could not set the context up: the UE stays registered and tries again.
pub(crate) fn context_failed(ue: &mut Ue, cx: &mut Cx<'_>) {
    cx.ended(Procedure::InitialContextSetup, Outcome::PeerRefused);
    cx.ended(Procedure::ServiceRequest, Outcome::PeerRefused);
    release::disconnect(ue, RadioCause::NasUnspecified, cx);
}
