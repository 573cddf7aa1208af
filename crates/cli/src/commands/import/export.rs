//! Subscribers as rows that are imported again.

use crate::view;
use basalt_control_api::gateway::v1 as api;

/// Columns of an exported file.
pub(in super::super) const EXPORTED: [&str; 17] = [
    "imsi",
    "name",
    "msisdn",
    "state",
    "algorithm",
    "amf",
    "ambr_dl",
    "ambr_ul",
    "apn",
    "static_ip",
    "static_ipv6",
    "pdn_type",
    "qci",
    "priority",
    "apn_ambr_dl",
    "apn_ambr_ul",
    "framed_routes",
];

/// One subscriber in those columns.
pub(in super::super) fn exported(subscriber: &api::Subscriber) -> [String; 17] {
    let each = |of: &dyn Fn(&api::SubscribedApn) -> String| {
        let items: Vec<String> = subscriber
            .apns
            .iter()
            .map(|apn| Some(of(apn)).filter(|item| !item.is_empty()).unwrap_or("-".to_owned()))
            .collect();
        if items.iter().all(|item| item == "-") { String::new() } else { items.join(";") }
    };
    // An access point without a rate of its own has the subscriber's, and shall have it still when that is edited.
    let own = |rate: u64, of_all: u64| if rate == of_all { String::new() } else { rate.to_string() };
    let unless_unlimited = |rate: u64| if rate == 0 { String::new() } else { rate.to_string() };
    [
        subscriber.imsi.clone(),
        subscriber.name.clone(),
        subscriber.msisdn.clone(),
        view::subscriber_state(subscriber).to_owned(),
        view::algorithm(subscriber).to_owned(),
        subscriber.amf.clone(),
        unless_unlimited(subscriber.ambr_downlink),
        unless_unlimited(subscriber.ambr_uplink),
        each(&|apn| apn.apn.clone()),
        each(&|apn| apn.static_ipv4.clone()),
        each(&|apn| apn.static_ipv6.clone()),
        each(&|apn| apn.pdn_type.clone()),
        each(&|apn| apn.qci.to_string()),
        each(&|apn| apn.priority.to_string()),
        each(&|apn| own(apn.ambr_downlink, subscriber.ambr_downlink)),
        each(&|apn| own(apn.ambr_uplink, subscriber.ambr_uplink)),
        each(&|apn| apn.framed_routes.join("+")),
    ]
}
