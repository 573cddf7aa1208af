//! Attacks: what somebody without the keys can do to somebody who has them. Each name starts with its row of the attack list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{Event, Limits, Metric, UeState, UeView};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{
    AttachComplete, DetachAccept, EmmStatus, GutiReallocationComplete, IdentityResponse, TrackingAreaUpdateComplete,
};
use basalt_nas::ie::{EmmCause, EpsMobileIdentity, EsmContainer, MobileIdentity};
use basalt_s1ap::Pdu;
use basalt_sansio::Duration;
use basalt_security::Protection;
use site::Site;
use site::enb::Enb;
use site::phone::Phone;

/// A victim who is attached and connected, and an attacker's phone without its keys under another base station.
fn stage() -> (Site, Phone, Phone) {
    let mut site = Site::new();
    let (one, two) = (Enb::ready(&mut site, 1), Enb::ready(&mut site, 2));
    let mut victim = Phone::new(1, &one);
    victim.attach(&mut site);
    let mut attacker = Phone::new(2, &two);
    attacker.imsi = victim.imsi;
    attacker.guti = victim.guti;
    site.clear();
    (site, victim, attacker)
}

/// The victim has what it had: state, identities, session, connection; and it can use them.
fn untouched(site: &mut Site, victim: &mut Phone, before: &UeView) {
    let now = site.core.ue(victim.imsi).unwrap();
    assert_eq!(
        (now.state, now.guti, &now.sessions, now.enb, now.cell),
        (before.state, before.guti, &before.sessions, before.enb, before.cell)
    );
    victim.go_idle(site);
    victim.service(site);
    assert_eq!(site.core.ue(victim.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn s01_plain_messages_after_security_are_dropped() {
    let (mut site, mut victim, _) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    let messages = [
        EmmMessage::AttachRequest(victim.attach_request()),
        EmmMessage::TrackingAreaUpdateRequest(victim.tau_request(true)),
        victim.detach_request(true),
        victim.detach_request(false),
        EmmMessage::IdentityResponse(IdentityResponse::new(MobileIdentity::Imsi(victim.imsi))),
        EmmMessage::AttachComplete(AttachComplete::new(EsmContainer(vec![0x52, 0, 0xc2]))),
        EmmMessage::TrackingAreaUpdateComplete(TrackingAreaUpdateComplete::new()),
        EmmMessage::GutiReallocationComplete(GutiReallocationComplete::new()),
        EmmMessage::DetachAccept(DetachAccept::new()),
        EmmMessage::EmmStatus(EmmStatus::new(EmmCause::ProtocolErrorUnspecified)),
    ];
    let count = messages.len();
    for message in messages {
        let plain = message.encode().unwrap();
        victim.say_octets(&mut site, plain);
    }
    victim.say_octets(&mut site, vec![0x02, 0x01, 0xd0, 0x11]);
    site.assert_quiet();
    assert_eq!(site.counted(Metric::Discarded("NAS message without valid protection")), count + 1);
    // Told once a connection, not once a message.
    assert_eq!(site.events.iter().filter(|event| matches!(event, Event::Security { .. })).count(), 1);
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn s06_a_message_counts_once() {
    let (mut site, mut victim, _) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    let status = EmmMessage::EmmStatus(EmmStatus::new(EmmCause::ProtocolErrorUnspecified)).encode().unwrap();
    let nas = victim.seal(&status);
    for _ in 0..3 {
        victim.say_octets(&mut site, nas.clone());
    }
    assert_eq!(site.counted(Metric::Unexpected("EMM STATUS")), 1);
    assert_eq!(site.counted(Metric::Discarded("NAS message without valid protection")), 2);
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn s06_an_old_attach_and_an_old_service_request_prove_nothing() {
    let (mut site, mut victim, mut attacker) = stage();
    victim.go_idle(&mut site);
    let attach = EmmMessage::AttachRequest(victim.attach_request());
    let old_attach = victim.seal_initial(&attach);
    victim.open_with(&mut site, old_attach.clone());
    let (setup, accept) = victim.accept(&mut site);
    victim.enb.clone().context_ready(&mut site, &setup);
    victim.send_complete(&mut site, &accept);
    victim.hear_emm(&mut site);
    victim.go_idle(&mut site);
    let old_service = victim.keys.as_mut().unwrap().protect_service_request().unwrap().to_vec();
    victim.open_with(&mut site, old_service.clone());
    let setup = victim.context(&mut site);
    victim.enb.clone().context_ready(&mut site, &setup);
    let before = site.core.ue(victim.imsi).unwrap();
    site.clear();

    attacker.guti = victim.guti;
    attacker.open_with(&mut site, old_attach);
    // It is asked for a proof that it cannot give.
    let keys = attacker.keys.take();
    assert!(matches!(
        attacker.hear_emm(&mut site),
        EmmMessage::AuthenticationRequest(_) | EmmMessage::IdentityRequest(_)
    ));
    attacker.keys = keys;
    attacker.open_with(&mut site, old_service);
    assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::ServiceReject(_)));
    attacker.hear_release(&mut site);
    site.advance(Duration::from_secs(61));
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn s08_an_unproven_attach_leaves_the_victim_alone() {
    for by_guti in [true, false] {
        let (mut site, mut victim, mut attacker) = stage();
        let before = site.core.ue(victim.imsi).unwrap();
        let saved = site.ue_record(victim.imsi).unwrap().clone();
        if !by_guti {
            attacker.guti = None;
        }
        attacker.start_attach(&mut site);
        assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::AuthenticationRequest(_)));
        assert_eq!(site.core.counts().ues, 2);
        // Whatever else it says over its connection concerns nobody but itself.
        for message in [
            EmmMessage::TrackingAreaUpdateRequest(attacker.tau_request(true)),
            EmmMessage::DetachAccept(DetachAccept::new()),
            attacker.detach_request(false),
        ] {
            attacker.say(&mut site, message);
        }
        assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::DetachAccept(_)));
        attacker.hear_release(&mut site);
        assert_eq!(site.core.counts().ues, 1);
        assert_eq!(site.ue_record(victim.imsi).unwrap(), &saved);
        untouched(&mut site, &mut victim, &before);
    }
}

