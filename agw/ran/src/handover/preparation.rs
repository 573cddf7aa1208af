//! Handover preparation and resource allocation (TS 36.413 §8.4.1, §8.4.2), and its cancellation (§8.4.5).

use super::{Handover, Request, Stage};
use crate::cause::from_s1ap;
use crate::connection::{Bearers, Connection, Context, reachable, transport_address};
use crate::context::{answered, erab, ue_ambr};
use crate::{Cx, Guard, Ran};
use agw_types::{
    Area, BearerEndpoint, ForwardingTunnels, HandoverSetup, LinkId, Metric, Outcome, Procedure, RadioEventKind,
    RadioId, UeId,
};
use basalt_ids::{EnbUeS1apId, MmeUeS1apId, Tai};
use basalt_s1ap::{
    Cause, DirectForwardingPath, ErabAdmitted, ErabForwarding, ErabItem, ErabTunnel, ForwardingTunnels as Tunnels,
    HandoverCancel, HandoverCancelAcknowledge, HandoverCommand, HandoverFailure, HandoverPreparationFailure,
    HandoverRequest, HandoverRequestAcknowledge, HandoverRequired, HandoverType, MiscCause, RadioNetworkCause,
    SecurityContext, SecurityKey, TargetId, UeSecurityCapabilities,
};
use core::net::IpAddr;
use serde::Serialize;

/// What the target has admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Admitted {
    container: Vec<u8>,
    /// Where data is forwarded directly.
    direct: Vec<ErabForwarding>,
    refused: Vec<ErabItem>,
}

/// The base station's id of a target connection that it has not given one.
const NO_ID: EnbUeS1apId = match EnbUeS1apId::new(0) {
    Ok(id) => id,
    Err(_) => unreachable!(),
};

impl Ran {
    /// HANDOVER REQUIRED.
    pub(crate) fn handover_required(&mut self, radio: RadioId, message: HandoverRequired, cx: &mut Cx<'_>) {
        let (mme, enb) = (message.mme_ue_id, message.enb_ue_id);
        match self.may_hand_over(radio, &message, cx) {
            Ok((ue, link, tai)) => {
                let Some(connection) = self.active(radio) else { return };
                let cell = connection.area.cell;
                let direct = message.direct_forwarding_path == Some(DirectForwardingPath::Available);
                let area = Area { tai, cell };
                let request = Request { cause: message.cause, container: message.container, direct, area };
                let handover = Handover {
                    ue,
                    link,
                    target: None,
                    stage: Stage::Asked,
                    asked: Bearers::default(),
                    orphaned: false,
                    request,
                    held: Vec::new(),
                };
                self.handovers.insert(radio, handover);
                self.guards.arm(Guard::Handover(radio), cx.now.mono + cx.config.timers.radio);
                cx.event(radio, Some(ue), RadioEventKind::HandoverRequired);
            }
            Err(cause) => {
                cx.count(Metric::Procedure { procedure: Procedure::Handover, outcome: Outcome::Failure });
                let Some(connection) = self.active(radio) else { return };
                let (link, stream) = (connection.link, connection.stream);
                cx.send(link, stream, HandoverPreparationFailure::new(mme, enb, cause));
            }
        }
    }

    /// Whether a UE may go where its base station wants it to: the UE has a context and nothing of the kind runs, and the target is an
    /// eNodeB of ours that serves the area.
    fn may_hand_over(
        &mut self,
        radio: RadioId,
        message: &HandoverRequired,
        cx: &Cx<'_>,
    ) -> Result<(UeId, LinkId, Tai), Cause> {
        let not = |cause: RadioNetworkCause| Cause::RadioNetwork(cause);
        let Some(connection) = self.active(radio) else { return Err(not(RadioNetworkCause::UnknownMmeUeS1apId)) };
        let (Some(ue), Context::Established) = (connection.ue, connection.context) else {
            return Err(not(RadioNetworkCause::HandoverTargetNotAllowed));
        };
        if self.handovers.contains_key(&radio) {
            return Err(not(RadioNetworkCause::InteractionWithOtherProcedure));
        }
        let TargetId::Enb(target) = &message.target_id else {
            return Err(not(RadioNetworkCause::UnknownTargetId));
        };
        if message.handover_type != HandoverType::Intralte {
            return Err(not(RadioNetworkCause::HandoverTargetNotAllowed));
        }
        let link = self.by_enb.get(&target.global_enb_id).copied();
        let link = link.ok_or(not(RadioNetworkCause::UnknownTargetId))?;
        let ready = self.links.get(&link).and_then(|link| link.ready());
        let tai = target.selected_tai;
        let serves = ready.is_some_and(|enb| enb.areas.contains(&tai)) && cx.config.areas.contains(&tai);
        if serves { Ok((ue, link, tai)) } else { Err(not(RadioNetworkCause::HandoverTargetNotAllowed)) }
    }

    /// The UE cannot be handed over.
    pub(crate) fn refuse_handover(&mut self, radio: RadioId, cx: &mut Cx<'_>) {
        let cause = Cause::RadioNetwork(RadioNetworkCause::HandoverTargetNotAllowed);
        self.handover_failed(radio, Outcome::Failure, cause, cx);
    }

