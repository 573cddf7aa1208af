//! Detach of a registered phone, its further sessions, and messages that do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{Command, ConfigDelta, Input, OperatorReply, UeState};
use basalt_ids::Ebi;
use basalt_nas::EmmMessage;
use basalt_nas::emm::{DetachAccept, EmmStatus};
use basalt_nas::esm::{EsmMessage, PdnConnectivityRequest, PdnDisconnectRequest};
use basalt_nas::ie::{AccessPointName, DetachKindUe, DetachTypeNetwork, EmmCause, LinkedEbi, PdnType, RequestType};
use basalt_s1ap::Pdu;
use basalt_sansio::Duration;
use site::Site;
use site::enb::Enb;
use site::phone::{Heard, Phone};

fn attached() -> (Site, Phone) {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    site.clear();
    (site, phone)
}

fn idle() -> (Site, Phone) {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    site.clear();
    (site, phone)
}

fn state(site: &Site, phone: &Phone) -> UeState {
    site.core.ue(phone.imsi).unwrap().state
}

fn pages(site: &mut Site) -> usize {
    let pages = site.inbox.iter().filter(|(_, _, pdu)| matches!(pdu, Pdu::Paging(_))).count();
    site.inbox.retain(|(_, _, pdu)| !matches!(pdu, Pdu::Paging(_)));
    pages
}

#[test]
fn an_operator_detaches_a_connected_phone() {
    let (mut site, mut phone) = attached();
    let command = Command::Detach { imsi: phone.imsi, reattach: true };
    assert_eq!(site.command(command.clone()), OperatorReply::Started);
    let EmmMessage::DetachRequestNetwork(request) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(request.detach_type, DetachTypeNetwork::ReattachRequired);
    assert_eq!(state(&site, &phone), UeState::Detaching);
    phone.say(&mut site, EmmMessage::DetachAccept(DetachAccept::new()));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
    assert!(matches!(site.command(command), OperatorReply::Refused(_)));
    assert_eq!(site.core.counts().timers, 0);
}

#[test]
fn a_detach_request_is_sent_five_times_and_then_the_phone_is_gone() {
    let (mut site, mut phone) = attached();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    for _ in 0..5 {
        assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachRequestNetwork(_)));
        site.advance(Duration::from_secs(6));
    }
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
}

#[test]
fn an_idle_phone_is_called_to_be_detached() {
    let (mut site, mut phone) = idle();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    assert_eq!(pages(&mut site), 1);
    phone.service(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachRequestNetwork(_)));
    phone.say(&mut site, EmmMessage::DetachAccept(DetachAccept::new()));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
}

#[test]
fn an_idle_phone_that_does_not_answer_is_detached_all_the_same() {
    let (mut site, phone) = idle();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    site.advance(Duration::from_secs(19));
    assert_eq!(pages(&mut site), 3);
    assert_eq!(state(&site, &phone), UeState::Detached);
}

#[test]
fn a_subscriber_who_is_gone_leaves_nothing() {
    let (mut site, mut phone) = attached();
    site.core.subscribers_mut().remove(phone.imsi);
    site.input(Input::Config(Box::new(ConfigDelta::SubscriberGone { imsi: phone.imsi })));
    let EmmMessage::DetachRequestNetwork(request) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(request.cause, Some(EmmCause::NoSuitableCellsInTrackingArea));
    phone.say(&mut site, EmmMessage::DetachAccept(DetachAccept::new()));
    phone.hear_release(&mut site);
    assert!(site.ue_record(phone.imsi).is_none());
    assert_eq!((site.core.counts().ues, site.core.counts().timers), (0, 0));
    // Its identity is nobody's.
    phone.start_service(&mut site);
    assert!(matches!(phone.hear_plain(&mut site), EmmMessage::ServiceReject(_)));
}

#[test]
fn a_detach_from_circuit_switching_only_changes_nothing() {
    let (mut site, mut phone) = attached();
    let EmmMessage::DetachRequestUe(mut request) = phone.detach_request(false) else { panic!() };
    request.detach_type.kind = DetachKindUe::Imsi;
    phone.say(&mut site, EmmMessage::DetachRequestUe(request));
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachAccept(_)));
    phone.hear_nothing(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn the_radio_lost_in_a_detach_is_a_detach() {
    let (mut site, mut phone) = attached();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    phone.hear_emm(&mut site);
    phone.enb.clone().request_release(&mut site, phone.mme_id.unwrap(), phone.enb_id);
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
    assert_eq!(site.core.counts().timers, 0);
}

fn ask_for_ims(phone: &mut Phone, site: &mut Site) {
    let mut request = PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4);
    request.apn = Some(AccessPointName::from(&"ims".parse::<basalt_ids::Apn>().unwrap()));
    phone.say_esm(site, None, 7, EsmMessage::PdnConnectivityRequest(request));
}

fn second_session(phone: &mut Phone, site: &mut Site) -> Ebi {
    ask_for_ims(phone, site);
    let Some(Pdu::ErabSetupRequest(setup)) = phone.s1ap(site) else { panic!() };
    let erab = &setup.erabs[0];
    let Heard::Esm(esm) = phone.read(&erab.nas_pdu.clone().unwrap()) else { panic!() };
    assert!(matches!(esm.message, EsmMessage::ActivateDefaultEpsBearerContextRequest(_)));
    let mut response = basalt_s1ap::ErabSetupResponse::new(setup.mme_ue_id, setup.enb_ue_id);
    response.erabs = vec![basalt_s1ap::ErabTunnel {
        ebi: erab.ebi,
        address: phone.enb.address.into(),
        teid: basalt_ids::Teid(0x5555),
        extensions: Vec::new(),
    }];
    let ebi = erab.ebi;
    phone.enb.clone().send(site, response);
    let accept = basalt_nas::esm::ActivateDefaultEpsBearerContextAccept::new();
    phone.say_esm(site, Some(ebi.value()), 0, EsmMessage::ActivateDefaultEpsBearerContextAccept(accept));
    ebi
}

