//! Tracking area update and handover of a registered phone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{DataplaneChange, Event, Input, Metric, Outcome, Procedure, Traffic, UeState};
use basalt_ids::{Ebi, Tac};
use basalt_nas::EmmMessage;
use basalt_nas::emm::GutiReallocationComplete;
use basalt_nas::ie::{
    AdditionalUpdateType, EmmCause, EpsBearerContextStatus, RadioCapabilityUpdateNeeded, TauKind, TauResult,
};
use basalt_s1ap::{PathSwitchRequest, Pdu, UeSecurityCapabilities};
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

fn waiting(site: &mut Site, phone: &Phone) {
    let address = site.core.ue(phone.imsi).unwrap().sessions[0].address;
    site.input(Input::Traffic(Traffic::DownlinkWaiting { address }));
}

fn pages(site: &mut Site) -> usize {
    let pages = site.inbox.iter().filter(|(_, _, pdu)| matches!(pdu, Pdu::Paging(_))).count();
    site.inbox.retain(|(_, _, pdu)| !matches!(pdu, Pdu::Paging(_)));
    pages
}

fn update(phone: &mut Phone, site: &mut Site, active: bool) -> basalt_nas::emm::TrackingAreaUpdateAccept {
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(active));
    phone.open(site, &request);
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(site) else { panic!() };
    phone.guti = accept.guti.or(phone.guti);
    accept
}

#[test]
fn a_periodic_update_keeps_the_phone_registered() {
    let (mut site, mut phone) = idle();
    for _ in 0..3 {
        site.advance(Duration::from_secs(54 * 60));
        let mut request = phone.tau_request(false);
        request.update_type.kind = TauKind::Periodic;
        phone.open(&mut site, &EmmMessage::TrackingAreaUpdateRequest(request));
        let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
        phone.guti = accept.guti;
        phone.complete_tau(&mut site);
        phone.hear_release(&mut site);
    }
    assert_eq!(state(&site, &phone), UeState::Idle);
}

#[test]
fn a_silent_phone_is_detached_implicitly() {
    let (mut site, mut phone) = idle();
    site.advance(Duration::from_secs(58 * 60 + 1));
    assert_eq!(state(&site, &phone), UeState::Idle);
    site.advance(Duration::from_secs(4 * 60));
    assert_eq!(state(&site, &phone), UeState::Detached);
    assert!(matches!(site.dataplane.last(), Some(DataplaneChange::Remove { .. })));
    assert!(
        site.events.iter().any(|event| matches!(event, Event::Detached { reason, .. } if reason.contains("implicit")))
    );
    // Its update afterwards: known by its keys, but not attached any more.
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let EmmMessage::TrackingAreaUpdateReject(reject) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::ImplicitlyDetached);
    phone.hear_release(&mut site);
    phone.start_attach(&mut site);
    phone.accept(&mut site);
}

#[test]
fn a_combined_update_is_accepted_for_packets_only() {
    let (mut site, mut phone) = idle();
    let mut request = phone.tau_request(false);
    request.update_type.kind = TauKind::CombinedTaLaWithImsiAttach;
    phone.open(&mut site, &EmmMessage::TrackingAreaUpdateRequest(request));
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!((accept.result, accept.cause), (TauResult::TaUpdated, Some(EmmCause::CsDomainNotAvailable)));
}

#[test]
fn an_update_tells_which_bearers_both_sides_have() {
    let (mut site, mut phone) = idle();
    let mut request = phone.tau_request(false);
    request.bearer_status = Some(EpsBearerContextStatus(1 << 5));
    request.radio_capability_update = Some(RadioCapabilityUpdateNeeded(true));
    phone.open(&mut site, &EmmMessage::TrackingAreaUpdateRequest(request));
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(accept.bearer_status, Some(EpsBearerContextStatus(1 << 5)));
    phone.guti = accept.guti;
    phone.complete_tau(&mut site);
    phone.hear_release(&mut site);
    assert!(phone.service(&mut site).ue_radio_capability.is_none());
}

#[test]
fn a_phone_without_bearers_is_detached_at_its_update() {
    let (mut site, mut phone) = idle();
    let mut request = phone.tau_request(false);
    request.bearer_status = Some(EpsBearerContextStatus(0));
    phone.open(&mut site, &EmmMessage::TrackingAreaUpdateRequest(request));
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachRequestNetwork(_)));
    assert_eq!(site.core.counts().sessions, 0);
}

