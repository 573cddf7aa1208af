//! A configuration that changes while phones are there: what they have follows, and nobody is dropped who may stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{
    Ambr, Command, ConfigDelta, DataplaneChange, Equipment, Gate, GatewayConfig, Input, Limits, OperatorReply,
    PolicyRule, SdfFilter, SubscribedRule, UeState,
};
use basalt_nas::EmmMessage;
use basalt_nas::esm::{EsmMessage, EsmPdu, ModifyEpsBearerContextAccept};
use basalt_nas::ie::EmmCause;
use basalt_s1ap::Pdu;
use core::net::Ipv4Addr;
use site::Site;
use site::enb::Enb;
use site::phone::{Heard, Phone};

fn attached(site: &mut Site) -> Phone {
    let enb = Enb::ready(site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(site);
    site.clear();
    phone
}

fn change(site: &mut Site, change: impl FnOnce(&mut GatewayConfig)) {
    let mut config = site.core.configuration().clone();
    change(&mut config);
    site.input(Input::Config(Box::new(ConfigDelta::Gateway(config))));
}

fn rules(site: &Site, phone: &Phone) -> Vec<String> {
    let session = site.core.ue(phone.imsi).unwrap().sessions.remove(0);
    session.rules.into_iter().map(|active| active.rule.name).collect()
}

#[test]
fn new_rates_hold_at_once_and_the_phone_is_told() {
    let mut site = Site::new();
    let mut phone = attached(&mut site);
    let slow = Ambr { uplink: 1_000_000, downlink: 2_000_000 };
    let mut subscriber = site::subscriber(1);
    subscriber.profile.apns[0].ambr = slow;
    site.core.subscribers_mut().insert(subscriber, true);
    site.input(Input::Config(Box::new(ConfigDelta::Subscriber { imsi: phone.imsi })));
    let set = site.dataplane.iter().rev().find_map(|change| match change {
        DataplaneChange::Set(tunnel) => Some(tunnel.ambr),
        _ => None,
    });
    assert_eq!(set, Some(slow), "the data plane has them");
    let Some(Heard::Esm(EsmPdu { ebi, message: EsmMessage::ModifyEpsBearerContextRequest(told), .. })) =
        phone.hear(&mut site)
    else {
        panic!("the phone heard nothing")
    };
    assert!(told.apn_ambr.is_some() && told.new_qos.is_none());
    let Some(Pdu::UeContextModificationRequest(request)) = phone.s1ap(&mut site) else {
        panic!("the base station heard nothing")
    };
    assert!(request.ue_ambr.is_some(), "the phone's aggregate rate");
    let accept = EsmMessage::ModifyEpsBearerContextAccept(ModifyEpsBearerContextAccept::new());
    phone.say_esm(&mut site, ebi.map(|ebi| ebi.value()), 0, accept);
    phone.hear_nothing(&mut site);
    // The same again is no change.
    site.dataplane.clear();
    site.input(Input::Config(Box::new(ConfigDelta::Subscriber { imsi: phone.imsi })));
    assert!(site.dataplane.is_empty());
    phone.hear_nothing(&mut site);
}

#[test]
fn another_class_of_the_default_bearer_is_told_to_base_station_and_phone() {
    let mut site = Site::new();
    let mut phone = attached(&mut site);
    let mut subscriber = site::subscriber(1);
    subscriber.profile.apns[0].qos.qci = basalt_ids::Qci(6);
    site.core.subscribers_mut().insert(subscriber, true);
    site.input(Input::Config(Box::new(ConfigDelta::Subscriber { imsi: phone.imsi })));
    let Some(Pdu::ErabModifyRequest(request)) = phone.s1ap(&mut site) else { panic!("no E-RAB MODIFY REQUEST") };
    let erab = &request.erabs[0];
    assert_eq!(erab.qos.qci.0, 6);
    let Heard::Esm(EsmPdu { ebi, message: EsmMessage::ModifyEpsBearerContextRequest(told), .. }) =
        phone.read(&erab.nas_pdu)
    else {
        panic!("no MODIFY EPS BEARER CONTEXT REQUEST")
    };
    assert!(told.new_qos.is_some());
    let mut response = basalt_s1ap::ErabModifyResponse::new(request.mme_ue_id, request.enb_ue_id);
    response.erabs.push(basalt_s1ap::ErabDone::new(erab.ebi));
    phone.enb.clone().send(&mut site, response);
    let accept = EsmMessage::ModifyEpsBearerContextAccept(ModifyEpsBearerContextAccept::new());
    phone.say_esm(&mut site, ebi.map(|ebi| ebi.value()), 0, accept);
    // The next context has it too.
    site.clear();
    phone.go_idle(&mut site);
    let setup = phone.service(&mut site);
    assert_eq!(setup.erabs[0].qos.qci.0, 6);
    phone.hear_nothing(&mut site);
}

#[test]
fn rules_of_access_points_and_subscribers_follow() {
    let mut site = Site::new();
    let phone = attached(&mut site);
    assert!(rules(&site, &phone).is_empty());
    let mut closed = PolicyRule::new("no-server", 10, vec!["both ip remote 192.0.2.9".parse::<SdfFilter>().unwrap()]);
    closed.gate = Gate::CLOSED;
    change(&mut site, |config| {
        config.qos.rules = vec![closed.clone()];
        config.qos.apns.entry("internet".to_owned()).or_default().rules = vec!["no-server".to_owned()];
    });
    assert_eq!(rules(&site, &phone), ["no-server"]);
    assert!(site.dataplane.iter().any(|change| matches!(change, DataplaneChange::Serve { .. })));
    let own = PolicyRule::new("own", 20, vec!["both ip remote 192.0.2.10".parse::<SdfFilter>().unwrap()]);
    let given = vec![("internet".parse().unwrap(), SubscribedRule::Own(Box::new(own)))];
    site.input(Input::Config(Box::new(ConfigDelta::Rules { imsi: phone.imsi, rules: given })));
    assert_eq!(rules(&site, &phone), ["no-server", "own"]);
    site.input(Input::Config(Box::new(ConfigDelta::Rules { imsi: phone.imsi, rules: Vec::new() })));
    change(&mut site, |config| config.qos.apns.clear());
    assert!(rules(&site, &phone).is_empty());
}

#[test]
fn equipment_that_is_barred_is_refused_with_protection_and_detached_when_it_is_there() {
    // The phone's IMEISV is 3569380356438091.
    let barred = Equipment { tac: 35_693_803, serial: Some(564_380) };
    let mut site = Site::new();
    let mut phone = attached(&mut site);
    change(&mut site, |config| config.access.refused_equipment = [barred].into());
    let EmmMessage::DetachRequestNetwork(_) = phone.hear_emm(&mut site) else { panic!("no DETACH REQUEST") };

    let mut config = site::config();
    config.access.refused_equipment.insert(barred);
    let mut site = Site::with(config, Limits::default());
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!("no challenge") };
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    phone.complete_security(&mut site);
    let EmmMessage::AttachReject(reject) = phone.hear_emm(&mut site) else { panic!("no ATTACH REJECT") };
    assert_eq!(reject.cause, EmmCause::IllegalMe);
    phone.hear_release(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    assert_eq!((site.core.counts().ues, site.core.counts().timers), (0, 0));
}

#[test]
fn networks_that_are_barred_are_refused_and_those_that_are_there_leave() {
    let mut site = Site::new();
    let mut phone = attached(&mut site);
    change(&mut site, |config| config.access.allowed_plmns = ["999-99".parse().unwrap()].into());
    let EmmMessage::DetachRequestNetwork(_) = phone.hear_emm(&mut site) else { panic!("no DETACH REQUEST") };
    let mut other = Phone::new(2, &phone.enb);
    other.start_attach(&mut site);
    let EmmMessage::AttachReject(reject) = other.hear_emm(&mut site) else { panic!("no ATTACH REJECT") };
    assert_eq!(reject.cause, EmmCause::PlmnNotAllowed);
}

#[test]
fn a_new_pool_is_for_the_next_session_and_the_present_one_stays() {
    let mut site = Site::new();
    let phone = attached(&mut site);
    let before = site.core.ue(phone.imsi).unwrap().sessions[0].address;
    change(&mut site, |config| {
        config.apns[0].pools[0].network = Ipv4Addr::new(10, 99, 0, 0);
        config.apns[0].pools[0].gateway = None;
    });
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions[0].address, before);
    let mut next = Phone::new(2, &phone.enb);
    next.attach(&mut site);
    let address = site.core.ue(next.imsi).unwrap().sessions[0].address.ipv4().unwrap();
    assert_eq!(&address.octets()[..2], &[10, 99]);
}

#[test]
fn a_drain_keeps_new_phones_away_and_lets_connected_ones_go() {
    let mut site = Site::new();
    let mut phone = attached(&mut site);
    assert_eq!(site.command(Command::Drain { on: true }), OperatorReply::Started);
    let Some(Pdu::OverloadStart(start)) = site.next() else { panic!("no OVERLOAD START") };
    assert_eq!(start.traffic_load_reduction, Some(99));
    let Some(Pdu::MmeConfigurationUpdate(update)) = site.next() else { panic!("no MME CONFIGURATION UPDATE") };
    assert_eq!(update.relative_mme_capacity, Some(0));
    let mut other = Phone::new(2, &phone.enb);
    other.start_attach(&mut site);
    let EmmMessage::AttachReject(reject) = other.hear_emm(&mut site) else { panic!("no ATTACH REJECT") };
    assert_eq!(reject.cause, EmmCause::Congestion);
    site.clear();
    assert_eq!(site.command(Command::Release { imsi: phone.imsi }), OperatorReply::Started);
    phone.hear_release(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle, "it stays attached");
    site.clear();
    site.command(Command::Drain { on: false });
    assert!(matches!(site.next(), Some(Pdu::OverloadStop(_))));
    other.attach(&mut site);
}
