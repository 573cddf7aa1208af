//! What the configuration gives: several networks and areas, addresses of one's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::Limits;
use basalt_nas::EmmMessage;
use basalt_s1ap::Pdu;
use core::net::Ipv4Addr;
use site::Site;
use site::enb::Enb;
use site::phone::Phone;

#[test]
fn a_static_address_is_its_subscribers_and_nobody_elses() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let fixed = Ipv4Addr::new(10, 45, 0, 2);
    let mut subscriber = site::subscriber(3);
    subscriber.profile.apns[0].static_ipv4 = Some(fixed);
    site.core.subscribers_mut().insert(subscriber, true);
    site.core.reserve_address(site::imsi(3), &"internet".parse().unwrap(), fixed.into());
    let address = |site: &mut Site, number: u64| {
        let mut phone = Phone::new(number, &enb);
        phone.attach(site);
        site.core.ue(phone.imsi).unwrap().sessions[0].address.ipv4().unwrap()
    };
    // Others come first, and one more after it has left.
    let others = [address(&mut site, 1), address(&mut site, 2)];
    assert_eq!(address(&mut site, 3), fixed);
    assert!(!others.contains(&fixed));
    site.input(agw_types::Input::LinkDown { link: enb.link });
    let enb = Enb::ready_among(&mut site, 1);
    let mut phone = Phone::new(3, &enb);
    phone.attach(&mut site);
    assert_eq!(site.core.ue(phone.imsi).unwrap().sessions[0].address.ipv4(), Some(fixed), "it comes back at once");
}

#[test]
fn each_network_has_its_own_areas_and_identities() {
    let mut config = site::config();
    let (first, second): (basalt_ids::Plmn, basalt_ids::Plmn) = ("001-01".parse().unwrap(), "999-075".parse().unwrap());
    config.plmns.push(second);
    let tai = |plmn, tac| basalt_ids::Tai { plmn, tac: basalt_ids::Tac(tac) };
    config.areas = vec![tai(first, 1), tai(first, 2), tai(second, 1), tai(second, 9)];
    let mut site = Site::with(config, Limits::default());
    // One base station that broadcasts both networks.
    let mut enb = Enb::connect(&mut site, 1);
    let mut request = enb.setup_request();
    request.supported_tas = vec![basalt_s1ap::SupportedTa::new(basalt_ids::Tac(1), vec![first, second])];
    enb.send(&mut site, request);
    let Some(Pdu::S1SetupResponse(response)) = site.next() else { panic!() };
    assert_eq!(response.served_gummeis[0].plmns, [first, second]);
    enb.tai = tai(second, 1);
    // Its home is the first network; it camps on the second.
    let mut phone = Phone::new(1, &enb);
    let accept = phone.attach(&mut site);
    let areas: Vec<_> = accept.tai_list.iter().collect();
    assert_eq!(areas, [tai(second, 1), tai(second, 9)]);
    assert_eq!(accept.equivalent_plmns.unwrap().0, [first]);
    assert_eq!(accept.guti.unwrap().gummei.plmn, first, "the identity is of its own network");
    // What it says in the other network is understood as well.
    phone.go_idle(&mut site);
    phone.enb.tai = tai(first, 2);
    let request = EmmMessage::TrackingAreaUpdateRequest(phone.tau_request(false));
    phone.open(&mut site, &request);
    let EmmMessage::TrackingAreaUpdateAccept(accept) = phone.hear_emm(&mut site) else { panic!() };
    assert_eq!(accept.tai_list.unwrap().iter().next(), Some(tai(first, 2)));
}
