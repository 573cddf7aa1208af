//! X2 handover as the MME sees it (TS 36.413 §8.4.4).
//!
//! ```text
//!  source eNodeB          target eNodeB                            MME
//!    |-- context, phone ----->| PATH SWITCH REQUEST ----------------->|
//!    |                        | <--- PATH SWITCH REQUEST ACKNOWLEDGE  |  fresh {NCC, NH}
//!    |<- forget --------------|                                       |
//! ```

use std::net::Ipv4Addr;

use basalt_ids::{Ebi, Gummei, MmeUeS1apId, Teid};
use basalt_s1ap::{
    PathSwitchRequest, PathSwitchRequestAcknowledge, PathSwitchRequestFailure, RadioNetworkCause, SecurityKey, UeIds,
    UeSecurityCapabilities,
};
use basalt_sansio::{Duration, Time};

use crate::connection::{Bearer, ConnectionState};
use crate::enb::{Enb, Out, Timer};
use crate::io::{Effect, Event, PhoneId};

/// How long the MME may take for PATH SWITCH REQUEST.
const PATH_SWITCH_PATIENCE: Duration = Duration::from_secs(5);

/// What a source eNodeB tells the target (X2AP HANDOVER REQUEST, TS 36.423 §9.1.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverContext {
    /// The phone's id at the MME.
    pub mme_ue_id: MmeUeS1apId,
    /// The MME.
    pub gummei: Option<Gummei>,
    /// Bearers: which, where the gateway receives, and its tunnel endpoint.
    pub bearers: Vec<(Ebi, Ipv4Addr, Teid)>,
    /// Algorithms of the phone.
    pub security: UeSecurityCapabilities,
    /// Next hop chaining count and key.
    pub next_hop: Option<(u8, SecurityKey)>,
    /// Radio capability.
    pub capability: Vec<u8>,
}

impl Enb {
    pub(crate) fn hand_over(&mut self, phone: PhoneId, out: &mut Out) {
        let Some(connection) = self.connections.of_phone_mut(phone) else { return };
        let (ConnectionState::Active, Some(mme_ue_id), Some(security)) =
            (connection.state, connection.mme_id, connection.security)
        else {
            out.push(Effect::Event(Event::ProtocolError("a phone without context cannot be handed over".to_owned())));
            return;
        };
        connection.state = ConnectionState::Leaving;
        let bearers = connection.bearers.iter().map(|bearer| (bearer.ebi, bearer.gateway, bearer.uplink)).collect();
        let context = Box::new(HandoverContext {
            mme_ue_id,
            gummei: connection.gummei,
            bearers,
            security,
            next_hop: connection.next_hop.clone(),
            capability: connection.capability.clone(),
        });
        out.push(Effect::HandedOver { phone, context });
    }

    pub(crate) fn take_over(&mut self, now: Time, phone: PhoneId, context: HandoverContext, out: &mut Out) {
        let (tai, ecgi, prefix) = (self.config.tai(), self.config.ecgi(), self.config.teid_prefix);
        let Some(connection) = self.connections.open(now, phone) else {
            out.push(Effect::Refuse { phone });
            return;
        };
        connection.state = ConnectionState::Switching;
        connection.security = Some(context.security);
        connection.next_hop = context.next_hop;
        connection.gummei = context.gummei;
        connection.capability = context.capability;
        let id = connection.id;
        for (ebi, gateway, uplink) in context.bearers {
            let Some(downlink) = self.connections.new_teid(prefix, phone, ebi) else { continue };
            if let Some(connection) = self.connections.get_mut(id) {
                connection.bearers.push(Bearer { ebi, gateway, uplink, downlink });
            }
        }
        let Some(connection) = self.connections.get(id) else { return };
        let tunnels = connection.bearers.iter().map(|bearer| self.config.tunnel(bearer)).collect();
        let mut request = PathSwitchRequest::new(id, tunnels, context.mme_ue_id, ecgi, tai, context.security);
        request.source_mme_gummei = context.gummei;
        self.timers.arm(Timer::Answer(id), now + PATH_SWITCH_PATIENCE);
        self.send_ue(id, request, out);
    }

    pub(crate) fn path_switched(&mut self, message: PathSwitchRequestAcknowledge, out: &mut Out) {
        let ids = UeIds { mme: message.mme_ue_id, enb: message.enb_ue_id };
        let Some(id) = self.of_ids(ids, out).map(|connection| connection.id) else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.state != ConnectionState::Switching {
            out.push(Effect::Event(Event::Unexpected(PathSwitchRequestAcknowledge::NAME)));
            return;
        }
        connection.state = ConnectionState::Active;
        let phone = connection.phone;
        for moved in &message.switched_uplink {
            let bearer = connection.bearers.iter_mut().find(|bearer| bearer.ebi == moved.ebi);
            if let (Some(bearer), Some(address)) = (bearer, moved.address.v4()) {
                (bearer.gateway, bearer.uplink) = (address, moved.teid);
            }
        }
        let (ncc, next_hop) = (message.security_context.next_hop_chaining_count, message.security_context.next_hop);
        connection.next_hop = Some((ncc, next_hop.clone()));
        self.timers.cancel(&Timer::Answer(id));
        out.push(Effect::PathSwitched { phone, ncc, next_hop });
    }

    pub(crate) fn path_switch_failed(&mut self, message: &PathSwitchRequestFailure, out: &mut Out) {
        let ids = UeIds { mme: message.mme_ue_id, enb: message.enb_ue_id };
        let enb_only = UeIds { mme: None, enb: ids.enb };
        let Some(connection) = self.of_ids(enb_only, out) else { return };
        let (phone, id) = (connection.phone, connection.id);
        let cause = message.cause.unwrap_or(RadioNetworkCause::Unspecified.into());
        out.push(Effect::Event(Event::PathSwitchFailed(phone, message.cause)));
        self.drop_connection(id, cause, out);
    }
}
