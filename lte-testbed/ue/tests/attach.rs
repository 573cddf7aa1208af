//! Attach, authentication and security mode as TS 24.301 wants them of a phone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use basalt_ids::Pti;
use basalt_nas::emm::{AttachReject, AuthenticationReject, AuthenticationRequest, IdentityRequest};
use basalt_nas::ie::{
    Autn, EmmCause, EpsMobileIdentity, GprsTimer2, IdentityType, KeySetIdentifier, MobileIdentity, Rand,
};
use basalt_nas::{Direction, EmmMessage};
use basalt_sansio::Duration;
use basalt_security::{Algorithms, Ciphering, Integrity, Secret, Sqn};
use proptest::prelude::*;
use support::{ALGORITHMS, Pair, key, tai};
use testbed_ue::{
    AkaFault, AttachKind, Capability, Configuration, EmmState, Event, Fault, Input, Misdeed, Mutation, Profile,
    ProtocolSurprise, RadioSecurity, Uplink,
};

fn distrusted(pair: &Pair, surprise: ProtocolSurprise) -> bool {
    pair.saw(&Event::Distrust(surprise))
}

#[test]
fn a_phone_attaches_and_has_an_address() {
    let pair = Pair::attached(Profile::default());
    let session = &pair.ue.sessions()[0];
    assert_eq!(session.address, Some([10, 93, 0, 5].into()));
    assert_eq!((session.dns.as_slice(), session.mtu), (&[[203, 0, 113, 1].into()][..], Some(1464)));
    assert_eq!(pair.ue.guti(), Some(support::guti(0x1234)));
    assert!(pair.ue.bearers_up());
}

#[test]
fn the_second_attach_is_by_guti_and_protected() {
    let mut pair = Pair::attached(Profile::default());
    pair.step(Input::Detach(testbed_ue::DetachKind::SwitchOff));
    pair.sent.clear();
    pair.step(Input::Released);
    pair.step(Input::Attach(AttachKind::Usual));
    let octets = pair.sent[0].clone();
    assert_eq!(octets[0], 0x17, "integrity protected, not ciphered");
    assert_eq!(pair.connects.last().unwrap().s_tmsi, Some(support::guti(0x1234).s_tmsi()));
    pair.network = None;
    let EmmMessage::AttachRequest(request) = EmmMessage::decode(&octets[6..], Direction::Uplink).unwrap() else {
        panic!()
    };
    assert_eq!(request.identity, EpsMobileIdentity::Guti(support::guti(0x1234)));
    assert_eq!(request.ksi, KeySetIdentifier::native(1));
}

#[test]
fn an_identity_is_told_unprotected_only_if_it_is_the_imsi() {
    let mut pair = Pair::new();
    pair.attach_request();
    pair.plain(EmmMessage::from(IdentityRequest::new(IdentityType::Imeisv)));
    assert!(pair.said_nothing());
    pair.plain(EmmMessage::from(IdentityRequest::new(IdentityType::Imsi)));
    let EmmMessage::IdentityResponse(response) = pair.next_emm() else { panic!() };
    assert!(matches!(response.identity, MobileIdentity::Imsi(_)));
    pair.secure();
    pair.protected(EmmMessage::from(IdentityRequest::new(IdentityType::Imeisv)));
    let EmmMessage::IdentityResponse(response) = pair.next_emm() else { panic!() };
    assert!(matches!(response.identity, MobileIdentity::Imeisv(_)));
}

#[test]
fn a_network_without_the_key_is_found_out() {
    let mut pair = Pair::new();
    pair.attach_request();
    let request = AuthenticationRequest::new(KeySetIdentifier::native(1), Rand([1; 16]), Autn([2; 16]));
    pair.plain(EmmMessage::from(request.clone()));
    let EmmMessage::AuthenticationFailure(failure) = pair.next_emm() else { panic!() };
    assert_eq!((failure.cause, failure.auts), (EmmCause::MacFailure, None));
    // After the third failure the phone leaves the cell alone.
    pair.plain(EmmMessage::from(request.clone()));
    pair.plain(EmmMessage::from(request));
    assert_eq!((pair.abandoned, pair.ue.state()), (1, EmmState::Deregistered));
}

