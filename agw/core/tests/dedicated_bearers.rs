//! Dedicated bearers through a whole gateway: set up, changed, ended, moved, idle, refused, kept over a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{
    Ambr, Arp, BearerQos, Command, DataplaneChange, Event, Limits, Metric, OperatorReply, Outcome, PolicyRule,
    Procedure, QosConfig, RuleQos, RuleRefusal, Session, SessionService, Tunnel, TunnelState,
};
use basalt_ids::{Ebi, Pti, Qci, Teid};
use basalt_nas::Direction;
use basalt_nas::esm::{
    ActivateDedicatedEpsBearerContextAccept, ActivateDedicatedEpsBearerContextReject,
    ActivateDedicatedEpsBearerContextRequest, BearerResourceAllocationRequest, DeactivateEpsBearerContextAccept,
    EsmMessage, EsmPdu, ModifyEpsBearerContextAccept,
};
use basalt_nas::ie::{EpsQos, EsmCause, GbrRates, LinkedEbi, Tft, TftOperation, TrafficFlow};
use basalt_s1ap::{
    Cause, ErabDone, ErabItem, ErabModifyResponse, ErabReleaseIndication, ErabReleaseResponse, ErabSetupRequest,
    ErabSetupResponse, ErabTunnel, InitialContextSetupResponse, PathSwitchRequest, Pdu, RadioNetworkCause,
    UeSecurityCapabilities,
};
use basalt_sansio::Duration;
use site::Site;
use site::enb::Enb;
use site::phone::{Heard, Phone};

const MARK: u32 = 0x00ab_0000;

fn rule(name: &str, precedence: u8, qci: u8, priority: u8, gbr: Option<u64>) -> PolicyRule {
    let flow = format!("both udp remote 192.0.2.{precedence}");
    let mut rule = PolicyRule::new(name, precedence, vec![flow.parse().unwrap()]);
    let arp = Arp { priority, may_preempt: priority < 5, preemptable: true };
    let gbr = gbr.map(|rate| Ambr { uplink: rate, downlink: rate });
    rule.qos = Some(RuleQos { bearer: BearerQos { qci: Qci(qci), arp }, gbr });
    rule
}

fn attached(site: &mut Site, number: u64) -> Phone {
    let enb = Enb::ready(site, number as u8);
    let mut phone = Phone::new(number, &enb);
    phone.attach(site);
    site.clear();
    phone
}

fn set(site: &mut Site, phone: &Phone, rule: PolicyRule) -> OperatorReply {
    site.command(Command::SetRule { imsi: phone.imsi, apn: None, rule: Box::new(rule) })
}

fn remove(site: &mut Site, phone: &Phone, name: &str) -> OperatorReply {
    site.command(Command::RemoveRule { imsi: phone.imsi, apn: None, name: name.to_owned() })
}

fn session(site: &Site, phone: &Phone) -> Session {
    site.core.ue(phone.imsi).unwrap().sessions.remove(0)
}

