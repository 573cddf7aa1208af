//! Attach: every way in, every refusal, every failure in the middle.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{DataplaneChange, Event, Limits, Metric, Outcome, Procedure, SubscriberState, UeState};
use basalt_ids::Imei;
use basalt_nas::emm::EmmStatus;
use basalt_nas::esm::{ActivateDefaultEpsBearerContextReject, EsmMessage, EsmPdu};
use basalt_nas::ie::{AccessPointName, AttachType, EmmCause, EpsMobileIdentity, EsmCause, EsmContainer};
use basalt_nas::{Direction, EmmMessage};
use basalt_s1ap::{Cause, InitialContextSetupFailure, NasCause, Pdu, RadioNetworkCause};
use basalt_sansio::Duration;
use site::Site;
use site::enb::Enb;
use site::phone::{Heard, Phone};

fn start() -> (Site, Phone) {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let phone = Phone::new(1, &enb);
    (site, phone)
}

fn rejected_with(phone: &mut Phone, site: &mut Site) -> EmmCause {
    match phone.hear_emm(site) {
        EmmMessage::AttachReject(reject) => {
            phone.hear_release(site);
            reject.cause
        }
        other => panic!("expected ATTACH REJECT, got {other:?}"),
    }
}

#[test]
fn a_combined_attach_is_accepted_for_packets_only_and_says_why() {
    let (mut site, mut phone) = start();
    let mut request = phone.attach_request();
    request.attach_type = AttachType::Combined;
    phone.open(&mut site, &EmmMessage::AttachRequest(request));
    phone.prove(&mut site);
    let (_, accept) = phone.accept(&mut site);
    assert_eq!(accept.cause, Some(EmmCause::CsDomainNotAvailable));
}

#[test]
fn a_native_identity_beside_a_mapped_one_counts() {
    let (mut site, mut phone) = start();
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    let mut request = phone.attach_request();
    let own = phone.guti.unwrap();
    let mut mapped = own;
    mapped.gummei.group.0 = 0x1234;
    request.identity = EpsMobileIdentity::Guti(mapped);
    request.additional_guti = Some(own);
    phone.open(&mut site, &EmmMessage::AttachRequest(request));
    // Known by its keys: no question, no challenge.
    phone.accept(&mut site);
}

#[test]
fn esm_information_is_asked_for_when_the_phone_has_some() {
    let (mut site, mut phone) = start();
    phone.esm_flag = true;
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    phone.accept(&mut site);
}

#[test]
fn a_known_phone_with_good_keys_is_not_challenged() {
    let (mut site, mut phone) = start();
    phone.attach(&mut site);
    let first = phone.guti;
    phone.start_attach(&mut site);
    // The old connection ends at once, the old session with it.
    let (setup, accept) = {
        let old = site.inbox.iter().any(|(_, _, pdu)| matches!(pdu, Pdu::UeContextReleaseCommand(_)));
        assert!(old);
        phone.accept(&mut site)
    };
    assert_ne!(accept.guti, first);
    let enb = phone.enb.clone();
    enb.context_ready(&mut site, &setup);
    phone.send_complete(&mut site, &accept);
    let view = site.core.ue(phone.imsi).unwrap();
    assert_eq!((view.state, view.sessions.len()), (UeState::Connected, 1));
    assert_eq!(site.core.counts().ues, 1);
    // K_eNB of such an attach comes from the count of the request itself.
    let count = phone.keys.as_ref().unwrap().send_count() - 2;
    assert_eq!(phone.kenb.unwrap(), *phone.keys.as_ref().unwrap().access_keys(count).kenb().expose());
}

#[test]
fn a_known_phone_whose_capabilities_changed_is_challenged() {
    let (mut site, mut phone) = start();
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    phone.capability = basalt_nas::ie::UeNetworkCapability::from_octets(&[0xf0, 0xf0]).unwrap();
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    // Its session lives until it has proven itself.
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions.len(), 1);
    phone.keys = None;
    phone.answer_challenge(&mut site, &challenge);
    phone.prove(&mut site);
    phone.accept(&mut site);
    assert_eq!(site.core.counts().ues, 1);
}

