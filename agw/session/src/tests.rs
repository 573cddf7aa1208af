//! Sessions through their whole life, as mobility drives them.

mod connectivity;
mod places;
mod rates;
mod withdrawal;

use super::*;
use agw_types::{
    AddressPool, ApnProfile, Arp, BearerEndpoint, BearerQos, PagingPolicy, ProcedureTimers, Profile, SecurityOrder,
};
use agw_types::{PdnTypes, Peer, PrefixPool, TunnelState};
use basalt_ids::{MmeCode, MmeGroupId, Qci};
use basalt_nas::Direction;
use basalt_nas::esm::{
    ActivateDefaultEpsBearerContextAccept, ActivateDefaultEpsBearerContextReject,
    ActivateDefaultEpsBearerContextRequest, DeactivateEpsBearerContextAccept, EsmInformationResponse,
    PdnConnectivityRequest, PdnDisconnectRequest,
};
use basalt_nas::ie::{
    AccessPointName, EsmCause, EsmInformationTransfer, LinkedEbi, PcoItem, PdnAddress, PdnType,
    ProtocolConfigurationOptions, RequestType,
};
use basalt_sansio::SlotId;
use core::net::{IpAddr, Ipv4Addr};

const ENB: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));

/// Any APN that the profile names may be used.
struct Anything;

impl Policy for Anything {
    fn grant(&self, profile: &Profile, requested: Option<&Apn>) -> Result<ApnProfile, u8> {
        let wanted = |apn: &&ApnProfile| requested.is_none_or(|name| *name == apn.apn);
        profile.apns.iter().find(wanted).cloned().ok_or(27)
    }

    fn rules(&self, _: Imsi, _: &Apn) -> Vec<agw_types::PolicyRule> {
        Vec::new()
    }

    fn resource(&self, _: Imsi, _: &Apn, _: agw_types::ResourceRequest) -> Result<agw_types::PolicyRule, u8> {
        Err(33)
    }
}

pub(crate) fn config() -> GatewayConfig {
    let pool = |third: u8| AddressPool { network: Ipv4Addr::new(10, 45, third, 0), prefix: 29, gateway: None };
    GatewayConfig {
        name: "test".to_owned(),
        plmns: vec!["001-01".parse().unwrap()],
        group: MmeGroupId(1),
        code: MmeCode(1),
        relative_capacity: 255,
        areas: Vec::new(),
        whole_network_area_list: true,
        regional: false,
        user_plane: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        apns: vec![
            ApnConfig::ipv4("internet".parse().unwrap(), vec![pool(0)]),
            ApnConfig::ipv4("ims".parse().unwrap(), vec![pool(1)]),
        ],
        dns: vec![Ipv4Addr::new(192, 0, 2, 53)],
        dns6: Vec::new(),
        mtu: 1400,
        security: SecurityOrder { ciphering: vec![2], integrity: vec![2] },
        timers: ProcedureTimers::default(),
        paging: PagingPolicy { attempts: 3, backoff: Duration::from_secs(10), per_second: 400 },
        network_name: None,
        time_zone_quarters: 0,
        request_imeisv: false,
        access: agw_types::AccessLists::default(),
        retired: Vec::new(),
        home_only: false,
        qos: agw_types::QosConfig::default(),
    }
}

fn profile(number: u64) -> Box<Profile> {
    let ambr = Ambr { uplink: 10_000_000, downlink: 20_000_000 };
    let qos = BearerQos { qci: Qci(9), arp: Arp { priority: 8, may_preempt: false, preemptable: true } };
    let apn = |name: &str| ApnProfile::new(name.parse().unwrap(), qos, ambr);
    Box::new(Profile {
        imsi: Imsi::new(1_010_000_000_000 + number, 15).unwrap(),
        msisdn: None,
        ambr,
        apns: vec![apn("internet"), apn("ims")],
    })
}

fn ue(number: u32) -> UeId {
    UeId(SlotId(number))
}

struct Desk {
    sessions: Sessions,
    now: Time,
}

impl Desk {
    fn new() -> Self {
        Self { sessions: Sessions::new(&config(), 100, &SecureSeed([7; 32])), now: Time::from_secs(1) }
    }

    fn ask(&mut self, request: SessionRequest) -> SessionOut {
        let mut out = SessionOut::default();
        self.sessions.handle(self.now, &Anything, request, &mut out);
        out
    }