/// What the data plane was told last.
fn service(site: &Site) -> SessionService {
    let told = site.dataplane.iter().rev().find_map(|change| match change {
        DataplaneChange::Serve { service, .. } => Some(service.as_ref().clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

fn esm(phone: &mut Phone, nas: &[u8]) -> (Option<Ebi>, Pti, EsmMessage) {
    match phone.read(nas) {
        Heard::Esm(EsmPdu { ebi, pti, message }) => (ebi, pti, message),
        other => panic!("expected ESM, got {other:?}"),
    }
}

/// The next E-RAB SETUP REQUEST with what it says to the phone.
fn hear_setup(
    site: &mut Site,
    phone: &mut Phone,
) -> (ErabSetupRequest, Ebi, Pti, ActivateDedicatedEpsBearerContextRequest) {
    let Some(Pdu::ErabSetupRequest(request)) = phone.s1ap(site) else { panic!("no E-RAB SETUP REQUEST") };
    let (ebi, pti, message) = esm(phone, request.erabs[0].nas_pdu.as_ref().unwrap());
    let EsmMessage::ActivateDedicatedEpsBearerContextRequest(activate) = message else { panic!("{message:?}") };
    (request, ebi.unwrap(), pti, activate)
}

fn tunnel(phone: &Phone, ebi: Ebi) -> ErabTunnel {
    ErabTunnel {
        ebi,
        address: phone.enb.address.into(),
        teid: Teid(MARK | u32::from(ebi.value())),
        extensions: Vec::new(),
    }
}

fn setup_done(site: &mut Site, phone: &Phone, ebi: Ebi) {
    let mut response = ErabSetupResponse::new(phone.mme_id.unwrap(), phone.enb_id);
    response.erabs.push(tunnel(phone, ebi));
    phone.enb.clone().send(site, response);
}

fn accept(site: &mut Site, phone: &mut Phone, ebi: Ebi) {
    let message = ActivateDedicatedEpsBearerContextAccept::new();
    phone.say_esm(site, Some(ebi.value()), 0, EsmMessage::ActivateDedicatedEpsBearerContextAccept(message));
}

/// A bearer that stands.
fn start(site: &mut Site, phone: &mut Phone, rule: PolicyRule) -> Ebi {
    assert_eq!(set(site, phone, rule), OperatorReply::Started);
    let (_, ebi, _, _) = hear_setup(site, phone);
    setup_done(site, phone, ebi);
    accept(site, phone, ebi);
    ebi
}

fn with_qos(qos: QosConfig) -> Site {
    let mut config = site::config();
    config.qos = qos;
    Site::with(config, Limits::default())
}

#[test]
fn a_rule_starts_a_bearer_that_carries_its_flows_once_the_phone_agrees() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    assert_eq!(set(&mut site, &phone, rule("voice", 10, 1, 2, Some(64_000))), OperatorReply::Started);
    let (request, ebi, pti, activate) = hear_setup(&mut site, &mut phone);
    assert_eq!((ebi.value(), pti, activate.linked_ebi), (6, Pti(0), LinkedEbi(5)));
    let gbr = request.erabs[0].qos.gbr.as_ref().unwrap();
    assert_eq!((gbr.gbr_uplink, gbr.mbr_downlink), (64_000, 64_000));
    assert_eq!(activate.qos.rates().unwrap().guaranteed_uplink, 64);
    let Tft { operation: TftOperation::Create(filters), .. } = Tft::decode(&activate.tft).unwrap() else { panic!() };
    assert_eq!((filters.len(), filters[0].precedence), (1, 10));
    let told = service(&site);
    assert_eq!(told.rules[0].bearer, None, "the default bearer carries it until the phone agrees");
    let guaranteed = Ambr { uplink: 64_000, downlink: 64_000 };
    assert_eq!(told.rules[0].mbr, guaranteed, "beside the aggregate, and no more than it asked for");
    assert_eq!(told.settling, [ebi], "which it may have done already");
    setup_done(&mut site, &phone, ebi);
    accept(&mut site, &mut phone, ebi);
    let told = service(&site);
    assert_eq!(told.rules[0].bearer, Some(ebi));
    assert_eq!(told.settling, [ebi], "packets may still be on their way by the default bearer");
    site.advance(Duration::from_secs(3));
    assert_eq!(service(&site), SessionService { settling: Vec::new(), ..told.clone() });
    assert_eq!(told.bearers[0].peer.unwrap().teid, Teid(MARK | 6));
    assert!(told.bearers[0].guaranteed && told.bearers[0].tos == 46 << 2);
    assert!(session(&site, &phone).bearers[0].confirmed);
    assert!(site.events.iter().any(|event| matches!(event, Event::BearerStarted { .. })));
    assert_eq!(site.core.counts().sessions, 1);
}

#[test]
fn rules_of_one_class_share_a_bearer_which_is_modified_and_ends_with_the_last() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let ebi = start(&mut site, &mut phone, rule("one", 10, 7, 6, None));
    // Filters change without the radio.
    set(&mut site, &phone, rule("two", 20, 7, 6, None));
    let Some(Heard::Esm(EsmPdu { message, .. })) = phone.hear(&mut site) else { panic!() };
    let EsmMessage::ModifyEpsBearerContextRequest(modify) = message else { panic!("{message:?}") };
    let Tft { operation: TftOperation::Add(added), .. } = Tft::decode(&modify.tft.unwrap()).unwrap() else { panic!() };
    assert_eq!((added[0].id, added[0].precedence), (1, 20));
    let accepted = || EsmMessage::ModifyEpsBearerContextAccept(ModifyEpsBearerContextAccept::new());
    phone.say_esm(&mut site, Some(ebi.value()), 0, accepted());
    assert_eq!(service(&site).rules.iter().filter(|rule| rule.bearer == Some(ebi)).count(), 2);
    remove(&mut site, &phone, "one");
    let Some(Heard::Esm(EsmPdu { message, .. })) = phone.hear(&mut site) else { panic!() };
    let EsmMessage::ModifyEpsBearerContextRequest(modify) = message else { panic!("{message:?}") };
    assert_eq!(modify.tft.unwrap(), TrafficFlow(vec![0xa1, 0]));
    phone.say_esm(&mut site, Some(ebi.value()), 0, accepted());
    remove(&mut site, &phone, "two");
    let Some(Pdu::ErabReleaseCommand(command)) = phone.s1ap(&mut site) else { panic!() };
    assert_eq!(command.erabs[0].ebi, ebi);
    let told = service(&site);
    assert_eq!(told.settling, [ebi], "the phone may go on by it until it has read the request");
    assert!(told.rules.iter().all(|rule| rule.bearer.is_none()), "and its radio may be gone already");
    let (_, _, message) = esm(&mut phone, command.nas_pdu.as_ref().unwrap());
    assert!(matches!(message, EsmMessage::DeactivateEpsBearerContextRequest(_)));
    let mut response = ErabReleaseResponse::new(phone.mme_id.unwrap(), phone.enb_id);
    response.erabs.push(ErabDone::new(ebi));
    phone.enb.clone().send(&mut site, response);
    let done = EsmMessage::DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept::new());
    phone.say_esm(&mut site, Some(ebi.value()), 0, done);
    assert!(session(&site, &phone).bearers.is_empty());
    assert_eq!(service(&site), SessionService::default());
    assert!(matches!(remove(&mut site, &phone, "two"), OperatorReply::Refused(_)));
    phone.hear_nothing(&mut site);
}

#[test]
fn guaranteed_rates_change_together_with_the_radio() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let ebi = start(&mut site, &mut phone, rule("voice", 10, 1, 2, Some(64_000)));
    set(&mut site, &phone, rule("video", 20, 1, 2, Some(36_000)));
    let Some(Pdu::ErabModifyRequest(request)) = phone.s1ap(&mut site) else { panic!() };
    assert_eq!(request.erabs[0].qos.gbr.as_ref().unwrap().gbr_downlink, 100_000);
    let (_, _, message) = esm(&mut phone, &request.erabs[0].nas_pdu);
    let EsmMessage::ModifyEpsBearerContextRequest(modify) = message else { panic!("{message:?}") };
    assert_eq!(modify.new_qos.unwrap().rates().unwrap().max_uplink, 104, "the next rate that the element can say");
    let mut response = ErabModifyResponse::new(phone.mme_id.unwrap(), phone.enb_id);
    let cause = Cause::RadioNetwork(RadioNetworkCause::RadioResourcesNotAvailable);
    response.failed_erabs.push(ErabItem::new(ebi, cause));
    phone.enb.clone().send(&mut site, response);
    // It stays as it was; the rule that came is refused.
    let session = session(&site, &phone);
    assert_eq!(session.bearers[0].rates.unwrap().guaranteed.uplink, 64_000);
    assert_eq!(session.rules[1].refused, Some(RuleRefusal::Radio));
    phone.hear_nothing(&mut site);
}

