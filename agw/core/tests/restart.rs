//! A gateway that is killed and started again: what phones, base stations and the data plane notice of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{DataplaneChange, Event, Peer, StoredUe, Tunnel, TunnelState, UeState};
use basalt_ids::Teid;
use basalt_nas::EmmMessage;
use basalt_s1ap::Pdu;
use basalt_sansio::Duration;
use site::Site;
use site::enb::Enb;
use site::phone::Phone;

fn attached() -> (Site, Phone) {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
    (site, phone)
}

fn changes_of(site: &mut Site, run: impl FnOnce(&mut Site)) -> Vec<DataplaneChange> {
    let before = site.dataplane.len();
    run(site);
    site.dataplane[before..].to_vec()
}

#[test]
fn a_connected_phone_notices_nothing() {
    let (mut site, mut phone) = attached();
    let before = site.core.ue(phone.imsi).unwrap();
    let changes = changes_of(&mut site, Site::restart);
    assert!(changes.is_empty(), "{changes:?}");
    assert!(site.events.is_empty(), "{:?}", site.events);
    let after = site.core.ue(phone.imsi).unwrap();
    assert_eq!((after.state, after.guti, after.enb), (UeState::Connected, before.guti, before.enb));
    assert_eq!(after.sessions[0].remote, before.sessions[0].remote);
    // It is heard and answered over the connection it has, with counts that were not used before.
    let sent_before = phone.keys.as_ref().unwrap().receive_count();
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.say(&mut site, request);
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    assert!(phone.keys.as_ref().unwrap().receive_count() > sent_before);
    phone.guti = accept.guti;
    phone.complete_tau(&mut site);
    phone.go_idle(&mut site);
    phone.service(&mut site);
}

#[test]
fn no_downlink_count_is_used_twice_over_many_crashes() {
    let (mut site, mut phone) = attached();
    let mut last = 0;
    for round in 0..30 {
        // The phone checks each MAC with a count it has not accepted before: a repeated one would not open.
        for _ in 0..round {
            phone.say_octets_of_nonsense(&mut site);
            assert!(matches!(phone.hear_emm(&mut site), EmmMessage::EmmStatus(_)));
        }
        let count = phone.keys.as_ref().unwrap().receive_count();
        assert!(count >= last);
        last = count;
        site.restart();
    }
    phone.go_idle(&mut site);
    phone.service(&mut site);
}

