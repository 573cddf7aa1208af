//! Sessions through their whole life, as mobility drives them.

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
fn an_attach_gets_address_servers_and_bearer_five() {
    let mut desk = Desk::new();
    let mut wanted = request();
    wanted.pco = Some(ProtocolConfigurationOptions {
        items: vec![PcoItem::DnsIpv4Request, PcoItem::Ipv4MtuRequest],
        trailing: Vec::new(),
    });
    let out = desk.attach(1, wanted);
    let [SessionReply::AttachReady { esm, bearer, ambr, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    let (ebi, pti, message) = offer(esm);
    assert_eq!((ebi, pti), (Some(Ebi::FIRST), Pti(1)));
    assert_eq!(message.address, PdnAddress::Ipv4(Ipv4Addr::new(10, 45, 0, 1)));
    assert_eq!(message.apn.apn().unwrap().as_str(), "internet");
    assert_eq!(message.pco.unwrap().items, [PcoItem::DnsIpv4(Ipv4Addr::new(192, 0, 2, 53)), PcoItem::Ipv4Mtu(1400)]);
    assert_eq!(bearer.ebi, Ebi::FIRST);
    assert_eq!(ambr.uplink, 10_000_000);
    assert!(!out.effects.iter().any(|effect| matches!(effect, Effect::Dataplane(_))), "no peer is known yet");
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
fn information_is_asked_three_times_and_then_refused() {
    let mut desk = Desk::new();
    let mut wanted = request();
    wanted.information_transfer = Some(EsmInformationTransfer(true));
    let out = desk.attach(1, wanted);
    assert!(matches!(sent(&out).as_slice(), [EsmMessage::EsmInformationRequest(_)]));
    for _ in 0..2 {
        let out = desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3489 });
        assert!(matches!(sent(&out).as_slice(), [EsmMessage::EsmInformationRequest(_)]));
    }
    let out = desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3489 });
    assert_eq!(rejected(&out), Some(EsmCause::EsmInformationNotReceived.code()));
}

#[test]
fn the_name_in_the_information_counts() {
    let mut desk = Desk::new();
    let mut wanted = request();
    wanted.information_transfer = Some(EsmInformationTransfer(true));
    desk.attach(1, wanted);
    let mut response = EsmInformationResponse::new();
    response.apn = Some(AccessPointName::from(&"ims".parse::<Apn>().unwrap()));
    let out = desk.uplink(1, None, 1, EsmMessage::EsmInformationResponse(response));
    let [SessionReply::AttachReady { esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    assert_eq!(offer(esm).2.apn.apn().unwrap().as_str(), "ims");
}

#[test]
fn what_cannot_be_is_refused_with_its_cause() {
    let cases = [
        (named("nowhere"), EsmCause::MissingOrUnknownApn),
        (PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv6), EsmCause::PdnTypeIpv4OnlyAllowed),
        (PdnConnectivityRequest::new(RequestType::Initial, PdnType::NonIp), EsmCause::PdnTypeIpv4OnlyAllowed),
        (PdnConnectivityRequest::new(RequestType::Emergency, PdnType::Ipv4), EsmCause::ServiceOptionNotSupported),
    ];
    for (wanted, cause) in cases {
        let out = Desk::new().attach(1, wanted);
        assert_eq!(rejected(&out), Some(cause.code()), "{out:?}");
    }
    let out = Desk::new().ask(SessionRequest::Attach { ue: ue(1), esm: vec![2], profile: profile(1) });
    assert!(rejected(&out).is_some());
}

#[test]
fn both_address_kinds_asked_gives_ipv4_with_the_reason() {
    let mut desk = Desk::new();
    let out = desk.attach(1, PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4v6));
    let [SessionReply::AttachReady { esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    assert_eq!(offer(esm).2.cause, Some(EsmCause::PdnTypeIpv4OnlyAllowed));
}

#[test]
fn a_full_pool_refuses_and_the_quarantine_ends() {
    let mut desk = Desk::new();
    for number in 1..=6 {
        desk.attached(number);
    }
    assert_eq!(rejected(&desk.attach(7, request())), Some(EsmCause::InsufficientResources.code()));
    desk.ask(SessionRequest::Release { ue: ue(3) });
    assert!(rejected(&desk.attach(7, request())).is_some(), "the address still rests");
    desk.now = Time::from_secs(62);
    assert_eq!(rejected(&desk.attach(7, request())), None);
}

#[test]
fn a_second_session_is_set_up_confirmed_and_ended() {
    let mut desk = Desk::new();
    desk.attached(1);
    let out = desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    let [SessionReply::BearerReady { bearer, esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
    assert_eq!(bearer.ebi.value(), 6);
    assert_eq!(offer(esm).1, Pti(2));
    assert_eq!(out.timers, [(ue(1), TimerName::T3485, Some(ProcedureTimers::default().t3485))]);
    let out = desk.uplink(1, Some(6), 0, accept());
    assert!(out.replies.contains(&SessionReply::DefaultBearer { ue: ue(1), accepted: true }));
    let disconnect = |linked: u8| EsmMessage::PdnDisconnectRequest(PdnDisconnectRequest::new(LinkedEbi(linked)));
    let out = desk.uplink(1, None, 3, disconnect(6));
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerEnding { .. }]), "{out:?}");
    let done = EsmMessage::DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept::new());
    desk.uplink(1, Some(6), 0, done);
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
    let out = desk.uplink(1, None, 4, disconnect(5));
    let [EsmMessage::PdnDisconnectReject(reject)] = &*sent(&out) else { panic!() };
    assert_eq!(reject.cause, EsmCause::LastPdnDisconnectionNotAllowed);
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
fn the_same_access_point_twice_is_refused() {
    let mut desk = Desk::new();
    desk.attached(1);
    let out = desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("internet")));
    let [EsmMessage::PdnConnectivityReject(reject)] = &*sent(&out) else { panic!() };
    assert_eq!(reject.cause, EsmCause::MultiplePdnConnectionsNotAllowed);
}

