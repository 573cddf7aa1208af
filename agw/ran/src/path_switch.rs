//! Path Switch (TS 36.413 §8.4.4): a UE came to another base station by X2 handover.
//!
//! ```text
//!   target eNB                            MME
//!    │ PATH SWITCH REQUEST                 │
//!    ├────────────────────────────────────►│  the connection moves to this association ─► PathSwitched
//!    │     PATH SWITCH REQUEST ACKNOWLEDGE │
//!    │◄────────────────────────────────────┤  ◄─ AcknowledgePathSwitch: fresh NH and NCC
//!    │   or PATH SWITCH REQUEST FAILURE    │
//!    │◄────────────────────────────────────┤  the connection stays where it is
//! ```
//!
//! The UE's algorithms are those that the gateway stored. A request with others changes nothing; it is told to security staff,
//! and the acknowledgement carries the stored ones (TS 33.401 §7.2.4.2.2).

use crate::connection::{Bearers, Context, endpoint};
use crate::{Cx, Ran};
use agw_types::{Area, BearerEndpoint, LinkId, Metric, Outcome, Procedure, RadioEventKind, RadioId};
use basalt_ids::{Ebi, EnbUeS1apId, MmeUeS1apId};
use basalt_s1ap::{
    Cause, ErabItem, PathSwitchRequest, PathSwitchRequestAcknowledge, PathSwitchRequestFailure, RadioNetworkCause,
    SecurityContext, SecurityKey, TransportCause, UeSecurityCapabilities,
};
use basalt_sansio::SlotId;

/// The bearers of a request: the UE's own, and others.
struct Moved {
    bearers: Vec<BearerEndpoint>,
    unknown: Bearers,
}

impl Ran {
    /// PATH SWITCH REQUEST, the first message of a UE over its new base station.
    pub(crate) fn path_switch(&mut self, link: LinkId, stream: u16, request: &PathSwitchRequest, cx: &mut Cx<'_>) {
        let (mme, enb_ue_id) = (request.source_mme_ue_id, request.enb_ue_id);
        let radio = RadioId(SlotId(mme.0));
        let moved = match self.may_switch(link, radio, request, cx) {
            Ok(moved) => moved,
            Err(cause) => {
                cx.count(Metric::Procedure { procedure: Procedure::PathSwitch, outcome: Outcome::Failure });
                cx.send(link, stream, PathSwitchRequestFailure::new(mme, enb_ue_id, cause));
                return;
            }
        };
        // The UE came by itself: another base station that it was to go to need not wait for it.
        self.abandon_handover(radio, cx);
        let Moved { bearers: moved, unknown } = moved;
        let Some(lost) = self.move_connection(radio, link, enb_ue_id, &moved) else { return };
        let Some(connection) = self.connections.get_mut(radio.0) else { return };
        connection.unknown = unknown;
        connection.area = Area {
            tai: request.tai.unwrap_or(connection.area.tai),
            cell: request.ecgi.unwrap_or(connection.area.cell),
        };
        let (ue, area) = (connection.ue, connection.area);
        let algorithms = request.ue_security_capabilities.map(|offered| (offered.encryption, offered.integrity));
        cx.event(radio, ue, RadioEventKind::PathSwitched { area, bearers: moved, algorithms });
        if !lost.is_empty() {
            cx.event(radio, ue, RadioEventKind::BearersReleased { asked: false, bearers: lost });
        }
    }

    /// Whether a UE may come over: it is known and has a context, and some of the bearers are its own. Those that are not are to be
    /// released again.
    fn may_switch(
        &mut self,
        link: LinkId,
        radio: RadioId,
        request: &PathSwitchRequest,
        cx: &Cx<'_>,
    ) -> Result<Moved, Cause> {
        let unknown = |cause: RadioNetworkCause| Cause::RadioNetwork(cause);
        let taken = self.by_enb_id(link, request.enb_ue_id).is_some_and(|other| other != radio);
        let Some(connection) = self.active(radio) else {
            return Err(unknown(RadioNetworkCause::UnknownMmeUeS1apId));
        };
        if connection.ue.is_none() || connection.context != Context::Established {
            return Err(unknown(RadioNetworkCause::UnknownMmeUeS1apId));
        }
        if taken {
            return Err(unknown(RadioNetworkCause::UnknownEnbUeS1apId));
        }
        let mut seen = Bearers::default();
        let mut moved = Moved { bearers: Vec::new(), unknown: Bearers::default() };
        for tunnel in &request.erabs {
            if seen.contains(tunnel.ebi) {
                return Err(unknown(RadioNetworkCause::MultipleErabIdInstances));
            }
            seen.insert(tunnel.ebi);
            if connection.bearers.contains(tunnel.ebi) {
                let endpoint = endpoint(tunnel, cx.config.user_plane);
                moved.bearers.push(endpoint.ok_or(Cause::Transport(TransportCause::TransportResourceUnavailable))?);
            } else {
                moved.unknown.insert(tunnel.ebi);
            }
        }
        if moved.bearers.is_empty() { Err(unknown(RadioNetworkCause::UnknownErabId)) } else { Ok(moved) }
    }

    /// Puts the connection onto its new association and says which of its bearers did not come along.
    fn move_connection(
        &mut self,
        radio: RadioId,
        link: LinkId,
        enb_id: EnbUeS1apId,
        moved: &[BearerEndpoint],
    ) -> Option<Vec<Ebi>> {
        let stream = self.links.get_mut(&link)?.next_stream();
        let connection = self.connections.get_mut(radio.0)?;
        let kept: Bearers = moved.iter().map(|bearer| bearer.ebi).collect();
        let lost = connection.bearers.without(kept).iter().collect();
        let (old_link, old_id) = (connection.link, connection.enb_id);
        connection.link = link;
        connection.enb_id = enb_id;
        connection.stream = stream;
        connection.bearers = kept;
        connection.asked = Bearers::default();
        connection.changing = Bearers::default();
        connection.leaving = Bearers::default();
        if let Some(old) = self.links.get_mut(&old_link) {
            old.connections.remove(&old_id.value());
        }
        self.links.get_mut(&link)?.connections.insert(enb_id.value(), radio);
        Some(lost)
    }

    /// PATH SWITCH REQUEST ACKNOWLEDGE.
    pub(crate) fn acknowledge_path_switch(
        &mut self,
        radio: RadioId,
        ncc: u8,
        next_hop: [u8; 32],
        algorithms: Option<(u16, u16)>,
        cx: &mut Cx<'_>,
    ) {
        let Some(connection) = self.active(radio) else { return };
        let context = SecurityContext { next_hop_chaining_count: ncc & 7, next_hop: SecurityKey(next_hop) };
        let mut message = PathSwitchRequestAcknowledge::new(MmeUeS1apId(radio.0.0), connection.enb_id, context);
        let cause = Cause::RadioNetwork(RadioNetworkCause::UnknownErabId);
        message.to_be_released = connection.unknown.iter().map(|ebi| ErabItem::new(ebi, cause)).collect();
        connection.unknown = Bearers::default();
        message.ue_security_capabilities =
            algorithms.map(|(encryption, integrity)| UeSecurityCapabilities { encryption, integrity });
        let (link, stream) = (connection.link, connection.stream);
        cx.send(link, stream, message);
        cx.count(Metric::Procedure { procedure: Procedure::PathSwitch, outcome: Outcome::Success });
    }
}