#[test]
fn an_unknown_phone_is_told_to_attach() {
    let (mut site, mut phone) = idle();
    phone.keys = None;
    phone.guti.as_mut().unwrap().gummei.group.0 = 77;
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let EmmMessage::TrackingAreaUpdateReject(reject) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::UeIdentityCannotBeDerived);
    phone.hear_release(&mut site);
}

#[test]
fn an_update_without_valid_protection_is_proven_first_and_then_goes_on() {
    let (mut site, mut phone) = idle();
    phone.keys = None;
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(true));
    phone.open(&mut site, &request);
    phone.prove(&mut site);
    let setup = phone.context(&mut site);
    let Heard::Emm(EmmMessage::TrackingAreaUpdateAccept(_)) = phone.read(&setup.erabs[0].nas_pdu.clone().unwrap())
    else {
        panic!()
    };
    phone.enb.clone().context_ready(&mut site, &setup);
    phone.complete_tau(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
    assert_eq!((site.core.counts().ues, site.core.counts().sessions), (1, 1));
}

#[test]
fn an_update_in_an_area_that_is_not_served_is_refused() {
    let (mut site, mut phone) = idle();
    phone.enb.tai.tac = Tac(500);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let EmmMessage::TrackingAreaUpdateReject(reject) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::NoSuitableCellsInTrackingArea);
}

#[test]
fn an_update_over_the_connection_of_a_connected_phone_keeps_it() {
    let (mut site, mut phone) = attached();
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.say(&mut site, request);
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    phone.guti = accept.guti;
    phone.complete_tau(&mut site);
    phone.hear_nothing(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn a_phone_that_wants_its_signalling_connection_kept_keeps_it() {
    let (mut site, mut phone) = idle();
    let mut request = phone.tau_request(false);
    request.additional_update_type = Some(AdditionalUpdateType { keep_signalling: true, ..Default::default() });
    phone.open(&mut site, &EmmMessage::TrackingAreaUpdateRequest(request));
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    phone.guti = accept.guti;
    phone.complete_tau(&mut site);
    phone.hear_nothing(&mut site);
    // It may ask for bearers over that connection.
    let nas = phone.keys.as_mut().unwrap().protect_service_request().unwrap().to_vec();
    phone.say_octets(&mut site, nas);
    let setup = phone.context(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    assert!(site.core.ue(phone.imsi).unwrap().sessions[0].remote.is_some());
}

#[test]
fn an_update_accept_is_sent_five_times_and_then_both_identities_stay_valid() {
    let (mut site, mut phone) = idle();
    let old = phone.guti;
    let accept = update(&mut phone, &mut site, false);
    for _ in 0..4 {
        site.advance(Duration::from_secs(6));
        assert_eq!(phone.hear_emm(&mut site), EmmMessage::TrackingAreaUpdateAccept(accept.clone()));
    }
    site.advance(Duration::from_secs(6));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Idle);
    // Pages go to both.
    site.advance(Duration::from_millis(200));
    waiting(&mut site, &phone);
    let identities: Vec<_> = site
        .inbox
        .drain(..)
        .filter_map(|(_, _, pdu)| match pdu {
            Pdu::Paging(page) => page.identity,
            _ => None,
        })
        .collect();
    let page = |guti: Option<basalt_ids::Guti>| basalt_s1ap::PagingIdentity::STmsi(guti.unwrap().s_tmsi());
    assert_eq!(identities, [page(old), page(accept.guti)]);
    // By the old one it is served, and then promised the new one again by itself.
    phone.guti = old;
    phone.service(&mut site);
    let EmmMessage::GutiReallocationCommand(command) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(Some(command.guti), accept.guti);
    site.advance(Duration::from_secs(6));
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::GutiReallocationCommand(_)));
    phone.say(&mut site, EmmMessage::GutiReallocationComplete(GutiReallocationComplete::new()));
    let stored = site.ue_record(phone.imsi).unwrap();
    assert_eq!((Some(stored.guti), stored.pending_guti), (accept.guti, None));
    site.advance(Duration::from_secs(30));
    phone.hear_nothing(&mut site);
}