#[test]
fn a_phone_that_lost_its_keys_takes_its_own_place_when_it_has_proven_itself() {
    let (mut site, mut phone) = start();
    phone.attach(&mut site);
    let before = site.core.ue(phone.imsi).unwrap();
    phone.keys = None;
    phone.guti = None;
    let old_radio = (phone.enb_id, phone.mme_id);
    phone.start_attach(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().guti, before.guti);
    phone.prove(&mut site);
    let released = site
        .inbox
        .iter()
        .any(|(_, _, pdu)| matches!(pdu, Pdu::UeContextReleaseCommand(_)) && pdu.ue_ids().mme == old_radio.1);
    assert!(released, "the old connection ends");
    let (setup, accept) = phone.accept(&mut site);
    let enb = phone.enb.clone();
    enb.context_ready(&mut site, &setup);
    phone.send_complete(&mut site, &accept);
    assert_eq!(site.core.counts().ues, 1);
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions.len(), 1);
}

#[test]
fn the_old_identity_is_valid_until_the_new_one_is_confirmed() {
    let (mut site, mut phone) = start();
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    let old = phone.guti;
    phone.start_attach(&mut site);
    let (_, accept) = phone.accept(&mut site);
    let stored = site.ue_record(phone.imsi).unwrap();
    assert_eq!((Some(stored.guti), stored.pending_guti), (old, accept.guti));
    // The phone never got the accept: it comes back by the old one and is known.
    phone.enb.clone().request_release(&mut site, phone.mme_id.unwrap(), phone.enb_id);
    phone.hear_release(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    phone.guti = old;
    phone.start_attach(&mut site);
    phone.accept(&mut site);
}

#[test]
fn a_phone_of_this_network_without_subscription_leaves_the_area_unharmed() {
    let (mut site, _) = start();
    let enb = Enb::ready(&mut site, 2);
    let mut phone = Phone::new(99, &enb);
    phone.start_attach(&mut site);
    assert_eq!(rejected_with(&mut phone, &mut site), EmmCause::NoSuitableCellsInTrackingArea);
    let view = site.core.ue(phone.imsi).unwrap();
    assert_eq!(view.state, UeState::Detached);
    let reject = view.last_reject.unwrap();
    assert_eq!((reject.procedure.as_str(), reject.emm_cause), ("attach", Some(15)));
    assert!(reject.reason.contains("no subscriber list") && reject.advice.contains("add"));
    assert_eq!(site.core.counts().ues, 0);
}

#[test]
fn a_phone_of_another_network_is_told_to_go_home() {
    for home_only in [true, false] {
        let mut config = site::config();
        config.home_only = home_only;
        let mut site = Site::with(config, Limits::default());
        let enb = Enb::ready(&mut site, 1);
        let mut phone = Phone::new(1, &enb);
        phone.imsi = "262011234567890".parse().unwrap();
        phone.start_attach(&mut site);
        assert_eq!(rejected_with(&mut phone, &mut site), EmmCause::PlmnNotAllowed);
        assert_eq!(site.core.counts().ues, 0);
    }
}

#[test]
fn home_only_refuses_guests_also_after_they_said_who_they_are() {
    let mut config = site::config();
    config.home_only = true;
    let mut site = Site::with(config, Limits::default());
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.imsi = "262011234567890".parse().unwrap();
    let mut request = phone.attach_request();
    let gummei = basalt_ids::Gummei {
        plmn: "262-01".parse().unwrap(),
        group: basalt_ids::MmeGroupId(1),
        code: basalt_ids::MmeCode(1),
    };
    request.identity = EpsMobileIdentity::Guti(basalt_ids::Guti { gummei, m_tmsi: basalt_ids::MTmsi(5) });
    phone.open(&mut site, &EmmMessage::AttachRequest(request));
    phone.hear_emm(&mut site);
    phone.identify(&mut site);
    assert_eq!(rejected_with(&mut phone, &mut site), EmmCause::PlmnNotAllowed);
}

#[test]
fn a_suspended_subscriber_is_refused_and_comes_back_when_it_is_not() {
    let (mut site, mut phone) = start();
    site.core.subscribers_mut().set_state(phone.imsi, SubscriberState::Suspended);
    phone.start_attach(&mut site);
    assert_eq!(rejected_with(&mut phone, &mut site), EmmCause::NoSuitableCellsInTrackingArea);
    assert!(site.core.ue(phone.imsi).unwrap().last_reject.unwrap().reason.contains("suspended"));
    site.core.subscribers_mut().set_state(phone.imsi, SubscriberState::Active);
    phone.attach(&mut site);
}

#[test]
fn a_subscriber_suspended_between_vector_and_profile_is_refused_with_protection() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    site.core.subscribers_mut().set_state(phone.imsi, SubscriberState::Suspended);
    phone.complete_security(&mut site);
    // It opens with the phone's keys.
    assert_eq!(rejected_with(&mut phone, &mut site), EmmCause::NoSuitableCellsInTrackingArea);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    assert_eq!(site.core.counts().timers, 0);
}