    fn attach(&mut self, number: u32, request: PdnConnectivityRequest) -> SessionOut {
        let esm = octets(None, 1, EsmMessage::PdnConnectivityRequest(request));
        self.ask(SessionRequest::Attach { ue: ue(number), esm, profile: profile(number.into()) })
    }

    fn uplink(&mut self, number: u32, ebi: Option<u8>, pti: u8, message: EsmMessage) -> SessionOut {
        let esm = octets(ebi.map(|ebi| Ebi::new(ebi).unwrap()), pti, message);
        self.ask(SessionRequest::Uplink { ue: ue(number), esm, profile: profile(number.into()) })
    }

    fn attached(&mut self, number: u32) -> Session {
        let out = self.attach(number, request());
        assert!(matches!(out.replies.as_slice(), [SessionReply::AttachReady { .. }]), "{out:?}");
        self.uplink(number, Some(5), 0, accept());
        self.sessions.of(ue(number))[0].clone()
    }
}

fn octets(ebi: Option<Ebi>, pti: u8, message: EsmMessage) -> Vec<u8> {
    EsmPdu { ebi, pti: Pti(pti), message }.encode().unwrap()
}

fn request() -> PdnConnectivityRequest {
    PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4)
}

fn named(apn: &str) -> PdnConnectivityRequest {
    let mut request = request();
    request.apn = Some(AccessPointName::from(&apn.parse::<Apn>().unwrap()));
    request
}

fn accept() -> EsmMessage {
    EsmMessage::ActivateDefaultEpsBearerContextAccept(ActivateDefaultEpsBearerContextAccept::new())
}

fn offer(esm: &[u8]) -> (Option<Ebi>, Pti, ActivateDefaultEpsBearerContextRequest) {
    let pdu = EsmPdu::decode(esm, Direction::Downlink).unwrap();
    match pdu.message {
        EsmMessage::ActivateDefaultEpsBearerContextRequest(message) => (pdu.ebi, pdu.pti, message),
        other => panic!("{other:?}"),
    }
}

fn sent(out: &SessionOut) -> Vec<EsmMessage> {
    let messages = out.replies.iter().filter_map(|reply| match reply {
        SessionReply::Send { esm, .. } => Some(EsmPdu::decode(esm, Direction::Downlink).unwrap().message),
        _ => None,
    });
    messages.collect()
}

fn rejected(out: &SessionOut) -> Option<u8> {
    out.replies.iter().find_map(|reply| match reply {
        SessionReply::AttachRejected { cause, .. } => Some(*cause),
        _ => None,
    })
}

#[test]
fn tunnels_follow_the_radio() {
    let mut desk = Desk::new();
    let session = desk.attached(1);
    let endpoint = BearerEndpoint { ebi: Ebi::FIRST, address: ENB, teid: Teid(0x77) };
    let out =
        desk.ask(SessionRequest::Connected { ue: ue(1), bearers: vec![endpoint], failed: Vec::new(), switched: false });
    let state = |out: &SessionOut| {
        out.effects.iter().find_map(|effect| match effect {
            Effect::Dataplane(DataplaneChange::Set(tunnel)) if tunnel.teid == session.local.1 => Some(tunnel.state),
            _ => None,
        })
    };
    assert_eq!(state(&out), Some(TunnelState::Connected(Peer { address: ENB, teid: Teid(0x77) })));
    let out = desk.ask(SessionRequest::Idle { ue: ue(1) });
    assert_eq!(state(&out), Some(TunnelState::Idle));
    let out = desk.ask(SessionRequest::Resume { ue: ue(1) });
    let [SessionReply::Resume { bearers, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    assert_eq!(bearers[0].teid, session.local.1);
    assert_eq!(desk.sessions.by_address(Ipv4Addr::new(10, 45, 0, 1).into()), Some(ue(1)));
    let out = desk.ask(SessionRequest::Release { ue: ue(1) });
    assert!(out.effects.iter().any(|e| matches!(e, Effect::Dataplane(DataplaneChange::Remove { .. }))));
    assert!(desk.sessions.is_empty());
    assert_eq!(desk.sessions.by_address(Ipv4Addr::new(10, 45, 0, 1).into()), None);
}

#[test]
fn an_end_that_waits_for_an_idle_phone_is_said_when_it_returns_and_is_over_in_time() {
    let ebi = |number: u8| Ebi::new(number).unwrap();
    let mut desk = Desk::new();
    desk.attached(1);
    desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    desk.uplink(1, Some(6), 0, accept());
    desk.ask(SessionRequest::Idle { ue: ue(1) });
    desk.ask(SessionRequest::Deactivate { ue: ue(1), ebi: ebi(6) });
    let arrive = |desk: &mut Desk, bearers: &[u8]| {
        let endpoint = |number: &u8| BearerEndpoint { ebi: ebi(*number), address: ENB, teid: Teid(u32::from(*number)) };
        let bearers = bearers.iter().map(endpoint).collect();
        desk.ask(SessionRequest::Connected { ue: ue(1), bearers, failed: Vec::new(), switched: false })
    };
    let ending = |out: &SessionOut| -> Vec<(bool, Vec<Ebi>)> {
        let ends = out.replies.iter().filter_map(|reply| match reply {
            SessionReply::BearerEnding { esm, bearers, .. } => Some((esm.is_some(), bearers.clone())),
            _ => None,
        });
        ends.collect()
    };
    assert_eq!(ending(&arrive(&mut desk, &[5])), [], "another bearer stands");
    assert_eq!(ending(&arrive(&mut desk, &[5, 6])), [(true, vec![ebi(6)])]);
    let expire = |desk: &mut Desk| desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3495 });
    for _ in 0..3 {
        assert_eq!(sent(&expire(&mut desk)).len(), 1);
    }
    // As often as it may be said: a phone that comes and goes does not put the end off.
    let out = arrive(&mut desk, &[5, 6]);
    assert_eq!((ending(&out), out.timers.clone()), (vec![(true, vec![ebi(6)])], Vec::new()));
    assert_eq!(ending(&expire(&mut desk)), [(false, vec![ebi(6)])], "the radio gives it up, and the phone with it");
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
}

