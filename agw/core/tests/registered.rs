//! A registered phone: service, paging, update, handover, detach, and the timers of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{
    Command, ConfigDelta, DataplaneChange, Event, Input, Metric, OperatorReply, Outcome, Procedure, Traffic, UeState,
};
use basalt_ids::{Ebi, MTmsi, Tac};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{DetachAccept, EmmStatus, ExtendedServiceRequest, GutiReallocationComplete};
use basalt_nas::esm::{EsmMessage, PdnConnectivityRequest, PdnDisconnectRequest};
use basalt_nas::ie::{
    AccessPointName, AdditionalUpdateType, DetachKindUe, DetachTypeNetwork, EmmCause, EpsBearerContextStatus,
    LinkedEbi, MobileIdentity, PdnType, RadioCapabilityUpdateNeeded, RequestType, ServiceType, TauKind, TauResult,
};
use basalt_s1ap::{
    Cause, ErabReleaseIndication, InitialContextSetupFailure, PathSwitchRequest, Pdu, RadioNetworkCause,
    UeSecurityCapabilities,
};
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
    let ue_ipv4 = site.core.ue(phone.imsi).unwrap().sessions[0].address.ipv4().unwrap();
    site.input(Input::Traffic(Traffic::DownlinkWaiting { ue_ipv4 }));
}

fn pages(site: &mut Site) -> usize {
    let pages = site.inbox.iter().filter(|(_, _, pdu)| matches!(pdu, Pdu::Paging(_))).count();
    site.inbox.retain(|(_, _, pdu)| !matches!(pdu, Pdu::Paging(_)));
    pages
}

// --- service request ------------------------------------------------------------------------------------------------------

#[test]
fn an_unknown_identity_is_rejected_and_nothing_else_happens() {
    let (mut site, mut phone) = idle();
    let guti = phone.guti.as_mut().unwrap();
    guti.m_tmsi = MTmsi(guti.m_tmsi.0 ^ 0x0010_0000);
    phone.start_service(&mut site);
    let EmmMessage::ServiceReject(reject) = plain(&mut phone, &mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::UeIdentityCannotBeDerived);
    phone.hear_release(&mut site);
    assert_eq!(site.core.counts().ues, 1);
}

/// The next NAS message, which must be plain.
fn plain(phone: &mut Phone, site: &mut Site) -> EmmMessage {
    let keys = phone.keys.take();
    let message = phone.hear_emm(site);
    phone.keys = keys;
    message
}

#[test]
fn a_detached_phone_that_asks_for_service_has_to_attach() {
    let (mut site, mut phone) = attached();
    let off = phone.detach_request(true);
    phone.say(&mut site, off);
    phone.hear_release(&mut site);
    phone.start_service(&mut site);
    let EmmMessage::ServiceReject(reject) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::ImplicitlyDetached);
    phone.hear_release(&mut site);
}

