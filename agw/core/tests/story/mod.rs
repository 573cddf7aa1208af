//! A phone that is handed over between two base stations, message by message.

use crate::site::Site;
use crate::site::enb::Enb;
use crate::site::phone::Phone;
use agw_types::{DataplaneChange, Metric, Outcome, Peer, Procedure, UeState};
use basalt_ids::{Ebi, EnbUeS1apId, GlobalEnbId, MmeUeS1apId, Tai, Teid};
use basalt_s1ap::{
    Cause, ErabAdmitted, HandoverCommand, HandoverNotify, HandoverRequest, HandoverRequestAcknowledge,
    HandoverRequired, HandoverType, Pdu, RadioNetworkCause, StatusTransfer, TargetEnb, TargetId, UeS1apIds,
};

/// A phone at base station 1, with base station 2 beside it.
pub struct Story {
    pub site: Site,
    pub phone: Phone,
    pub target: Enb,
}

impl Story {
    pub fn new() -> Self {
        let mut site = Site::new();
        let source = Enb::ready(&mut site, 1);
        let target = Enb::ready(&mut site, 2);
        let mut phone = Phone::new(1, &source);
        phone.attach(&mut site);
        site.clear();
        Self { site, phone, target }
    }

    pub fn mme(&self) -> MmeUeS1apId {
        self.phone.mme_id.unwrap()
    }

    pub fn required(&self, to: GlobalEnbId, tai: Tai) -> HandoverRequired {
        let target = TargetId::Enb(TargetEnb::new(to, tai));
        let (mme, enb) = (self.mme(), self.phone.enb_id);
        let cause = Cause::RadioNetwork(RadioNetworkCause::HandoverDesirableForRadioReason);
        HandoverRequired::new(mme, enb, HandoverType::Intralte, cause, target, vec![1, 2, 3])
    }

    pub fn require(&mut self) {
        let required = self.required(self.target.id, self.target.tai);
        self.phone.enb.clone().send(&mut self.site, required);
    }

    /// HANDOVER REQUIRED up to HANDOVER REQUEST.
    pub fn ask(&mut self) -> HandoverRequest {
        self.require();
        match self.site.inbox.pop_front() {
            Some((link, _, Pdu::HandoverRequest(request))) if link == self.target.link => request,
            other => panic!("{other:?}"),
        }
    }

    pub fn admitted(&self, request: &HandoverRequest, forwarding: bool) -> Vec<ErabAdmitted> {
        let address = self.target.address.into();
        let admit = |ebi: Ebi| {
            let mut admitted = ErabAdmitted::new(ebi, address, Teid(0x7700 + u32::from(ebi.value())));
            if forwarding {
                admitted.forwarding.downlink_address = Some(address);
                admitted.forwarding.downlink_teid = Some(Teid(0x8800 + u32::from(ebi.value())));
            }
            admitted
        };
        request.erabs.iter().map(|erab| admit(erab.ebi)).collect()
    }

    pub fn acknowledge(&mut self, request: &HandoverRequest, admitted: Vec<ErabAdmitted>) {
        let answer = HandoverRequestAcknowledge::new(request.mme_ue_id, arriving(), admitted, vec![9, 8]);
        self.target.clone().send(&mut self.site, answer);
    }

    pub fn command(&mut self) -> HandoverCommand {
        match self.site.inbox.pop_front() {
            Some((link, _, Pdu::HandoverCommand(command))) if link == self.phone.enb.link => command,
            other => panic!("{other:?}"),
        }
    }

    /// Everything up to HANDOVER COMMAND.
    pub fn prepare(&mut self, forwarding: bool) -> (HandoverRequest, HandoverCommand) {
        let request = self.ask();
        let admitted = self.admitted(&request, forwarding);
        self.acknowledge(&request, admitted);
        let command = self.command();
        (request, command)
    }

    pub fn notify(&mut self, request: &HandoverRequest) {
        let (cell, tai) = (self.target.cell(), self.target.tai);
        let notify = HandoverNotify::new(request.mme_ue_id, arriving(), cell, tai);
        self.target.clone().send(&mut self.site, notify);
    }

    /// The phone lives at the target from now on.
    pub fn settle(&mut self, request: &HandoverRequest) {
        self.phone.enb = self.target.clone();
        self.phone.enb_id = arriving();
        self.phone.mme_id = Some(request.mme_ue_id);
    }

    pub fn remote(&self) -> Option<(core::net::IpAddr, Teid)> {
        self.site.core.ue(self.phone.imsi).unwrap().sessions[0].remote
    }

    pub fn forwards(&self) -> Vec<(Teid, core::net::IpAddr, Peer)> {
        let mut open = Vec::new();
        for change in &self.site.dataplane {
            match change {
                DataplaneChange::Forward { teid, from, to } => open.push((*teid, *from, *to)),
                DataplaneChange::StopForwarding { teid } => open.retain(|(other, _, _)| other != teid),
                _ => {}
            }
        }
        open
    }

    pub fn released(&mut self, link: agw_types::LinkId) -> Option<UeS1apIds> {
        let found = self
            .site
            .inbox
            .iter()
            .position(|(to, _, pdu)| *to == link && matches!(pdu, Pdu::UeContextReleaseCommand(_)));
        match self.site.inbox.remove(found?) {
            Some((_, _, Pdu::UeContextReleaseCommand(command))) => Some(command.ue_s1ap_ids),
            _ => None,
        }
    }

    pub fn ended(&self, outcome: Outcome) -> usize {
        self.site.counted(Metric::Procedure { procedure: Procedure::Handover, outcome })
    }

    /// The phone is where it was, and can be spoken to.
    pub fn stays(&mut self) {
        assert!(self.forwards().is_empty());
        let view = self.site.core.ue(self.phone.imsi).unwrap();
        assert_eq!((view.state, view.enb), (UeState::Connected, Some(self.phone.enb.id)));
        let enb = self.phone.enb.clone();
        assert_eq!(self.remote().unwrap().0, core::net::IpAddr::from(enb.address));
        self.site.inbox.clear();
        self.phone.go_idle(&mut self.site);
    }
}

/// The target's id of the phone.
pub fn arriving() -> EnbUeS1apId {
    EnbUeS1apId::new(4242).unwrap()
}

pub fn status() -> StatusTransfer {
    // One bearer, both counts zero: as the codec's own types write it.
    StatusTransfer(vec![0x00, 0x00, 0x00, 0x59, 0x40, 0x09, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00])
}
