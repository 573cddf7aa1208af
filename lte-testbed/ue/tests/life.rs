//! Life after the attach: idle, paging, updates, detach, PDN connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use basalt_ids::{Ebi, Pti};
use basalt_nas::emm::{
    DetachAccept, DetachRequestNetwork, EmmInformation, GutiReallocationCommand, ServiceReject,
    TrackingAreaUpdateAccept, TrackingAreaUpdateReject,
};
use basalt_nas::esm::{
    ActivateDedicatedEpsBearerContextRequest, DeactivateEpsBearerContextRequest, EsmInformationRequest,
    PdnConnectivityReject,
};
use basalt_nas::ie::{
    DetachTypeNetwork, EmmCause, EpsBearerContextStatus, EpsMobileIdentity, EpsQos, EsmCause, LinkedEbi, NetworkName,
    TaiList, TauKind, TauResult, TrafficFlow,
};
use basalt_nas::{EmmMessage, EsmMessage, EsmPdu};
use basalt_sansio::Duration;
use basalt_security::Secret;
use support::{Pair, default_bearer, guti, tai};
use testbed_ue::{
    AttachKind, Configuration, DetachKind, EmmState, EstablishmentCause, Event, Input, Page, Profile, ProtocolSurprise,
};

#[test]
fn data_of_an_idle_phone_asks_for_service() {
    let mut pair = Pair::idle();
    pair.step(Input::UplinkData);
    pair.service_request();
    let connect = pair.connects.last().unwrap();
    assert_eq!((connect.cause, connect.s_tmsi), (EstablishmentCause::MoData, Some(guti(0x1234).s_tmsi())));
    pair.context(Vec::new());
    assert_eq!(pair.ue.state(), EmmState::Registered);
    assert!(pair.ue.bearers_up());
    // Security stands by the radio's keys alone: what follows is ciphered.
    pair.step(Input::Detach(DetachKind::Normal));
    assert_eq!(pair.sent[0][0], 0x27);
}

#[test]
fn only_its_own_page_wakes_a_phone() {
    let mut pair = Pair::idle();
    pair.step(Input::Page(Page::STmsi(guti(0x9999).s_tmsi())));
    assert!(pair.said_nothing());
    pair.step(Input::Page(Page::STmsi(guti(0x1234).s_tmsi())));
    pair.service_request();
    assert_eq!(pair.connects.last().unwrap().cause, EstablishmentCause::MtAccess);
}

#[test]
fn a_page_by_imsi_means_that_the_network_lost_the_phone() {
    let mut pair = Pair::idle();
    let imsi = pair.ue.imsi();
    pair.step(Input::Page(Page::Imsi(imsi)));
    pair.network = None;
    let EmmMessage::AttachRequest(request) = pair.next_emm() else { panic!() };
    assert_eq!(request.identity, EpsMobileIdentity::Imsi(imsi));
    assert!(pair.saw(&Event::SessionDown(Ebi::FIRST)));
}

#[test]
fn an_unanswered_service_request_is_repeated_while_data_waits() {
    let mut pair = Pair::idle();
    pair.step(Input::UplinkData);
    for _ in 0..4 {
        pair.service_request();
        pair.later(Duration::from_secs(5));
    }
    pair.service_request();
    pair.later(Duration::from_secs(5));
    assert!(pair.said_nothing());
    assert_eq!((pair.ue.state(), pair.abandoned), (EmmState::Registered, 5));
}

#[test]
fn a_network_that_forgot_the_phone_gets_an_attach() {
    let mut pair = Pair::idle();
    pair.step(Input::UplinkData);
    pair.sent.clear();
    pair.plain(EmmMessage::from(ServiceReject::new(EmmCause::UeIdentityCannotBeDerived)));
    assert_eq!(pair.ue.state(), EmmState::Deregistered);
    pair.step(Input::Released);
    pair.network = None;
    let EmmMessage::AttachRequest(request) = pair.next_emm() else { panic!() };
    assert!(matches!(request.identity, EpsMobileIdentity::Imsi(_)));
}

