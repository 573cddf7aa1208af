//! The S1 interface itself: setup, update, reset, errors, and who may speak for which UE.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{Command, Event, Input, Metric, OperatorReply, RecordKey, UeState};
use basalt_ids::{EnbId, EnbUeS1apId, MmeUeS1apId, Tac};
use basalt_s1ap::{
    Cause, Criticality, EnbConfigurationUpdate, ErrorIndication, InitialContextSetupResponse, MiscCause, Name,
    OtherPdu, PagingDrx, Pdu, ProtocolCause, RadioNetworkCause, Reset, ResetType, SupportedTa, TriggeringMessage,
    UeContextReleaseComplete, UeIds, UplinkNasTransport, encode,
};
use basalt_sansio::Duration;
use site::Site;
use site::enb::Enb;
use site::phone::Phone;

fn error(site: &mut Site) -> ErrorIndication {
    match site.next() {
        Some(Pdu::ErrorIndication(error)) => error,
        other => panic!("expected ERROR INDICATION, got {other:?}"),
    }
}

fn radio(cause: RadioNetworkCause) -> Option<Cause> {
    Some(Cause::RadioNetwork(cause))
}

#[test]
fn setup_says_who_the_gateway_is_and_keeps_the_base_station() {
    let mut site = Site::new();
    let enb = Enb::connect(&mut site, 1);
    let mut request = enb.setup_request();
    request.enb_name = Some(Name::new("tower").unwrap());
    enb.send(&mut site, request);
    let Some(Pdu::S1SetupResponse(response)) = site.next() else { panic!() };
    assert_eq!(response.served_gummeis[0].codes[0].0, 1);
    assert_eq!(response.relative_mme_capacity, Some(255));
    let view = site.core.enbs().next().unwrap();
    assert_eq!((view.enb, view.name.as_deref()), (enb.id, Some("tower")));
    assert!(site.store.contains_key(&RecordKey::Link(enb.link)));
    site.input(Input::LinkDown { link: enb.link });
    assert!(!site.store.contains_key(&RecordKey::Link(enb.link)));
    assert_eq!(site.core.enbs().count(), 0);
}

#[test]
fn a_foreign_network_is_refused_with_a_time_to_wait() {
    let mut site = Site::new();
    let enb = Enb::connect(&mut site, 1);
    let mut request = enb.setup_request();
    request.supported_tas = vec![SupportedTa::new(Tac(1), vec!["999-99".parse().unwrap()])];
    enb.send(&mut site, request);
    let Some(Pdu::S1SetupFailure(failure)) = site.next() else { panic!() };
    assert_eq!(failure.cause, Some(Cause::Misc(MiscCause::UnknownPlmn)));
    assert!(failure.time_to_wait.is_some());
    assert!(
        matches!(&site.events[0], Event::EnbRefused { reason, .. } if reason.contains("999-99") && reason.contains("001-01"))
    );
    // It may try again over the same association.
    enb.setup(&mut site);
    assert!(matches!(site.next(), Some(Pdu::S1SetupResponse(_))));
}

#[test]
fn an_area_that_nobody_serves_is_refused() {
    let mut site = Site::new();
    let mut enb = Enb::connect(&mut site, 1);
    enb.tai.tac = Tac(77);
    enb.setup(&mut site);
    let Some(Pdu::S1SetupFailure(failure)) = site.next() else { panic!() };
    assert_eq!(failure.cause, Some(Cause::Misc(MiscCause::Unspecified)));
    assert!(matches!(&site.events[0], Event::EnbRefused { reason, .. } if reason.contains("tracking area code")));
}