#[test]
fn a_used_sequence_number_is_answered_with_a_token() {
    let mut pair = Pair::new();
    pair.ue.usim_mut().set_sqn(Sqn::new(0x0100_0000).unwrap());
    pair.attach_request();
    let (request, _, _) = pair.challenge();
    let rand = request.rand.0;
    pair.plain(EmmMessage::from(request));
    let EmmMessage::AuthenticationFailure(failure) = pair.next_emm() else { panic!() };
    assert_eq!(failure.cause, EmmCause::SynchFailure);
    let sqn = key().open_auts(&rand, &failure.auts.unwrap().0).unwrap();
    assert_eq!(sqn, pair.ue.usim().highest_sqn());
    pair.sqn = sqn.value();
    pair.authenticate();
}

#[test]
fn a_repeated_challenge_gets_the_same_answer() {
    let mut pair = Pair::new();
    pair.attach_request();
    let (request, xres, _) = pair.challenge();
    for _ in 0..2 {
        pair.plain(EmmMessage::from(request.clone()));
        let EmmMessage::AuthenticationResponse(response) = pair.next_emm() else { panic!() };
        assert_eq!(response.res.0, xres);
    }
}

#[test]
fn bidding_down_is_refused() {
    for (replayed, cause, surprise) in [
        (&[0xf0, 0x20][..], EmmCause::UeSecurityCapabilitiesMismatch, ProtocolSurprise::BiddingDown),
        (&[0x80, 0x70][..], EmmCause::UeSecurityCapabilitiesMismatch, ProtocolSurprise::BiddingDown),
        (&[0xf0, 0x70, 0, 0][..], EmmCause::UeSecurityCapabilitiesMismatch, ProtocolSurprise::BiddingDown),
    ] {
        let mut pair = Pair::new();
        pair.attach_request();
        let kasme = pair.authenticate();
        let octets = pair.command(kasme, ALGORITHMS, replayed);
        pair.step(Input::Nas(octets));
        let EmmMessage::SecurityModeReject(reject) = pair.next_emm() else { panic!() };
        assert_eq!(reject.cause, cause);
        assert!(distrusted(&pair, surprise));
    }
}

#[test]
fn algorithms_the_phone_must_not_use_are_refused() {
    let null = Algorithms { ciphering: Ciphering::Eea0, integrity: Integrity::Eia0 };
    let missing = Algorithms { ciphering: Ciphering::Eea2, integrity: Integrity::Eia3 };
    let capability = Capability { eea: 0xe0, eia: 0x60, ..Capability::default() };
    for (algorithms, surprise) in
        [(null, ProtocolSurprise::NullIntegrity), (missing, ProtocolSurprise::UnknownAlgorithm)]
    {
        let mut pair = Pair::with(Profile { capability, ..Profile::default() });
        pair.attach_request();
        let kasme = pair.authenticate();
        let octets = pair.command(kasme, algorithms, &[0xe0, 0x60]);
        pair.step(Input::Nas(octets));
        assert!(matches!(pair.next_emm(), EmmMessage::SecurityModeReject(_)));
        assert!(distrusted(&pair, surprise), "{:?}", pair.events);
    }
}

#[test]
fn a_command_made_with_other_keys_is_refused() {
    let mut pair = Pair::new();
    pair.attach_request();
    pair.authenticate();
    let octets = pair.command(Secret::new([1; 32]), ALGORITHMS, &[0xf0, 0x70]);
    pair.step(Input::Nas(octets));
    let EmmMessage::SecurityModeReject(reject) = pair.next_emm() else { panic!() };
    assert_eq!(reject.cause, EmmCause::SecurityModeRejected);
    assert!(distrusted(&pair, ProtocolSurprise::MessageMac));
}

#[test]
fn nothing_unprotected_counts_once_security_stands() {
    let mut pair = Pair::new();
    pair.attach_request();
    pair.secure();
    pair.plain(EmmMessage::from(AttachReject::new(EmmCause::IllegalUe)));
    pair.plain(EmmMessage::from(AuthenticationReject::new()));
    pair.plain(EmmMessage::from(IdentityRequest::new(IdentityType::Imsi)));
    assert!(pair.said_nothing());
    assert_eq!(pair.ue.state(), EmmState::RegisteredInitiated);
    assert!(distrusted(&pair, ProtocolSurprise::Unprotected));
}

