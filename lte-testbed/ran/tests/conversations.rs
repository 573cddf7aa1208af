//! An eNodeB against an MME written down message by message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use basalt_ids::{Ebi, EnbId, EnbUeS1apId, GlobalEnbId, MTmsi, MmeCode, MmeUeS1apId, STmsi, Tac, Tai, Teid};
use basalt_s1ap::{
    Cause, CnDomain, DownlinkNasTransport, ErabForwarding, ErabItem, ErabReleaseCommand, ErabSetupRequest,
    ErrorIndication, ForwardingTunnels, HandoverCancelAcknowledge, HandoverCommand, HandoverPreparationFailure,
    HandoverRequest, HandoverType, NasCause, OverloadAction, OverloadStart, OverloadStop, Paging, PagingIdentity,
    PathSwitchRequestAcknowledge, Pdu, RadioNetworkCause, Reset, ResetType, RrcEstablishmentCause, S1SetupFailure,
    SecurityContext, SecurityKey, TimeToWait, UeAmbr, UeContextReleaseCommand, UeIds, UeS1apIds,
    UeSecurityCapabilities,
};
use basalt_sansio::{Duration, Time};
use lab::*;
use proptest::prelude::*;
use testbed_ran::{Bearer, ConnectRequest, ConnectionState, Downlink, Effect, Event, Input, LinkState, PhoneId};

#[test]
fn the_interface_is_set_up_at_association() {
    let mut lab = Lab::new();
    let effects = lab.step(Input::LinkUp);
    let pdus = sent(&effects);
    let [Pdu::S1SetupRequest(request)] = pdus.as_slice() else { panic!("{effects:?}") };
    assert_eq!(request.global_enb_id.enb, EnbId::Macro(0x19b));
    assert_eq!(request.supported_tas[0].broadcast_plmns, [plmn()]);
    assert!(matches!(effects[0], Effect::Send { ue: None, .. }));
    let effects = lab.mme(setup_response());
    assert!(matches!(events(&effects)[..], [Event::SetupDone { capacity: Some(255), .. }]));
}

#[test]
fn a_refused_enodeb_waits_as_long_as_it_was_told() {
    let mut lab = Lab::new();
    lab.step(Input::LinkUp);
    let mut refusal = S1SetupFailure::new(basalt_s1ap::MiscCause::UnknownPlmn.into());
    refusal.time_to_wait = Some(TimeToWait::S20);
    lab.mme(refusal);
    assert_eq!(lab.enb.link(), LinkState::Refused);
    assert_eq!(lab.enb.next_wakeup(), Some(Time::from_secs(20)));
    assert!(lab.later(Duration::from_secs(19)).is_empty());
    assert_eq!(names(&lab.later(Duration::from_secs(1))), ["S1SetupRequest"]);
}

#[test]
fn an_mme_that_does_not_answer_is_asked_again() {
    let mut lab = Lab::new();
    lab.step(Input::LinkUp);
    let effects = lab.later(Duration::from_secs(5));
    assert_eq!(names(&effects), ["S1SetupRequest"]);
    assert!(matches!(events(&effects)[..], [Event::NoAnswer("S1SetupRequest")]));
}

