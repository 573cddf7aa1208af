//! Identification, authentication, security mode: everything that can go wrong with them, and their timers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{Event, Limits, UeState};
use basalt_ids::{Gummei, Guti, MTmsi, MmeCode, MmeGroupId};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{
    AuthenticationFailure, AuthenticationResponse, IdentityResponse, SecurityModeComplete, SecurityModeReject,
};
use basalt_nas::ie::{EmmCause, EpsMobileIdentity, MobileIdentity, Res, UeNetworkCapability};
use basalt_s1ap::{Cause, NasCause, Pdu};
use basalt_sansio::Duration;
use basalt_security::{Protection, Sqn, SqnTracker, Usim};
use site::Site;
use site::enb::{Enb, plmn};
use site::phone::{Heard, Phone};

fn start() -> (Site, Phone) {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let phone = Phone::new(1, &enb);
    (site, phone)
}

/// A GUTI that some other MME gave.
fn foreign_guti() -> Guti {
    let gummei = Gummei { plmn: plmn(), group: MmeGroupId(9), code: MmeCode(9) };
    Guti { gummei, m_tmsi: MTmsi(0xc012_3456) }
}

fn last_reject(site: &Site) -> &agw_types::RejectInfo {
    match site.events.iter().rev().find(|event| matches!(event, Event::Rejected(_))) {
        Some(Event::Rejected(info)) => info,
        other => panic!("{other:?}"),
    }
}

fn expect_gone(site: &Site, phone: &Phone) {
    assert_eq!(site.core.counts().ues, 0);
    assert_eq!(site.core.counts().half_open, 0);
    assert!(site.ue_record(phone.imsi).is_none());
}

#[test]
fn an_unknown_temporary_identity_is_asked_for_its_imsi() {
    let (mut site, mut phone) = start();
    phone.guti = Some(foreign_guti());
    phone.start_attach(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::IdentityRequest(_)));
    phone.identify(&mut site);
    phone.prove(&mut site);
    let (_, accept) = phone.accept(&mut site);
    assert!(accept.guti.is_some());
}

#[test]
fn identity_is_asked_for_five_times_and_then_given_up() {
    let (mut site, mut phone) = start();
    phone.guti = Some(foreign_guti());
    phone.start_attach(&mut site);
    for _ in 0..5 {
        assert!(matches!(phone.hear_emm(&mut site), EmmMessage::IdentityRequest(_)));
        phone.hear_nothing(&mut site);
        site.advance(Duration::from_secs(6));
    }
    phone.hear_release(&mut site);
    expect_gone(&site, &phone);
}

#[test]
fn an_identity_of_another_kind_does_not_count() {
    let (mut site, mut phone) = start();
    phone.guti = Some(foreign_guti());
    phone.start_attach(&mut site);
    phone.hear_emm(&mut site);
    for identity in [MobileIdentity::None, MobileIdentity::Tmsi(MTmsi(1))] {
        phone.say(&mut site, EmmMessage::IdentityResponse(IdentityResponse::new(identity)));
        phone.hear_nothing(&mut site);
    }
    phone.identify(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationRequest(_)));
}

#[test]
fn a_challenge_is_sent_five_times_and_then_given_up() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    for _ in 0..5 {
        assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationRequest(_)));
        site.advance(Duration::from_secs(6));
    }
    phone.hear_release(&mut site);
    expect_gone(&site, &phone);
    assert!(last_reject(&site).reason.contains("did not answer"));
}

#[test]
fn a_command_is_sent_five_times_with_fresh_counts_and_then_given_up() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    for _ in 0..5 {
        // Opening it checks the MAC with the next count each time.
        assert!(matches!(phone.hear_emm(&mut site), EmmMessage::SecurityModeCommand(_)));
        site.advance(Duration::from_secs(6));
    }
    phone.hear_release(&mut site);
    expect_gone(&site, &phone);
}

#[test]
fn an_answer_after_a_repetition_counts() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    site.advance(Duration::from_secs(7));
    assert_eq!(EmmMessage::AuthenticationRequest(challenge.clone()), phone.hear_emm(&mut site));
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    site.advance(Duration::from_secs(7));
    phone.hear_emm(&mut site);
    phone.complete_security(&mut site);
    phone.accept(&mut site);
}

