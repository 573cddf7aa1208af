//! Bounds of the S1 interface, and a configuration that changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod site;

use agw_types::{Event, Input, Limits, LinkId, Metric};
use basalt_ids::Tac;
use basalt_nas::EmmMessage;
use basalt_s1ap::{Cause, MiscCause, Pdu, SupportedTa};
use site::Site;
use site::enb::Enb;
use site::phone::Phone;

#[test]
fn two_hundred_and_fifty_six_areas_are_taken_if_one_of_them_is_served() {
    let mut site = Site::new();
    let enb = Enb::connect(&mut site, 1);
    let mut request = enb.setup_request();
    request.supported_tas =
        (0..256).map(|tac| SupportedTa::new(Tac(tac), vec![enb.tai.plmn, "999-99".parse().unwrap()])).collect();
    enb.send(&mut site, request);
    assert!(matches!(site.next(), Some(Pdu::S1SetupResponse(_))));
    assert_eq!(site.core.enbs().next().unwrap().areas.len(), 512);
}

#[test]
fn a_new_configuration_is_told_to_base_stations_as_far_as_it_concerns_them() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut config = site::config();
    config.mtu = 1300;
    let configure = |site: &mut Site, config: &agw_types::GatewayConfig| {
        site.input(Input::Config(Box::new(agw_types::ConfigDelta::Gateway(config.clone()))));
    };
    configure(&mut site, &config);
    site.assert_quiet();
    config.plmns.push("999-99".parse().unwrap());
    config.relative_capacity = 10;
    configure(&mut site, &config);
    let Some(Pdu::MmeConfigurationUpdate(update)) = site.next() else { panic!() };
    assert_eq!(update.served_gummeis.unwrap()[0].plmns, config.plmns);
    assert_eq!((update.relative_mme_capacity, update.mme_name), (Some(10), None));
    enb.send(&mut site, basalt_s1ap::MmeConfigurationUpdateAcknowledge::new());
    let refusal = basalt_s1ap::MmeConfigurationUpdateFailure::new(Cause::Misc(MiscCause::Unspecified));
    enb.send(&mut site, refusal);
    site.assert_quiet();
    // A phone is paged in an area that was added later.
    let mut phone = Phone::new(1, &enb);
    phone.attach(&mut site);
}

#[test]
fn huge_nas_messages_are_dropped() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    let mut phone = Phone::new(1, &enb);
    let mut nas = EmmMessage::AttachRequest(phone.attach_request()).encode().unwrap();
    nas.resize(60_000, 0);
    phone.open_with(&mut site, nas);
    phone.hear_release(&mut site);
    assert_eq!(site.core.counts().ues, 0);
    phone.attach(&mut site);
    let huge = phone.seal(&vec![0x07; 60_000]);
    phone.say_octets(&mut site, huge);
    phone.hear_nothing(&mut site);
    assert_eq!(site.counted(Metric::Discarded("NAS message too long")), 1);
}

#[test]
fn a_flood_of_nonsense_is_not_a_flood_of_events() {
    let mut site = Site::new();
    let enb = Enb::ready(&mut site, 1);
    for _ in 0..1000 {
        enb.send_raw(&mut site, vec![0xff; 20]);
    }
    let told = site.events.iter().filter(|event| matches!(event, Event::EnbProtocolError { .. })).count();
    assert_eq!(told, 100);
    assert_eq!(site.counted(Metric::Discarded("event beyond the rate that is told")), 900);
}

#[test]
fn associations_beyond_the_limit_are_closed() {
    let mut site = Site::with(site::config(), Limits { links: 2, ..Limits::default() });
    for n in 1..=3 {
        Enb::connect(&mut site, n);
    }
    assert_eq!(site.closed, [LinkId(3)]);
    assert_eq!(site.core.counts().links, 2);
}

#[test]
fn connections_beyond_the_limit_are_refused() {
    let mut site = Site::with(site::config(), Limits { connections: 1, ..Limits::default() });
    let enb = Enb::ready(&mut site, 1);
    let mut first = Phone::new(1, &enb);
    first.attach(&mut site);
    let mut second = Phone::new(2, &enb);
    second.start_attach(&mut site);
    let Some(Pdu::ErrorIndication(error)) = site.next() else { panic!() };
    assert_eq!(error.cause, Some(Cause::Misc(MiscCause::ControlProcessingOverload)));
}
