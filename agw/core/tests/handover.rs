//! S1 handover (TS 36.413 §8.4, TS 23.401 §5.5.1.2): both base stations' messages as a story, and every way it can go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;
mod story;

use agw_types::{DataplaneChange, Input, Outcome, Peer, TunnelState, UeState};
use basalt_ids::{Ebi, GlobalEnbId, Tac, Tai, Teid};
use basalt_nas::EmmMessage;
use basalt_s1ap::{
    Cause, DirectForwardingPath, EnbStatusTransfer, ErabItem, ErabModificationIndication, ErabTunnel,
    ForwardingTunnels, HandoverCancel, HandoverFailure, HandoverNotify, HandoverRequestAcknowledge, HandoverType, Pdu,
    RadioNetworkCause, ResetType, TargetId, UeS1apIds,
};
use basalt_sansio::Duration;
use site::enb::{Enb, plmn};
use site::phone::Phone;
use story::{Story, arriving, status};

#[test]
fn a_phone_is_handed_over_with_the_next_key_and_its_data_follows_by_the_gateway() {
    let mut story = Story::new();
    let old = story.remote().unwrap();
    let request = story.ask();
    let mut chain = story.phone.keys.as_ref().unwrap().access_keys(0);
    story.phone.keys.as_ref().unwrap().advance(&mut chain);
    assert_eq!(request.security_context.next_hop_chaining_count, 2);
    assert_eq!(request.security_context.next_hop.0, *chain.next_hop().expose());
    assert_eq!((request.handover_type, request.container.as_slice()), (HandoverType::Intralte, &[1, 2, 3][..]));
    assert_ne!(request.mme_ue_id, story.mme());
    let session = story.site.core.ue(story.phone.imsi).unwrap().sessions[0].clone();
    assert_eq!(request.erabs[0].teid, session.local.1);
    let admitted = story.admitted(&request, true);
    story.acknowledge(&request, admitted);
    let command = story.command();
    assert_eq!(command.container, [9, 8]);
    // The source forwards to the gateway, the gateway to the target, and takes it from the source alone.
    let [(teid, from, to)] = story.forwards()[..] else { panic!() };
    let target = core::net::IpAddr::from(story.target.address);
    assert_eq!((from, to), (old.0, Peer { address: target, teid: Teid(0x8805) }));
    let (address, told) = command.forwarding[0].forwarding.downlink().unwrap();
    assert_eq!((address.v4().map(Into::into), told), (Some(session.local.0), teid));
    assert_eq!(command.forwarding[0].forwarding.uplink(), None);
    assert_eq!(story.remote(), Some(old));

    let transfer = EnbStatusTransfer::new(story.mme(), story.phone.enb_id, status());
    story.phone.enb.clone().send(&mut story.site, transfer);
    let Some((link, _, Pdu::MmeStatusTransfer(transfer))) = story.site.inbox.pop_front() else { panic!() };
    assert_eq!((link, transfer.mme_ue_id, transfer.enb_ue_id), (story.target.link, request.mme_ue_id, arriving()));
    assert_eq!(transfer.container, status());

    story.notify(&request);
    assert_eq!(story.remote(), Some((target, Teid(0x7705))));
    let last = story.site.dataplane.iter().rev().find_map(|change| match change {
        DataplaneChange::Set(tunnel) => Some(tunnel.state),
        _ => None,
    });
    assert_eq!(last, Some(TunnelState::Connected(Peer { address: target, teid: Teid(0x7705) })));
    let record = story.site.ue_record(story.phone.imsi).unwrap().radio.unwrap();
    assert_eq!((record.link, record.enb_id), (story.target.link, arriving()));
    assert_eq!(story.ended(Outcome::Success), 1);
    // The source keeps its context for a moment, and the tunnels stay a little longer.
    story.site.assert_quiet();
    assert_eq!(story.forwards().len(), 1);
    let source = story.phone.enb.clone();
    story.site.advance(Duration::from_millis(1100));
    assert_eq!(story.released(source.link), Some(UeS1apIds::Pair(story.mme(), story.phone.enb_id)));
    let (mme, id) = (story.mme(), story.phone.enb_id);
    source.release_complete(&mut story.site, mme, id);
    story.site.advance(Duration::from_secs(1));
    assert!(story.forwards().is_empty());
    story.settle(&request);
    story.stays();
}

