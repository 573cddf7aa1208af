//! Initial Context Setup (TS 36.413 §8.3.1) and UE Context Modification (§8.3.4).
//!
//! ```text
//!   eNB                                          MME
//!    │ INITIAL CONTEXT SETUP REQUEST              │
//!    │◄───────────────────────────────────────────┤  ◄─ SetupContext: K_eNB, bearers, capability
//!    │ INITIAL CONTEXT SETUP RESPONSE             │
//!    ├───────────────────────────────────────────►│  ─► BearersReady (initial)
//!    │ or INITIAL CONTEXT SETUP FAILURE           │
//!    ├───────────────────────────────────────────►│  ─► ContextFailed
//!
//!    │ UE CONTEXT MODIFICATION REQUEST            │
//!    │◄───────────────────────────────────────────┤  ◄─ ModifyContext: a new aggregate rate
//!    │ UE CONTEXT MODIFICATION RESPONSE or FAILURE│
//!    ├───────────────────────────────────────────►│
//! ```

use crate::cause::from_s1ap;
use crate::connection::{Bearers, Context, endpoint, transport_address};
use crate::{Cx, Ran};
use agw_types::{
    Ambr, BearerEndpoint, BearerFailure, BearerQos, BearerRates, BearerSetup, ContextSetup, Metric, Outcome, Procedure,
    RadioCause, RadioEventKind, RadioId,
};
use basalt_ids::MmeUeS1apId;
use basalt_s1ap::{
    Arp, ErabItem, ErabQos, ErabToBeSetup, ErabTunnel, GbrQos, InitialContextSetupFailure, InitialContextSetupRequest,
    InitialContextSetupResponse, SecurityKey, UeAmbr, UeContextModificationRequest, UeSecurityCapabilities,
};
use core::net::IpAddr;

impl Ran {
    /// INITIAL CONTEXT SETUP REQUEST.
    pub(crate) fn setup_context(&mut self, radio: RadioId, context: ContextSetup, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        connection.context = Context::Requested;
        connection.asked = context.bearers.iter().map(|bearer| bearer.ebi).collect();
        let mut request = InitialContextSetupRequest::new(
            MmeUeS1apId(radio.0.0),
            connection.enb_id,
            ue_ambr(context.ambr),
            context.bearers.into_iter().map(erab).collect(),
            UeSecurityCapabilities {
                encryption: context.encryption_algorithms,
                integrity: context.integrity_algorithms,
            },
            SecurityKey(*context.key.expose()),
        );
        request.ue_radio_capability = context.capability;
        let (link, stream) = (connection.link, connection.stream);
        cx.send(link, stream, request);
    }

    /// INITIAL CONTEXT SETUP RESPONSE.
    pub(crate) fn context_ready(&mut self, radio: RadioId, message: InitialContextSetupResponse, cx: &mut Cx<'_>) {
        let ours = cx.config.user_plane;
        let Some(connection) = self.active(radio) else { return };
        if connection.context != Context::Requested {
            cx.count(Metric::Unexpected("InitialContextSetupResponse"));
            return;
        }
        connection.context = Context::Established;
        let asked = core::mem::take(&mut connection.asked);
        let answer = answered(asked, &message.erabs, &message.failed_erabs, ours);
        connection.bearers = answer.established.iter().map(|bearer| bearer.ebi).collect();
        let kind =
            RadioEventKind::BearersReady { initial: true, established: answer.established, failed: answer.failed };
        let deferred = connection.deferred.take();
        cx.event(radio, connection.ue, kind);
        if let Some(deferred) = deferred {
            self.setup_bearers(radio, deferred.ambr, deferred.bearers, cx);
        }
    }

    /// INITIAL CONTEXT SETUP FAILURE.
    pub(crate) fn context_failed(&mut self, radio: RadioId, message: &InitialContextSetupFailure, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        if connection.context != Context::Requested {
            cx.count(Metric::Unexpected("InitialContextSetupFailure"));
            return;
        }
        connection.context = Context::None;
        connection.asked = Bearers::default();
        connection.deferred = None;
        cx.event(radio, connection.ue, RadioEventKind::ContextFailed { cause: from_s1ap(message.cause) });
    }

