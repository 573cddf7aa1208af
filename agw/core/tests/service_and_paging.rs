//! Service request and paging of a registered phone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{Command, DataplaneChange, Event, Input, OperatorReply, Traffic, UeState};
use basalt_ids::{MTmsi, Tac};
use basalt_nas::EmmMessage;
use basalt_nas::emm::ExtendedServiceRequest;
use basalt_nas::ie::{EmmCause, MobileIdentity, ServiceType};
use basalt_s1ap::{Cause, ErabReleaseIndication, InitialContextSetupFailure, Pdu, RadioNetworkCause};
use basalt_sansio::Duration;
use site::Site;
use site::enb::Enb;
use site::phone::Phone;

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

#[test]
fn an_unknown_identity_is_rejected_and_nothing_else_happens() {
    let (mut site, mut phone) = idle();
    let guti = phone.guti.as_mut().unwrap();
    guti.m_tmsi = MTmsi(guti.m_tmsi.0 ^ 0x0010_0000);
    phone.start_service(&mut site);
    let EmmMessage::ServiceReject(reject) = phone.hear_plain(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::UeIdentityCannotBeDerived);
    phone.hear_release(&mut site);
    assert_eq!(site.core.counts().ues, 1);
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
fn a_scan_of_all_phones_pages_them_in_turns() {
    let mut config = site::config();
    config.paging.per_second = 2;
    let mut site = Site::with(config, agw_types::Limits::default());
    let enb = Enb::ready(&mut site, 1);
    let mut phones: Vec<Phone> = (1..=20).map(|number| Phone::new(number, &enb)).collect();
    for phone in &mut phones {
        phone.attach(&mut site);
        phone.go_idle(&mut site);
    }
    site.advance(Duration::from_secs(1));
    site.clear();
    phones.iter().for_each(|phone| waiting(&mut site, phone));
    // Two at once, two in each of the next five seconds; for the others their packets are too old then.
    assert_eq!(pages(&mut site), 2);
    let dropped = |site: &Site| site.dataplane.iter().filter(|c| matches!(c, DataplaneChange::Discard { .. })).count();
    assert_eq!(dropped(&site), 8);
    for phone in &mut phones[..2] {
        phone.service(&mut site);
        phone.go_idle(&mut site);
    }
    for _ in 0..5 {
        site.advance(Duration::from_secs(1));
        assert_eq!(pages(&mut site), 2);
    }
    assert_eq!(dropped(&site), 8, "nobody who had a turn lost packets");
    // An operator does not wait.
    let last = phones.last().unwrap().imsi;
    assert_eq!(site.command(Command::Page { imsi: last }), OperatorReply::Started);
    assert_eq!(pages(&mut site), 1);
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
    // The radio is lost before the bearers stand: it is called as soon as it listens to pages again.
    phone.enb.clone().request_release(&mut site, setup.mme_ue_id, setup.enb_ue_id);
    assert_eq!(pages(&mut site), 0);
    site.advance(Duration::from_millis(200));
    assert_eq!(pages(&mut site), 1);
}

#[test]
fn packets_for_nobody_are_dropped() {
    let (mut site, _) = idle();
    let address = std::net::Ipv4Addr::new(10, 45, 77, 77).into();
    site.input(Input::Traffic(Traffic::DownlinkWaiting { address }));
    assert_eq!(site.dataplane.last(), Some(&DataplaneChange::Discard { address }));
}