#[test]
fn the_area_is_updated_in_time_and_in_space() {
    let mut pair = Pair::idle();
    // A cell of the list is no reason.
    pair.step(Input::Camp(tai(2)));
    assert!(pair.said_nothing());
    pair.step(Input::Camp(tai(3)));
    let EmmMessage::TrackingAreaUpdateRequest(request) = pair.next_emm() else { panic!() };
    assert_eq!((request.update_type.kind, request.update_type.active), (TauKind::Ta, false));
    assert_eq!(pair.connects.last().unwrap().gummei, Some(guti(0x1234).gummei));
    let mut accept = TrackingAreaUpdateAccept::new(TauResult::TaUpdated);
    accept.tai_list = Some(TaiList::of(&[tai(3)]));
    accept.guti = Some(guti(0x5678));
    pair.protected(EmmMessage::from(accept));
    assert!(matches!(pair.next_emm(), EmmMessage::TrackingAreaUpdateComplete(_)));
    assert_eq!(pair.ue.guti(), Some(guti(0x5678)));
    pair.step(Input::Released);
    pair.later(Duration::from_secs(54 * 60));
    let EmmMessage::TrackingAreaUpdateRequest(request) = pair.next_emm() else { panic!() };
    assert_eq!(request.update_type.kind, TauKind::Periodic);
}

#[test]
fn bearers_that_the_network_does_not_have_are_gone() {
    let mut pair = Pair::idle();
    pair.step(Input::Update { active: true });
    let EmmMessage::TrackingAreaUpdateRequest(request) = pair.next_emm() else { panic!() };
    assert!(request.update_type.active);
    assert_eq!(request.bearer_status, Some(EpsBearerContextStatus(1 << 5)));
    let mut accept = TrackingAreaUpdateAccept::new(TauResult::TaUpdated);
    accept.bearer_status = Some(EpsBearerContextStatus(0));
    pair.protected(EmmMessage::from(accept));
    assert!(pair.said_nothing(), "no GUTI, no complete");
    assert!(pair.ue.sessions().is_empty());
    // The network does not release: the phone lets go.
    pair.later(Duration::from_secs(10));
    assert_eq!(pair.abandoned, 1);
}

#[test]
fn a_refused_update_leads_back_to_attach() {
    let mut pair = Pair::idle();
    pair.step(Input::Update { active: false });
    pair.sent.clear();
    pair.plain(EmmMessage::from(TrackingAreaUpdateReject::new(EmmCause::ImplicitlyDetached)));
    pair.step(Input::Released);
    assert_eq!(pair.ue.state(), EmmState::RegisteredInitiated);
}

#[test]
fn detaching_waits_for_the_answer_and_switching_off_does_not() {
    let mut pair = Pair::attached(Profile::default());
    pair.step(Input::Detach(DetachKind::Normal));
    for _ in 0..5 {
        let EmmMessage::DetachRequestUe(request) = pair.next_emm() else { panic!() };
        assert!(!request.detach_type.switch_off);
        pair.later(Duration::from_secs(15));
    }
    assert_eq!((pair.ue.state(), pair.abandoned), (EmmState::Null, 1));
    let mut pair = Pair::attached(Profile::default());
    pair.step(Input::Detach(DetachKind::Normal));
    pair.sent.clear();
    pair.protected(EmmMessage::from(DetachAccept::new()));
    assert_eq!(pair.ue.state(), EmmState::Null);
    let mut pair = Pair::idle();
    pair.step(Input::Detach(DetachKind::SwitchOff));
    let EmmMessage::DetachRequestUe(request) = pair.next_emm() else { panic!() };
    assert!(request.detach_type.switch_off);
    assert_eq!(pair.ue.state(), EmmState::Null);
    assert!(pair.ue.next_wakeup().is_none());
}

#[test]
fn a_phone_that_is_sent_away_comes_back_if_it_shall() {
    for (kind, comes_back) in
        [(DetachTypeNetwork::ReattachRequired, true), (DetachTypeNetwork::ReattachNotRequired, false)]
    {
        let mut pair = Pair::attached(Profile::default());
        pair.protected(EmmMessage::from(DetachRequestNetwork::new(kind)));
        assert!(matches!(pair.next_emm(), EmmMessage::DetachAccept(_)));
        pair.step(Input::Released);
        assert_eq!(pair.ue.state() == EmmState::RegisteredInitiated, comes_back);
    }
    // With the detach come no keys of another's making: unprotected it is nothing.
    let mut pair = Pair::attached(Profile::default());
    pair.plain(EmmMessage::from(DetachRequestNetwork::new(DetachTypeNetwork::ReattachRequired)));
    assert_eq!(pair.ue.state(), EmmState::Registered);
}