#[test]
fn a_service_request_over_a_new_connection_ends_the_old_one() {
    let (mut site, mut phone) = attached();
    let old = phone.mme_id;
    phone.service(&mut site);
    let release = site.inbox.iter().find(|(_, _, pdu)| matches!(pdu, Pdu::UeContextReleaseCommand(_)));
    assert_eq!(release.unwrap().2.ue_ids().mme, old);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn a_context_that_cannot_be_set_up_leaves_the_phone_idle() {
    let (mut site, mut phone) = idle();
    phone.start_service(&mut site);
    let setup = phone.context(&mut site);
    let cause = Cause::RadioNetwork(RadioNetworkCause::Unspecified);
    phone.enb.clone().send(&mut site, InitialContextSetupFailure::new(setup.mme_ue_id, setup.enb_ue_id, cause));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Idle);
    assert_eq!(site.core.counts().sessions, 1);
    phone.service(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn a_context_that_is_never_answered_leaves_the_phone_idle() {
    let (mut site, mut phone) = idle();
    phone.start_service(&mut site);
    phone.context(&mut site);
    site.advance(Duration::from_secs(6));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Idle);
}

#[test]
fn packet_services_by_extended_service_request_are_served() {
    let (mut site, mut phone) = idle();
    let tmsi = MobileIdentity::Tmsi(phone.guti.unwrap().m_tmsi);
    let request = ExtendedServiceRequest::new(ServiceType::PacketServicesViaS1, phone.ksi(), tmsi);
    phone.open(&mut site, &EmmMessage::ExtendedServiceRequest(request));
    let setup = phone.context(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn circuit_switched_fallback_is_refused_idle_and_connected() {
    let (mut site, mut phone) = idle();
    let tmsi = MobileIdentity::Tmsi(phone.guti.unwrap().m_tmsi);
    let request = ExtendedServiceRequest::new(ServiceType::MobileOriginatingCsFallback, phone.ksi(), tmsi);
    phone.open(&mut site, &EmmMessage::ExtendedServiceRequest(request.clone()));
    let EmmMessage::ServiceReject(reject) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::CsDomainNotAvailable);
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Idle);
    phone.service(&mut site);
    phone.say(&mut site, EmmMessage::ExtendedServiceRequest(request));
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::ServiceReject(_)));
    phone.hear_nothing(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn a_base_station_that_lost_a_tunnel_makes_the_phone_idle_and_only_its_own_word_counts() {
    let (mut site, mut phone) = attached();
    let session = site.core.ue(phone.imsi).unwrap().sessions[0].clone();
    let (address, teid) = session.remote.unwrap();
    let told = |address, teid| {
        let peer = agw_types::Peer { address, teid };
        Input::Traffic(Traffic::ErrorIndication { teid: session.local.1, peer })
    };
    site.input(told("192.0.2.77".parse().unwrap(), teid));
    site.input(told(address, basalt_ids::Teid(1)));
    assert_eq!(state(&site, &phone), UeState::Connected);
    site.input(told(address, teid));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Idle);
    assert_eq!(site.core.counts().sessions, 1);
}

#[test]
fn released_bearers_end_their_sessions_and_with_the_last_one_the_phone_leaves() {
    let (mut site, mut phone) = attached();
    let ebi = site.core.ue(phone.imsi).unwrap().sessions[0].ebi;
    let cause = Cause::RadioNetwork(RadioNetworkCause::ReleaseDueToPreEmption);
    let gone =
        ErabReleaseIndication::new(phone.mme_id.unwrap(), phone.enb_id, vec![basalt_s1ap::ErabItem::new(ebi, cause)]);
    phone.enb.clone().send(&mut site, gone);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachRequestNetwork(_)));
}

// --- paging ---------------------------------------------------------------------------------------------------------------

#[test]
fn a_page_is_repeated_then_given_up_then_held_back() {
    let (mut site, mut phone) = idle();
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 1);
    site.advance(Duration::from_secs(6));
    assert_eq!(pages(&mut site), 1);
    site.advance(Duration::from_secs(6));
    assert_eq!(pages(&mut site), 1);
    site.advance(Duration::from_secs(6));
    assert_eq!(pages(&mut site), 0);
    assert!(matches!(site.dataplane.last(), Some(DataplaneChange::Discard { .. })));
    assert!(site.events.iter().any(|event| matches!(event, Event::PagingFailed { attempts: 3, .. })));
    // Held back: what comes now pages when that is over.
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 0);
    site.advance(Duration::from_secs(31));
    assert_eq!(pages(&mut site), 1);
    phone.service(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn an_operator_pages_whether_or_not_pages_are_held_back() {
    let (mut site, mut phone) = idle();
    waiting(&mut site, &phone);
    site.advance(Duration::from_secs(20));
    site.clear();
    assert_eq!(site.command(Command::Page { imsi: phone.imsi }), OperatorReply::Started);
    assert_eq!(pages(&mut site), 1);
    phone.service(&mut site);
    assert!(matches!(site.command(Command::Page { imsi: phone.imsi }), OperatorReply::Refused(_)));
}

#[test]
fn every_base_station_of_the_areas_pages_once() {
    let mut config = site::config();
    for tac in [2, 3, 4] {
        let mut area = config.areas[0];
        area.tac = Tac(tac);
        config.areas.push(area);
    }
    let mut site = Site::with(config, agw_types::Limits::default());
    let here = Enb::ready(&mut site, 1);
    for n in 2..=5 {
        let mut enb = Enb::connect(&mut site, n);
        enb.tai.tac = Tac(u16::from(n - 1));
        let mut request = enb.setup_request();
        // One of them serves two of the areas.
        request.supported_tas.push(basalt_s1ap::SupportedTa::new(Tac(1), vec![enb.tai.plmn]));
        enb.send(&mut site, request);
    }
    let mut phone = Phone::new(1, &here);
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    site.clear();
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 5);
}