#[test]
fn a_phone_that_refuses_or_stays_silent_has_no_bearer() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    set(&mut site, &phone, rule("one", 10, 7, 6, None));
    let (_, ebi, _, _) = hear_setup(&mut site, &mut phone);
    setup_done(&mut site, &phone, ebi);
    let reject = ActivateDedicatedEpsBearerContextReject::new(EsmCause::SemanticErrorInTft);
    phone.say_esm(&mut site, Some(6), 0, EsmMessage::ActivateDedicatedEpsBearerContextReject(reject));
    assert!(matches!(phone.s1ap(&mut site), Some(Pdu::ErabReleaseCommand(command)) if command.nas_pdu.is_none()));
    assert_eq!(session(&site, &phone).rules[0].refused, Some(RuleRefusal::Phone(41)));
    set(&mut site, &phone, rule("two", 20, 8, 6, None));
    let (_, ebi, _, _) = hear_setup(&mut site, &mut phone);
    setup_done(&mut site, &phone, ebi);
    for _ in 0..4 {
        site.advance(Duration::from_secs(8));
        assert!(matches!(phone.hear(&mut site), Some(Heard::Esm(_))), "T3485: again, by itself");
    }
    site.advance(Duration::from_secs(8));
    assert!(matches!(phone.s1ap(&mut site), Some(Pdu::ErabReleaseCommand(_))));
    assert_eq!(session(&site, &phone).rules[1].refused, Some(RuleRefusal::Timeout));
    assert!(session(&site, &phone).bearers.is_empty());
    assert_eq!(site.core.counts().timers, 0);
}