#[test]
fn replayed_and_damaged_messages_do_not_count() {
    let mut pair = Pair::attached(Profile::default());
    let octets = pair.protect(EmmMessage::from(IdentityRequest::new(IdentityType::Imei)));
    let mut damaged = octets.clone();
    *damaged.last_mut().unwrap() ^= 1;
    pair.step(Input::Nas(damaged));
    assert!(pair.said_nothing());
    pair.step(Input::Nas(octets.clone()));
    assert!(matches!(pair.next_emm(), EmmMessage::IdentityResponse(_)));
    pair.step(Input::Nas(octets));
    assert!(pair.said_nothing());
    assert!(distrusted(&pair, ProtocolSurprise::MessageMac));
}

#[test]
fn a_base_station_with_another_key_is_no_radio() {
    let mut pair = Pair::new();
    let request = pair.attach_request();
    pair.secure();
    let pti = request.esm_container.decode(Direction::Uplink).unwrap().pti;
    let nas = vec![pair.attach_accept(pti)];
    let security = Some(RadioSecurity { k_enb: Secret::new([3; 32]), encryption: 0xe000, integrity: 0xe000 });
    let added = vec![basalt_ids::Ebi::FIRST];
    pair.step(Input::Configure(Configuration { security, added, removed: Vec::new(), nas }));
    assert_eq!(pair.configured, [false]);
    assert!(pair.said_nothing());
    assert_eq!(pair.ue.state(), EmmState::RegisteredInitiated);
}

#[test]
fn an_accept_for_another_transaction_is_not_taken() {
    let mut pair = Pair::new();
    pair.attach_request();
    pair.secure();
    let nas = vec![pair.attach_accept(Pti(99))];
    pair.context(nas);
    assert!(distrusted(&pair, ProtocolSurprise::WrongTransaction));
    assert!(pair.ue.sessions().is_empty());
}

#[test]
fn an_unanswered_attach_is_tried_five_times_and_then_rarely() {
    let mut pair = Pair::new();
    pair.step(Input::Attach(AttachKind::Usual));
    for attempt in 1..=4 {
        assert_eq!(pair.connects.len(), attempt);
        pair.later(Duration::from_secs(15));
        assert_eq!(pair.ue.state(), EmmState::Deregistered);
        pair.later(Duration::from_secs(10));
    }
    pair.later(Duration::from_secs(15));
    pair.later(Duration::from_secs(12 * 60 - 1));
    assert_eq!(pair.connects.len(), 5);
    pair.later(Duration::from_secs(1));
    assert_eq!(pair.connects.len(), 6);
    assert_eq!(pair.abandoned, 5);
}

#[test]
fn causes_of_refusal_decide_what_comes_next() {
    let refused = |cause, t3346: Option<u64>| {
        let mut pair = Pair::new();
        pair.ue.set_guti(Some(support::guti(9)));
        pair.attach_request();
        let mut reject = AttachReject::new(cause);
        reject.t3346 = t3346.map(|seconds| GprsTimer2::at_least(Duration::from_secs(seconds)));
        pair.plain(EmmMessage::from(reject));
        assert_eq!(pair.ue.state(), EmmState::Deregistered, "{cause}");
        pair.step(Input::Released);
        pair
    };
    // The USIM is invalid: never again.
    for cause in [EmmCause::IllegalUe, EmmCause::IllegalMe, EmmCause::EpsServicesNotAllowed] {
        let mut pair = refused(cause, None);
        pair.later(Duration::from_secs(3600));
        pair.step(Input::Camp(tai(2)));
        assert_eq!((pair.connects.len(), pair.ue.guti(), pair.ue.snapshot().barred), (1, None, true));
    }
    // Not in this network, not in this area: elsewhere yes.
    let mut pair = refused(EmmCause::PlmnNotAllowed, None);
    pair.step(Input::Camp(tai(2)));
    assert_eq!(pair.connects.len(), 1);
    for cause in [EmmCause::TrackingAreaNotAllowed, EmmCause::NoSuitableCellsInTrackingArea] {
        let mut pair = refused(cause, None);
        pair.step(Input::Camp(tai(2)));
        assert_eq!(pair.connects.len(), 2, "{cause}");
    }
    // Congestion: as long as told.
    let mut pair = refused(EmmCause::Congestion, Some(60));
    pair.step(Input::Camp(tai(2)));
    assert_eq!(pair.connects.len(), 1);
    pair.later(Duration::from_secs(60));
    assert_eq!(pair.connects.len(), 2);
    // Anything else: soon.
    let mut pair = refused(EmmCause::NetworkFailure, None);
    pair.later(Duration::from_secs(10));
    assert_eq!(pair.connects.len(), 2);
}