/// A phone that comes with a GUTI of its own and without keys.
fn known() -> (Site, Phone) {
    let (mut site, mut phone) = start();
    phone.attach(&mut site);
    let off = phone.detach_request(true);
    phone.say(&mut site, off);
    phone.hear_release(&mut site);
    phone.keys = None;
    site.clear();
    (site, phone)
}

#[test]
fn a_wrong_response_of_one_who_said_its_imsi_is_refused_at_once() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.hear_emm(&mut site);
    let wrong = AuthenticationResponse::new(Res(vec![0xaa; 8]));
    phone.say(&mut site, EmmMessage::AuthenticationResponse(wrong));
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationReject(_)));
    phone.hear_release(&mut site);
    expect_gone(&site, &phone);
}

#[test]
fn a_wrong_response_asks_who_it_is_and_then_refuses() {
    let (mut site, mut phone) = known();
    phone.start_attach(&mut site);
    phone.hear_emm(&mut site);
    let wrong = AuthenticationResponse::new(Res(vec![0xaa; 8]));
    phone.say(&mut site, EmmMessage::AuthenticationResponse(wrong));
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::IdentityRequest(_)));
    phone.identify(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationReject(_)));
    assert_eq!(phone.hear_release(&mut site), Cause::Nas(NasCause::AuthenticationFailure));
    assert_eq!(site.core.counts().half_open, 0);
    let info = last_reject(&site);
    assert_eq!(info.emm_cause, Some(3));
    assert!(info.advice.contains("OPc"));
    assert_eq!(site.core.ue(phone.imsi).unwrap().last_reject.as_ref(), Some(info));
}

#[test]
fn a_response_of_another_length_is_wrong() {
    for length in [4, 7, 9, 16] {
        let (mut site, mut phone) = known();
        phone.start_attach(&mut site);
        let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
        let mut res = phone.usim.answer(&challenge.rand.0, &challenge.autn.0).unwrap().res.expose().clone();
        res.resize(length, 0);
        phone.say(&mut site, EmmMessage::AuthenticationResponse(AuthenticationResponse::new(Res(res))));
        assert!(matches!(phone.hear_emm(&mut site), EmmMessage::IdentityRequest(_)), "{length}");
    }
}

#[test]
fn a_temporary_identity_that_was_another_ones_is_found_out() {
    let (mut site, mut first) = start();
    first.attach(&mut site);
    first.go_idle(&mut site);
    // Another phone comes with that GUTI and no keys: its SIM finds the challenge wrong, then it says who it is.
    let mut second = Phone::new(2, &first.enb.clone());
    second.guti = first.guti;
    second.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = second.hear_emm(&mut site) else { panic!() };
    second.answer_challenge(&mut site, &challenge);
    assert!(matches!(second.hear_emm(&mut site), EmmMessage::IdentityRequest(_)));
    second.identify(&mut site);
    second.prove(&mut site);
    let (_, accept) = second.accept(&mut site);
    assert_ne!(accept.guti, first.guti);
    assert_eq!(site.core.ue(first.imsi).unwrap().state, UeState::Idle);
}

#[test]
fn a_mac_failure_of_the_right_phone_is_refused_after_its_identity() {
    let (mut site, mut phone) = known();
    phone.usim = Usim::new(site::functions(2), SqnTracker::new());
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::IdentityRequest(_)));
    phone.identify(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationReject(_)));
    phone.hear_release(&mut site);
    assert!(last_reject(&site).reason.contains("MAC failure"));
}

#[test]
fn a_vector_that_is_not_for_eps_is_refused_likewise() {
    let (mut site, mut phone) = known();
    let mut subscriber = site::subscriber(1);
    subscriber.amf = [0, 0];
    site.core.subscribers_mut().insert(subscriber, true);
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::IdentityRequest(_)));
    phone.identify(&mut site);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationReject(_)));
    assert!(last_reject(&site).reason.contains("separation bit"));
}

#[test]
fn a_sim_that_is_ahead_is_brought_into_step() {
    let (mut site, mut phone) = start();
    let mut seen = SqnTracker::new();
    (0..32).for_each(|place| seen.accept(Sqn::new((1 << 20) + place).unwrap()).unwrap());
    phone.usim = Usim::new(site::functions(1), seen);
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(first) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &first);
    let EmmMessage::AuthenticationRequest(second) = phone.hear_emm(&mut site) else { panic!() };
    assert_ne!(first.rand, second.rand);
    phone.answer_challenge(&mut site, &second);
    phone.prove(&mut site);
    phone.accept(&mut site);
}