#[test]
fn where_the_base_stations_reach_each_other_the_gateway_forwards_nothing() {
    let mut story = Story::new();
    let mut required = story.required(story.target.id, story.target.tai);
    required.direct_forwarding_path = Some(DirectForwardingPath::Available);
    story.phone.enb.clone().send(&mut story.site, required);
    let Some(Pdu::HandoverRequest(request)) = story.site.next() else { panic!() };
    let admitted = story.admitted(&request, true);
    let tunnels: Vec<ForwardingTunnels> = admitted.iter().map(|erab| erab.forwarding).collect();
    story.acknowledge(&request, admitted);
    let command = story.command();
    assert_eq!(command.forwarding.iter().map(|item| item.forwarding).collect::<Vec<_>>(), tunnels);
    assert!(story.forwards().is_empty());
    story.notify(&request);
    story.settle(&request);
    story.stays();
}

#[test]
fn a_bearer_that_the_target_does_not_take_ends() {
    let mut story = Story::new();
    // A second session, of which the target takes nothing.
    let mut request = basalt_nas::esm::PdnConnectivityRequest::new(
        basalt_nas::ie::RequestType::Initial,
        basalt_nas::ie::PdnType::Ipv4,
    );
    let apn: basalt_ids::Apn = "ims".parse().unwrap();
    request.apn = Some((&apn).into());
    let esm = basalt_nas::esm::EsmMessage::PdnConnectivityRequest(request);
    story.phone.say_esm(&mut story.site, None, 7, esm);
    let Some(Pdu::ErabSetupRequest(setup)) = story.site.next() else { panic!() };
    let ebi = setup.erabs[0].ebi;
    let tunnel = ErabTunnel { ebi, address: story.phone.enb.address.into(), teid: Teid(0x66), extensions: Vec::new() };
    let mut response = basalt_s1ap::ErabSetupResponse::new(setup.mme_ue_id, setup.enb_ue_id);
    response.erabs.push(tunnel);
    story.phone.enb.clone().send(&mut story.site, response);
    let accept = basalt_nas::esm::ActivateDefaultEpsBearerContextAccept::new();
    let accept = basalt_nas::esm::EsmMessage::ActivateDefaultEpsBearerContextAccept(accept);
    story.phone.read(setup.erabs[0].nas_pdu.as_deref().unwrap());
    story.phone.say_esm(&mut story.site, Some(ebi.value()), 0, accept);
    story.site.clear();
    assert_eq!(story.site.core.ue(story.phone.imsi).unwrap().sessions.len(), 2);

    let request = story.ask();
    assert_eq!(request.erabs.len(), 2);
    let admitted = story.admitted(&request, false).into_iter().filter(|erab| erab.ebi != ebi).collect();
    let cause = Cause::RadioNetwork(RadioNetworkCause::NoRadioResourcesAvailableInTargetCell);
    let mut answer = HandoverRequestAcknowledge::new(request.mme_ue_id, arriving(), admitted, vec![9]);
    answer.failed_erabs = vec![ErabItem::new(ebi, cause)];
    story.target.clone().send(&mut story.site, answer);
    let command = story.command();
    assert_eq!(command.to_be_released, [ErabItem::new(ebi, cause)]);
    assert_eq!(story.site.core.ue(story.phone.imsi).unwrap().sessions.len(), 2);
    story.notify(&request);
    let view = story.site.core.ue(story.phone.imsi).unwrap();
    assert_eq!(view.sessions.len(), 1);
    assert_ne!(view.sessions[0].ebi, ebi);
}

#[test]
fn a_target_that_refuses_leaves_the_phone_where_it_is() {
    let mut story = Story::new();
    let request = story.ask();
    let cause = Cause::RadioNetwork(RadioNetworkCause::NoRadioResourcesAvailableInTargetCell);
    let connections = story.site.core.counts().connections;
    story.target.clone().send(&mut story.site, HandoverFailure::new(request.mme_ue_id, cause));
    let Some(Pdu::HandoverPreparationFailure(failure)) = story.site.next() else { panic!() };
    assert_eq!((failure.cause, failure.enb_ue_id), (Some(cause), Some(story.phone.enb_id)));
    story.site.assert_quiet();
    assert_eq!(story.site.core.counts().connections, connections - 1);
    // The next attempt gets another key.
    let again = story.ask();
    assert_eq!(again.security_context.next_hop_chaining_count, 3);
    assert_ne!(again.security_context.next_hop, request.security_context.next_hop);
    story.target.clone().send(&mut story.site, HandoverFailure::new(again.mme_ue_id, cause));
    story.stays();
}