#[test]
fn what_the_base_station_has_no_room_for_is_asked_for_again_after_longer_and_longer() {
    let no_room = |site: &mut Site, phone: &mut Phone| {
        let (request, ebi, _, _) = hear_setup(site, phone);
        let cause = Cause::RadioNetwork(RadioNetworkCause::RadioResourcesNotAvailable);
        let mut response = ErabSetupResponse::new(request.mme_ue_id, request.enb_ue_id);
        response.failed_erabs.push(ErabItem::new(ebi, cause));
        phone.enb.clone().send(site, response);
        assert_eq!(session(site, phone).rules[0].refused, Some(RuleRefusal::Radio));
    };
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    set(&mut site, &phone, rule("voice", 10, 1, 2, Some(64_000)));
    let mut waited = Vec::new();
    for _ in 0..3 {
        no_room(&mut site, &mut phone);
        let since = site.now.mono;
        while site.inbox.is_empty() {
            site.advance(Duration::from_secs(1));
        }
        waited.push((site.now.mono - since).as_secs());
    }
    assert_eq!(waited, [30, 60, 120]);
    let (_, ebi, _, _) = hear_setup(&mut site, &mut phone);
    setup_done(&mut site, &phone, ebi);
    accept(&mut site, &mut phone, ebi);
    assert_eq!(session(&site, &phone).rules[0].refused, None);
    // A phone that is idle meanwhile is not called for it at that time.
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    set(&mut site, &phone, rule("voice", 10, 1, 2, Some(64_000)));
    no_room(&mut site, &mut phone);
    phone.go_idle(&mut site);
    site.clear();
    site.advance(Duration::from_secs(120));
    site.assert_quiet();
}