    /// UE CONTEXT MODIFICATION REQUEST: a new aggregate rate.
    pub(crate) fn modify_context(&mut self, radio: RadioId, ambr: Ambr, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio).filter(|connection| connection.context == Context::Established)
        else {
            return;
        };
        let mut request = UeContextModificationRequest::new(MmeUeS1apId(radio.0.0), connection.enb_id);
        request.ue_ambr = Some(ue_ambr(ambr));
        let (link, stream) = (connection.link, connection.stream);
        cx.send(link, stream, request);
    }

    /// UE CONTEXT MODIFICATION RESPONSE or FAILURE. A base station that refuses goes on with the old rate: the gateway limits.
    pub(crate) fn context_modified(&mut self, radio: RadioId, outcome: Outcome, cx: &mut Cx<'_>) {
        if self.active(radio).is_some() {
            cx.count(Metric::Procedure { procedure: Procedure::ContextModification, outcome });
        }
    }
}

/// What became of the bearers that were asked for.
pub(crate) struct Answered {
    pub(crate) established: Vec<BearerEndpoint>,
    pub(crate) failed: Vec<BearerFailure>,
}

/// Sorts a base station's answer: what it was not asked for does not count, what it does not mention failed, and so did what
/// it gives no usable address for.
pub(crate) fn answered(asked: Bearers, erabs: &[ErabTunnel], failed: &[ErabItem], ours: IpAddr) -> Answered {
    let mut answer = Answered { established: Vec::new(), failed: Vec::new() };
    let mut open = asked;
    for tunnel in erabs {
        if open.contains(tunnel.ebi) {
            open.remove(tunnel.ebi);
            match endpoint(tunnel, ours) {
                Some(endpoint) => answer.established.push(endpoint),
                None => answer.failed.push(BearerFailure { ebi: tunnel.ebi, cause: RadioCause::TransportResources }),
            }
        }
    }
    for item in failed {
        if open.contains(item.ebi) {
            open.remove(item.ebi);
            answer.failed.push(BearerFailure { ebi: item.ebi, cause: from_s1ap(Some(item.cause)) });
        }
    }
    answer.failed.extend(open.iter().map(|ebi| BearerFailure { ebi, cause: RadioCause::Unspecified }));
    answer
}

/// A bearer as the base station is told of it.
pub(crate) fn erab(bearer: BearerSetup) -> ErabToBeSetup {
    ErabToBeSetup {
        ebi: bearer.ebi,
        qos: erab_qos(bearer.qos, bearer.rates),
        address: transport_address(bearer.address),
        teid: bearer.teid,
        nas_pdu: bearer.nas,
        extensions: Vec::new(),
    }
}

/// The highest rate of a guaranteed bearer that S1AP can say without its extension, bit/s.
const HIGHEST_GUARANTEED: u64 = 10_000_000_000;

/// QoS of a bearer as the base station is told of it.
pub(crate) fn erab_qos(qos: BearerQos, rates: Option<BearerRates>) -> ErabQos {
    let arp =
        Arp { priority_level: qos.arp.priority, may_pre_empt: qos.arp.may_preempt, pre_emptable: qos.arp.preemptable };
    let mut erab = ErabQos::non_gbr(qos.qci, arp);
    erab.gbr = rates.map(|BearerRates { guaranteed, maximum }| GbrQos {
        mbr_downlink: maximum.downlink.min(HIGHEST_GUARANTEED),
        mbr_uplink: maximum.uplink.min(HIGHEST_GUARANTEED),
        gbr_downlink: guaranteed.downlink.min(HIGHEST_GUARANTEED),
        gbr_uplink: guaranteed.uplink.min(HIGHEST_GUARANTEED),
        extensions: Vec::new(),
    });
    erab
}

/// The largest rate that S1AP can say with its extension, bit/s.
const HIGHEST_RATE: u64 = 4_000_000_000_000;

/// An aggregate rate as the base station is told of it.
pub(crate) fn ue_ambr(ambr: Ambr) -> UeAmbr {
    UeAmbr::new(ambr.downlink.min(HIGHEST_RATE), ambr.uplink.min(HIGHEST_RATE))
}