#[test]
fn a_reallocation_that_is_never_confirmed_is_given_up() {
    let (mut site, mut phone) = idle();
    let old = phone.guti;
    update(&mut phone, &mut site, false);
    site.advance(Duration::from_secs(31));
    site.clear();
    phone.guti = old;
    phone.service(&mut site);
    site.advance(Duration::from_secs(31));
    let commands = site.inbox.iter().filter(|(_, _, pdu)| matches!(pdu, Pdu::DownlinkNasTransport(_))).count();
    assert_eq!(commands, 5);
    assert_eq!(state(&site, &phone), UeState::Connected);
    let timeout = Metric::Procedure { procedure: Procedure::GutiReallocation, outcome: Outcome::Timeout };
    assert_eq!(site.counted(timeout), 1);
}

#[test]
fn packets_during_an_update_bring_the_bearers_up_after_it() {
    let (mut site, mut phone) = idle();
    update(&mut phone, &mut site, false);
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 0);
    phone.complete_tau(&mut site);
    let setup = phone.context(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    phone.hear_nothing(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
    assert!(site.core.ue(phone.imsi).unwrap().sessions[0].remote.is_some());
}

#[test]
fn an_update_that_crosses_a_page_brings_the_bearers_up_though_the_phone_did_not_ask() {
    let (mut site, mut phone) = idle();
    site.advance(Duration::from_secs(1));
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 1);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let setup = phone.context(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    phone.complete_tau(&mut site);
    phone.hear_nothing(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
    assert!(site.core.ue(phone.imsi).unwrap().sessions[0].remote.is_some());
    site.advance(Duration::from_secs(10));
    assert_eq!(pages(&mut site), 0);
}

#[test]
fn a_page_that_was_answered_in_vain_is_repeated() {
    let (mut site, mut phone) = idle();
    site.advance(Duration::from_secs(1));
    waiting(&mut site, &phone);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    site.clear();
    phone.open(&mut site, &request);
    let setup = phone.context(&mut site);
    // The radio is lost before the bearers stand.
    phone.enb.clone().request_release(&mut site, setup.mme_ue_id, setup.enb_ue_id);
    site.advance(Duration::from_millis(200));
    assert_eq!(pages(&mut site), 2, "by the identity that it has, and by the one that it was promised");
}

#[test]
fn after_every_connection_the_data_plane_tells_anew_of_packets() {
    let (mut site, mut phone) = idle();
    let before = site.dataplane.len();
    update(&mut phone, &mut site, false);
    phone.complete_tau(&mut site);
    phone.hear_release(&mut site);
    let [agw_types::DataplaneChange::Set(tunnel)] = &site.dataplane[before..] else { panic!() };
    assert_eq!(tunnel.state, agw_types::TunnelState::Idle);
}

#[test]
fn packets_just_after_a_release_page_when_the_phone_listens_again() {
    let (mut site, mut phone) = idle();
    update(&mut phone, &mut site, false);
    phone.complete_tau(&mut site);
    phone.hear_release(&mut site);
    waiting(&mut site, &phone);
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 0);
    site.advance(Duration::from_millis(200));
    assert_eq!(pages(&mut site), 1);
    phone.service(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn the_key_comes_from_the_count_of_the_request_that_brings_the_bearers() {
    let (mut site, mut phone) = idle();
    // The complete of a first update is lost; the second one comes over the connection that is still there.
    update(&mut phone, &mut site, false);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(true));
    let count = phone.keys.as_ref().unwrap().send_count();
    phone.say(&mut site, request);
    let setup = phone.context(&mut site);
    let expected = phone.keys.as_ref().unwrap().access_keys(count);
    assert_eq!(setup.security_key.0, *expected.kenb().expose());
}

#[test]
fn a_handover_moves_the_tunnel_and_gives_the_next_key() {
    let (mut site, mut phone) = attached();
    let target = Enb::ready(&mut site, 2);
    let session = site.core.ue(phone.imsi).unwrap().sessions[0].clone();
    let tunnel = basalt_s1ap::ErabTunnel {
        ebi: session.ebi,
        address: target.address.into(),
        teid: basalt_ids::Teid(0x77),
        extensions: Vec::new(),
    };
    let capabilities = UeSecurityCapabilities::from_nas(phone.capability.eea(), phone.capability.eia());
    let new_id = basalt_ids::EnbUeS1apId::new(4242).unwrap();
    let mme = phone.mme_id.unwrap();
    let request =
        |tunnels, capabilities| PathSwitchRequest::new(new_id, tunnels, mme, target.cell(), target.tai, capabilities);
    target.send(&mut site, request(vec![tunnel.clone()], capabilities));
    let Some(Pdu::PathSwitchRequestAcknowledge(acknowledge)) = site.next() else { panic!() };
    assert_eq!(acknowledge.enb_ue_id, Some(new_id));
    assert!(acknowledge.ue_security_capabilities.is_none());
    let keys = phone.keys.as_ref().unwrap();
    let mut chain = keys.access_keys(0);
    keys.advance(&mut chain);
    assert_eq!(acknowledge.security_context.next_hop_chaining_count, 2);
    assert_eq!(acknowledge.security_context.next_hop.0, *chain.next_hop().expose());
    let view = site.core.ue(phone.imsi).unwrap();
    assert_eq!((view.enb, view.cell), (Some(target.id), Some(target.cell())));
    assert_eq!(view.sessions[0].remote, Some((target.address.into(), basalt_ids::Teid(0x77))));
    assert_eq!(site.ue_record(phone.imsi).unwrap().radio.unwrap().link, target.link);
    // The old base station has nothing to say any more.
    phone.enb.clone().request_release(&mut site, mme, phone.enb_id);
    assert!(matches!(site.next(), Some(Pdu::ErrorIndication(_))));
    phone.enb = target;
    phone.enb_id = new_id;
    phone.go_idle(&mut site);
}

#[test]
fn a_handover_with_other_capabilities_is_told_and_the_stored_ones_hold() {
    let (mut site, phone) = attached();
    let target = Enb::ready(&mut site, 2);
    let ebi = site.core.ue(phone.imsi).unwrap().sessions[0].ebi;
    let tunnel = basalt_s1ap::ErabTunnel {
        ebi,
        address: target.address.into(),
        teid: basalt_ids::Teid(0x77),
        extensions: Vec::new(),
    };
    let none = UeSecurityCapabilities { encryption: 0, integrity: 0 };
    let id = basalt_ids::EnbUeS1apId::new(7).unwrap();
    target.send(
        &mut site,
        PathSwitchRequest::new(id, vec![tunnel], phone.mme_id.unwrap(), target.cell(), target.tai, none),
    );
    let Some(Pdu::PathSwitchRequestAcknowledge(acknowledge)) = site.next() else { panic!() };
    let stored = UeSecurityCapabilities::from_nas(phone.capability.eea(), phone.capability.eia());
    assert_eq!(acknowledge.ue_security_capabilities, Some(stored));
    assert!(site.events.iter().any(|event| matches!(event, Event::Security { .. })));
    assert_eq!(site.ue_record(phone.imsi).unwrap().network_capability, phone.capability.octets());
}

#[test]
fn a_handover_of_nobody_or_of_foreign_bearers_fails_and_changes_nothing() {
    let (mut site, phone) = attached();
    let target = Enb::ready(&mut site, 2);
    let before = site.core.ue(phone.imsi);
    let capabilities = UeSecurityCapabilities::from_nas(0xf0, 0x70);
    let tunnel = |ebi| basalt_s1ap::ErabTunnel {
        ebi: Ebi::new(ebi).unwrap(),
        address: target.address.into(),
        teid: basalt_ids::Teid(0x77),
        extensions: Vec::new(),
    };
    let id = basalt_ids::EnbUeS1apId::new(7).unwrap();
    let mme = phone.mme_id.unwrap();
    for (mme, tunnels) in
        [(basalt_ids::MmeUeS1apId(0xabcd), vec![tunnel(5)]), (mme, vec![tunnel(9)]), (mme, vec![tunnel(5), tunnel(5)])]
    {
        let request = PathSwitchRequest::new(id, tunnels, mme, target.cell(), target.tai, capabilities);
        target.send(&mut site, request);
        assert!(matches!(site.next(), Some(Pdu::PathSwitchRequestFailure(_))));
    }
    assert_eq!(site.core.ue(phone.imsi), before);
}
