//! The straight path: S1 setup, attach, idle, service request, paging, update, detach.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{DataplaneChange, Event, Input, Traffic, TunnelState, UeState};
use basalt_nas::EmmMessage;
use basalt_nas::ie::{AttachResult, PdnAddress};
use basalt_s1ap::{Cause, NasCause, Pdu, RadioNetworkCause};
use site::Site;
use site::enb::Enb;
use site::phone::Phone;

#[test]
fn attach_by_imsi_gives_a_bearer_and_an_address() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    let accept = phone.attach(&mut site);
    assert_eq!(accept.result, AttachResult::EpsOnly);
    assert!(accept.tai_list.contains(enb.tai));
    let PdnAddress::Ipv4(address) = Phone::bearer(&accept).address else { panic!("an IPv4 address") };
    site.assert_quiet();

    let view = site.core.ue(phone.imsi).unwrap();
    assert_eq!(view.state, UeState::Connected);
    assert_eq!(view.guti, phone.guti);
    assert_eq!((view.ciphering, view.integrity), (Some(2), Some(2)));
    assert_eq!(view.sessions.len(), 1);
    assert_eq!(view.enb, Some(enb.id));

    // The last word to the data plane: packets go to this base station.
    let Some(DataplaneChange::Set(tunnel)) = site.dataplane.last() else { panic!("{:?}", site.dataplane) };
    assert_eq!(tunnel.address.ipv4(), Some(address));
    assert!(matches!(tunnel.state, TunnelState::Connected(peer) if peer.address == enb.address));

    let stored = site.ue_record(phone.imsi).unwrap();
    assert!(stored.registered && stored.pending_guti.is_none() && stored.radio.is_some());
    assert_eq!(Some(stored.guti), phone.guti);
    assert_eq!(stored.radio_capability.as_deref(), Some(&[0xca, 0xfe][..]));
    assert!(stored.imeisv.is_some());
    assert!(site.events.iter().any(|event| matches!(event, Event::Attached { .. })));
}

#[test]
fn the_radio_key_comes_from_the_count_of_security_mode_complete() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.esm_flag = true;
    phone.attach(&mut site);
    let expected = phone.keys.as_ref().unwrap().access_keys(0);
    assert_eq!(phone.kenb.unwrap(), *expected.kenb().expose());
}

#[test]
fn a_phone_goes_idle_and_comes_back() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    let Some(DataplaneChange::Set(tunnel)) = site.dataplane.last() else { panic!() };
    assert_eq!(tunnel.state, TunnelState::Idle);
    assert!(site.ue_record(phone.imsi).unwrap().radio.is_none());

    let count = phone.keys.as_ref().unwrap().send_count();
    let setup = phone.service(&mut site);
    assert_eq!(setup.ue_radio_capability.as_deref(), Some(&[0xca, 0xfe][..]));
    let expected = phone.keys.as_ref().unwrap().access_keys(count);
    assert_eq!(setup.security_key.0, *expected.kenb().expose());
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
    site.assert_quiet();
}

#[test]
fn packets_for_an_idle_phone_page_it() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let _elsewhere = {
        let mut other = Enb::connect(&mut site, 2);
        other.tai.tac = basalt_ids::Tac(9);
        other
    };
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    let address = site.core.ue(phone.imsi).unwrap().sessions[0].address.ipv4().unwrap();
    site.input(Input::Traffic(Traffic::DownlinkWaiting { address: address.into() }));
    let (link, stream, page) = site.inbox.pop_front().unwrap();
    assert_eq!((link, stream), (enb.link, 0));
    let Pdu::Paging(page) = page else { panic!("{page:?}") };
    assert_eq!(page.ue_identity_index, Some((phone.imsi.value() % 1024) as u16));
    assert_eq!(page.identity, Some(basalt_s1ap::PagingIdentity::STmsi(phone.guti.unwrap().s_tmsi())));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Paging);

    phone.service(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
    // The page was answered: nothing comes after its timer.
    site.advance(basalt_sansio::Duration::from_secs(30));
    site.assert_quiet();
}

#[test]
fn an_update_gives_a_new_identity_and_ends_the_connection() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    let before = phone.guti;
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    assert!(accept.guti.is_some() && accept.guti != before);
    let promised = site.ue_record(phone.imsi).unwrap();
    assert_eq!((Some(promised.guti), promised.pending_guti), (before, accept.guti));
    phone.guti = accept.guti;
    phone.complete_tau(&mut site);
    assert_eq!(phone.hear_release(&mut site), Cause::Nas(NasCause::NormalRelease));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    assert_eq!(Some(site.ue_record(phone.imsi).unwrap().guti), phone.guti);
    site.assert_quiet();
}

#[test]
fn an_update_with_active_flag_brings_the_bearers_back() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(true));
    phone.open(&mut site, &request);
    let setup = phone.context(&mut site);
    let nas = setup.erabs[0].nas_pdu.clone().unwrap();
    let site::phone::Heard::Emm(EmmMessage::TrackingAreaUpdateAccept(accept)) = phone.read(&nas) else { panic!() };
    phone.guti = accept.guti;
    enb.context_ready(&mut site, &setup);
    phone.complete_tau(&mut site);
    phone.hear_nothing(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn a_phone_detaches_and_everything_of_its_session_goes() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    let request = phone.detach_request(false);
    phone.say(&mut site, request);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachAccept(_)));
    assert_eq!(phone.hear_release(&mut site), Cause::Nas(NasCause::Detach));
    assert!(matches!(site.dataplane.last(), Some(DataplaneChange::Remove { .. })));
    let view = site.core.ue(phone.imsi).unwrap();
    assert_eq!(view.state, UeState::Detached);
    assert!(view.sessions.is_empty());
    assert!(!site.ue_record(phone.imsi).unwrap().registered);
    // Nothing of it runs on.
    assert_eq!(site.core.counts().timers, 0);

    // It comes back by its GUTI, known by its keys: no challenge.
    phone.start_attach(&mut site);
    let (setup, accept) = phone.accept(&mut site);
    enb.context_ready(&mut site, &setup);
    phone.send_complete(&mut site, &accept);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn a_switched_off_phone_is_not_answered() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    let request = phone.detach_request(true);
    phone.open(&mut site, &request);
    assert_eq!(phone.hear_release(&mut site), Cause::Nas(NasCause::Detach));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
}

#[test]
fn a_gone_base_station_leaves_its_phones_idle() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    site.input(Input::LinkDown { link: enb.link });
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    assert!(site.events.iter().any(|event| matches!(event, Event::EnbLost { connected_ues: 1, .. })));
    let enb = Enb::ready(&mut site, 1);
    phone.enb = enb;
    phone.service(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn the_release_cause_of_the_base_station_comes_back() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    let mme = phone.mme_id.unwrap();
    enb.request_release(&mut site, mme, phone.enb_id);
    assert_eq!(phone.hear_release(&mut site), Cause::RadioNetwork(RadioNetworkCause::UserInactivity));
}

#[test]
fn the_same_seed_and_inputs_give_the_same_effects() {
    let run = || {
        let mut site = Site::new();
        let enb = Enb::ready(&mut site, 1);
        let mut phones: Vec<_> = (1..=5).map(|number| Phone::new(number, &enb)).collect();
        for phone in &mut phones {
            phone.attach(&mut site);
            phone.go_idle(&mut site);
        }
        format!("{:?} {:?} {:?}", site.store, site.dataplane, site.events)
    };
    assert_eq!(run(), run());
}