#[test]
fn an_unanswered_offer_is_repeated_and_then_taken_back() {
    let mut desk = Desk::new();
    desk.attached(1);
    desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    let expire = |desk: &mut Desk| desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3485 });
    for _ in 0..4 {
        assert_eq!(sent(&expire(&mut desk)).len(), 1);
    }
    let out = expire(&mut desk);
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerEnding { .. }]), "{out:?}");
    for _ in 0..5 {
        desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3495 });
    }
    assert_eq!(desk.sessions.of(ue(1)).len(), 1);
}

#[test]
fn a_refused_offer_ends_the_session() {
    let mut desk = Desk::new();
    desk.attach(1, request());
    let reject = ActivateDefaultEpsBearerContextReject::new(EsmCause::RequestRejectedUnspecified);
    let out = desk.uplink(1, Some(5), 0, EsmMessage::ActivateDefaultEpsBearerContextReject(reject));
    assert!(out.replies.contains(&SessionReply::DefaultBearer { ue: ue(1), accepted: false }));
    assert!(out.replies.contains(&SessionReply::LastSessionGone { ue: ue(1) }));
    assert!(desk.sessions.is_empty());
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
fn sessions_survive_as_records() {
    let mut desk = Desk::new();
    let session = desk.attached(1);
    let stored = desk.sessions.stored(ue(1));
    let mut fresh = Desk::new();
    let imsi = profile(1).imsi;
    let ambr = session.ambr;
    assert!(fresh.sessions.restore(ue(9), imsi, ambr, stored.clone()).is_empty());
    assert_eq!(fresh.sessions.of(ue(9)), std::slice::from_ref(&session));
    assert_eq!(fresh.sessions.restore(ue(10), imsi, ambr, stored.clone()), stored, "its address is taken");
    let next = fresh.attached(2);
    assert_ne!(next.address, session.address);
    assert_ne!(next.local.1, session.local.1);
}

#[test]
fn what_was_given_back_rests_over_a_restart_and_not_for_longer() {
    let now = |secs: u64| agw_types::Now { mono: Time::from_secs(secs), unix_secs: 1_700_000_000 + secs };
    let mut desk = Desk::new();
    let session = desk.attached(1);
    desk.ask(SessionRequest::Release { ue: ue(1) });
    let kept = desk.sessions.resting(now(20), ue(1));
    let [rest] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((rest.address, rest.teid), (session.address, session.local.1));
    assert!(desk.sessions.resting(now(3600), ue(1)).is_empty());
    // Another gateway, whose clock begins anew: 5 of 6 addresses of the pool are free.
    let addresses_at = |secs: u64| {
        let mut fresh = Desk::new();
        let restored = agw_types::Now { mono: Time::ZERO, unix_secs: 1_700_000_000 + secs };
        fresh.sessions.restore_resting(restored, ue(7), &kept);
        assert_eq!(
            fresh.sessions.resting(restored, ue(7)).len(),
            usize::from(secs < 60),
            "its record tells of it again"
        );
        let given: Vec<_> = (1..=5).map(|number| fresh.attached(number).address).collect();
        given.contains(&session.address)
    };
    assert!(!addresses_at(21));
    assert!(addresses_at(70));
}

#[test]
fn of_a_full_table_who_goes_and_comes_back_has_its_place_and_nobody_else_has() {
    let mut desk = Desk::new();
    desk.sessions = Sessions::new(&config(), 2, &SecureSeed([7; 32]));
    let mut last = desk.attached(1).local.1;
    desk.attached(2);
    assert_eq!(rejected(&desk.attach(3, request())), Some(EsmCause::InsufficientResources.code()));
    for _ in 0..3 {
        desk.ask(SessionRequest::Release { ue: ue(1) });
        assert_eq!(rejected(&desk.attach(3, request())), Some(EsmCause::InsufficientResources.code()), "it rests");
        let now = desk.attached(1).local.1;
        assert_ne!(now, last, "a base station may still send by the old one");
        last = now;
    }
    // Without having said good-bye, as somebody whom nobody knows by another name.
    let esm = octets(None, 1, EsmMessage::PdnConnectivityRequest(request()));
    let out = desk.ask(SessionRequest::Attach { ue: ue(9), esm, profile: profile(1) });
    assert!(matches!(out.replies.as_slice(), [SessionReply::AttachReady { .. }]), "{out:?}");
    let now = agw_types::Now { mono: desk.now, unix_secs: 0 };
    assert_eq!(desk.sessions.resting(now, ue(9)).len(), 4, "its record tells of all that rests");
    assert!(desk.sessions.resting(now, ue(1)).is_empty());
    // What has rested is anybody's.
    desk.ask(SessionRequest::Release { ue: ue(9) });
    desk.now = Time::from_secs(62);
    assert_eq!(rejected(&desk.attach(3, request())), None);
    assert!(rejected(&desk.attach(1, request())).is_some());
}

#[test]
fn a_session_that_the_phone_does_not_have_is_not_offered_again() {
    let mut desk = Desk::new();
    desk.attached(1);
    let out = desk.uplink(1, None, 2, EsmMessage::PdnConnectivityRequest(named("ims")));
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerReady { .. }]), "{out:?}");
    let out = desk.ask(SessionRequest::Synchronise { ue: ue(1), active: 1 << 5 });
    assert!(out.timers.contains(&(ue(1), TimerName::T3485, None)), "{out:?}");
    let out = desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3485 });
    assert!(out.replies.is_empty(), "{out:?}");
    // It may ask anew.
    let out = desk.uplink(1, None, 3, EsmMessage::PdnConnectivityRequest(named("ims")));
    assert!(matches!(out.replies.as_slice(), [SessionReply::BearerReady { .. }]), "{out:?}");
    // The same for one on its way out.
    desk.uplink(1, Some(6), 0, accept());
    let Some(linked) = Ebi::new(6).ok() else { panic!() };
    desk.ask(SessionRequest::Deactivate { ue: ue(1), ebi: linked });
    desk.ask(SessionRequest::Synchronise { ue: ue(1), active: 1 << 5 });
    assert!(desk.ask(SessionRequest::Expired { ue: ue(1), timer: TimerName::T3495 }).replies.is_empty());
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