#[test]
fn packets_for_a_phone_on_its_way_do_not_page_it() {
    let (mut site, mut phone) = idle();
    phone.start_service(&mut site);
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 0);
    let setup = phone.context(&mut site);
    // The radio is lost before the bearers stand: now it is called.
    phone.enb.clone().request_release(&mut site, setup.mme_ue_id, setup.enb_ue_id);
    assert_eq!(pages(&mut site), 1);
}

#[test]
fn packets_for_nobody_are_dropped() {
    let (mut site, _) = idle();
    let ue_ipv4 = "10.45.77.77".parse().unwrap();
    site.input(Input::Traffic(Traffic::DownlinkWaiting { ue_ipv4 }));
    assert_eq!(site.dataplane.last(), Some(&DataplaneChange::Discard { ue_ipv4 }));
}

// --- tracking area update ---------------------------------------------------------------------------------------------------

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
    // Pages go to either, in turns.
    waiting(&mut site, &phone);
    site.advance(Duration::from_secs(7));
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
fn packets_during_an_update_bring_the_bearers_up_or_page_after_it() {
    let (mut site, mut phone) = idle();
    update(&mut phone, &mut site, false);
    waiting(&mut site, &phone);
    assert_eq!(pages(&mut site), 0);
    phone.complete_tau(&mut site);
    phone.hear_release(&mut site);
    assert_eq!(pages(&mut site), 1);
}

// --- handover ---------------------------------------------------------------------------------------------------------------

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

// --- detach -----------------------------------------------------------------------------------------------------------------

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
    assert!(matches!(plain(&mut phone, &mut site), EmmMessage::ServiceReject(_)));
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

// --- sessions ---------------------------------------------------------------------------------------------------------------

fn second_session(phone: &mut Phone, site: &mut Site) -> Ebi {
    let mut request = PdnConnectivityRequest::new(RequestType::Initial, PdnType::Ipv4);
    request.apn = Some(AccessPointName::from(&"ims".parse::<basalt_ids::Apn>().unwrap()));
    phone.say_esm(site, None, 7, EsmMessage::PdnConnectivityRequest(request));
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
fn an_operator_ends_one_session_also_of_an_idle_phone() {
    let (mut site, mut phone) = attached();
    let ebi = second_session(&mut phone, &mut site);
    phone.go_idle(&mut site);
    site.clear();
    assert_eq!(site.command(Command::Deactivate { imsi: phone.imsi, ebi }), OperatorReply::Started);
    assert_eq!(pages(&mut site), 1);
    site.advance(Duration::from_secs(1));
    phone.service(&mut site);
    site.advance(Duration::from_secs(8));
    let Some(Heard::Esm(esm)) = phone.hear(&mut site) else { panic!() };
    assert!(matches!(esm.message, EsmMessage::DeactivateEpsBearerContextRequest(_)));
    let accept = basalt_nas::esm::DeactivateEpsBearerContextAccept::new();
    phone.say_esm(&mut site, Some(ebi.value()), 0, EsmMessage::DeactivateEpsBearerContextAccept(accept));
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions.len(), 1);
}

// --- what does not fit ------------------------------------------------------------------------------------------------------

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