#[test]
fn who_asks_for_service_while_the_network_releases_waits_for_the_release() {
    for by_network in [true, false] {
        let mut pair = Pair::attached(Profile::default());
        pair.protected(EmmMessage::from(DetachRequestNetwork::new(DetachTypeNetwork::ReattachNotRequired)));
        assert!(matches!(pair.next_emm(), EmmMessage::DetachAccept(_)));
        let connections = pair.connects.len();
        pair.step(Input::Attach(AttachKind::Usual));
        assert!(pair.said_nothing());
        // Released by nobody: the end of T3440.
        let wait = if by_network { Duration::ZERO } else { Duration::from_secs(10) };
        pair.now += wait;
        pair.step(if by_network { Input::Released } else { Input::Wakeup });
        assert!(matches!(pair.next_emm(), EmmMessage::AttachRequest(_)));
        assert_eq!(pair.connects.len(), connections + 1);
    }
}

#[test]
fn a_new_guti_is_confirmed_and_kept() {
    let mut pair = Pair::attached(Profile::default());
    pair.protected(EmmMessage::from(GutiReallocationCommand::new(guti(0x777))));
    assert!(matches!(pair.next_emm(), EmmMessage::GutiReallocationComplete(_)));
    assert_eq!(pair.ue.guti(), Some(guti(0x777)));
    let mut information = EmmInformation::new();
    information.full_name = NetworkName::new("Basalt");
    pair.protected(EmmMessage::from(information));
    assert!(pair.saw(&Event::NetworkName(Some("Basalt".to_owned()))));
}

#[test]
fn a_second_connection_comes_and_goes() {
    let mut pair = Pair::attached(Profile::default());
    pair.step(Input::ConnectPdn(Some("ims".parse().unwrap())));
    let request = pair.next_esm();
    assert!(matches!(request.message, EsmMessage::PdnConnectivityRequest(_)));
    pair.protected(default_bearer(6, request.pti, "ims", [10, 94, 0, 1]));
    let answer = pair.next_esm();
    assert!(matches!(answer.message, EsmMessage::ActivateDefaultEpsBearerContextAccept(_)));
    let second = Ebi::new(6).unwrap();
    assert_eq!((answer.ebi, pair.ue.sessions().len()), (Some(second), 2));
    pair.step(Input::DisconnectPdn(second));
    let request = pair.next_esm();
    assert!(matches!(request.message, EsmMessage::PdnDisconnectRequest(_)));
    let cause = EsmCause::RegularDeactivation;
    let message = EsmMessage::DeactivateEpsBearerContextRequest(DeactivateEpsBearerContextRequest::new(cause));
    pair.protected(EsmPdu { ebi: Some(second), pti: request.pti, message });
    assert!(matches!(pair.next_esm().message, EsmMessage::DeactivateEpsBearerContextAccept(_)));
    assert_eq!(pair.ue.sessions().len(), 1);
}

#[test]
fn what_a_service_request_does_not_bring_back_is_gone() {
    let mut pair = Pair::attached(Profile::default());
    pair.step(Input::ConnectPdn(Some("ims".parse().unwrap())));
    let request = pair.next_esm();
    pair.protected(default_bearer(6, request.pti, "ims", [10, 94, 0, 1]));
    pair.next_esm();
    assert_eq!(pair.ue.sessions().len(), 2);
    pair.step(Input::Released);
    pair.step(Input::UplinkData);
    pair.service_request();
    // The context brings bearer 5 only.
    pair.context(Vec::new());
    assert_eq!(pair.ue.sessions().len(), 1);
    assert!(pair.saw(&Event::SessionDown(Ebi::new(6).unwrap())));
}

#[test]
fn an_unanswered_connection_is_asked_for_five_times() {
    let mut pair = Pair::attached(Profile::default());
    pair.step(Input::ConnectPdn(None));
    for _ in 0..5 {
        pair.next_esm();
        pair.later(Duration::from_secs(8));
    }
    assert!(pair.said_nothing());
    assert!(pair.saw(&Event::SessionRefused(EsmCause::NetworkFailure)));
}