#[test]
fn a_phone_gets_its_context_and_its_tunnels() {
    let mut lab = Lab::new().connected();
    let id = lab.id();
    let effects = lab.mme(context_setup(id));
    let [Effect::Configure { phone: PHONE, configuration }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(configuration.nas, [b"accept".to_vec()]);
    assert_eq!(configuration.security.as_ref().unwrap().k_enb, SecurityKey([9; 32]));
    let effects = lab.step(Input::Configured { phone: PHONE, ok: true });
    assert_eq!(names(&effects), ["UECapabilityInfoIndication", "InitialContextSetupResponse"]);
    let info = lab.enb.connection(PHONE).unwrap();
    assert_eq!((info.state, info.mme_ue_id), (ConnectionState::Active, Some(MME_ID)));
    let bearer = lab.enb.uplink_tunnel(lab.now, PHONE, Ebi::FIRST).unwrap();
    assert_eq!((bearer.gateway, bearer.uplink), (GATEWAY, Teid(0x77)));
    assert_eq!(lab.enb.downlink_phone(lab.now, bearer.downlink), Some((PHONE, Ebi::FIRST)));
}

#[test]
fn a_capability_that_the_mme_has_is_not_sent_again() {
    let mut lab = Lab::new().connected();
    let mut request = context_setup(lab.id());
    request.ue_radio_capability = Some(vec![1, 2, 3]);
    lab.mme(request);
    let effects = lab.step(Input::Configured { phone: PHONE, ok: true });
    assert_eq!(names(&effects), ["InitialContextSetupResponse"]);
}

#[test]
fn a_context_that_the_phone_cannot_take_is_refused() {
    let mut lab = Lab::new().connected();
    let id = lab.id();
    lab.mme(context_setup(id));
    let effects = lab.step(Input::Configured { phone: PHONE, ok: false });
    assert_eq!(names(&effects), ["InitialContextSetupFailure"]);
}

#[test]
fn faults_are_acted_on() {
    let lost: Cause = RadioNetworkCause::RadioResourcesNotAvailable.into();
    let mut lab = Lab::with(|config| config.faults.refuse_context = Some(lost)).connected();
    let id = lab.id();
    assert_eq!(names(&lab.mme(context_setup(id))), ["InitialContextSetupFailure"]);
    lab.enb.faults_mut().undeliverable = true;
    let effects = lab.mme(DownlinkNasTransport::new(MME_ID, id, vec![7, 0x52]));
    assert_eq!(names(&effects), ["NASNonDeliveryIndication"]);
    lab.enb.faults_mut().ignore_release = true;
    let release = UeContextReleaseCommand::new(UeS1apIds::Pair(MME_ID, id), NasCause::Detach.into());
    assert!(lab.mme(release).is_empty());
}

#[test]
fn a_released_phone_leaves_nothing_behind() {
    let mut lab = Lab::new().active();
    let id = lab.id();
    let bearer = lab.enb.uplink_tunnel(lab.now, PHONE, Ebi::FIRST).unwrap();
    let cause: Cause = NasCause::Detach.into();
    let effects = lab.mme(UeContextReleaseCommand::new(UeS1apIds::Mme(MME_ID), cause));
    assert!(effects.contains(&Effect::Release { phone: PHONE, cause }));
    let pdus = sent(&effects);
    let [Pdu::UeContextReleaseComplete(done)] = pdus.as_slice() else { panic!("{effects:?}") };
    assert_eq!((done.mme_ue_id, done.enb_ue_id), (Some(MME_ID), Some(id)));
    assert_eq!((lab.enb.connected(), lab.enb.next_wakeup()), (0, None));
    assert_eq!(lab.enb.downlink_phone(lab.now, bearer.downlink), None::<(PhoneId, Ebi)>);
}

#[test]
fn a_silent_phone_is_released_and_a_busy_one_is_not() {
    let mut lab = Lab::with(|config| config.inactivity = Some(Duration::from_secs(10))).active();
    lab.now += Duration::from_secs(9);
    let _: Option<Bearer> = lab.enb.uplink_tunnel(lab.now, PHONE, Ebi::FIRST);
    assert!(lab.later(Duration::from_secs(1)).is_empty());
    let effects = lab.later(Duration::from_secs(10));
    assert_eq!(names(&effects), ["UEContextReleaseRequest"]);
    // Asked once only.
    assert!(lab.step(Input::Inactive(PHONE)).is_empty());
    // An MME that does not answer loses the phone all the same.
    let effects = lab.later(Duration::from_secs(10));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Release { phone: PHONE, .. })));
}

#[test]
fn pages_reach_the_cell_only_for_its_area() {
    let mut lab = Lab::new().ready();
    let identity = PagingIdentity::STmsi(STmsi { mme_code: MmeCode(1), m_tmsi: MTmsi(5) });
    let effects = lab.mme(Paging::new(5, identity, CnDomain::Ps, vec![tai()]));
    assert_eq!(effects, [Effect::Page { identity, circuit_switched: false, tais: vec![tai()] }]);
    let elsewhere = Tai { plmn: plmn(), tac: Tac(99) };
    let effects = lab.mme(Paging::new(5, identity, CnDomain::Ps, vec![elsewhere]));
    assert!(matches!(events(&effects)[..], [Event::ProtocolError(_)]));
}

