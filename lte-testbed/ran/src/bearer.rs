//! Bearers of a connected phone (TS 36.413 §8.2).

use basalt_ids::{Ebi, EnbUeS1apId};
use basalt_s1ap::{
    ErabDone, ErabItem, ErabModifyRequest, ErabModifyResponse, ErabReleaseCommand, ErabReleaseIndication,
    ErabReleaseResponse, ErabSetupRequest, ErabSetupResponse, ErabToBeSetup, ErabTunnel, RadioNetworkCause,
    TransportAddress, UeIds,
};

use crate::config::EnbConfig;
use crate::connection::{Bearer, Pending};
use crate::enb::{Enb, Out};
use crate::io::{Configuration, Effect, Event, PhoneId};

impl EnbConfig {
    /// A bearer as this eNodeB tells it to the MME.
    pub(crate) fn tunnel(&self, bearer: &Bearer) -> ErabTunnel {
        ErabTunnel {
            ebi: bearer.ebi,
            address: TransportAddress::V4(self.user_plane),
            teid: bearer.downlink,
            extensions: Vec::new(),
        }
    }
}

impl Enb {
    /// Gives bearers their tunnels. Returns those that stand, and the NAS messages that came with them.
    pub(crate) fn add_bearers(&mut self, phone: PhoneId, erabs: Vec<ErabToBeSetup>) -> (Vec<Ebi>, Vec<Vec<u8>>) {
        let (mut added, mut nas) = (Vec::new(), Vec::new());
        for erab in erabs {
            nas.extend(erab.nas_pdu);
            // This eNodeB speaks GTP-U over IPv4 only.
            let Some(gateway) = erab.address.v4() else { continue };
            let known = self.connections.of_phone(phone).and_then(|connection| connection.bearer(erab.ebi));
            if known.is_some() {
                continue;
            }
            let prefix = self.config.teid_prefix;
            let Some(downlink) = self.connections.new_teid(prefix, phone, erab.ebi) else { continue };
            if let Some(connection) = self.connections.of_phone_mut(phone) {
                connection.bearers.push(Bearer { ebi: erab.ebi, gateway, uplink: erab.teid, downlink });
                added.push(erab.ebi);
            }
        }
        (added, nas)
    }

    fn remove_bearer(&mut self, id: EnbUeS1apId, ebi: Ebi) -> bool {
        let Some(connection) = self.connections.get_mut(id) else { return false };
        let Some(position) = connection.bearers.iter().position(|bearer| bearer.ebi == ebi) else { return false };
        let bearer = connection.bearers.remove(position);
        self.connections.free_teid(bearer.downlink);
        true
    }

    pub(crate) fn erab_setup(&mut self, message: ErabSetupRequest, out: &mut Out) {
        let ids = UeIds { mme: Some(message.mme_ue_id), enb: Some(message.enb_ue_id) };
        let Some(connection) = self.of_ids(ids, out) else { return };
        let (phone, id) = (connection.phone, connection.id);
        if self.config.faults.ignore_erab_setup {
            return;
        }
        let asked: Vec<Ebi> = message.erabs.iter().map(|erab| erab.ebi).collect();
        let (added, nas) = self.add_bearers(phone, message.erabs);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.pending.push_back(Pending::Erabs(asked));
        }
        let configuration = Configuration { security: None, added, removed: Vec::new(), nas };
        out.push(Effect::Configure { phone, configuration });
    }

    pub(crate) fn erabs_ready(&mut self, id: EnbUeS1apId, asked: &[Ebi], ok: bool, out: &mut Out) {
        if !ok {
            for ebi in asked {
                self.remove_bearer(id, *ebi);
            }
        }
        let Some(connection) = self.connections.get(id) else { return };
        let Some(mme_id) = connection.mme_id else { return };
        let mut response = ErabSetupResponse::new(mme_id, id);
        for ebi in asked {
            match connection.bearer(*ebi) {
                Some(bearer) => response.erabs.push(self.config.tunnel(bearer)),
                None => {
                    let cause = RadioNetworkCause::RadioResourcesNotAvailable.into();
                    response.failed_erabs.push(ErabItem::new(*ebi, cause));
                }
            }
        }
        self.send_ue(id, response, out);
    }

    pub(crate) fn erab_modify(&mut self, message: ErabModifyRequest, out: &mut Out) {
        let ids = UeIds { mme: Some(message.mme_ue_id), enb: Some(message.enb_ue_id) };
        let Some(connection) = self.of_ids(ids, out) else { return };
        let (phone, id) = (connection.phone, connection.id);
        let mut response = ErabModifyResponse::new(message.mme_ue_id, id);
        let mut nas = Vec::new();
        for erab in message.erabs {
            if connection.bearer(erab.ebi).is_some() {
                response.erabs.push(ErabDone::new(erab.ebi));
                nas.push(erab.nas_pdu);
            } else {
                let cause = RadioNetworkCause::UnknownErabId.into();
                response.failed_erabs.push(ErabItem::new(erab.ebi, cause));
            }
        }
        self.send_ue(id, response, out);
        out.extend(nas.into_iter().map(|nas| Effect::Deliver { phone, nas }));
    }

    pub(crate) fn erab_release(&mut self, message: ErabReleaseCommand, out: &mut Out) {
        let ids = UeIds { mme: Some(message.mme_ue_id), enb: Some(message.enb_ue_id) };
        let Some(connection) = self.of_ids(ids, out) else { return };
        let (phone, id) = (connection.phone, connection.id);
        let mut response = ErabReleaseResponse::new(message.mme_ue_id, id);
        let mut removed = Vec::new();
        for erab in &message.erabs {
            if self.remove_bearer(id, erab.ebi) {
                response.erabs.push(ErabDone::new(erab.ebi));
                removed.push(erab.ebi);
            } else {
                let cause = RadioNetworkCause::UnknownErabId.into();
                response.failed_erabs.push(ErabItem::new(erab.ebi, cause));
            }
        }
        self.send_ue(id, response, out);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.pending.push_back(Pending::Nobody);
        }
        let nas = message.nas_pdu.into_iter().collect();
        let configuration = Configuration { security: None, added: Vec::new(), removed, nas };
        out.push(Effect::Configure { phone, configuration });
    }

    pub(crate) fn drop_bearer(&mut self, phone: PhoneId, ebi: Ebi, out: &mut Out) {
        let Some(connection) = self.connections.of_phone(phone) else { return };
        let (id, Some(mme_id)) = (connection.id, connection.mme_id) else { return };
        if !self.remove_bearer(id, ebi) {
            out.push(Effect::Event(Event::ProtocolError(format!("no bearer {} to release", ebi.value()))));
            return;
        }
        let cause = RadioNetworkCause::RadioResourcesNotAvailable.into();
        self.send_ue(id, ErabReleaseIndication::new(mme_id, id, vec![ErabItem::new(ebi, cause)]), out);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.pending.push_back(Pending::Nobody);
        }
        let configuration = Configuration { security: None, added: Vec::new(), removed: vec![ebi], nas: Vec::new() };
        out.push(Effect::Configure { phone, configuration });
    }
}