#[test]
fn a_setup_request_without_usable_ids_is_refused_with_a_time_to_wait() {
    let mut site = Site::new();
    let enb = Enb::connect(&mut site, 1);
    let octets = basalt_s1ap::encode(&enb.setup_request().into()).unwrap();
    // GLOBAL ENB ID (59) and SUPPORTED TAS (64) in turn under an id that nobody knows: mandatory and absent.
    for missing in [59_u8, 64] {
        let at = octets.windows(3).position(|window| window == [0, missing, 0]).unwrap();
        let mut broken = octets.clone();
        broken[at] = 0x7f;
        enb.send_raw(&mut site, broken);
        let Some(Pdu::S1SetupFailure(failure)) = site.next() else { panic!("{missing}") };
        assert!(matches!(failure.cause, Some(Cause::Protocol(_))), "{failure:?}");
        assert!(failure.time_to_wait.is_some() && failure.criticality_diagnostics.is_some());
        assert!(site.next().is_none());
    }
    assert_eq!(site.core.enbs().count(), 0);
    enb.setup(&mut site);
    assert!(matches!(site.next(), Some(Pdu::S1SetupResponse(_))));
}

#[test]
fn what_could_not_be_delivered_is_sent_again_by_its_timer() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    site.command(agw_types::Command::Detach { imsi: phone.imsi, reattach: false });
    let Some(Pdu::DownlinkNasTransport(message)) = phone.s1ap(&mut site) else { panic!() };
    let cause = Cause::RadioNetwork(RadioNetworkCause::X2HandoverTriggered);
    let (mme, id) = (phone.mme_id.unwrap(), phone.enb_id);
    enb.send(&mut site, basalt_s1ap::NasNonDeliveryIndication::new(mme, id, message.nas_pdu, cause));
    phone.hear_nothing(&mut site);
    assert_eq!(site.counted(agw_types::Metric::Unexpected("NAS message not delivered")), 1);
    site.advance(basalt_sansio::Duration::from_secs(6));
    assert!(matches!(phone.hear_emm(&mut site), basalt_nas::EmmMessage::DetachRequestNetwork(_)));
}

#[test]
fn a_second_base_station_with_one_identity_is_refused_while_the_first_lives() {
    let mut site = Site::new();
    let first = Enb::ready(&mut site, 1);
    let second = Enb::connect_as(&mut site, 2, 1, 2);
    second.setup(&mut site);
    assert!(matches!(site.next(), Some(Pdu::S1SetupFailure(_))));
    assert!(matches!(&site.events.last().unwrap(), Event::EnbRefused { reason, .. } if reason.contains("192.0.2.1")));
    assert_eq!(site.core.enbs().next().unwrap().link, first.link);
    site.input(Input::LinkDown { link: first.link });
    second.setup(&mut site);
    assert!(matches!(site.next(), Some(Pdu::S1SetupResponse(_))));
}

#[test]
fn a_base_station_that_restarts_takes_its_own_place() {
    let mut site = Site::new();
    let old = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &old);
    phone.attach(&mut site);
    let new = Enb::connect_as(&mut site, 2, 1, 1);
    new.setup(&mut site);
    assert!(matches!(site.next(), Some(Pdu::S1SetupResponse(_))));
    assert_eq!(site.closed, [old.link]);
    assert_eq!(site.core.enbs().map(|enb| enb.link).collect::<Vec<_>>(), [new.link]);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
}

#[test]
fn setup_again_over_one_association_forgets_its_phones() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    enb.setup(&mut site);
    assert!(matches!(site.next(), Some(Pdu::S1SetupResponse(_))));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    assert_eq!(site.core.counts().connections, 0);
}

#[test]
fn an_association_that_was_restarted_must_be_set_up_again() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    site.input(Input::LinkRestarted { link: enb.link });
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    phone.start_service(&mut site);
    assert_eq!(error(&mut site).cause, Some(Cause::Protocol(ProtocolCause::MessageNotCompatibleWithReceiverState)));
}

#[test]
fn the_first_message_must_be_setup() {
    let mut site = Site::new();
    let enb = Enb::connect(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.start_attach(&mut site);
    assert_eq!(error(&mut site).cause, Some(Cause::Protocol(ProtocolCause::MessageNotCompatibleWithReceiverState)));
    assert_eq!((site.core.counts().ues, site.core.counts().connections), (0, 0));
    assert_eq!(site.core.counts().links, 1);
}

#[test]
fn an_update_of_the_configuration_is_taken_or_refused_as_a_whole() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut update = EnbConfigurationUpdate::new();
    update.enb_name = Some(Name::new("new name").unwrap());
    update.supported_tas = Some(vec![SupportedTa::new(Tac(1), vec!["999-99".parse().unwrap()])]);
    enb.send(&mut site, update.clone());
    assert!(matches!(site.next(), Some(Pdu::EnbConfigurationUpdateFailure(_))));
    assert_eq!(site.core.enbs().next().unwrap().name, None);
    update.supported_tas = None;
    update.default_paging_drx = Some(PagingDrx::Frames64);
    enb.send(&mut site, update);
    assert!(matches!(site.next(), Some(Pdu::EnbConfigurationUpdateAcknowledge(_))));
    let view = site.core.enbs().next().unwrap();
    assert_eq!((view.name.as_deref(), view.drx), (Some("new name"), 64));
}