#[test]
fn an_attach_without_a_sim_is_not_offered() {
    let (mut site, mut phone) = start();
    let mut request = phone.attach_request();
    request.attach_type = AttachType::Emergency;
    request.identity = EpsMobileIdentity::Imei("356938035643809".parse::<Imei>().unwrap());
    phone.open(&mut site, &EmmMessage::AttachRequest(request));
    assert_eq!(rejected_with(&mut phone, &mut site), EmmCause::ImeiNotAccepted);
}

#[test]
fn emergency_and_restricted_services_are_not_offered_to_strangers_nor_to_known_phones() {
    for (kind, cause) in [
        (AttachType::Emergency, EmmCause::ImeiNotAccepted),
        (AttachType::Rlos, EmmCause::ServiceOptionNotAuthorizedInPlmn),
    ] {
        let (mut site, mut phone) = start();
        let mut request = phone.attach_request();
        request.attach_type = kind;
        phone.open(&mut site, &EmmMessage::AttachRequest(request));
        assert_eq!(rejected_with(&mut phone, &mut site), cause);
        phone.attach(&mut site);
        phone.go_idle(&mut site);
        let mut request = phone.attach_request();
        request.attach_type = kind;
        phone.open(&mut site, &EmmMessage::AttachRequest(request));
        assert_eq!(rejected_with(&mut phone, &mut site), cause);
    }
}

#[test]
fn a_phone_that_attaches_again_has_no_old_sessions_in_its_record() {
    let (mut site, mut phone) = start();
    phone.attach(&mut site);
    phone.go_idle(&mut site);
    phone.keys = None;
    phone.esm_flag = true;
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    assert_eq!(site.ue_record(phone.imsi).unwrap().sessions.len(), 1);
    phone.complete_security(&mut site);
    // It is asked for ESM information now, and the old address rests.
    assert_eq!((site.core.counts().sessions, site.ue_record(phone.imsi).unwrap().sessions.len()), (0, 0));
    phone.prove(&mut site);
    phone.accept(&mut site);
    assert_eq!(site.ue_record(phone.imsi).unwrap().sessions.len(), 1);
}

#[test]
fn a_cell_in_an_area_that_is_not_served_takes_nobody_in() {
    let (mut site, mut phone) = start();
    phone.enb.tai.tac = basalt_ids::Tac(500);
    phone.start_attach(&mut site);
    assert_eq!(rejected_with(&mut phone, &mut site), EmmCause::NoSuitableCellsInTrackingArea);
}