#[test]
fn unknown_ids_are_answered_and_wrong_pairs_cost_the_connection() {
    let mut lab = Lab::new().active();
    let stranger = EnbUeS1apId::new(0x00ab_cdef).unwrap();
    let effects = lab.mme(DownlinkNasTransport::new(MME_ID, stranger, vec![7, 0x52]));
    assert_eq!(names(&effects), ["ErrorIndication"]);
    assert_eq!(lab.enb.connected(), 1);
    let id = lab.id();
    let effects = lab.mme(DownlinkNasTransport::new(MmeUeS1apId(1), id, vec![7, 0x52]));
    assert_eq!(names(&effects), ["ErrorIndication"]);
    assert_eq!(lab.enb.connected(), 0);
}

#[test]
fn bearers_come_and_go() {
    let mut lab = Lab::new().active();
    let id = lab.id();
    let second = Ebi::new(6).unwrap();
    let effects = lab.mme(ErabSetupRequest::new(MME_ID, id, vec![erab(6, 0x88, b"dedicated")]));
    assert!(matches!(effects.as_slice(), [Effect::Configure { .. }]));
    let effects = lab.step(Input::Configured { phone: PHONE, ok: true });
    assert_eq!(names(&effects), ["E-RABSetupResponse"]);
    assert!(lab.enb.uplink_tunnel(lab.now, PHONE, second).is_some());
    let cause: Cause = NasCause::NormalRelease.into();
    let items = vec![ErabItem::new(second, cause), ErabItem::new(Ebi::new(9).unwrap(), cause)];
    let effects = lab.mme(ErabReleaseCommand::new(MME_ID, id, items));
    let pdus = sent(&effects);
    let [Pdu::ErabReleaseResponse(response)] = pdus.as_slice() else { panic!("{effects:?}") };
    assert_eq!((response.erabs.len(), response.failed_erabs.len()), (1, 1));
    assert!(lab.enb.uplink_tunnel(lab.now, PHONE, second).is_none());
}

#[test]
fn a_phone_moves_to_another_enodeb() {
    let mut source = Lab::new().active();
    let effects = source.step(Input::HandOver(PHONE));
    let [Effect::HandedOver { context, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let mut target = Lab::with(|config| config.teid_prefix = 1).ready();
    let effects = target.step(Input::TakeOver { phone: PHONE, context: context.clone() });
    assert_eq!(names(&effects), ["PathSwitchRequest"]);
    let key = SecurityContext { next_hop_chaining_count: 2, next_hop: SecurityKey([4; 32]) };
    let effects = target.mme(PathSwitchRequestAcknowledge::new(MME_ID, target.id(), key));
    assert!(matches!(effects.as_slice(), [Effect::PathSwitched { phone: PHONE, ncc: 2, .. }]));
    assert!(source.step(Input::ForgetHandedOver(PHONE)).is_empty());
    assert_eq!((source.enb.connected(), target.enb.connected()), (0, 1));
    let bearer = target.enb.uplink_tunnel(target.now, PHONE, Ebi::FIRST).unwrap();
    assert_eq!((bearer.uplink, bearer.downlink.0 >> 20), (Teid(0x77), 1));
}

/// A target that has been asked to take the phone, and the tunnel for forwarded data.
fn expecting() -> (Lab, EnbUeS1apId, Teid) {
    let mut target = Lab::with(|config| config.teid_prefix = 1).ready();
    let request = handover_request();
    let effects = target.mme(request);
    let pdus = sent(&effects);
    let [Pdu::HandoverRequestAcknowledge(answer)] = pdus.as_slice() else { panic!("{effects:?}") };
    let forwarding = answer.admitted[0].forwarding.downlink().unwrap().1;
    assert_ne!(forwarding, answer.admitted[0].teid);
    let id = answer.enb_ue_id.unwrap();
    (target, id, forwarding)
}

#[test]
fn a_phone_is_handed_over_by_the_mme_and_gets_what_was_forwarded_before_what_is_new() {
    let mut source = Lab::new().active();
    let at = GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(0x19c) };
    let tai = Tai { plmn: plmn(), tac: Tac(1) };
    let effects = source.step(Input::Relocate { phone: PHONE, target: (at, tai), direct: false });
    assert_eq!(names(&effects), ["HandoverRequired"]);
    let (mut target, _, forwarding) = expecting();
    let mut command = HandoverCommand::new(MME_ID, source.id(), HandoverType::Intralte, b"come".to_vec());
    let tunnels = ForwardingTunnels {
        downlink_address: Some(GATEWAY.into()),
        downlink_teid: Some(Teid(0x99)),
        ..ForwardingTunnels::default()
    };
    command.forwarding = vec![ErabForwarding::new(Ebi::FIRST, tunnels)];
    let old = source.enb.uplink_tunnel(source.now, PHONE, Ebi::FIRST).unwrap().downlink;
    let effects = source.mme(command);
    assert_eq!(names(&effects), ["ENBStatusTransfer"]);
    assert!(matches!(effects.last(), Some(Effect::Departed { phone: PHONE })));
    // What comes for the phone goes on, and so does the End Marker.
    assert_eq!(source.enb.downlink(source.now, old, b"late"), Downlink::Onward(GATEWAY, Teid(0x99)));
    assert!(source.enb.uplink_tunnel(source.now, PHONE, Ebi::FIRST).is_none());
    let effects = source.step(Input::EndMarker(old));
    assert_eq!(effects, [Effect::EndMarker { to: GATEWAY, teid: Teid(0x99) }]);

    let new = target.enb.connection(PHONE).unwrap().bearers[0].downlink;
    assert_eq!(target.enb.downlink(target.now, forwarding, b"one"), Downlink::Kept);
    let effects = target.step(Input::Arrive(PHONE));
    assert_eq!(names(&effects), ["HandoverNotify"]);
    let packets = |effects: &[Effect]| {
        let packet = |effect: &Effect| match effect {
            Effect::Downlink { packet, .. } => Some(packet.clone()),
            _ => None,
        };
        effects.iter().filter_map(packet).collect::<Vec<_>>()
    };
    assert_eq!(packets(&effects), [b"one"]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::PathSwitched { ncc: 2, .. })));
    assert_eq!(target.enb.downlink(target.now, new, b"three"), Downlink::Kept);
    assert_eq!(target.enb.downlink(target.now, forwarding, b"two"), Downlink::Phone(PHONE, Ebi::FIRST));
    assert_eq!(packets(&target.step(Input::EndMarker(forwarding))), [b"three"]);
    assert_eq!(target.enb.downlink(target.now, new, b"four"), Downlink::Phone(PHONE, Ebi::FIRST));
    // The source is released, and its phone does not hear of it.
    let cause = RadioNetworkCause::SuccessfulHandover.into();
    let ids = UeS1apIds::Pair(MME_ID, source.id());
    let effects = source.mme(UeContextReleaseCommand::new(ids, cause));
    assert_eq!(names(&effects), ["UEContextReleaseComplete"]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Release { .. })));
}

