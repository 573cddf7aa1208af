//! Procedures that meet, as the table of `agw_mobility::collision` says: here seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{Command, UeState};
use basalt_nas::EmmMessage;
use basalt_nas::emm::DetachAccept;
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
    (site, phone)
}

fn accepted() -> (Site, Phone, basalt_nas::emm::AttachAccept) {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    let (setup, accept) = phone.accept(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    (site, phone, accept)
}

fn state(site: &Site, phone: &Phone) -> UeState {
    site.core.ue(phone.imsi).unwrap().state
}

// --- attach: TS 24.301 §5.5.1.2.7 -------------------------------------------------------------------------------------------

#[test]
fn e_the_same_request_before_an_answer_is_ignored_and_another_starts_anew() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    let request = phone.attach_request();
    phone.open(&mut site, &EmmMessage::AttachRequest(request.clone()));
    let EmmMessage::AuthenticationRequest(first) = phone.hear_emm(&mut site) else { panic!() };
    phone.say(&mut site, EmmMessage::AttachRequest(request.clone()));
    phone.hear_nothing(&mut site);
    let mut other = request;
    other.drx = Some(basalt_nas::ie::DrxParameter([0, 0x70]));
    phone.say(&mut site, EmmMessage::AttachRequest(other));
    let EmmMessage::AuthenticationRequest(second) = phone.hear_emm(&mut site) else { panic!() };
    assert_ne!(first.rand, second.rand);
    assert_eq!(site.core.counts().half_open, 1);
    // The first challenge is void.
    phone.answer_challenge(&mut site, &first);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationReject(_)));
}

#[test]
fn d_the_same_request_after_the_accept_gets_the_accept_again() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    let request = phone.attach_request();
    phone.open(&mut site, &EmmMessage::AttachRequest(request.clone()));
    phone.prove(&mut site);
    let (setup, accept) = phone.accept(&mut site);
    enb.context_ready(&mut site, &setup);
    phone.say(&mut site, EmmMessage::AttachRequest(request.clone()));
    assert_eq!(phone.hear_emm(&mut site), EmmMessage::AttachAccept(accept.clone()));
    let mut other = request;
    other.drx = Some(basalt_nas::ie::DrxParameter([0, 0x70]));
    phone.say(&mut site, EmmMessage::AttachRequest(other));
    let (_, second) = phone.accept(&mut site);
    assert_ne!(second.guti, accept.guti);
    assert_eq!(site.core.counts().sessions, 1);
}

#[test]
fn f_an_attach_of_a_registered_phone_starts_over_in_its_place() {
    let (mut site, mut phone) = attached();
    let request = EmmMessage::AttachRequest(phone.attach_request());
    phone.say(&mut site, request);
    phone.accept(&mut site);
    assert_eq!((site.core.counts().ues, site.core.counts().sessions), (1, 1));
}

#[test]
fn g_an_update_before_the_complete_stands_for_it() {
    let (mut site, mut phone, _) = accepted();
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.say(&mut site, request);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::TrackingAreaUpdateAccept(_)));
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn a_service_request_before_the_complete_stands_for_it() {
    let (mut site, mut phone, _) = accepted();
    phone.service(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
    site.inbox.clear();
    site.advance(Duration::from_secs(40));
    phone.hear_nothing(&mut site);
}

#[test]
fn h_a_detach_before_the_complete_ends_the_attach() {
    let (mut site, mut phone, _) = accepted();
    let request = phone.detach_request(false);
    phone.say(&mut site, request);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachAccept(_)));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
    assert_eq!((site.core.counts().sessions, site.core.counts().timers), (0, 0));
}

#[test]
fn an_operator_who_detaches_in_the_middle_of_an_attach_ends_it() {
    let (mut site, mut phone, _) = accepted();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AttachReject(_)));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
}

// --- tracking area update: §5.5.3.2.7 ---------------------------------------------------------------------------------------

#[test]
fn d_the_same_update_after_the_accept_gets_the_accept_again_and_another_starts_anew() {
    let (mut site, mut phone) = attached();
    let request = phone.tau_request(false);
    phone.say(&mut site, EmmMessage::TrackingAreaUpdateRequest(request.clone()));
    let accept = phone.hear_emm(&mut site);
    phone.say(&mut site, EmmMessage::TrackingAreaUpdateRequest(request.clone()));
    assert_eq!(phone.hear_emm(&mut site), accept);
    let mut other = request;
    other.update_type.active = true;
    phone.say(&mut site, EmmMessage::TrackingAreaUpdateRequest(other));
    let second = phone.hear_emm(&mut site);
    assert!(matches!(&second, EmmMessage::TrackingAreaUpdateAccept(_)));
    assert_ne!(second, accept);
}

#[test]
fn a_service_request_before_the_updates_complete_is_served() {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    phone.guti = accept.guti;
    phone.service(&mut site);
    assert_eq!(state(&site, &phone), UeState::Connected);
    // By using the new identity it has confirmed it.
    assert_eq!(site.ue_record(phone.imsi).unwrap().pending_guti, None);
}

#[test]
fn a_detach_in_an_update_ends_it() {
    let (mut site, mut phone) = attached();
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.say(&mut site, request);
    phone.hear_emm(&mut site);
    let request = phone.detach_request(true);
    phone.say(&mut site, request);
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
    assert_eq!(site.core.counts().timers, 0);
}