    /// HANDOVER REQUEST.
    pub(crate) fn request_handover(&mut self, radio: RadioId, setup: HandoverSetup, cx: &mut Cx<'_>) {
        let Some(handover) = self.handovers.get(&radio).filter(|handover| handover.stage == Stage::Asked) else {
            return;
        };
        let (link, area) = (handover.link, handover.request.area);
        let full = self.connections.len() >= self.limits.connections as usize;
        let stream = self.links.get_mut(&link).map_or(0, |link| link.next_stream());
        let asked: Bearers = setup.bearers.iter().map(|bearer| bearer.ebi).collect();
        let connection = Connection {
            nameless: true,
            context: Context::Arriving,
            asked,
            ..Connection::new(link, NO_ID, stream, area)
        };
        let Some(target) = (if full { None } else { self.open(connection) }) else {
            let cause = Cause::Misc(MiscCause::ControlProcessingOverload);
            self.handover_failed(radio, Outcome::Failure, cause, cx);
            return;
        };
        let Some(handover) = self.handovers.get_mut(&radio) else { return };
        handover.target = Some(target);
        handover.stage = Stage::Requested;
        handover.asked = asked;
        let HandoverSetup { ncc, next_hop, encryption_algorithms, integrity_algorithms, ambr, bearers } = setup;
        let cause = handover.request.cause.unwrap_or(Cause::RadioNetwork(RadioNetworkCause::Unspecified));
        let request = HandoverRequest::new(
            MmeUeS1apId(target.0.0),
            HandoverType::Intralte,
            cause,
            ue_ambr(ambr),
            bearers.into_iter().map(erab).collect(),
            handover.request.container.clone(),
            UeSecurityCapabilities { encryption: encryption_algorithms, integrity: integrity_algorithms },
            SecurityContext { next_hop_chaining_count: ncc & 7, next_hop: SecurityKey(*next_hop.expose()) },
        );
        cx.send(link, stream, request);
    }

    /// HANDOVER REQUEST ACKNOWLEDGE: the target's first message about the UE.
    pub(crate) fn handover_acknowledged(
        &mut self,
        target: RadioId,
        message: HandoverRequestAcknowledge,
        cx: &mut Cx<'_>,
    ) {
        let Some(source) = self.awaited(target) else {
            cx.count(Metric::Unexpected(HandoverRequestAcknowledge::NAME));
            return;
        };
        let failed = Cause::RadioNetwork(RadioNetworkCause::HandoverFailureInTarget);
        let Some((link, enb_id)) = self.connections.get(target.0).map(|c| c.link).zip(message.enb_ue_id) else {
            self.handover_failed(source, Outcome::PeerRefused, failed, cx);
            return;
        };
        if self.by_enb_id(link, enb_id).is_some() {
            cx.protocol_error(link, "HandoverRequestAcknowledge", "an id of another phone was given".to_owned());
            self.handover_failed(source, Outcome::PeerRefused, failed, cx);
            return;
        }
        let ours = cx.config.user_plane;
        let Some(connection) = self.connections.get_mut(target.0) else { return };
        let asked = core::mem::take(&mut connection.asked);
        let tunnels: Vec<ErabTunnel> = message.admitted.iter().map(tunnel).collect();
        let answer = answered(asked, &tunnels, &message.failed_erabs, ours);
        connection.enb_id = enb_id;
        connection.nameless = false;
        connection.bearers = answer.established.iter().map(|bearer| bearer.ebi).collect();
        if let Some(state) = self.links.get_mut(&link) {
            state.connections.insert(enb_id.value(), target);
        }
        if answer.established.is_empty() {
            self.handover_failed(source, Outcome::PeerRefused, failed, cx);
            return;
        }
        let told = |ebi| message.failed_erabs.iter().find(|item| item.ebi == ebi).map(|item| item.cause);
        let refused = answer.failed.iter().map(|item| ErabItem::new(item.ebi, told(item.ebi).unwrap_or(failed)));
        let refused = refused.collect();
        self.arrivals.insert(target, answer.established);
        let Some(connection) = self.connections.get(target.0) else { return };
        let admitted = message.admitted.iter().filter(|erab| connection.bearers.contains(erab.ebi));
        let admitted: Vec<&ErabAdmitted> = admitted.collect();
        let Some(handover) = self.handovers.get_mut(&source) else { return };
        let (direct, indirect) = forwarding(&admitted, handover.request.direct, ours);
        let ue = handover.ue;
        let stage = Admitted { container: message.container, direct, refused };
        handover.stage = Stage::Admitted(Box::new(stage));
        if indirect.is_empty() {
            self.command_handover(source, &[], cx);
        } else {
            cx.event(source, Some(ue), RadioEventKind::HandoverAdmitted { tunnels: indirect });
        }
    }

    /// The source of a handover whose target has been asked and has not answered.
    fn awaited(&self, target: RadioId) -> Option<RadioId> {
        let source = self.handover_to(target)?;
        self.handovers.get(&source).is_some_and(|handover| handover.stage == Stage::Requested).then_some(source)
    }