#[test]
fn an_echo_of_a_synch_failure_is_no_second_failure() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(first) = phone.hear_emm(&mut site) else { panic!() };
    let mut failure = AuthenticationFailure::new(EmmCause::SynchFailure);
    failure.auts = Some(phone.usim_auts(&first));
    phone.say(&mut site, EmmMessage::AuthenticationFailure(failure.clone()));
    phone.say(&mut site, EmmMessage::AuthenticationFailure(failure));
    let EmmMessage::AuthenticationRequest(second) = phone.hear_emm(&mut site) else { panic!() };
    phone.hear_nothing(&mut site);
    assert_eq!(site.counted(agw_types::Metric::Unexpected("AUTHENTICATION FAILURE again")), 1);
    phone.answer_challenge(&mut site, &second);
    phone.prove(&mut site);
    phone.accept(&mut site);
}

#[test]
fn a_sim_that_stays_out_of_step_is_refused_the_second_time() {
    let (mut site, mut phone) = start();
    let mut questions = 0;
    phone.start_attach(&mut site);
    loop {
        match phone.hear_emm(&mut site) {
            EmmMessage::AuthenticationRequest(challenge) => {
                questions += 1;
                let auts = phone.usim_auts(&challenge);
                let mut failure = AuthenticationFailure::new(EmmCause::SynchFailure);
                failure.auts = Some(auts);
                phone.say(&mut site, EmmMessage::AuthenticationFailure(failure));
            }
            EmmMessage::AuthenticationReject(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(questions, 2);
    expect_gone(&site, &phone);
}

#[test]
fn a_forged_resynchronisation_token_is_refused() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.hear_emm(&mut site);
    let mut failure = AuthenticationFailure::new(EmmCause::SynchFailure);
    failure.auts = Some(basalt_nas::ie::AuthenticationFailureParameter([0x55; 14]));
    phone.say(&mut site, EmmMessage::AuthenticationFailure(failure));
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::AuthenticationReject(_)));
    expect_gone(&site, &phone);
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    let challenge = phone.hear_emm(&mut site);
    phone.identify(&mut site);
    phone.say(&mut site, EmmMessage::SecurityModeReject(SecurityModeReject::new(EmmCause::SecurityModeRejected)));
    phone.hear_nothing(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = challenge else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    // Twice the same response: the second finds nobody waiting.
    let stray = AuthenticationResponse::new(Res(vec![0; 8]));
    let plain = EmmMessage::AuthenticationResponse(stray).encode().unwrap();
    phone.say_octets(&mut site, plain);
    phone.hear_nothing(&mut site);
    phone.complete_security(&mut site);
    phone.accept(&mut site);
}

#[test]
fn security_mode_complete_counts_only_protected_and_ciphered() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    let plain = EmmMessage::SecurityModeComplete(SecurityModeComplete::new()).encode().unwrap();
    // Without MAC, with a wrong one, and protected but not ciphered.
    phone.say_octets(&mut site, plain.clone());
    let mut forged = phone.keys.clone().unwrap().protect(Protection::IntegrityCipheredNew, &plain).unwrap();
    forged[2] ^= 1;
    phone.say_octets(&mut site, forged);
    let clear = phone.keys.clone().unwrap().protect(Protection::IntegrityNew, &plain).unwrap();
    phone.say_octets(&mut site, clear);
    phone.hear_nothing(&mut site);
    assert_eq!(site.core.counts().half_open, 1);
    assert!(site.core.ue(phone.imsi).unwrap().guti.is_none());
}

#[test]
fn security_mode_reject_ends_it() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    let reject = SecurityModeReject::new(EmmCause::UeSecurityCapabilitiesMismatch);
    let plain = EmmMessage::SecurityModeReject(reject).encode().unwrap();
    phone.say_octets(&mut site, plain);
    phone.hear_release(&mut site);
    expect_gone(&site, &phone);
    assert_eq!(last_reject(&site).emm_cause, Some(23));
}

#[test]
fn a_phone_with_null_integrity_only_is_refused_before_anything_is_asked() {
    let (mut site, mut phone) = start();
    phone.capability = UeNetworkCapability::from_octets(&[0xf0, 0x80]).unwrap();
    phone.start_attach(&mut site);
    let EmmMessage::AttachReject(reject) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::UeSecurityCapabilitiesMismatch);
    phone.hear_release(&mut site);
    expect_gone(&site, &phone);
}