#[test]
fn an_idle_phone_is_called_and_its_bearers_come_back_with_it() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let ebi = start(&mut site, &mut phone, rule("one", 10, 7, 6, None));
    phone.go_idle(&mut site);
    assert_eq!(service(&site).bearers[0].peer, None);
    site.clear();
    set(&mut site, &phone, rule("two", 20, 8, 6, None));
    assert!(site.inbox.iter().any(|(_, _, pdu)| matches!(pdu, Pdu::Paging(_))));
    phone.start_service(&mut site);
    let setup = phone.context(&mut site);
    assert_eq!(setup.erabs.iter().map(|erab| erab.ebi.value()).collect::<Vec<_>>(), [5, 6]);
    // The base station has no room for one of them: it goes, and the other rule's bearer is set up.
    let mut response =
        InitialContextSetupResponse::new(setup.mme_ue_id, setup.enb_ue_id, vec![tunnel(&phone, Ebi::FIRST)]);
    let cause = Cause::RadioNetwork(RadioNetworkCause::RadioResourcesNotAvailable);
    response.failed_erabs.push(ErabItem::new(ebi, cause));
    phone.enb.clone().send(&mut site, response);
    assert_eq!(session(&site, &phone).rules[0].refused, Some(RuleRefusal::Radio));
    let (_, second, _, _) = hear_setup(&mut site, &mut phone);
    setup_done(&mut site, &phone, second);
    accept(&mut site, &mut phone, second);
    let bearers = session(&site, &phone).bearers;
    assert_eq!((bearers.len(), bearers[0].qos.qci), (1, Qci(8)));
}

/// What waits for it leaves as soon as its session has a tunnel.
#[test]
fn the_bearers_of_a_phone_that_returns_have_their_tunnels_before_its_session_has() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let ebi = start(&mut site, &mut phone, rule("one", 10, 7, 6, None));
    phone.go_idle(&mut site);
    site.dataplane.clear();
    phone.start_service(&mut site);
    let setup = phone.context(&mut site);
    let tunnels = [Ebi::FIRST, ebi].map(|ebi| tunnel(&phone, ebi)).to_vec();
    let response = InitialContextSetupResponse::new(setup.mme_ue_id, setup.enb_ue_id, tunnels);
    phone.enb.clone().send(&mut site, response);
    assert_eq!(ready(&site.dataplane), ["bearer", "session"]);
    // Nor does a gateway that finds the phone idle in its tables do it the other way round.
    let idle = site.core.tunnels().map(|tunnel| Tunnel { state: TunnelState::Idle, ..tunnel });
    site.dataplane = idle.map(DataplaneChange::Set).collect();
    site.restart();
    assert_eq!(ready(&site.dataplane), ["bearer", "session"]);
}

/// What changes gave a tunnel to a base station.
fn ready(changes: &[DataplaneChange]) -> Vec<&'static str> {
    let names = changes.iter().filter_map(|change| match change {
        DataplaneChange::Set(Tunnel { state: TunnelState::Connected(_), .. }) => Some("session"),
        DataplaneChange::Serve { service, .. } if service.bearers.iter().any(|b| b.peer.is_some()) => Some("bearer"),
        _ => None,
    });
    names.collect()
}

#[test]
fn a_path_switch_moves_all_bearers_and_what_does_not_come_along_ends() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let one = start(&mut site, &mut phone, rule("one", 10, 7, 6, None));
    let two = start(&mut site, &mut phone, rule("two", 20, 8, 6, None));
    let mut target = Enb::ready_among(&mut site, 2);
    let id = target.new_ue_id();
    let moved =
        |ebi, teid| ErabTunnel { ebi, address: target.address.into(), teid: Teid(teid), extensions: Vec::new() };
    let security = UeSecurityCapabilities { encryption: 0xe000, integrity: 0xe000 };
    let tunnels = vec![moved(Ebi::FIRST, 100), moved(one, 101)];
    let request = PathSwitchRequest::new(id, tunnels, phone.mme_id.unwrap(), target.cell(), target.tai, security);
    target.send(&mut site, request);
    let bearers = session(&site, &phone).bearers;
    assert_eq!(bearers.len(), 1);
    assert_eq!((bearers[0].ebi, bearers[0].remote), (one, Some((target.address.into(), Teid(101)))));
    assert!(bearers.iter().all(|bearer| bearer.ebi != two));
    assert_eq!(service(&site).bearers.len(), 1);
}