#[test]
fn an_idle_phone_is_reachable_and_comes_back() {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    site.restart();
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    site.command(agw_types::Command::Page { imsi: phone.imsi });
    assert!(matches!(site.next(), Some(Pdu::Paging(_))));
    phone.service(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn a_phone_in_the_middle_of_an_attach_simply_retries() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.start_attach(&mut site);
    let EmmMessage::AuthenticationRequest(challenge) = phone.hear_emm(&mut site) else { panic!() };
    site.restart();
    assert_eq!(site.core.counts().ues, 0);
    // The base station's connection is unknown here now, and it is told so.
    phone.answer_challenge(&mut site, &challenge);
    assert!(matches!(site.next(), Some(Pdu::ErrorIndication(_))));
    phone.attach(&mut site);
}

#[test]
fn a_phone_that_was_promised_an_attach_is_served_or_attaches_again() {
    // The accept left, the gateway died, the complete is lost.
    let promise = || {
        let mut site = Site::new();
        let enb = Enb::ready(&mut site, 1);
        let mut phone = Phone::new(1, &enb);
        phone.start_attach(&mut site);
        phone.prove(&mut site);
        phone.accept(&mut site);
        site.restart();
        (site, phone)
    };
    let (mut site, mut phone) = promise();
    phone.service(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);

    let (mut site, mut phone) = promise();
    phone.guti = None;
    phone.keys = None;
    phone.attach(&mut site);
    assert_eq!((site.core.counts().ues, site.core.counts().sessions), (1, 1));
}

#[test]
fn a_base_station_that_left_meanwhile_leaves_its_phones_idle() {
    let (mut site, mut phone) = attached();
    let changes = changes_of(&mut site, |site| site.restart_with(&[]));
    assert!(
        changes.iter().any(|change| matches!(change, DataplaneChange::Set(Tunnel { state: TunnelState::Idle, .. })))
    );
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    assert!(site.ue_record(phone.imsi).unwrap().radio.is_none());
    let enb = Enb::ready(&mut site, 1);
    phone.enb = enb;
    phone.service(&mut site);
}

#[test]
fn a_base_station_without_a_record_is_made_to_come_back() {
    let (mut site, _) = attached();
    site.store.retain(|key, _| !matches!(key, agw_types::RecordKey::Link(_)));
    site.restart();
    assert_eq!(site.closed, [agw_types::LinkId(1)]);
    assert!(site.events.iter().any(|event| matches!(event, Event::Repaired { .. })));
}

#[test]
fn the_data_plane_is_repaired_to_what_the_sessions_say() {
    let (mut site, phone) = attached();
    let right = site.installed();
    let [tunnel] = right.as_slice() else { panic!() };
    let stray =
        Tunnel { teid: Teid(0xdead_0001), address: std::net::Ipv4Addr::new(10, 45, 9, 9).into(), ..tunnel.clone() };
    let wrong_peer = Peer { address: "192.0.2.99".parse().unwrap(), teid: Teid(1) };
    let astray = Tunnel { state: TunnelState::Connected(wrong_peer), ..tunnel.clone() };
    let cases: [(Vec<Tunnel>, Vec<DataplaneChange>); 4] = [
        (vec![], vec![DataplaneChange::Set(tunnel.clone())]),
        (vec![tunnel.clone()], vec![]),
        (vec![astray], vec![DataplaneChange::Set(tunnel.clone())]),
        (
            vec![tunnel.clone(), stray.clone()],
            vec![DataplaneChange::Remove { teid: stray.teid, address: stray.address }],
        ),
    ];
    for (installed, expected) in cases {
        let changes = changes_of(&mut site, |site| site.run(|core, now, out| core.reconcile(now, &installed, out)));
        assert_eq!(changes, expected);
    }
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn a_handover_goes_on_where_it_was_after_a_restart() {
    let (mut site, phone) = attached();
    let target = Enb::ready(&mut site, 2);
    site.restart();
    let session = site.core.ue(phone.imsi).unwrap().sessions[0].clone();
    let tunnel = basalt_s1ap::ErabTunnel {
        ebi: session.ebi,
        address: target.address.into(),
        teid: Teid(0x77),
        extensions: Vec::new(),
    };
    let capabilities = basalt_s1ap::UeSecurityCapabilities::from_nas(phone.capability.eea(), phone.capability.eia());
    let id = basalt_ids::EnbUeS1apId::new(4242).unwrap();
    target.send(
        &mut site,
        basalt_s1ap::PathSwitchRequest::new(
            id,
            vec![tunnel],
            phone.mme_id.unwrap(),
            target.cell(),
            target.tai,
            capabilities,
        ),
    );
    let Some(Pdu::PathSwitchRequestAcknowledge(acknowledge)) = site.next() else { panic!() };
    let keys = phone.keys.as_ref().unwrap();
    let mut chain = keys.access_keys(0);
    keys.advance(&mut chain);
    assert_eq!(acknowledge.security_context.next_hop.0, *chain.next_hop().expose());
}

#[test]
fn a_request_that_was_served_before_the_restart_is_not_served_again() {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    let nas = phone.keys.as_mut().unwrap().protect_service_request().unwrap().to_vec();
    phone.open_with(&mut site, nas.clone());
    phone.context(&mut site);
    site.restart();
    site.clear();
    phone.open_with(&mut site, nas);
    assert!(matches!(phone.hear_plain(&mut site), EmmMessage::ServiceReject(_)));
}

#[test]
fn a_connection_that_is_not_taken_over_is_released() {
    // The base station has the context, the gateway heard nothing of it before it died.
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    phone.accept(&mut site);
    site.restart();
    let Some(Pdu::UeContextReleaseCommand(_)) = phone.s1ap(&mut site) else { panic!() };
    // Whoever comes now gets another id, also before the base station has answered.
    let mut other = Phone::new(2, &enb);
    other.attach(&mut site);
    assert_ne!(other.mme_id, phone.mme_id);
    phone.enb.clone().release_complete(&mut site, phone.mme_id.unwrap(), phone.enb_id);
    assert_eq!(site.core.counts().connections, 1);
    site.assert_quiet();
    phone.service(&mut site);
}

#[test]
fn a_connection_that_was_not_taken_over_is_not_looked_for_again() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    phone.start_attach(&mut site);
    phone.prove(&mut site);
    phone.accept(&mut site);
    site.restart();
    assert_eq!(site.ue_record(phone.imsi).unwrap().radio, None);
    phone.s1ap(&mut site);
    phone.enb.clone().release_complete(&mut site, phone.mme_id.unwrap(), phone.enb_id);
    // Another phone gets its place in the table, and keeps it.
    let mut other = Phone::new(2, &enb);
    other.attach(&mut site);
    site.restart();
    assert_eq!(site.core.ue(other.imsi).unwrap().state, UeState::Connected);
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Idle);
    site.assert_quiet();
}