#[test]
fn an_unknown_access_point_is_refused_with_the_esm_message_inside() {
    let (mut site, mut phone) = start();
    phone.esm_flag = true;
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    phone.answer_challenge(&mut site, &challenge);
    phone.hear_emm(&mut site);
    phone.complete_security(&mut site);
    let Some(Heard::Esm(pdu)) = phone.hear(&mut site) else { panic!() };
    let mut response = basalt_nas::esm::EsmInformationResponse::new();
    response.apn = Some(AccessPointName::from(&"nowhere".parse::<basalt_ids::Apn>().unwrap()));
    phone.say_esm(&mut site, None, pdu.pti.0, EsmMessage::EsmInformationResponse(response));
    let EmmMessage::AttachReject(reject) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(reject.cause, EmmCause::EsmFailure);
    let esm = EsmPdu::decode(&reject.esm_container.unwrap().0, Direction::Downlink).unwrap();
    assert!(
        matches!(esm.message, EsmMessage::PdnConnectivityReject(reject) if reject.cause == EsmCause::MissingOrUnknownApn)
    );
    phone.hear_release(&mut site);
    let info = site.core.ue(phone.imsi).unwrap().last_reject.unwrap();
    assert_eq!((info.emm_cause, info.esm_cause), (Some(19), Some(27)));
    assert_eq!(site.core.counts().sessions, 0);
}

#[test]
fn a_container_that_is_no_esm_message_is_an_esm_failure() {
    let (mut site, mut phone) = start();
    let mut request = phone.attach_request();
    request.esm_container = EsmContainer(vec![0x07, 0x41, 0, 0]);
    phone.open(&mut site, &EmmMessage::AttachRequest(request));
    phone.prove_to_reject(&mut site);
}

#[test]
fn a_base_station_that_cannot_set_the_context_up_undoes_the_attach() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    let (setup, _) = phone.accept(&mut site);
    let cause = Cause::RadioNetwork(RadioNetworkCause::RadioResourcesNotAvailable);
    let failure = InitialContextSetupFailure::new(setup.mme_ue_id, setup.enb_ue_id, cause);
    phone.enb.clone().send(&mut site, failure);
    phone.hear_release(&mut site);
    assert_eq!(site.core.counts().sessions, 0);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    assert_eq!(site.core.counts().timers, 0);
    phone.guti = None;
    phone.keys = None;
    phone.attach(&mut site);
}

#[test]
fn a_context_without_its_bearer_is_a_failure_too() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    let (setup, _) = phone.accept(&mut site);
    let mut response = basalt_s1ap::InitialContextSetupResponse::new(setup.mme_ue_id, setup.enb_ue_id, Vec::new());
    let cause = Cause::RadioNetwork(RadioNetworkCause::RadioResourcesNotAvailable);
    response.failed_erabs = vec![basalt_s1ap::ErabItem::new(setup.erabs[0].ebi, cause)];
    // An encoder refuses an empty list of what stands: some bearer that was never asked for is there instead.
    let mut stray = phone.enb.tunnel(&setup);
    stray[0].ebi = basalt_ids::Ebi::new(9).unwrap();
    response.erabs = stray;
    phone.enb.clone().send(&mut site, response);
    phone.hear_release(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
}

#[test]
fn a_base_station_that_says_nothing_loses_the_phone() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    phone.accept(&mut site);
    site.advance(Duration::from_secs(6));
    phone.hear_release(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    let timeout = Metric::Procedure { procedure: Procedure::InitialContextSetup, outcome: Outcome::Timeout };
    assert_eq!(site.counted(timeout), 1);
}

#[test]
fn an_accept_is_sent_five_times_and_then_the_attach_is_undone() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    let (setup, accept) = phone.accept(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    for _ in 0..4 {
        site.advance(Duration::from_secs(6));
        assert_eq!(phone.hear_emm(&mut site), EmmMessage::AttachAccept(accept.clone()));
    }
    site.advance(Duration::from_secs(6));
    phone.hear_release(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    assert!(matches!(site.dataplane.last(), Some(DataplaneChange::Remove { .. })));
    // Either identity is known when the phone comes back.
    assert_eq!(phone.guti, accept.guti);
    phone.start_attach(&mut site);
    phone.accept(&mut site);
}

#[test]
fn complete_may_come_before_the_base_stations_answer() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    let (setup, accept) = phone.accept(&mut site);
    phone.send_complete(&mut site, &accept);
    phone.enb.clone().context_ready(&mut site, &setup);
    assert!(matches!(phone.hear_emm(&mut site), EmmMessage::EmmInformation(_)));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
    assert!(site.core.ue(phone.imsi).unwrap().sessions[0].remote.is_some());
    site.advance(Duration::from_secs(30));
    phone.hear_nothing(&mut site);
}