#[test]
fn failed_handovers_never_bring_the_chaining_count_round() {
    let mut story = Story::new();
    let cause = Cause::RadioNetwork(RadioNetworkCause::NoRadioResourcesAvailableInTargetCell);
    let mut counts = Vec::new();
    for _ in 0..10 {
        let request = story.ask();
        counts.push(request.security_context.next_hop_chaining_count);
        story.target.clone().send(&mut story.site, HandoverFailure::new(request.mme_ue_id, cause));
        story.site.inbox.clear();
    }
    // The phone has heard of 0; what it would take for 1 and no change (0, after 8) never comes.
    assert_eq!(counts, [2, 3, 4, 5, 6, 7, 7, 7, 7, 7]);
}

#[test]
fn a_target_that_does_not_answer_or_dies_costs_the_handover_alone() {
    let mut story = Story::new();
    let request = story.ask();
    story.site.advance(Duration::from_secs(60));
    // It never said its own id.
    assert_eq!(story.released(story.target.link), Some(UeS1apIds::Mme(request.mme_ue_id)));
    assert!(matches!(story.site.next(), Some(Pdu::HandoverPreparationFailure(_))));
    // Its answer after all finds nothing.
    let admitted = story.admitted(&request, true);
    story.acknowledge(&request, admitted);
    assert!(story.forwards().is_empty());
    story.site.inbox.clear();
    assert_eq!(story.ended(Outcome::Timeout), 1);

    let connections = story.site.core.counts().connections;
    story.ask();
    story.site.input(Input::LinkDown { link: story.target.link });
    assert!(matches!(story.site.next(), Some(Pdu::HandoverPreparationFailure(_))));
    assert!(story.site.core.counts().connections <= connections);
    story.target = Enb::ready(&mut story.site, 2);
    story.site.clear();
    // After HANDOVER COMMAND too: the phone stays, or comes back, where it was.
    story.prepare(true);
    story.site.input(Input::LinkDown { link: story.target.link });
    story.site.assert_quiet();
    story.stays();
}

#[test]
fn a_phone_that_never_arrives_is_given_up_at_the_target_only() {
    let mut story = Story::new();
    let (request, _) = story.prepare(true);
    story.site.advance(Duration::from_secs(60));
    assert_eq!(story.released(story.target.link), Some(UeS1apIds::Pair(request.mme_ue_id, arriving())));
    let target = story.target.clone();
    target.release_complete(&mut story.site, request.mme_ue_id, arriving());
    // It comes too late.
    story.notify(&request);
    assert!(matches!(story.site.next(), Some(Pdu::ErrorIndication(_))));
    story.stays();
}

#[test]
fn the_source_may_cancel_at_any_time() {
    for commanded in [false, true] {
        let mut story = Story::new();
        let request = if commanded { story.prepare(true).0 } else { story.ask() };
        let cause = Cause::RadioNetwork(RadioNetworkCause::HandoverCancelled);
        let (mme, id) = (story.mme(), story.phone.enb_id);
        story.phone.enb.clone().send(&mut story.site, HandoverCancel::new(mme, id, cause));
        let ids = story.released(story.target.link).unwrap();
        assert_eq!(basalt_s1ap::UeIds::from(ids).mme, Some(request.mme_ue_id));
        assert!(matches!(story.site.next(), Some(Pdu::HandoverCancelAcknowledge(_))));
        story.site.assert_quiet();
        assert_eq!(story.ended(Outcome::Superseded), 1);
        // Cancelled again, it is acknowledged again.
        story.phone.enb.clone().send(&mut story.site, HandoverCancel::new(mme, id, cause));
        assert!(matches!(story.site.next(), Some(Pdu::HandoverCancelAcknowledge(_))));
        story.notify(&request);
        story.stays();
    }
}

#[test]
fn a_source_that_dies_with_the_phone_on_its_way_does_not_keep_it_from_arriving() {
    let mut story = Story::new();
    let (request, _) = story.prepare(true);
    story.site.input(Input::LinkDown { link: story.phone.enb.link });
    assert_eq!(story.site.core.ue(story.phone.imsi).unwrap().state, UeState::Connected);
    story.notify(&request);
    assert_eq!(story.remote(), Some((story.target.address.into(), Teid(0x7705))));
    story.settle(&request);
    story.site.advance(Duration::from_secs(3));
    story.stays();

    // One that does not arrive is idle in the end.
    let mut story = Story::new();
    story.prepare(true);
    story.site.input(Input::LinkDown { link: story.phone.enb.link });
    story.site.advance(Duration::from_secs(60));
    assert_eq!(story.site.core.ue(story.phone.imsi).unwrap().state, UeState::Idle);
    assert!(story.forwards().is_empty());
    assert!(story.released(story.target.link).is_some());
}

