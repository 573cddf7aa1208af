use super::*;
use crate::config::{Machine, parse};
use agw_types::{Gate, SubscribedRule};
use serde_json::{Value, json};

const FILE: &str = "
    [network]
    plmns = [\"001-01\"]
    tacs = [1]
    [radio]
    listen = [\"10.0.1.1\"]
    [internet]
    interface = \"eth0\"
    [[apn]]
    name = \"internet\"
    pools = [\"10.45.0.0/16\"]
    dns = [\"192.0.2.1\"]
";

fn local(text: &str) -> Local {
    let interface = |name: &str, address: &str| crate::config::Interface {
        name: name.to_owned(),
        addresses: vec![address.parse().unwrap()],
        networks: vec![(address.parse().unwrap(), 24)],
        mtu: 1600,
        speed: None,
    };
    let interfaces = vec![interface("s1", "10.0.1.1"), interface("eth0", "203.0.113.9")];
    let machine = Machine {
        name: "m".to_owned(),
        interfaces,
        also_called: Vec::new(),
        default_route: Some("eth0".to_owned()),
        dns: Vec::new(),
        memory: 0,
    };
    Local { file: parse(text).unwrap(), machine }
}

fn items(list: &[(&str, &str, Value)]) -> Items {
    let item = |(collection, name, body): &(&str, &str, Value)| {
        let (collection, name) = ((*collection).to_owned(), (*name).to_owned());
        let key = ItemKey { collection: collection.clone(), name: name.clone() };
        (key, StoredItem { collection, name, digest: [1; 16], body: body.to_string() })
    };
    list.iter().map(item).collect()
}

fn lay(list: &[(&str, &str, Value)]) -> (Effective, Vec<(String, String)>) {
    let laid = overlay(&local(FILE), "hill", &items(list)).unwrap();
    let refused = laid.refused.into_iter().map(|(key, why)| (format!("{}/{}", key.collection, key.name), why));
    (laid.effective, refused.collect())
}

#[test]
fn without_an_orchestrator_the_file_is_all() {
    let (effective, refused) = lay(&[]);
    assert_eq!(effective, crate::config::resolve(&parse(FILE).unwrap(), "", &local(FILE).machine).unwrap());
    assert!(refused.is_empty());
}

#[test]
fn what_the_orchestrator_says_goes_before_the_file_and_the_rest_stays() {
    let (effective, refused) = lay(&[
        (
            "networks",
            "lab",
            json!({"epc": {"mcc": "310", "mnc": "410", "tac": 7, "full_name": "Hill", "timers": {"t3412": 3600},
            "restricted_plmns": ["262-01"], "restricted_imeis": [{"tac": "35824005", "snr": "111111"}]}}),
        ),
        (
            "gateways",
            "hill",
            json!({"tier": "t", "epc": {"dns_servers": ["198.51.100.1"]},
            "pooling": [{"pool": "p", "mme_code": 9, "mme_relative_capacity": 40}]}),
        ),
        ("gateways", "other", json!({"epc": {"dns_servers": ["198.51.100.2"]}})),
        ("gateway-pools", "p", json!({"mme_group_id": 500})),
        ("tracking-areas", "north", json!({"tac": 8, "utc_offset_seconds": 19800, "zone_codes": [7, 9]})),
        ("enodebs", "e1", json!({"config_type": "UNMANAGED", "cell_id": 1, "tac": 9})),
        ("apns", "internet", json!({"qci": 9, "ip_blocks": {"hill": ["10.50.0.0/20"], "other": ["10.60.0.0/20"]}})),
        (
            "apns",
            "ims",
            json!({"qci": 5, "ip_blocks": {"hill": ["10.51.0.0/24"]}, "dns_servers": ["198.51.100.9"],
            "p_cscf": ["10.0.9.9"], "egress": "routed"}),
        ),
    ]);
    assert_eq!(refused, []);
    let gateway = &effective.gateway;
    assert_eq!(gateway.plmns, ["310-410".parse().unwrap()]);
    assert_eq!(gateway.areas.iter().map(|area| area.tac.0).collect::<Vec<_>>(), [7, 8, 9]);
    assert_eq!((gateway.group.0, gateway.code.0, gateway.relative_capacity), (500, 9, 40));
    assert_eq!((gateway.timers.t3412.as_secs(), gateway.time_zone_quarters), (3600, 22));
    let zoned: Vec<_> = effective.federation.area.iter().map(|area| (area.tac, area.zone_codes.clone())).collect();
    assert!(gateway.regional && zoned == [(8, vec![7, 9])], "{zoned:?}");
    assert_eq!(gateway.network_name.as_ref().unwrap().full, "Hill");
    assert!(!gateway.access.admits_subscriber("262011234567890".parse().unwrap()));
    assert_eq!(gateway.dns, ["198.51.100.1".parse::<std::net::Ipv4Addr>().unwrap()]);
    let pools: Vec<String> = gateway.apns.iter().map(|apn| format!("{} {}", apn.apn, apn.pools[0].network)).collect();
    assert_eq!(pools, ["internet 10.50.0.0", "ims 10.51.0.0"]);
    assert_eq!(
        gateway.apns[0].dns,
        ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()],
        "the file's, which nobody overrules"
    );
    assert_eq!((gateway.apns[1].dns.len(), gateway.apns[1].p_cscf.len()), (1, 1));
    assert_eq!(effective.apn_egress.len(), 1);
}

#[test]
fn one_item_that_cannot_be_is_left_out_with_its_reason_and_the_others_hold() {
    let (effective, refused) = lay(&[
        ("apns", "internet", json!({"qci": 9, "ip_blocks": {"hill": ["10.50.0.0/20"]}})),
        ("apns", "overlap", json!({"qci": 9, "ip_blocks": {"hill": ["10.50.1.0/24"]}})),
        ("apns", "nowhere", json!({"qci": 9})),
        ("apns", "tagged", json!({"qci": 9, "ip_blocks": {"hill": ["10.70.0.0/24"]}, "vlan": 100})),
        ("networks", "lab", json!({"epc": {"mcc": "001", "mnc": "01", "tac": 1, "hss_relay_enabled": true}})),
        ("enodebs", "e1", json!({"config_type": "MANAGED", "cell_id": 1})),
        ("policy-rules", "video", json!({"priority": 5, "app_name": "video"})),
    ]);
    let keys: Vec<&str> = refused.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        ["apns/nowhere", "apns/overlap", "apns/tagged", "enodebs/e1", "networks/lab", "policy-rules/video"],
        "{refused:?}"
    );
    let why = |key: &str| refused.iter().find(|(it, _)| it == key).unwrap().1.clone();
    assert!(why("apns/overlap").contains("overlaps"));
    assert!(why("apns/nowhere").contains("ip_blocks"));
    assert!(why("apns/tagged").contains("VLAN"));
    assert!(why("networks/lab").contains("hss_relay_enabled"));
    let names: Vec<String> = effective.gateway.apns.iter().map(|apn| apn.apn.to_string()).collect();
    assert_eq!(names, ["internet", "tagged"], "without its VLAN, and it is said");
}

#[test]
fn rules_become_the_gateways_with_their_quality_and_order() {
    let flow = |direction: &str, action: &str, field: &str, prefix: &str| json!({"direction": direction, "action": action, "ip_proto": 17, field: prefix});
    let list = [
        ("networks", "lab", json!({"policy_rules": ["block"], "base_names": ["voice-set"]})),
        ("apns", "internet", json!({"qci": 9})),
        (
            "policy-rules",
            "block",
            json!({"priority": 1000, "flow_list": [flow("UPLINK", "DENY", "ip_dst", "192.0.2.9/32")]}),
        ),
        (
            "policy-rules",
            "voice",
            json!({"priority": 2000, "qos_profile": "gbr", "rating_group": "rg", "flow_list": [
            flow("UPLINK", "PERMIT", "ip_dst", "192.0.2.0/28"), flow("DOWNLINK", "DENY", "ip_src", "192.0.2.3/32")]}),
        ),
        ("policy-rules", "own", json!({"priority": 3000})),
        (
            "policy-rules",
            "mine",
            json!({"priority": 3000, "flow_list": [flow("UPLINK", "PERMIT", "ip_src", "10.0.0.1/32")]}),
        ),
        ("base-names", "voice-set", json!({"policy_rules": ["voice"]})),
        (
            "qos-profiles",
            "gbr",
            json!({"qci": 1, "arp": {"priority_level": 3, "preemption_capability": true,
            "preemption_vulnerability": false}, "guaranteed": {"max_ul_bit_rate": 64000, "max_dl_bit_rate": 64000}}),
        ),
        ("rating-groups", "rg", json!({"id": 77, "limit_type": "INFINITE_METERED"})),
    ];
    let (effective, refused) = lay(&list);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].0 == "policy-rules/mine" && refused[0].1.contains("ip_src"), "{refused:?}");
    let rules = &effective.gateway.qos.rules;
    let of = |name: &str| rules.iter().find(|rule| rule.name == name).unwrap();
    assert_eq!((of("block").gate, of("block").precedence), (Gate::CLOSED, 0));
    assert_eq!((of("voice").rating_group, of("voice").precedence), (77, 1));
    assert_eq!(of("voice").qos.unwrap().gbr.unwrap().uplink, 64_000);
    assert!(of("voice").qos.unwrap().bearer.arp.may_preempt);
    assert_eq!(of("voice.deny").gate, Gate::CLOSED);
    assert_eq!(effective.gateway.qos.apns["internet"].rules, ["block", "voice.deny", "voice"]);
    let subscriber =
        json!({"active_policies": ["own", "missing"], "active_apns": [{"apn": "internet", "policies": ["block"]}]});
    let apns = ["internet".parse().unwrap()];
    let given = named_rules(&items(&list), &effective, &subscriber, &apns);
    let names: Vec<String> = given
        .into_iter()
        .map(|(_, rule)| match rule {
            SubscribedRule::Named(name) => name,
            SubscribedRule::Own(rule) => rule.name,
        })
        .collect();
    assert_eq!(names, ["own", "block"]);
}