#[test]
fn a_second_session_comes_and_goes() {
    let (mut site, mut phone) = attached();
    let ebi = second_session(&mut phone, &mut site);
    let view = site.core.ue(phone.imsi).unwrap();
    assert_eq!(view.sessions.len(), 2);
    assert!(view.sessions.iter().all(|session| session.remote.is_some() && session.confirmed));
    assert_eq!(site.ue_record(phone.imsi).unwrap().sessions.len(), 2);
    // Both return with the phone.
    phone.go_idle(&mut site);
    assert_eq!(phone.service(&mut site).erabs.len(), 2);
    let request = PdnDisconnectRequest::new(LinkedEbi(ebi.value()));
    phone.say_esm(&mut site, None, 8, EsmMessage::PdnDisconnectRequest(request));
    let Some(Pdu::ErabReleaseCommand(command)) = phone.s1ap(&mut site) else { panic!() };
    let Heard::Esm(esm) = phone.read(&command.nas_pdu.clone().unwrap()) else { panic!() };
    assert!(matches!(esm.message, EsmMessage::DeactivateEpsBearerContextRequest(_)));
    let mut response = basalt_s1ap::ErabReleaseResponse::new(command.mme_ue_id, command.enb_ue_id);
    response.erabs = vec![basalt_s1ap::ErabDone::new(ebi)];
    phone.enb.clone().send(&mut site, response);
    let accept = basalt_nas::esm::DeactivateEpsBearerContextAccept::new();
    phone.say_esm(&mut site, Some(ebi.value()), 0, EsmMessage::DeactivateEpsBearerContextAccept(accept));
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions.len(), 1);
}

#[test]
fn the_address_of_a_second_session_is_durable_before_it_is_told() {
    let (mut site, mut phone) = attached();
    ask_for_ims(&mut phone, &mut site);
    // Saves come before sends in a step: see `Site::take`.
    assert!(matches!(phone.s1ap(&mut site), Some(Pdu::ErabSetupRequest(_))));
    assert_eq!(site.ue_record(phone.imsi).unwrap().sessions.len(), 2);
}

#[test]
fn a_second_session_asked_for_before_the_base_station_has_answered_comes_after_it() {
    let (mut site, mut phone) = idle();
    phone.start_service(&mut site);
    let setup = phone.context(&mut site);
    ask_for_ims(&mut phone, &mut site);
    phone.hear_nothing(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    assert!(matches!(phone.s1ap(&mut site), Some(Pdu::ErabSetupRequest(_))));
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions.len(), 2);
}

#[test]
fn a_second_session_over_a_connection_without_bearers_brings_all_of_them_up() {
    let (mut site, mut phone) = idle();
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    phone.guti = accept.guti;
    ask_for_ims(&mut phone, &mut site);
    let Some(Heard::Esm(esm)) = phone.hear(&mut site) else { panic!() };
    assert!(matches!(esm.message, EsmMessage::ActivateDefaultEpsBearerContextRequest(_)));
    phone.complete_tau(&mut site);
    assert_eq!(phone.context(&mut site).erabs.len(), 2);
}

#[test]
fn an_operator_ends_one_session_also_of_an_idle_phone() {
    let (mut site, mut phone) = attached();
    let ebi = second_session(&mut phone, &mut site);
    phone.go_idle(&mut site);
    site.clear();
    assert_eq!(site.command(Command::Deactivate { imsi: phone.imsi, ebi }), OperatorReply::Started);
    assert_eq!(pages(&mut site), 1);
    site.advance(Duration::from_secs(1));
    phone.service(&mut site);
    // Said again at once, with the release of its radio bearer: nothing waits for T3495.
    let Some(Pdu::ErabReleaseCommand(command)) = phone.s1ap(&mut site) else { panic!() };
    let Heard::Esm(esm) = phone.read(&command.nas_pdu.unwrap()) else { panic!() };
    assert!(matches!(esm.message, EsmMessage::DeactivateEpsBearerContextRequest(_)));
    let accept = basalt_nas::esm::DeactivateEpsBearerContextAccept::new();
    phone.say_esm(&mut site, Some(ebi.value()), 0, EsmMessage::DeactivateEpsBearerContextAccept(accept));
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions.len(), 1);
}

#[test]
fn unknown_unreadable_and_misplaced_messages_get_a_status_with_the_right_cause() {
    let (mut site, mut phone) = attached();
    let cases: [(&[u8], EmmCause); 3] = [
        (&[0x07, 0x7f], EmmCause::MessageTypeNonExistent),
        (&[0x07, 0x41, 0x71], EmmCause::InvalidMandatoryInformation),
        (&[0x07, 0x5e], EmmCause::MessageTypeNotCompatibleWithState),
    ];
    for (octets, cause) in cases {
        let nas = phone.seal(octets);
        phone.say_octets(&mut site, nas);
        let EmmMessage::EmmStatus(status) = phone.hear_emm(&mut site) else { panic!() };
        assert_eq!(status.cause, cause);
    }
    // A status is never answered.
    phone.say(&mut site, EmmMessage::EmmStatus(EmmStatus::new(EmmCause::ProtocolErrorUnspecified)));
    phone.hear_nothing(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
}