#[test]
fn s08_an_unproven_attach_that_fails_leaves_the_victim_alone() {
    let (mut site, mut victim, mut attacker) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    attacker.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = attacker.hear_emm(&mut site) else { panic!() };
    // Its own SIM finds the challenge wrong; it claims to be the victim once more.
    attacker.answer_challenge(&mut site, &challenge);
    assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::IdentityRequest(_)));
    attacker.identify(&mut site);
    assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::AuthenticationReject(_)));
    attacker.hear_release(&mut site);
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn s08_an_unproven_detach_leaves_the_victim_alone() {
    for switch_off in [true, false] {
        for by_guti in [true, false] {
            let (mut site, mut victim, mut attacker) = stage();
            let before = site.core.ue(victim.imsi).unwrap();
            if !by_guti {
                attacker.guti = None;
            }
            let request = attacker.detach_request(switch_off);
            attacker.open(&mut site, &request);
            if switch_off {
                attacker.hear_release(&mut site);
            } else {
                assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::AuthenticationRequest(_)));
                site.advance(Duration::from_secs(61));
            }
            assert_eq!(site.core.counts().ues, 1);
            untouched(&mut site, &mut victim, &before);
        }
    }
}

#[test]
fn s08_an_unproven_update_leaves_the_victim_alone() {
    let (mut site, mut victim, mut attacker) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    let request = EmmMessage::TrackingAreaUpdateRequest(attacker.tau_request(true));
    attacker.open(&mut site, &request);
    assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::AuthenticationRequest(_)));
    site.advance(Duration::from_secs(61));
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn s08_a_service_request_with_a_wrong_mac_is_rejected_and_nothing_else() {
    let (mut site, mut victim, mut attacker) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    let mut nas = victim.keys.clone().unwrap().protect_service_request().unwrap().to_vec();
    nas[3] ^= 1;
    attacker.open_with(&mut site, nas);
    let EmmMessage::ServiceReject(reject) = attacker.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::UeIdentityCannotBeDerived);
    attacker.hear_release(&mut site);
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn s08_the_victims_page_is_not_answered_by_another() {
    let (mut site, mut victim, mut attacker) = stage();
    victim.go_idle(&mut site);
    site.command(agw_types::Command::Page { imsi: victim.imsi });
    attacker.open_with(&mut site, vec![0xc7, 0x21, 0xde, 0xad]);
    assert!(matches!(attacker.hear_emm(&mut site), EmmMessage::ServiceReject(_)));
    assert_eq!(site.core.ue(victim.imsi).unwrap().state, UeState::Paging);
    victim.service(&mut site);
    assert_eq!(site.core.ue(victim.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn s09_answers_over_another_phones_connection_are_dropped() {
    let (mut site, mut victim, attacker) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    // The attacker's base station claims the victim's ids.
    let nas = EmmMessage::IdentityResponse(IdentityResponse::new(MobileIdentity::Imsi(victim.imsi))).encode().unwrap();
    attacker.enb.uplink(&mut site, victim.mme_id.unwrap(), victim.enb_id, nas);
    assert!(matches!(site.next(), Some(Pdu::ErrorIndication(_))));
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn s10_resynchronisation_asks_the_list_twice_at_most() {
    let (mut site, _, mut attacker) = stage();
    attacker.imsi = site::imsi(2);
    attacker.guti = None;
    let questions = |site: &Site| site.store.keys().filter(|key| matches!(key, agw_types::RecordKey::Sqn(_))).count();
    attacker.start_attach(&mut site);
    let mut challenges = 0;
    while let EmmMessage::AuthenticationRequest(challenge) = attacker.hear_emm(&mut site) {
        challenges += 1;
        let mut failure = basalt_nas::emm::AuthenticationFailure::new(EmmCause::SynchFailure);
        failure.auts = Some(attacker.usim_auts(&challenge));
        attacker.say(&mut site, EmmMessage::AuthenticationFailure(failure));
    }
    assert_eq!(challenges, 2);
    assert!(questions(&site) <= 2);
}

#[test]
fn s14_every_attach_and_update_gives_another_identity() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    let mut seen = std::collections::BTreeSet::new();
    phone.attach(&mut site);
    assert!(seen.insert(phone.guti));
    for _ in 0..5 {
        phone.go_idle(&mut site);
        let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
        phone.open(&mut site, &request);
        let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
        phone.guti = accept.guti;
        phone.complete_tau(&mut site);
        phone.hear_release(&mut site);
        assert!(seen.insert(phone.guti));
        phone.service(&mut site);
    }
}

#[test]
fn s07_keys_are_renewed_before_their_counts_end() {
    let (mut site, mut victim, _) = stage();
    // As after some sixteen million messages: the phone's count is near its end, so is the gateway's view of it.
    let before = victim.keys.clone().unwrap();
    site.age_keys(victim.imsi, &mut victim);
    let status = EmmMessage::EmmStatus(EmmStatus::new(EmmCause::ProtocolErrorUnspecified));
    victim.say(&mut site, status);
    let EmmMessage::AuthenticationRequest(challenge) = victim.hear_emm(&mut site) else { panic!() };
    assert_ne!(challenge.ksi.value, before.ksi());
    victim.answer_challenge(&mut site, &challenge);
    assert!(matches!(victim.hear_emm(&mut site), EmmMessage::SecurityModeCommand(_)));
    victim.complete_security(&mut site);
    // The radio's keys come from the new ones when the phone returns.
    victim.hear_release(&mut site);
    assert_eq!(site.core.ue(victim.imsi).unwrap().state, UeState::Idle);
    victim.service(&mut site);
    assert_eq!(site.core.ue(victim.imsi).unwrap().sessions.len(), 1);
    assert_eq!(site.ue_record(victim.imsi).unwrap().security.ksi(), challenge.ksi.value);
    assert_ne!(victim.keys.as_ref().unwrap().kasme(), before.kasme());
}

#[test]
fn o01_a_storm_of_foreign_phones_asks_nobody_and_ours_get_in() {
    let mut config = site::config();
    config.home_only = true;
    let mut site = Site::with(config, Limits { half_open: 10, ..Limits::default() });
    let enb = Enb::ready(&mut site, 1);
    for n in 0..1000u64 {
        let mut request = Phone::new(1, &enb).attach_request();
        request.identity = EpsMobileIdentity::Imsi(basalt_ids::Imsi::new(262_010_000_000_000 + n, 15).unwrap());
        let id = basalt_ids::EnbUeS1apId::new(n as u32 + 1000).unwrap();
        enb.initial(&mut site, id, EmmMessage::AttachRequest(request).encode().unwrap(), None);
    }
    assert_eq!((site.core.counts().ues, site.core.counts().half_open), (0, 0));
    site.clear();
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    // Refusals are remembered, but not without bound.
    assert!(site.core.ues().count() <= 5000);
}

#[test]
fn c01_another_base_stations_ids_release_nobody() {
    let (mut site, mut victim, attacker) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    attacker.enb.request_release(&mut site, victim.mme_id.unwrap(), victim.enb_id);
    assert!(matches!(site.next(), Some(Pdu::ErrorIndication(_))));
    attacker.enb.release_complete(&mut site, victim.mme_id.unwrap(), victim.enb_id);
    untouched(&mut site, &mut victim, &before);
}

#[test]
fn a_forged_message_moves_nobody_and_wakes_nobody() {
    let (mut site, mut victim, _) = stage();
    let before = site.core.ue(victim.imsi).unwrap();
    let request = victim.detach_request(true).encode().unwrap();
    let mut forged = victim.keys.clone().unwrap().protect(Protection::IntegrityCiphered, &request).unwrap();
    for at in 0..forged.len() {
        forged[at] ^= 0x40;
        victim.say_octets(&mut site, forged.clone());
        forged[at] ^= 0x40;
    }
    untouched(&mut site, &mut victim, &before);
}