#[test]
fn a_bearer_the_phone_lost_ends_without_signalling() {
    let mut desk = Desk::new();
    desk.attached(1);
    desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    desk.uplink(1, Some(6), 0, accept());
    desk.ask(SessionRequest::Synchronise { ue: ue(1), active: 1 << 5 });
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
    let out = desk.ask(SessionRequest::Synchronise { ue: ue(1), active: 0 });
    assert!(out.replies.contains(&SessionReply::LastSessionGone { ue: ue(1) }));
}

#[test]
fn attaching_anew_ends_what_the_subscriber_had() {
    let mut desk = Desk::new();
    let before = desk.attached(1);
    let esm = octets(None, 1, EsmMessage::PdnConnectivityRequest(request()));
    let out = desk.ask(SessionRequest::Attach { ue: ue(2), esm, profile: profile(1) });
    let removed = |effect: &Effect| matches!(effect, Effect::Dataplane(DataplaneChange::Remove { teid, .. }) if *teid == before.local.1);
    assert!(out.effects.iter().any(removed));
    assert!(desk.sessions.of(ue(1)).is_empty());
    assert_eq!(desk.sessions.len(), 1);
    desk.ask(SessionRequest::Release { ue: ue(1) });
    assert_eq!(desk.sessions.len(), 1, "releasing the former UE does not touch the new one");
}

#[test]
fn an_idle_session_whose_bearer_never_stood_is_told_too() {
    let mut desk = Desk::new();
    let session = desk.attached(1);
    let idle = |out: &SessionOut| {
        let idle = |effect: &&Effect| matches!(effect, Effect::Dataplane(DataplaneChange::Set(tunnel)) if tunnel.teid == session.local.1 && tunnel.state == TunnelState::Idle);
        out.effects.iter().filter(idle).count()
    };
    assert_eq!(idle(&desk.ask(SessionRequest::Idle { ue: ue(1) })), 1);
    // Again after a connection without bearers: packets may have been told of meanwhile.
    assert_eq!(idle(&desk.ask(SessionRequest::Idle { ue: ue(1) })), 1);
}

#[test]
fn strangers_and_garbage_are_answered_by_status() {
    let mut desk = Desk::new();
    desk.attached(1);
    let out = desk.uplink(1, Some(9), 0, accept());
    let [EsmMessage::EsmStatus(status)] = &*sent(&out) else { panic!() };
    assert_eq!(status.cause, EsmCause::InvalidEpsBearerIdentity);
    let out = desk.ask(SessionRequest::Uplink { ue: ue(1), esm: vec![0x02, 0x01, 0xff], profile: profile(1) });
    let [EsmMessage::EsmStatus(status)] = &*sent(&out) else { panic!("{out:?}") };
    assert_eq!(status.cause, EsmCause::MessageTypeNonExistent);
    let out = desk.ask(SessionRequest::Uplink { ue: ue(1), esm: Vec::new(), profile: profile(1) });
    assert!(out.replies.is_empty());
}