// --- service request: §5.6.1.7 ----------------------------------------------------------------------------------------------

#[test]
fn c_a_second_service_request_takes_the_place_of_the_first() {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    phone.start_service(&mut site);
    phone.context(&mut site);
    let first = phone.mme_id;
    phone.service(&mut site);
    assert!(
        site.inbox
            .iter()
            .any(|(_, _, pdu)| { matches!(pdu, Pdu::UeContextReleaseCommand(_)) && pdu.ue_ids().mme == first })
    );
    assert_eq!(state(&site, &phone), UeState::Connected);
}

#[test]
fn e_an_update_in_a_service_request_goes_first() {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    phone.start_service(&mut site);
    phone.context(&mut site);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(true));
    phone.open(&mut site, &request);
    let setup = phone.context(&mut site);
    assert!(matches!(
        phone.read(&setup.erabs[0].nas_pdu.clone().unwrap()),
        Heard::Emm(EmmMessage::TrackingAreaUpdateAccept(_))
    ));
}

// --- detach by the network: §5.5.2.3.5 --------------------------------------------------------------------------------------

#[test]
fn c_both_sides_detach_at_once_and_both_are_done() {
    for switch_off in [true, false] {
        let (mut site, mut phone) = attached();
        site.command(Command::Detach { imsi: phone.imsi, reattach: false });
        phone.hear_emm(&mut site);
        let request = phone.detach_request(switch_off);
        phone.say(&mut site, request);
        if !switch_off {
            assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachAccept(_)));
        }
        phone.hear_release(&mut site);
        assert_eq!(state(&site, &phone), UeState::Detached);
        assert_eq!(site.core.counts().timers, 0);
    }
}

#[test]
fn d_an_attach_waits_for_the_detach_unless_that_asks_for_it() {
    for reattach in [true, false] {
        let (mut site, mut phone) = attached();
        site.command(Command::Detach { imsi: phone.imsi, reattach });
        phone.hear_emm(&mut site);
        let request = EmmMessage::AttachRequest(phone.attach_request());
        phone.say(&mut site, request);
        if reattach {
            phone.accept(&mut site);
        } else {
            phone.hear_nothing(&mut site);
            assert_eq!(state(&site, &phone), UeState::Detaching);
            phone.say(&mut site, EmmMessage::DetachAccept(DetachAccept::new()));
            phone.hear_release(&mut site);
            phone.start_attach(&mut site);
            phone.accept(&mut site);
        }
    }
}

#[test]
fn d_an_attach_that_has_to_be_proven_waits_for_the_detach_too() {
    let (mut site, mut phone) = attached();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    phone.hear_emm(&mut site);
    let (keys, id, mme) = (phone.keys.take(), phone.enb_id, phone.mme_id);
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detaching);
    (phone.keys, phone.enb_id, phone.mme_id) = (keys, id, mme);
    phone.say(&mut site, EmmMessage::DetachAccept(DetachAccept::new()));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
}

#[test]
fn e_f_an_update_or_service_request_is_told_to_leave_where_it_is_now() {
    let (mut site, mut phone) = attached();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    phone.hear_emm(&mut site);
    phone.start_service(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachRequestNetwork(_)));
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(true));
    phone.open(&mut site, &request);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachRequestNetwork(_)));
    phone.say(&mut site, EmmMessage::DetachAccept(DetachAccept::new()));
    phone.hear_release(&mut site);
    assert_eq!(state(&site, &phone), UeState::Detached);
}

#[test]
fn a_second_wish_to_detach_changes_nothing() {
    let (mut site, mut phone) = attached();
    site.command(Command::Detach { imsi: phone.imsi, reattach: false });
    phone.hear_emm(&mut site);
    site.command(Command::Detach { imsi: phone.imsi, reattach: true });
    phone.hear_nothing(&mut site);
}

// --- paging, reallocation ---------------------------------------------------------------------------------------------------

#[test]
fn whatever_a_paged_phone_sends_answers_the_page() {
    for which in 0..3 {
        let (mut site, mut phone) = attached();
        phone.go_idle(&mut site);
        site.command(Command::Page { imsi: phone.imsi });
        site.inbox.clear();
        let message = match which {
            0 => EmmMessage::AttachRequest(phone.attach_request()),
            1 => EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(true)),
            _ => phone.detach_request(true),
        };
        phone.open(&mut site, &message);
        assert_ne!(state(&site, &phone), UeState::Paging);
        if which == 1 {
            let setup = phone.context(&mut site);
            phone.enb.clone().context_ready(&mut site, &setup);
        }
        site.inbox.clear();
        site.advance(Duration::from_secs(7));
        assert!(!site.inbox.iter().any(|(_, _, pdu)| matches!(pdu, Pdu::Paging(_))));
    }
}

#[test]
fn the_phones_own_procedure_ends_a_reallocation_and_both_identities_stay_valid() {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    let old = phone.guti;
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    phone.hear_emm(&mut site);
    phone.enb.clone().request_release(&mut site, phone.mme_id.unwrap(), phone.enb_id);
    phone.hear_release(&mut site);
    phone.service(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::GutiReallocationCommand(_)));
    let request = phone.detach_request(false);
    phone.say(&mut site, request);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::DetachAccept(_)));
    phone.hear_release(&mut site);
    assert_eq!(phone.guti, old);
    phone.start_attach(&mut site);
    phone.accept(&mut site);
}