#[test]
fn a_phone_that_refuses_its_bearer_is_detached() {
    let (mut site, mut phone) = start();
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    let (setup, _) = phone.accept(&mut site);
    phone.enb.clone().context_ready(&mut site, &setup);
    let reject = ActivateDefaultEpsBearerContextReject::new(EsmCause::InsufficientResources);
    let esm = EsmPdu {
        ebi: Some(setup.erabs[0].ebi),
        pti: basalt_ids::Pti(0),
        message: EsmMessage::ActivateDefaultEpsBearerContextReject(reject),
    };
    let complete = basalt_nas::emm::AttachComplete::new(EsmContainer(esm.encode().unwrap()));
    phone.say(&mut site, EmmMessage::AttachComplete(complete));
    let messages: Vec<_> = (0..2).map(|_| phone.hear_emm(&mut site)).collect();
    assert!(messages.iter().any(|message| matches!(message, EmmMessage::DetachRequestNetwork(_))), "{messages:?}");
    phone.say(&mut site, EmmMessage::DetachAccept(basalt_nas::emm::DetachAccept::new()));
    phone.hear_release(&mut site);
    assert_eq!(site.core.counts().sessions, 0);
}

#[test]
fn a_full_table_makes_room_by_forgetting_the_longest_detached() {
    let mut site = Site::with(site::config(), Limits { ues: 2, ..Limits::default() });
    let enb = Enb::ready(&mut site, 1);
    let mut phones: Vec<_> = (1..=3).map(|number| Phone::new(number, &enb)).collect();
    phones[0].attach(&mut site);
    let off = phones[0].detach_request(true);
    phones[0].say(&mut site, off);
    phones[0].hear_release(&mut site);
    phones[1].attach(&mut site);
    phones[2].attach(&mut site);
    assert!(site.ue_record(phones[0].imsi).is_none());
    // Nobody is detached now: the next one has to wait.
    phones[0].keys = None;
    phones[0].guti = None;
    phones[0].start_attach(&mut site);
    assert_eq!(rejected_with(&mut phones[0], &mut site), EmmCause::Congestion);
}

#[test]
fn a_broken_request_is_refused_by_what_is_wrong_with_it() {
    let (mut site, mut phone) = start();
    let whole = EmmMessage::AttachRequest(phone.attach_request()).encode().unwrap();
    for length in 0..whole.len() {
        phone.open_with(&mut site, whole[..length].to_vec());
        // Told or not, the connection ends, and nobody is left.
        loop {
            match phone.hear(&mut site) {
                Some(Heard::Emm(EmmMessage::AttachReject(reject))) => {
                    assert_eq!(reject.cause, EmmCause::InvalidMandatoryInformation);
                }
                Some(Heard::Released(_)) => break,
                other => panic!("{length} octets: {other:?}"),
            }
        }
        assert_eq!(site.core.counts().ues, 0, "{length} octets");
    }
    assert!(site.events.iter().all(|event| !matches!(event, Event::Attached { .. })));
}

#[test]
fn first_messages_that_lead_nowhere_end_their_connection() {
    let (mut site, mut phone) = start();
    for nas in [vec![], vec![7], vec![0x17], vec![7, 0x55], vec![7, 0x60, 0x60], vec![0x62, 1, 0xd0], vec![0xf7, 0xff]]
    {
        phone.open_with(&mut site, nas.clone());
        phone.hear_release(&mut site);
        assert_eq!((site.core.counts().ues, site.core.counts().connections), (0, 0), "{nas:02x?}");
    }
    let status = EmmMessage::EmmStatus(EmmStatus::new(EmmCause::ProtocolErrorUnspecified));
    phone.open(&mut site, &status);
    assert_eq!(phone.hear_release(&mut site), Cause::Nas(NasCause::Unspecified));
}