#[test]
fn an_end_marker_that_does_not_come_holds_nothing_up_for_ever() {
    let (mut target, _, forwarding) = expecting();
    target.step(Input::Arrive(PHONE));
    let new = target.enb.connection(PHONE).unwrap().bearers[0].downlink;
    assert_eq!(target.enb.downlink(target.now, new, b"new"), Downlink::Kept);
    target.now = target.enb.next_wakeup().unwrap();
    let effects = target.step(Input::Wakeup);
    assert!(matches!(effects.as_slice(), [Effect::Downlink { phone: PHONE, .. }]));
    assert_eq!(target.enb.downlink(target.now, forwarding, b"late"), Downlink::Phone(PHONE, Ebi::FIRST));
    // A phone that does not come is not expected for ever either.
    let (mut target, _, forwarding) = expecting();
    target.now = target.enb.next_wakeup().unwrap();
    target.step(Input::Wakeup);
    assert_eq!(target.enb.connected(), 0);
    assert_eq!(target.enb.downlink(target.now, forwarding, b"late"), Downlink::Unknown);
    let effects = target.step(Input::Arrive(PHONE));
    assert!(matches!(effects.as_slice(), [Effect::Release { phone: PHONE, .. }]));
}

#[test]
fn a_handover_that_is_refused_or_cancelled_leaves_the_phone_where_it_is() {
    let mut source = Lab::new().active();
    let at = GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(0x19c) };
    let tai = Tai { plmn: plmn(), tac: Tac(1) };
    let relocate = Input::Relocate { phone: PHONE, target: (at, tai), direct: true };
    source.step(relocate.clone());
    let cause: Cause = RadioNetworkCause::UnknownTargetId.into();
    let effects = source.mme(HandoverPreparationFailure::new(MME_ID, source.id(), cause));
    assert_eq!(effects, [Effect::Event(Event::HandoverFailed(PHONE, Some(cause)))]);
    source.step(relocate);
    assert_eq!(names(&source.step(Input::CancelRelocation(PHONE))), ["HandoverCancel"]);
    let effects = source.mme(HandoverCancelAcknowledge::new(MME_ID, source.id()));
    assert_eq!(effects, [Effect::Event(Event::HandoverCancelled(PHONE))]);
    assert_eq!(source.enb.connection(PHONE).unwrap().state, ConnectionState::Active);
    let mut target = Lab::with(|config| config.faults.refuse_handover = Some(cause)).ready();
    let failure = target.mme(handover_request());
    assert_eq!(names(&failure), ["HandoverFailure"]);
}