#[test]
fn blocks_of_gateway_and_network_are_for_the_access_point_without_its_own() {
    let gateway = json!({"epc": {"ip_block": "10.80.0.0/16", "nat_enabled": false}});
    let (effective, refused) = lay(&[("gateways", "hill", gateway), ("apns", "internet", json!({"qci": 9}))]);
    assert_eq!(refused, []);
    assert_eq!(effective.gateway.apns[0].pools[0].network.to_string(), "10.80.0.0");
    assert_eq!(effective.egress, crate::config::EgressMode::Routed);
    let network = json!({"epc": {"mcc": "001", "mnc": "01", "tac": 4, "mobility": {"ip_allocation_mode": "STATIC",
        "static_ip_blocks_by_tac": {"4": ["10.81.0.0/24"], "5": ["10.82.0.0/24"]}}}});
    let (effective, refused) = lay(&[("networks", "lab", network), ("apns", "internet", json!({"qci": 9}))]);
    assert_eq!(refused, []);
    assert_eq!(effective.gateway.apns[0].pools[0].network.to_string(), "10.81.0.0");
}

#[test]
fn a_body_that_cannot_be_read_harms_nobody_else() {
    let (effective, refused) = lay(&[
        ("networks", "lab", json!({"epc": {"mcc": 1}})),
        ("apns", "ims", json!({"qci": 5, "ip_blocks": {"hill": ["10.51.0.0/24"]}})),
        ("apns", "bad", json!([])),
    ]);
    let keys: Vec<&str> = refused.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["apns/bad", "networks/lab"]);
    assert_eq!(effective.gateway.apns.len(), 2);
}