#[test]
fn a_base_station_that_gives_a_bearer_up_ends_it() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let ebi = start(&mut site, &mut phone, rule("one", 10, 7, 6, None));
    let cause = Cause::RadioNetwork(RadioNetworkCause::RadioResourcesNotAvailable);
    let gone = ErabReleaseIndication::new(phone.mme_id.unwrap(), phone.enb_id, vec![ErabItem::new(ebi, cause)]);
    phone.enb.clone().send(&mut site, gone);
    assert!(session(&site, &phone).bearers.is_empty());
    assert_eq!(site.core.sessions().count(), 1, "the session stays");
    phone.hear_nothing(&mut site);
}

#[test]
fn guaranteed_rates_are_admitted_refused_and_taken_by_the_more_important() {
    let rate = |rate| Some(Ambr { uplink: rate, downlink: rate });
    let mut site = with_qos(QosConfig { guaranteed: rate(100_000), ..QosConfig::default() });
    let mut first = attached(&mut site, 1);
    let mut second = attached(&mut site, 2);
    let ebi = start(&mut site, &mut first, rule("low", 10, 2, 9, Some(80_000)));
    set(&mut site, &second, rule("equal", 10, 2, 9, Some(80_000)));
    assert_eq!(session(&site, &second).rules[0].refused, Some(RuleRefusal::Admission));
    let refused = Metric::Procedure { procedure: Procedure::Admission, outcome: Outcome::Failure };
    assert_eq!(site.counted(refused), 1);
    second.hear_nothing(&mut site);
    set(&mut site, &second, rule("high", 20, 1, 1, Some(90_000)));
    let (_, high, _, _) = hear_setup(&mut site, &mut second);
    setup_done(&mut site, &second, high);
    accept(&mut site, &mut second, high);
    assert_eq!(session(&site, &first).rules[0].refused, Some(RuleRefusal::Preempted));
    let Some(Pdu::ErabReleaseCommand(command)) = first.s1ap(&mut site) else { panic!() };
    assert_eq!(command.erabs[0].ebi, ebi);
}

#[test]
fn a_restart_keeps_bearers() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let ebi = start(&mut site, &mut phone, rule("one", 10, 7, 6, None));
    let before = session(&site, &phone);
    site.restart();
    assert_eq!(session(&site, &phone), before);
    assert_eq!(service(&site).bearers[0].ebi, ebi);
    remove(&mut site, &phone, "one");
    assert!(matches!(phone.s1ap(&mut site), Some(Pdu::ErabReleaseCommand(_))));
}

/// The phone has it, or will in a moment, and so does its base station; nobody knows whether it said so.
#[test]
fn a_bearer_that_was_offered_before_a_restart_is_taken_back_and_offered_again() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    set(&mut site, &phone, rule("one", 10, 7, 6, None));
    let (_, ebi, _, _) = hear_setup(&mut site, &mut phone);
    setup_done(&mut site, &phone, ebi);
    // The gateway dies, and with it the phone's answer.
    site.restart();
    let Some(Pdu::ErabReleaseCommand(command)) = phone.s1ap(&mut site) else { panic!("no E-RAB RELEASE COMMAND") };
    assert_eq!(command.erabs[0].ebi, ebi);
    let (of, _, message) = esm(&mut phone, command.nas_pdu.as_ref().unwrap());
    assert!(matches!(message, EsmMessage::DeactivateEpsBearerContextRequest(_)) && of == Some(ebi));
    let mut response = ErabReleaseResponse::new(phone.mme_id.unwrap(), phone.enb_id);
    response.erabs.push(ErabDone::new(ebi));
    phone.enb.clone().send(&mut site, response);
    let done = EsmMessage::DeactivateEpsBearerContextAccept(DeactivateEpsBearerContextAccept::new());
    phone.say_esm(&mut site, Some(ebi.value()), 0, done);
    let (_, again, _, _) = hear_setup(&mut site, &mut phone);
    setup_done(&mut site, &phone, again);
    accept(&mut site, &mut phone, again);
    let session = session(&site, &phone);
    assert_eq!((session.bearers.len(), session.bearers[0].confirmed), (1, true));
    assert_eq!(service(&site).rules[0].bearer, Some(again));
}