#[test]
fn a_full_reset_ends_its_own_phones_only() {
    let mut site = Site::new();
    let (one, two) = (Enb::ready(&mut site, 1), Enb::ready(&mut site, 2));
    let (mut here, mut there) = (Phone::new(1, &one), Phone::new(2, &two));
    here.attach(&mut site);
    there.attach(&mut site);
    let cause = Cause::RadioNetwork(RadioNetworkCause::ReleaseDueToEutranGeneratedReason);
    one.send(&mut site, Reset::new(cause, ResetType::Full));
    let Some(Pdu::ResetAcknowledge(acknowledge)) = site.next() else { panic!() };
    assert!(acknowledge.connections.is_empty());
    assert_eq!(site.core.ue(here.imsi).unwrap().state, UeState::Idle);
    assert_eq!(site.core.ue(there.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn a_partial_reset_confirms_all_and_touches_its_own() {
    let mut site = Site::new();
    let (one, two) = (Enb::ready(&mut site, 1), Enb::ready(&mut site, 2));
    let mut phones = [Phone::new(1, &one), Phone::new(2, &one), Phone::new(3, &two)];
    phones.iter_mut().for_each(|phone| {
        phone.attach(&mut site);
    });
    let list = vec![
        UeIds { mme: phones[0].mme_id, enb: None },
        // Another base station's phone, and an id that nobody has.
        UeIds { mme: phones[2].mme_id, enb: None },
        UeIds { mme: Some(MmeUeS1apId(0xdead)), enb: None },
        // The right phone with a wrong id beside it.
        UeIds { mme: phones[1].mme_id, enb: Some(EnbUeS1apId::new(0x00ff_ffff).unwrap()) },
    ];
    let cause = Cause::RadioNetwork(RadioNetworkCause::Unspecified);
    one.send(&mut site, Reset::new(cause, ResetType::Partial(list.clone())));
    let Some(Pdu::ResetAcknowledge(acknowledge)) = site.next() else { panic!() };
    assert_eq!(acknowledge.connections, list);
    let states: Vec<_> = phones.iter().map(|phone| site.core.ue(phone.imsi).unwrap().state).collect();
    assert_eq!(states, [UeState::Idle, UeState::Connected, UeState::Connected]);
}

#[test]
fn an_operator_resets_a_base_station_until_it_answers() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    assert_eq!(site.command(Command::ResetEnb { enb: enb.id }), OperatorReply::Started);
    assert!(matches!(site.next(), Some(Pdu::Reset(_))));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    site.advance(Duration::from_secs(6));
    assert!(matches!(site.next(), Some(Pdu::Reset(_))));
    enb.send(&mut site, basalt_s1ap::ResetAcknowledge::new());
    site.advance(Duration::from_secs(60));
    site.assert_quiet();
    let mut unknown = enb.id;
    unknown.enb = EnbId::Macro(9);
    assert_eq!(site.command(Command::ResetEnb { enb: unknown }), OperatorReply::NotFound);
}

#[test]
fn a_reset_that_is_never_answered_is_given_up() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    site.command(Command::ResetEnb { enb: enb.id });
    site.advance(Duration::from_secs(120));
    assert_eq!(std::iter::from_fn(|| site.next()).count(), 3);
    assert!(site.core.next_wakeup().is_none());
}

#[test]
fn undecodable_octets_get_one_error_indication_and_cost_nothing_else() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let whole = encode(&Pdu::from(enb.setup_request())).unwrap();
    for length in 0..whole.len() {
        enb.send_raw(&mut site, whole[..length].to_vec());
        let answer = site.next().unwrap_or_else(|| panic!("no answer to {length} octets"));
        assert!(matches!(answer, Pdu::ErrorIndication(_) | Pdu::S1SetupFailure(_)), "{answer:?}");
        site.assert_quiet();
    }
    assert_eq!(site.core.enbs().count(), 1);
}