#[test]
fn a_phone_that_turns_up_elsewhere_or_leaves_ends_its_handover() {
    let mut story = Story::new();
    let (request, _) = story.prepare(true);
    let detach = story.phone.detach_request(true);
    story.phone.say(&mut story.site, detach);
    assert_eq!(story.released(story.target.link), Some(UeS1apIds::Pair(request.mme_ue_id, arriving())));
    assert!(story.forwards().is_empty());
    assert_eq!(story.site.core.ue(story.phone.imsi).unwrap().state, UeState::Detached);
    story.notify(&request);
    assert_eq!(story.site.core.ue(story.phone.imsi).unwrap().state, UeState::Detached);

    let mut story = Story::new();
    let (request, _) = story.prepare(true);
    story.phone.start_service(&mut story.site);
    assert_eq!(story.released(story.target.link), Some(UeS1apIds::Pair(request.mme_ue_id, arriving())));
    assert!(story.forwards().is_empty());
}

#[test]
fn messages_in_a_hostile_order_cost_their_own_handover_at_most() {
    let mut story = Story::new();
    let before = story.site.core.ue(story.phone.imsi);
    // Of a phone that nobody hands over.
    let (mme, id) = (story.mme(), story.phone.enb_id);
    let (cell, tai) = (story.target.cell(), story.target.tai);
    let source = story.phone.enb.clone();
    source.send(&mut story.site, HandoverNotify::new(mme, id, cell, tai));
    source.send(&mut story.site, EnbStatusTransfer::new(mme, id, status()));
    source.send(&mut story.site, HandoverFailure::new(mme, Cause::RadioNetwork(RadioNetworkCause::Unspecified)));
    let other = HandoverRequestAcknowledge::new(mme, id, Vec::new(), vec![1]);
    source.send(&mut story.site, other);
    assert_eq!(story.site.core.ue(story.phone.imsi), before);
    story.site.inbox.clear();

    // Before the acknowledgement, and of a foreign association.
    let request = story.ask();
    story.notify(&request);
    source.send(&mut story.site, HandoverNotify::new(request.mme_ue_id, arriving(), cell, tai));
    source.uplink(&mut story.site, request.mme_ue_id, arriving(), vec![7, 0x41]);
    let target = story.target.clone();
    target.uplink(&mut story.site, request.mme_ue_id, arriving(), vec![7, 0x41]);
    source.send(&mut story.site, EnbStatusTransfer::new(mme, id, status()));
    assert_eq!(story.remote(), before.as_ref().unwrap().sessions[0].remote);
    story.site.inbox.clear();
    // A second one meanwhile is refused, the first goes on.
    story.require();
    let Some(Pdu::HandoverPreparationFailure(failure)) = story.site.next() else { panic!() };
    assert_eq!(failure.cause, Some(Cause::RadioNetwork(RadioNetworkCause::InteractionWithOtherProcedure)));
    // An answer that gives another phone's id is none.
    let mut neighbour = Phone::new(2, &story.target);
    neighbour.attach(&mut story.site);
    story.site.clear();
    let admitted = story.admitted(&request, false);
    let taken = HandoverRequestAcknowledge::new(request.mme_ue_id, neighbour.enb_id, admitted, vec![9]);
    target.send(&mut story.site, taken);
    assert!(story.site.inbox.iter().any(|(_, _, pdu)| matches!(pdu, Pdu::HandoverPreparationFailure(_))));
    assert_eq!(story.released(story.target.link), Some(UeS1apIds::Mme(request.mme_ue_id)));
    assert_eq!(story.site.core.ue(neighbour.imsi).unwrap().state, UeState::Connected);
    story.stays();
}

#[test]
fn what_is_no_target_is_refused_at_once() {
    let mut story = Story::new();
    let nowhere = GlobalEnbId { plmn: plmn(), enb: basalt_ids::EnbId::Macro(0x9999) };
    let other_area = Tai { plmn: plmn(), tac: Tac(77) };
    let mut utran = story.required(story.target.id, story.target.tai);
    utran.handover_type = HandoverType::Ltetoutran;
    let mut cell = story.required(story.target.id, story.target.tai);
    cell.target_id = TargetId::Other(vec![0x40, 0x00, 0xf1, 0x10, 0x12, 0x34, 0x56, 0x78]);
    let requests = [
        (story.required(nowhere, story.target.tai), RadioNetworkCause::UnknownTargetId),
        (story.required(story.target.id, other_area), RadioNetworkCause::HandoverTargetNotAllowed),
        (utran, RadioNetworkCause::HandoverTargetNotAllowed),
        (cell, RadioNetworkCause::UnknownTargetId),
    ];
    for (request, cause) in requests {
        story.phone.enb.clone().send(&mut story.site, request);
        let Some(Pdu::HandoverPreparationFailure(failure)) = story.site.next() else { panic!() };
        assert_eq!(failure.cause, Some(Cause::RadioNetwork(cause)));
    }
    // Without a context nobody is handed over.
    let mut fresh = Phone::new(3, &story.phone.enb);
    fresh.start_attach(&mut story.site);
    let Some(Pdu::DownlinkNasTransport(message)) = story.site.next() else { panic!() };
    let mut required = story.required(story.target.id, story.target.tai);
    (required.mme_ue_id, required.enb_ue_id) = (message.mme_ue_id, fresh.enb_id);
    story.phone.enb.clone().send(&mut story.site, required);
    assert!(matches!(story.site.next(), Some(Pdu::HandoverPreparationFailure(_))));
    story.stays();
}