#[test]
fn an_authentication_reject_makes_the_card_invalid() {
    let mut pair = Pair::new();
    pair.attach_request();
    pair.plain(EmmMessage::from(AuthenticationReject::new()));
    assert!(pair.saw(&Event::AuthenticationRejected));
    pair.step(Input::Released);
    pair.step(Input::Attach(AttachKind::Usual));
    assert_eq!(pair.connects.len(), 1);
    pair.step(Input::PowerCut);
    pair.step(Input::Attach(AttachKind::Usual));
    assert_eq!(pair.connects.len(), 2);
}

#[test]
fn a_lost_attach_complete_is_sent_again() {
    let mut pair = Pair::new();
    let request = pair.attach_request();
    pair.secure();
    let pti = request.esm_container.decode(Direction::Uplink).unwrap().pti;
    pair.accept(pti);
    let again = pair.attach_accept(pti);
    pair.step(Input::Nas(again));
    assert!(matches!(pair.next_emm(), EmmMessage::AttachComplete(_)));
    assert_eq!(pair.ue.sessions().len(), 1);
}

#[test]
fn misdeeds_are_done() {
    let secured = |fault| {
        let mut pair = Pair::new();
        pair.ue.add_fault(fault);
        pair.attach_request();
        let (request, xres, kasme) = pair.challenge();
        pair.plain(EmmMessage::from(request));
        (pair, xres, kasme)
    };
    let (mut pair, xres, _) = secured(Fault::once(Uplink::AuthenticationResponse, Misdeed::WrongRes));
    let EmmMessage::AuthenticationResponse(response) = pair.next_emm() else { panic!() };
    assert_ne!(response.res.0, xres);
    let (pair, ..) = secured(Fault::once(Uplink::AuthenticationResponse, Misdeed::Silence));
    assert!(pair.said_nothing());
    let (pair, ..) = secured(Fault::once(Uplink::AuthenticationResponse, Misdeed::Twice));
    assert_eq!(pair.sent.len(), 2);
    for misdeed in [Misdeed::Plain, Misdeed::WrongMac, Misdeed::MutateProtected(Mutation { seed: 3 })] {
        let (mut pair, _, kasme) = secured(Fault::once(Uplink::SecurityModeComplete, misdeed));
        pair.sent.clear();
        let octets = pair.command(kasme, ALGORITHMS, &[0xf0, 0x70]);
        pair.step(Input::Nas(octets));
        let complete = pair.sent.remove(0);
        assert!(pair.network.as_mut().unwrap().verify(&complete).is_err(), "{misdeed:?}");
    }
    let mut pair = Pair::new();
    pair.ue.usim_mut().fail(AkaFault::MacFailure, Some(1));
    pair.attach_request();
    let (request, ..) = pair.challenge();
    pair.plain(EmmMessage::from(request));
    assert!(matches!(pair.next_emm(), EmmMessage::AuthenticationFailure(_)));
    pair.authenticate();
}

proptest! {
    #[test]
    fn nothing_a_network_sends_panics(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
        let mut pair = Pair::new();
        pair.attach_request();
        pair.step(Input::Nas(octets.clone()));
        let mut pair = Pair::idle();
        pair.step(Input::UplinkData);
        pair.step(Input::Nas(octets));
    }

    #[test]
    fn a_forged_message_changes_nothing(seed: u64) {
        let mut pair = Pair::attached(Profile::default());
        let before = pair.ue.snapshot();
        let mut octets = pair.protect(EmmMessage::from(IdentityRequest::new(IdentityType::Imei)));
        let original = octets.clone();
        Mutation { seed }.apply(&mut octets);
        prop_assume!(octets != original);
        pair.step(Input::Nas(octets));
        prop_assert_eq!(pair.ue.snapshot(), before);
        prop_assert!(pair.said_nothing());
    }

    #[test]
    fn a_damaged_but_proven_message_does_not_panic(seed: u64) {
        let mut pair = Pair::new();
        pair.attach_request();
        pair.secure();
        let inner = support::default_bearer(5, Pti(1), "internet", [10, 0, 0, 1]);
        let mut plain = basalt_nas::NasMessage::from(inner).encode().unwrap();
        Mutation { seed }.apply(&mut plain);
        let protection = basalt_security::Protection::IntegrityCiphered;
        let octets = pair.network.as_mut().unwrap().protect(protection, &plain).unwrap();
        pair.step(Input::Nas(octets));
    }
}