#[test]
fn an_error_is_never_answered_with_an_error() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut error = ErrorIndication::new();
    error.mme_ue_id = Some(MmeUeS1apId(0x1234));
    error.cause = radio(RadioNetworkCause::UnknownMmeUeS1apId);
    let octets = encode(&Pdu::from(error.clone())).unwrap();
    enb.send(&mut site, error);
    for length in 3..octets.len() {
        enb.send_raw(&mut site, octets[..length].to_vec());
    }
    site.assert_quiet();
}

#[test]
fn unknown_procedures_are_answered_by_their_criticality() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let other = |procedure_code, criticality| {
        Pdu::Other(OtherPdu { kind: TriggeringMessage::Initiating, procedure_code, criticality, raw: vec![0, 0, 0] })
    };
    enb.send(&mut site, other(250, Criticality::Ignore));
    site.assert_quiet();
    enb.send(&mut site, other(250, Criticality::Reject));
    assert_eq!(error(&mut site).cause, Some(Cause::Protocol(ProtocolCause::AbstractSyntaxErrorReject)));
    enb.send(&mut site, other(250, Criticality::Notify));
    assert_eq!(error(&mut site).cause, Some(Cause::Protocol(ProtocolCause::AbstractSyntaxErrorIgnoreAndNotify)));
    site.assert_quiet();
    // HANDOVER NOTIFY is of the standard and not offered; without its IEs it is refused as such.
    enb.send(&mut site, other(2, Criticality::Ignore));
    assert!(error(&mut site).criticality_diagnostics.is_some());
    site.assert_quiet();
}

#[test]
fn messages_that_only_an_mme_sends_do_not_fit() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    let downlink = basalt_s1ap::DownlinkNasTransport::new(phone.mme_id.unwrap(), phone.enb_id, vec![7, 0x46]);
    enb.send(&mut site, downlink);
    assert_eq!(error(&mut site).cause, Some(Cause::Protocol(ProtocolCause::MessageNotCompatibleWithReceiverState)));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn ids_of_another_association_name_nobody() {
    let mut site = Site::new();
    let (one, two) = (Enb::ready(&mut site, 1), Enb::ready(&mut site, 2));
    let mut phone = Phone::new(1, &one);
    phone.attach(&mut site);
    let (mme, enb_id) = (phone.mme_id.unwrap(), phone.enb_id);
    two.request_release(&mut site, mme, enb_id);
    assert_eq!(error(&mut site).cause, radio(RadioNetworkCause::UnknownPairUeS1apId));
    two.uplink(&mut site, mme, enb_id, vec![7, 0x45, 0x09]);
    assert_eq!(error(&mut site).cause, radio(RadioNetworkCause::UnknownPairUeS1apId));
    two.send(&mut site, InitialContextSetupResponse::new(mme, enb_id, Vec::new()));
    assert!(site.next().is_some());
    two.release_complete(&mut site, mme, enb_id);
    site.assert_quiet();
    // An id that nobody has, and the right id beside a wrong one.
    one.uplink(&mut site, MmeUeS1apId(0x0bad_beef), enb_id, vec![7, 0x45]);
    assert_eq!(error(&mut site).cause, radio(RadioNetworkCause::UnknownMmeUeS1apId));
    one.uplink(&mut site, mme, EnbUeS1apId::new(0x00ab_cdef).unwrap(), vec![7, 0x45]);
    assert_eq!(error(&mut site).cause, radio(RadioNetworkCause::UnknownPairUeS1apId));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
    phone.go_idle(&mut site);
}