#[test]
fn a_refused_connection_is_told() {
    let mut pair = Pair::attached(Profile::default());
    pair.step(Input::ConnectPdn(None));
    let pti = pair.next_esm().pti;
    let message = EsmMessage::PdnConnectivityReject(PdnConnectivityReject::new(EsmCause::MissingOrUnknownApn));
    pair.protected(EsmPdu { ebi: None, pti, message });
    assert!(pair.saw(&Event::SessionRefused(EsmCause::MissingOrUnknownApn)));
    assert!(pair.ue.next_wakeup().is_none());
}

#[test]
fn dedicated_bearers_belong_to_their_default_bearer() {
    let mut pair = Pair::attached(Profile::default());
    // One filter of both directions: UDP (TS 24.008 §10.5.6.12).
    let flow = vec![0x21, 0x30, 0x10, 2, 0x30, 17];
    let dedicated = |linked| {
        let qos = EpsQos::non_gbr(basalt_ids::Qci(1));
        let request = ActivateDedicatedEpsBearerContextRequest::new(LinkedEbi(linked), qos, TrafficFlow(flow.clone()));
        let message = EsmMessage::ActivateDedicatedEpsBearerContextRequest(request);
        EsmPdu { ebi: Some(Ebi::new(7).unwrap()), pti: Pti(0), message }
    };
    pair.protected(dedicated(9));
    assert!(matches!(pair.next_esm().message, EsmMessage::EsmStatus(_)));
    pair.protected(dedicated(5));
    assert!(matches!(pair.next_esm().message, EsmMessage::ActivateDedicatedEpsBearerContextAccept(_)));
    assert_eq!(pair.ue.sessions().len(), 2);
    let message = EsmMessage::DeactivateEpsBearerContextRequest(DeactivateEpsBearerContextRequest::new(
        EsmCause::RegularDeactivation,
    ));
    pair.protected(EsmPdu { ebi: Some(Ebi::FIRST), pti: Pti(0), message });
    assert!(pair.ue.sessions().is_empty());
}

#[test]
fn information_is_told_for_the_right_transaction_only() {
    let profile =
        Profile { apn: Some("secret".parse().unwrap()), conceals_esm_information: true, ..Profile::default() };
    let mut pair = Pair::with(profile);
    let request = pair.attach_request();
    let inner = request.esm_container.decode(basalt_nas::Direction::Uplink).unwrap();
    let EsmMessage::PdnConnectivityRequest(connectivity) = inner.message else { panic!() };
    assert!(connectivity.apn.is_none() && connectivity.pco.is_none());
    pair.secure();
    let ask = |pti| EsmPdu { ebi: None, pti, message: EsmMessage::EsmInformationRequest(EsmInformationRequest::new()) };
    pair.protected(ask(Pti(77)));
    assert!(matches!(pair.next_esm().message, EsmMessage::EsmStatus(_)));
    pair.protected(ask(inner.pti));
    let EsmMessage::EsmInformationResponse(response) = pair.next_esm().message else { panic!() };
    assert_eq!(response.apn.unwrap().apn().unwrap().as_str(), "secret");
    assert!(response.pco.unwrap().asks_dns_ipv4());
}

#[test]
fn the_next_hop_is_compared_with_the_phones_own() {
    let mut pair = Pair::attached(Profile::default());
    let context = pair.network.as_ref().unwrap();
    let mut chain = context.access_keys(0);
    context.advance(&mut chain);
    let (ncc, key) = (chain.ncc(), chain.next_hop().clone());
    pair.step(Input::NextHop { ncc, key });
    assert!(pair.saw(&Event::NextHopAgrees(2)), "{:?}", pair.events);
    pair.step(Input::NextHop { ncc: 3, key: Secret::new([0; 32]) });
    assert!(pair.saw(&Event::Distrust(ProtocolSurprise::NextHop)));
}

#[test]
fn a_radio_bearer_that_is_lost_takes_the_session_along() {
    let mut pair = Pair::attached(Profile::default());
    let removed = vec![Ebi::FIRST];
    pair.step(Input::Configure(Configuration { security: None, added: Vec::new(), removed, nas: Vec::new() }));
    assert!(pair.ue.sessions().is_empty());
}