#[test]
fn a_connection_that_goes_on_has_its_ids_before_one_that_a_record_names_in_vain() {
    let (mut site, phone) = attached();
    let connected = site.ue_record(phone.imsi).unwrap().clone();
    // An idle phone whose record names the same place in the table, in an earlier life of it, and comes first.
    let stale = connected.radio.map(|radio| agw_types::StoredRadio {
        radio: basalt_sansio::SlotId(radio.radio.0 ^ 0x0100_0000),
        enb_id: basalt_ids::EnbUeS1apId::new(4711).unwrap(),
        ..radio
    });
    let idle = StoredUe { imsi: site::imsi(0), sessions: Vec::new(), radio: stale, ..connected };
    site.store.insert(agw_types::RecordKey::Ue(idle.imsi), agw_types::Record::Ue(Box::new(idle)));
    site.restart();
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Connected);
}

#[test]
fn ids_of_connections_differ_from_life_to_life() {
    let mut seen = std::collections::BTreeSet::new();
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let lives = 8;
    for _ in 0..lives {
        let mut phone = Phone::new(1, &enb);
        phone.start_attach(&mut site);
        phone.hear_emm(&mut site);
        seen.insert(phone.mme_id.unwrap());
        site.restart();
    }
    // By chance, one in 255: these seeds have none.
    assert_eq!(seen.len(), lives);
}

#[test]
fn a_detached_phone_is_still_known_by_its_keys() {
    let (mut site, mut phone) = attached();
    let off = phone.detach_request(true);
    phone.say(&mut site, off);
    phone.hear_release(&mut site);
    site.restart();
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    phone.start_attach(&mut site);
    phone.accept(&mut site);
}

#[test]
fn a_restarted_gateway_detaches_the_silent_in_the_end() {
    let (mut site, mut phone) = attached();
    phone.go_idle(&mut site);
    site.restart();
    site.advance(Duration::from_secs(62 * 60 + 1));
    assert_eq!(site.core.ue(phone.imsi).unwrap().state, UeState::Detached);
    assert!(site.core.next_wakeup().is_none());
}

#[test]
fn two_records_with_one_address_or_identity_do_not_both_live() {
    let (site, _) = attached();
    let one = site.store.values().find_map(|record| match record {
        agw_types::Record::Ue(ue) => Some((**ue).clone()),
        _ => None,
    });
    let one: StoredUe = one.unwrap();
    let two = StoredUe { imsi: site::imsi(2), radio: None, ..one.clone() };
    let mut site = Site::new();
    site.run(|core, now, out| core.restore(now, Vec::new(), vec![one.clone(), two, one], out));
    assert_eq!(site.core.counts().sessions, 1);
    assert_eq!(site.core.counts().ues, 2);
    assert_eq!(site.events.iter().filter(|event| matches!(event, Event::Repaired { .. })).count(), 3);
    let gutis: Vec<_> = site.core.ues().map(|ue| ue.guti).collect();
    assert!(gutis[0].is_some() && gutis[1].is_none());
}