#[test]
fn a_bearer_that_was_offered_is_forgotten_where_a_restart_finds_the_phone_idle() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    set(&mut site, &phone, rule("one", 10, 7, 6, None));
    let (_, ebi, _, _) = hear_setup(&mut site, &mut phone);
    setup_done(&mut site, &phone, ebi);
    site.restart_with(&[]);
    assert!(
        session(&site, &phone).bearers.is_empty(),
        "what the phone may have goes when it returns without its radio bearer"
    );
    assert_eq!(session(&site, &phone).rules.len(), 1);
}

#[test]
fn resources_that_a_phone_asks_for_are_refused_unless_policy_grants_them() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    let flow = Tft::decode(&TrafficFlow(vec![0x21, 0x30, 1, 2, 0x30, 17])).unwrap().encode();
    let rates = GbrRates { max_uplink: 64, max_downlink: 64, guaranteed_uplink: 64, guaranteed_downlink: 64 };
    let request = |flow: &TrafficFlow| {
        let qos = EpsQos::gbr(Qci(1), &rates);
        let request = BearerResourceAllocationRequest::new(LinkedEbi(5), flow.clone(), qos);
        EsmMessage::BearerResourceAllocationRequest(request)
    };
    phone.say_esm(&mut site, None, 7, request(&flow));
    let Some(Heard::Esm(EsmPdu { pti, message, .. })) = phone.hear(&mut site) else { panic!() };
    let EsmMessage::BearerResourceAllocationReject(reject) = message else { panic!("{message:?}") };
    assert_eq!((pti, reject.cause), (Pti(7), EsmCause::ServiceOptionNotSubscribed));
    phone.say_esm(&mut site, None, 8, request(&TrafficFlow(vec![0x21])));
    let Some(Heard::Esm(EsmPdu { message, .. })) = phone.hear(&mut site) else { panic!() };
    assert!(matches!(message, EsmMessage::BearerResourceAllocationReject(reject)
        if reject.cause == EsmCause::SyntacticalErrorsInPacketFilters));

    let requested = agw_types::RequestedQos { qcis: vec![1], gbr: Ambr { uplink: 64_000, downlink: 64_000 } };
    let apn = agw_types::ApnQos { requested: Some(requested), ..Default::default() };
    let apns = [("internet".to_owned(), apn)].into();
    let mut site = with_qos(QosConfig { apns, ..QosConfig::default() });
    let mut phone = attached(&mut site, 1);
    phone.say_esm(&mut site, None, 7, request(&flow));
    let (_, _, pti, activate) = hear_setup(&mut site, &mut phone);
    assert_eq!(pti, Pti(7));
    assert!(EsmPdu::decode(&[0x62, 0, 0xc6], Direction::Uplink).is_ok());
    assert_eq!(activate.qos.qci, Qci(1));
}

#[test]
fn eleven_bearers_are_the_most() {
    let mut site = Site::new();
    let mut phone = attached(&mut site, 1);
    for number in 0..10 {
        let priority = number + 1;
        start(&mut site, &mut phone, rule(&format!("r{number}"), 10 * (number + 1), 7, priority, None));
    }
    set(&mut site, &phone, rule("more", 200, 8, 6, None));
    assert_eq!(session(&site, &phone).rules[10].refused, Some(RuleRefusal::TooManyBearers));
    assert_eq!(session(&site, &phone).bearers.len(), 10);
    phone.hear_nothing(&mut site);
}
