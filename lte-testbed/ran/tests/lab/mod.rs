//! An eNodeB with what it said, and the messages of an MME that most conversations have.

use std::net::Ipv4Addr;

use basalt_ids::{Ebi, EnbId, EnbUeS1apId, GlobalEnbId, MmeCode, MmeGroupId, MmeUeS1apId, Plmn, Qci, Tac, Tai, Teid};
use basalt_s1ap::{
    Arp, DownlinkNasTransport, ErabQos, ErabToBeSetup, InitialContextSetupRequest, Pdu, RrcEstablishmentCause,
    S1SetupResponse, SecurityKey, ServedGummeis, UeAmbr, UeSecurityCapabilities,
};
use basalt_sansio::{Duration, Outbox, Time};
use testbed_ran::{ConnectRequest, Effect, Enb, EnbConfig, Event, Input, LinkState, PhoneId};
pub const PHONE: PhoneId = PhoneId(7);
pub const MME_ID: MmeUeS1apId = MmeUeS1apId(0x0100_0001);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 1);

/// An eNodeB with what it said.
pub struct Lab {
    pub enb: Enb,
    pub now: Time,
    out: Outbox<Effect>,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut EnbConfig)) -> Self {
        let id = GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(0x19b) };
        let mut config = EnbConfig::new("enb-1", id, Tac(1), Ipv4Addr::new(10, 91, 1, 1));
        change(&mut config);
        Self { enb: Enb::new(config), now: Time::ZERO, out: Outbox::new() }
    }

    pub fn step(&mut self, input: Input) -> Vec<Effect> {
        self.enb.step(self.now, input, &mut self.out);
        self.out.take()
    }

    pub fn mme(&mut self, pdu: impl Into<Pdu>) -> Vec<Effect> {
        self.step(Input::S1ap(basalt_s1ap::encode(&pdu.into()).unwrap()))
    }

    pub fn ready(mut self) -> Self {
        self.step(Input::LinkUp);
        self.mme(setup_response());
        assert_eq!(self.enb.link(), LinkState::Ready);
        self
    }

    pub fn connected(self) -> Self {
        let mut lab = self.ready();
        lab.step(Input::Connect(connect_request()));
        let id = lab.id();
        lab.mme(DownlinkNasTransport::new(MME_ID, id, vec![7, 0x52]));
        lab
    }

    pub fn active(self) -> Self {
        let mut lab = self.connected();
        let id = lab.id();
        lab.mme(context_setup(id));
        lab.step(Input::Configured { phone: PHONE, ok: true });
        lab
    }

    pub fn id(&self) -> EnbUeS1apId {
        self.enb.connection(PHONE).unwrap().enb_ue_id
    }

    pub fn later(&mut self, wait: Duration) -> Vec<Effect> {
        self.now += wait;
        self.step(Input::Wakeup)
    }
}

pub fn plmn() -> Plmn {
    Plmn::new(1, 1, 2).unwrap()
}

pub fn tai() -> Tai {
    Tai { plmn: plmn(), tac: Tac(1) }
}

pub fn setup_response() -> S1SetupResponse {
    let gummeis = ServedGummeis {
        plmns: vec![plmn()],
        groups: vec![MmeGroupId(2)],
        codes: vec![MmeCode(1)],
        extensions: Vec::new(),
    };
    S1SetupResponse::new(vec![gummeis], 255)
}

pub fn connect_request() -> ConnectRequest {
    ConnectRequest {
        phone: PHONE,
        cause: RrcEstablishmentCause::MoSignalling,
        s_tmsi: None,
        gummei: None,
        nas: vec![7, 0x41],
        capability: vec![1, 2, 3],
    }
}

pub fn erab(ebi: u8, teid: u32, nas: &[u8]) -> ErabToBeSetup {
    let arp = Arp { priority_level: 9, may_pre_empt: false, pre_emptable: true };
    ErabToBeSetup {
        ebi: Ebi::new(ebi).unwrap(),
        qos: ErabQos::non_gbr(Qci(9), arp),
        address: GATEWAY.into(),
        teid: Teid(teid),
        nas_pdu: Some(nas.to_vec()),
        extensions: Vec::new(),
    }
}

pub fn context_setup(id: EnbUeS1apId) -> InitialContextSetupRequest {
    let security = UeSecurityCapabilities::from_nas(0xe0, 0x60);
    let ambr = UeAmbr::new(1_000_000, 1_000_000);
    InitialContextSetupRequest::new(MME_ID, id, ambr, vec![erab(5, 0x77, b"accept")], security, SecurityKey([9; 32]))
}

pub fn sent(effects: &[Effect]) -> Vec<Pdu> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { pdu, .. } => Some(basalt_s1ap::decode(pdu).unwrap().pdu),
            _ => None,
        })
        .collect()
}

pub fn names(effects: &[Effect]) -> Vec<&'static str> {
    sent(effects).iter().map(Pdu::name).collect()
}

pub fn events(effects: &[Effect]) -> Vec<&Event> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Event(event) => Some(event),
            _ => None,
        })
        .collect()
}