#[test]
fn algorithms_are_the_operators_first_that_the_phone_has() {
    for (eea, eia, ciphering, integrity) in
        [(0xf0, 0xf0, 2, 2), (0xc0, 0xc0, 1, 1), (0x90, 0x90, 3, 3), (0x80, 0x20, 0, 2)]
    {
        let (mut site, mut phone) = start();
        phone.capability = UeNetworkCapability::from_octets(&[eea, eia]).unwrap();
        phone.attach(&mut site);
        let view = site.core.ue(phone.imsi).unwrap();
        assert_eq!((view.ciphering, view.integrity), (Some(ciphering), Some(integrity)));
    }
}

#[test]
fn nobody_stays_half_open_longer_than_a_minute() {
    let (mut site, mut phone) = start();
    phone.guti = Some(foreign_guti());
    phone.start_attach(&mut site);
    // One who answers, but always late, drags it out; the procedure's own guard ends it.
    site.advance(Duration::from_secs(23));
    phone.identify_late(&mut site);
    site.advance(Duration::from_secs(38));
    expect_gone(&site, &phone);
    assert_eq!(site.core.counts().timers, 0);
}

#[test]
fn claims_beyond_the_limit_get_congestion_with_a_back_off() {
    let mut site = Site::with(site::config(), Limits { half_open: 2, ..Limits::default() });
    let enb = Enb::ready(&mut site, 1);
    let mut phones: Vec<_> = (1..=3).map(|number| Phone::new(number, &enb)).collect();
    phones.iter_mut().for_each(|phone| phone.start_attach(&mut site));
    let EmmMessage::AttachReject(reject) = phones[2].hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::Congestion);
    assert!(reject.t3346.is_some());
    // Base stations were told to keep others away; when it is over, that ends.
    assert!(site.inbox.iter().any(|(_, stream, pdu)| *stream == 0 && matches!(pdu, Pdu::OverloadStart(_))));
    site.advance(Duration::from_secs(61));
    assert!(site.inbox.iter().any(|(_, _, pdu)| matches!(pdu, Pdu::OverloadStop(_))));
    assert_eq!(site.core.counts().half_open, 0);
}

#[test]
fn ten_thousand_half_open_attaches_are_gone_after_a_minute() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    for n in 0..10_000u32 {
        let request = EmmMessage::AttachRequest({
            let mut request = Phone::new(1, &enb).attach_request();
            request.identity = EpsMobileIdentity::Guti(Guti { m_tmsi: MTmsi(n), ..foreign_guti() });
            request
        });
        let id = basalt_ids::EnbUeS1apId::new(n + 1).unwrap();
        enb.initial(&mut site, id, request.encode().unwrap(), None);
        site.clear();
    }
    assert_eq!(site.core.counts().half_open, 10_000);
    // A phone of ours gets in meanwhile.
    let mut phone = Phone::new(1, &enb);
    phone.enb_id = basalt_ids::EnbUeS1apId::new(50_000).unwrap();
    let request = EmmMessage::AttachRequest(phone.attach_request()).encode().unwrap();
    enb.initial(&mut site, phone.enb_id, request, None);
    phone.prove(&mut site);
    phone.accept(&mut site);
    site.advance(Duration::from_secs(61));
    let counts = site.core.counts();
    assert_eq!((counts.half_open, counts.connections), (0, 0));
    assert!(counts.timers <= 1, "{counts:?}");
}

#[test]
fn a_radio_that_is_lost_in_any_step_leaves_nothing() {
    // How many messages of the proof go through before the radio is lost.
    for steps in 0..3 {
        let (mut site, mut phone) = start();
        phone.guti = Some(foreign_guti());
        phone.start_attach(&mut site);
        for _ in 0..steps {
            match phone.hear(&mut site) {
                Some(Heard::Emm(EmmMessage::IdentityRequest(_))) => phone.identify(&mut site),
                Some(Heard::Emm(EmmMessage::AuthenticationRequest(challenge))) => {
                    phone.answer_challenge(&mut site, &challenge);
                }
                other => panic!("{other:?}"),
            }
        }
        phone.hear(&mut site);
        phone.enb.clone().request_release(&mut site, phone.mme_id.unwrap(), phone.enb_id);
        phone.hear_release(&mut site);
        expect_gone(&site, &phone);
        assert_eq!(site.core.counts().timers, 0, "after {steps} steps");
        // It can start over.
        phone.guti = None;
        phone.keys = None;
        phone.attach(&mut site);
    }
}