    /// HANDOVER FAILURE, or an answer that cannot be read.
    pub(crate) fn handover_refused(&mut self, target: RadioId, cause: Option<Cause>, cx: &mut Cx<'_>) {
        let Some(source) = self.awaited(target) else {
            cx.count(Metric::Unexpected(HandoverFailure::NAME));
            return;
        };
        // The base station has allocated nothing: there is nothing to release (§8.4.2.3).
        if let Some(handover) = self.handovers.get_mut(&source) {
            handover.target = None;
        }
        self.connections.remove(target.0);
        let cause = cause.unwrap_or(Cause::RadioNetwork(RadioNetworkCause::HandoverFailureInTarget));
        self.handover_failed(source, Outcome::PeerRefused, cause, cx);
    }

    /// HANDOVER COMMAND, with the gateway's tunnels where it forwards.
    pub(crate) fn command_handover(&mut self, source: RadioId, tunnels: &[ForwardingTunnels], cx: &mut Cx<'_>) {
        let Some(handover) = self.handovers.get_mut(&source) else { return };
        let Stage::Admitted(admitted) = &handover.stage else { return };
        let Admitted { container, mut direct, refused } = (**admitted).clone();
        handover.stage = Stage::Commanded;
        direct.extend(tunnels.iter().map(|tunnels| ErabForwarding::new(tunnels.ebi, told(tunnels))));
        let Some(connection) = self.active(source) else { return };
        let (link, stream) = (connection.link, connection.stream);
        let mut command =
            HandoverCommand::new(MmeUeS1apId(source.0.0), connection.enb_id, HandoverType::Intralte, container);
        command.forwarding = direct;
        command.to_be_released = refused;
        self.guards.arm(Guard::Handover(source), cx.now.mono + cx.config.timers.radio);
        cx.send(link, stream, command);
    }

    /// HANDOVER CANCEL: acknowledged whatever there is to cancel (§8.4.5.2).
    pub(crate) fn handover_cancelled(&mut self, radio: RadioId, message: &HandoverCancel, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        let (link, stream) = (connection.link, connection.stream);
        let acknowledge = HandoverCancelAcknowledge::new(message.mme_ue_id, message.enb_ue_id);
        if self.handovers.contains_key(&radio) {
            let cause = Cause::RadioNetwork(RadioNetworkCause::HandoverCancelled);
            self.handover_failed(radio, Outcome::Superseded, cause, cx);
        } else {
            cx.count(Metric::Unexpected(HandoverCancel::NAME));
        }
        cx.send(link, stream, acknowledge);
    }

    /// The target asks for the end of a connection whose UE has not come: the handover failed there.
    pub(crate) fn target_gave_up(&mut self, target: RadioId, cause: Option<Cause>, cx: &mut Cx<'_>) {
        match self.handover_to(target) {
            Some(source) => {
                let cause = cause.unwrap_or(Cause::RadioNetwork(RadioNetworkCause::HandoverFailureInTarget));
                self.handover_failed(source, Outcome::PeerRefused, cause, cx);
            }
            None => self.release(target, from_s1ap(cause), cx),
        }
    }

    /// The target's endpoints of the bearers that it has admitted.
    pub(super) fn take_arrival(&mut self, target: RadioId) -> Vec<BearerEndpoint> {
        self.arrivals.remove(&target).unwrap_or_default()
    }
}

fn tunnel(erab: &ErabAdmitted) -> ErabTunnel {
    ErabTunnel { ebi: erab.ebi, address: erab.address, teid: erab.teid, extensions: Vec::new() }
}

/// Where the data of admitted bearers is forwarded: directly to the target, or (the target's tunnels) by the gateway.
fn forwarding(admitted: &[&ErabAdmitted], direct: bool, ours: IpAddr) -> (Vec<ErabForwarding>, Vec<ForwardingTunnels>) {
    let wanted = admitted.iter().filter(|erab| erab.forwarding != Tunnels::default());
    if direct {
        return (wanted.map(|erab| ErabForwarding::new(erab.ebi, erab.forwarding)).collect(), Vec::new());
    }
    let reach = |end: Option<(basalt_s1ap::TransportAddress, basalt_ids::Teid)>| {
        end.and_then(|(address, teid)| Some((reachable(address, ours)?, teid)))
    };
    let indirect = wanted.map(|erab| ForwardingTunnels {
        ebi: erab.ebi,
        downlink: reach(erab.forwarding.downlink()),
        uplink: reach(erab.forwarding.uplink()),
    });
    (Vec::new(), indirect.filter(|tunnels| tunnels.downlink.or(tunnels.uplink).is_some()).collect())
}

/// The gateway's tunnels as the source is told of them.
fn told(tunnels: &ForwardingTunnels) -> Tunnels {
    let (downlink, uplink) = (tunnels.downlink, tunnels.uplink);
    Tunnels {
        downlink_address: downlink.map(|(address, _)| transport_address(address)),
        downlink_teid: downlink.map(|(_, teid)| teid),
        uplink_address: uplink.map(|(address, _)| transport_address(address)),
        uplink_teid: uplink.map(|(_, teid)| teid),
    }
}