#[test]
fn what_the_network_says_to_a_phone_on_its_way_reaches_it_at_the_target() {
    let mut story = Story::new();
    let (request, _) = story.prepare(false);
    let reply = story.site.command(agw_types::Command::Detach { imsi: story.phone.imsi, reattach: false });
    assert_eq!(reply, agw_types::OperatorReply::Started);
    story.site.assert_quiet();
    story.notify(&request);
    story.settle(&request);
    let EmmMessage::DetachRequestNetwork(_) = story.phone.hear_emm(&mut story.site) else { panic!() };
    // And at the source, when the handover comes to nothing.
    let mut story = Story::new();
    story.ask();
    story.site.command(agw_types::Command::Detach { imsi: story.phone.imsi, reattach: false });
    story.site.assert_quiet();
    story.site.input(Input::LinkDown { link: story.target.link });
    assert!(matches!(story.site.next(), Some(Pdu::HandoverPreparationFailure(_))));
    let EmmMessage::DetachRequestNetwork(_) = story.phone.hear_emm(&mut story.site) else { panic!() };
}

#[test]
fn a_reset_of_either_side_and_a_restart_leave_nothing_behind() {
    let mut story = Story::new();
    let (request, _) = story.prepare(true);
    let cause = Cause::Misc(basalt_s1ap::MiscCause::OmIntervention);
    let target = story.target.clone();
    target.send(&mut story.site, basalt_s1ap::Reset::new(cause, ResetType::Full));
    assert!(matches!(story.site.next(), Some(Pdu::ResetAcknowledge(_))));
    assert!(story.forwards().is_empty());
    assert_eq!(story.site.core.ue(story.phone.imsi).unwrap().state, UeState::Connected);
    story.notify(&request);
    story.site.inbox.clear();

    // A half-done handover does not survive: the phone is where its record says, and can be handed over anew.
    let (request, _) = story.prepare(true);
    story.site.restart();
    // A data plane that is taken over keeps no endpoint that is no session's.
    story.site.dataplane.retain(|change| !matches!(change, DataplaneChange::Forward { .. }));
    story.notify(&request);
    let answer = story.site.next();
    assert!(matches!(answer, Some(Pdu::ErrorIndication(_))), "{answer:?}");
    let (request, _) = story.prepare(false);
    story.notify(&request);
    story.settle(&request);
    story.site.restart();
    story.stays();
}

#[test]
fn bearers_move_when_the_base_station_says_so() {
    let mut story = Story::new();
    let (mme, id) = (story.mme(), story.phone.enb_id);
    let secondary = core::net::Ipv4Addr::new(192, 0, 2, 200);
    let tunnel = |ebi: u8, teid: u32| ErabTunnel {
        ebi: Ebi::new(ebi).unwrap(),
        address: secondary.into(),
        teid: Teid(teid),
        extensions: Vec::new(),
    };
    let source = story.phone.enb.clone();
    source.send(&mut story.site, ErabModificationIndication::new(mme, id, vec![tunnel(5, 0x55), tunnel(9, 0x99)]));
    let Some(Pdu::ErabModificationConfirm(confirm)) = story.site.next() else { panic!() };
    assert_eq!(confirm.erabs.iter().map(|done| done.ebi.value()).collect::<Vec<_>>(), [5]);
    assert_eq!(confirm.failed_erabs[0].ebi.value(), 9);
    assert_eq!(story.remote(), Some((secondary.into(), Teid(0x55))));
    // Listed twice, it stays where it is.
    source.send(&mut story.site, ErabModificationIndication::new(mme, id, vec![tunnel(5, 1), tunnel(5, 2)]));
    let Some(Pdu::ErabModificationConfirm(confirm)) = story.site.next() else { panic!() };
    assert!(confirm.erabs.is_empty() && confirm.failed_erabs.len() == 1);
    assert_eq!(story.remote(), Some((secondary.into(), Teid(0x55))));
}
