//! A base station that sends what it is told to.

use super::Site;
use agw_types::{Input, LinkId, LinkInfo};
use basalt_ids::{Ecgi, Eci, EnbId, EnbUeS1apId, GlobalEnbId, MmeUeS1apId, Plmn, STmsi, Tac, Tai, Teid};
use basalt_s1ap::{
    Cause, ErabTunnel, InitialContextSetupRequest, InitialContextSetupResponse, InitialUeMessage, PagingDrx, Pdu,
    RadioNetworkCause, RrcEstablishmentCause, S1SetupRequest, SupportedTa, UeContextReleaseComplete,
    UeContextReleaseRequest, UplinkNasTransport, encode,
};
use core::net::Ipv4Addr;

#[derive(Debug, Clone)]
pub struct Enb {
    pub link: LinkId,
    pub id: GlobalEnbId,
    pub address: Ipv4Addr,
    pub tai: Tai,
    next_ue: u32,
}

pub fn plmn() -> Plmn {
    "001-01".parse().unwrap()
}

impl Enb {
    /// An eNodeB of number `n` at 192.0.2.n, in area 1, association up.
    pub fn connect(site: &mut Site, n: u8) -> Self {
        Self::connect_as(site, u32::from(n), n, n)
    }

    pub fn connect_as(site: &mut Site, link: u32, id: u8, address: u8) -> Self {
        let enb = Self {
            link: LinkId(link),
            id: GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(0x100 + u32::from(id)) },
            address: Ipv4Addr::new(192, 0, 2, address),
            tai: Tai { plmn: plmn(), tac: Tac(1) },
            next_ue: 1,
        };
        let info = LinkInfo { peers: vec![enb.address.into()], streams: 4, resumed: false };
        site.input(Input::LinkUp { link: enb.link, info });
        enb
    }

    /// The same, with S1 set up.
    pub fn ready(site: &mut Site, n: u8) -> Self {
        let enb = Self::connect(site, n);
        enb.setup(site);
        match site.next() {
            Some(Pdu::S1SetupResponse(_)) => enb,
            other => panic!("S1 setup: {other:?}"),
        }
    }

    pub fn setup_request(&self) -> S1SetupRequest {
        let ta = SupportedTa::new(self.tai.tac, vec![self.tai.plmn]);
        S1SetupRequest::new(self.id, vec![ta], PagingDrx::Frames128)
    }

    pub fn setup(&self, site: &mut Site) {
        self.send(site, self.setup_request());
    }

    pub fn send(&self, site: &mut Site, pdu: impl Into<Pdu>) {
        self.send_on(site, 1, pdu);
    }

    pub fn send_on(&self, site: &mut Site, stream: u16, pdu: impl Into<Pdu>) {
        let pdu = encode(&pdu.into()).unwrap();
        site.input(Input::S1ap { link: self.link, stream, pdu });
    }

    pub fn send_raw(&self, site: &mut Site, pdu: Vec<u8>) {
        site.input(Input::S1ap { link: self.link, stream: 1, pdu });
    }

    pub fn cell(&self) -> Ecgi {
        Ecgi { plmn: self.tai.plmn, eci: Eci::new(self.id.enb.value() << 8 | 1).unwrap() }
    }

    pub fn new_ue_id(&mut self) -> EnbUeS1apId {
        self.next_ue += 1;
        EnbUeS1apId::new(self.next_ue).unwrap()
    }

    pub fn initial(&self, site: &mut Site, id: EnbUeS1apId, nas: Vec<u8>, s_tmsi: Option<STmsi>) {
        let cause = RrcEstablishmentCause::MoSignalling;
        let mut message = InitialUeMessage::new(id, nas, self.tai, self.cell(), cause);
        message.s_tmsi = s_tmsi;
        self.send(site, message);
    }

    pub fn uplink(&self, site: &mut Site, mme: MmeUeS1apId, id: EnbUeS1apId, nas: Vec<u8>) {
        self.send(site, UplinkNasTransport::new(mme, id, nas, self.cell(), self.tai));
    }

    /// Where this base station receives a bearer's packets.
    pub fn tunnel(&self, setup: &InitialContextSetupRequest) -> Vec<ErabTunnel> {
        let tunnel = |ebi, teid: Teid| ErabTunnel {
            ebi,
            address: self.address.into(),
            teid: Teid(teid.0 ^ 0xffff),
            extensions: Vec::new(),
        };
        setup.erabs.iter().map(|erab| tunnel(erab.ebi, erab.teid)).collect()
    }

    pub fn context_ready(&self, site: &mut Site, setup: &InitialContextSetupRequest) {
        let tunnels = self.tunnel(setup);
        self.send(site, InitialContextSetupResponse::new(setup.mme_ue_id, setup.enb_ue_id, tunnels));
    }

    pub fn request_release(&self, site: &mut Site, mme: MmeUeS1apId, id: EnbUeS1apId) {
        let cause = Cause::RadioNetwork(RadioNetworkCause::UserInactivity);
        self.send(site, UeContextReleaseRequest::new(mme, id, cause));
    }

    pub fn release_complete(&self, site: &mut Site, mme: MmeUeS1apId, id: EnbUeS1apId) {
        self.send(site, UeContextReleaseComplete::new(mme, id));
    }
}

impl Enb {
    /// A base station that comes back while other messages wait to be read.
    pub fn ready_among(site: &mut Site, n: u8) -> Self {
        let enb = Self::connect(site, n);
        enb.setup(site);
        let at = site
            .inbox
            .iter()
            .position(|(link, _, pdu)| *link == enb.link && matches!(pdu, Pdu::S1SetupResponse(_)))
            .expect("S1 setup is answered");
        site.inbox.remove(at);
        enb
    }
}

impl Enb {
    /// One of many base stations, each with an address of its own.
    pub fn numbered(n: u32) -> Self {
        Self {
            link: LinkId(n + 1),
            id: GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(n + 1) },
            address: Ipv4Addr::from(0xac10_0000 + n),
            tai: Tai { plmn: plmn(), tac: Tac(1) },
            next_ue: 1,
        }
    }
}