#[test]
fn an_error_about_unknown_ids_ends_the_connection_here_too() {
    let mut site = Site::new();
    let (one, two) = (Enb::ready(&mut site, 1), Enb::ready(&mut site, 2));
    let mut phone = Phone::new(1, &one);
    phone.attach(&mut site);
    let mut error = ErrorIndication::new();
    error.mme_ue_id = phone.mme_id;
    error.enb_ue_id = Some(phone.enb_id);
    error.cause = radio(RadioNetworkCause::UnknownEnbUeS1apId);
    two.send(&mut site, error.clone());
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
    one.send(&mut site, error);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    site.assert_quiet();
}

#[test]
fn answers_that_nobody_waits_for_are_counted_and_change_nothing() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    let (setup, accept) = phone.accept(&mut site);
    enb.context_ready(&mut site, &setup);
    phone.send_complete(&mut site, &accept);
    let before = format!("{:?}", site.core.ue(phone.imsi));
    site.clear();
    enb.context_ready(&mut site, &setup);
    let (mme, id) = (phone.mme_id.unwrap(), phone.enb_id);
    enb.send(&mut site, UeContextReleaseComplete::new(mme, id));
    enb.send(&mut site, basalt_s1ap::ErabSetupResponse::new(mme, id));
    site.assert_quiet();
    assert_eq!(site.counted(Metric::Unexpected("InitialContextSetupResponse")), 1);
    assert_eq!(site.counted(Metric::Unexpected("UEContextReleaseComplete")), 1);
    assert_eq!(format!("{:?}", site.core.ue(phone.imsi)), before);
}

#[test]
fn a_connection_that_is_being_released_is_gone_after_its_guard() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    enb.request_release(&mut site, phone.mme_id.unwrap(), phone.enb_id);
    assert!(matches!(phone.s1ap(&mut site), Some(Pdu::UeContextReleaseCommand(_))));
    assert_eq!(site.core.counts().connections, 1);
    // What the phone still says over it counts for nothing.
    let message = UplinkNasTransport::new(phone.mme_id.unwrap(), phone.enb_id, vec![7, 0x45], enb.cell(), enb.tai);
    enb.send(&mut site, message);
    site.assert_quiet();
    site.advance(Duration::from_secs(6));
    assert_eq!(site.core.counts().connections, 0);
}

#[test]
fn a_base_station_may_use_stream_0_for_phones_and_is_counted_for_it() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let phone = Phone::new(1, &enb);
    let nas = EmmOctets::attach(&phone);
    let cause = basalt_s1ap::RrcEstablishmentCause::MoSignalling;
    let id = EnbUeS1apId::new(5).unwrap();
    let message = basalt_s1ap::InitialUeMessage::new(id, nas, enb.tai, enb.cell(), cause);
    enb.send_on(&mut site, 0, message);
    assert!(matches!(site.next(), Some(Pdu::DownlinkNasTransport(_))));
    assert_eq!(site.counted(Metric::Unexpected("UE message on stream 0")), 1);
}

struct EmmOctets;

impl EmmOctets {
    fn attach(phone: &Phone) -> Vec<u8> {
        basalt_nas::EmmMessage::AttachRequest(phone.attach_request()).encode().unwrap()
    }
}

#[test]
fn three_messages_of_three_phones_go_each_to_its_own() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phones: Vec<_> = (1..=3).map(|number| Phone::new(number, &enb)).collect();
    phones.iter_mut().for_each(|phone| phone.start_attach(&mut site));
    for phone in phones.iter_mut().rev() {
        phone.prove(&mut site);
        let (setup, accept) = phone.accept(&mut site);
        enb.context_ready(&mut site, &setup);
        phone.send_complete(&mut site, &accept);
    }
    let gutis: std::collections::BTreeSet<_> = phones.iter().map(|phone| phone.guti).collect();
    assert_eq!(gutis.len(), 3);
    assert!(phones.iter().all(|phone| site.core.ue(phone.imsi).unwrap().state == UeState::Connected));
}

#[test]
fn an_id_that_a_base_station_gives_again_ends_the_former_connection() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut first = Phone::new(1, &enb);
    first.attach(&mut site);
    let second = Phone::new(2, &enb);
    enb.initial(&mut site, first.enb_id, EmmOctets::attach(&second), None);
    assert_eq!(site.core.ue(first.imsi).unwrap().state, UeState::Idle);
    assert!(matches!(site.next(), Some(Pdu::DownlinkNasTransport(_))));
}