/// HANDOVER REQUEST of a phone.
fn handover_request() -> HandoverRequest {
    let mut bearer = erab(5, 0x77, b"");
    bearer.nas_pdu = None;
    HandoverRequest::new(
        MME_ID,
        HandoverType::Intralte,
        RadioNetworkCause::HandoverDesirableForRadioReason.into(),
        UeAmbr::new(1, 1),
        vec![bearer],
        PHONE.0.to_be_bytes().to_vec(),
        UeSecurityCapabilities { encryption: 0, integrity: 0 },
        SecurityContext { next_hop_chaining_count: 2, next_hop: SecurityKey([4; 32]) },
    )
}

#[test]
fn resets_of_either_side_release_phones() {
    let mut lab = Lab::new().active();
    let cause: Cause = basalt_s1ap::MiscCause::OmIntervention.into();
    let ids = UeIds { mme: Some(MME_ID), enb: Some(lab.id()) };
    let unknown = UeIds { mme: Some(MmeUeS1apId(9)), enb: None };
    let effects = lab.mme(Reset::new(cause, ResetType::Partial(vec![ids, unknown])));
    let pdus = sent(&effects);
    let [Pdu::ResetAcknowledge(answer)] = pdus.as_slice() else { panic!("{effects:?}") };
    assert_eq!(answer.connections, [ids, unknown]);
    assert_eq!(lab.enb.connected(), 0);
    let mut lab = Lab::new().active();
    let effects = lab.step(Input::Reset { phones: vec![PHONE], cause });
    assert_eq!(names(&effects), ["Reset"]);
    assert_eq!(lab.enb.connected(), 0);
}

#[test]
fn an_unknown_id_told_by_the_mme_ends_the_connection_here_too() {
    let mut lab = Lab::new().active();
    let mut message = ErrorIndication::new();
    message.enb_ue_id = Some(lab.id());
    message.cause = Some(RadioNetworkCause::UnknownMmeUeS1apId.into());
    lab.mme(message);
    assert_eq!(lab.enb.connected(), 0);
}

#[test]
fn an_overloaded_mme_gets_less() {
    let mut lab = Lab::new().ready();
    lab.mme(OverloadStart::new(OverloadAction::RejectSignalling));
    assert_eq!(lab.step(Input::Connect(connect_request())), [Effect::Refuse { phone: PHONE }]);
    let answer = ConnectRequest { cause: RrcEstablishmentCause::MtAccess, ..connect_request() };
    assert_eq!(names(&lab.step(Input::Connect(answer))), ["InitialUEMessage"]);
    lab.mme(OverloadStop::new());
    assert_eq!(names(&lab.step(Input::Connect(connect_request()))), ["InitialUEMessage"]);
}

#[test]
fn a_lost_association_takes_all_phones_along() {
    let mut lab = Lab::new().active();
    let effects = lab.step(Input::LinkDown);
    assert!(matches!(effects.as_slice(), [Effect::Release { phone: PHONE, .. }]));
    assert_eq!(lab.step(Input::Connect(connect_request())), [Effect::Refuse { phone: PHONE }]);
}

proptest! {
    #[test]
    fn nothing_an_mme_sends_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut lab = Lab::new().active();
        lab.step(Input::S1ap(octets));
    }

    #[test]
    fn a_damaged_context_setup_does_not_panic(position in 0usize..120, value: u8) {
        let mut lab = Lab::new().connected();
        let mut octets = basalt_s1ap::encode(&context_setup(lab.id()).into()).unwrap();
        let position = position % octets.len();
        octets[position] = value;
        lab.step(Input::S1ap(octets));
        lab.step(Input::Configured { phone: PHONE, ok: true });
    }
}