#[test]
fn a_session_has_the_addresses_it_asked_for_and_keeps_them_over_a_restart() {
    let mut both = config();
    let pool = PrefixPool { network: "2001:db8:1::".parse().unwrap(), prefix: 62, each: 64 };
    for apn in both.apns.iter_mut().take(1) {
        (apn.pools6, apn.pdn_types) = (vec![pool], PdnTypes::Ipv4v6);
    }
    let fresh = |config: &GatewayConfig| Desk {
        sessions: Sessions::new(config, 100, &SecureSeed([7; 32])),
        now: Time::from_secs(1),
    };
    let mut desk = fresh(&both);
    let of_type = |pdn_type| PdnConnectivityRequest::new(RequestType::Initial, pdn_type);
    for (number, pdn_type, ipv4, ipv6) in
        [(1, PdnType::Ipv4v6, true, true), (2, PdnType::Ipv6, false, true), (3, PdnType::Ipv4, true, false)]
    {
        let out = desk.attach(number, of_type(pdn_type));
        let [SessionReply::AttachReady { esm, .. }] = out.replies.as_slice() else { panic!("{out:?}") };
        let message = EsmPdu::decode(esm, Direction::Downlink).unwrap().message;
        let EsmMessage::ActivateDefaultEpsBearerContextRequest(offer) = message else { panic!() };
        assert_eq!((offer.address.pdn_type(), offer.cause), (pdn_type, None));
        desk.uplink(number, Some(5), 0, accept());
        let address = desk.sessions.of(ue(number))[0].address;
        assert_eq!((address.ipv4().is_some(), address.prefix().is_some()), (ipv4, ipv6));
        assert_eq!(desk.sessions.by_address(address), Some(ue(number)));
    }
    let given: Vec<UeAddress> = (1..=3).map(|number| desk.sessions.of(ue(number))[0].address).collect();
    assert_ne!(given[0].prefix(), given[1].prefix());
    // A restart, and a session given back: its prefix rests.
    let mut again = fresh(&both);
    let ambr = profile(1).ambr;
    for number in 1..=2u32 {
        let stored = desk.sessions.stored(ue(number));
        assert!(again.sessions.restore(ue(number), profile(number.into()).imsi, ambr, stored).is_empty());
    }
    again.ask(SessionRequest::Release { ue: ue(2) });
    let taken: Vec<_> = (4..=5)
        .map(|number| {
            again.attach(number, of_type(PdnType::Ipv6));
            again.sessions.of(ue(number))[0].address.prefix()
        })
        .collect();
    assert!(!taken.contains(&given[0].prefix()) && !taken.contains(&given[1].prefix()), "{taken:?} {given:?}");
    let out = again.attach(6, of_type(PdnType::Ipv6));
    assert!(matches!(out.replies.as_slice(), [SessionReply::AttachRejected { cause: 26, .. }]), "{out:?}");
    // What an access point without IPv6 says.
    let out = fresh(&config()).attach(1, of_type(PdnType::Ipv6));
    assert!(matches!(out.replies.as_slice(), [SessionReply::AttachRejected { cause: 50, .. }]), "{out:?}");
}
