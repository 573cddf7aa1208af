//! The chapter "Coming from Magma" names fields and routes of ours that there are, and leaves out no field of Magma's objects that
//! integrations depend on.

use serde_json::Value;
use std::collections::BTreeSet;

const CHAPTER: &str = include_str!("../../../../docs/book/src/magma.md");
const DOCUMENT: &str = include_str!("../../../../openapi/orchestrator.json");

/// Names of Magma's fields, object by object.
const MAGMA: &str = "
    mcc mnc tac lte_auth_op lte_auth_amf sub_profiles hss_relay_enabled gx_gy_relay_enabled cloud_subscriberdb_enabled enable5g_features
    congestion_control_enabled network_services mobility ip_allocation_mode enable_static_ip_assignments enable_multi_apn_ip_allocation
    reserved_addresses nat.ip_blocks static.ip_blocks_by_tac restricted_plmns restricted_imeis service_area_maps subscriberdb_sync_interval
    default_rule_id
    bandwidth_mhz fdd_config earfcndl earfcnul tdd_config subframe_assignment special_subframe_pattern suci_profiles
    home_network_public_key_identifier home_network_public_key home_network_private_key protection_scheme
    nat_enabled ip_block ipv6_block ipv6_prefix_allocation_mode dns_primary dns_secondary ipv6_dns_addr ipv4_p_cscf_addr ipv6_p_cscf_addr
    ipv4_sgw_s1u_addr node_identifier sgi_management_iface_vlan sgi_management_iface_static_ip sgi_management_iface_gw
    sgi_management_iface_ipv6_addr sgi_management_iface_ipv6_gw amf_name amf_set_id amf_region_id amf_pointer amf_default_sst
    amf_default_sd csfb_mcc csfb_mnc lac csfb_rat arfcn_2g non_eps_service_control gateway_pool_id mme_code mme_relative_capacity
    encryption hash encoding keys
    serial name attached_gateway_id enodeb_config config_type device_class
    id flow_list match direction ip_proto ip_src ip_dst action priority service_identifier qos_profile rating_group monitoring_key
    tracking_type redirect support address_type server_address app_name app_service_type header_enrichment_targets assigned_subscribers
    class_id max_req_bw_ul max_req_bw_dl gbr arp
    lte state auth_algo auth_key auth_opc sub_profile active_apns active_policies active_policies_by_apn active_base_names static_ips
    forbidden_network_types config monitoring
    s6a s8 hss gx gy swx csfb eap_sim eap_aka aaa_server health served_network_ids served_nh_ids nh_routes
    autoupgrade_enabled autoupgrade_poll_interval checkin_interval checkin_timeout dynamic_services logging feature_flags vpn checkin_time
    hardware_id cert_expiration_time system_status platform_info machine_info meta";

/// The first two columns of each row.
fn rows() -> Vec<(&'static str, &'static str)> {
    let rows = CHAPTER.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut columns = row.trim_matches('|').split('|');
        (columns.next().unwrap(), columns.next().unwrap())
    })
    .collect()
}

/// What stands in backticks.
fn named(column: &str) -> impl Iterator<Item = &str> {
    column.split('`').skip(1).step_by(2)
}

#[test]
fn every_field_of_magma_has_its_place() {
    let told: BTreeSet<&str> = rows().iter().flat_map(|(theirs, _)| named(theirs)).collect();
    let missing: Vec<&str> = MAGMA.split_whitespace().filter(|name| !told.contains(name)).collect();
    assert!(missing.is_empty(), "docs/book/src/magma.md does not say where these go: {missing:?}");
}

#[test]
fn every_place_is_there() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut checked = 0;
    for name in rows().iter().flat_map(|(_, ours)| named(ours)) {
        let there = match name.split_once(' ') {
            Some((method, path)) => {
                let path = path.strip_prefix("//").map_or_else(
                    || format!("/api/v1/networks/{{network}}/{path}"),
                    |global| format!("/api/v1/{global}"),
                );
                document["paths"][path].get(method.to_lowercase()).is_some()
            }
            None => {
                let (schema, field) = name.split_once('.').expect("Schema.field, or METHOD path");
                document["components"]["schemas"][schema]["properties"].get(field).is_some()
            }
        };
        assert!(there, "{name} is not in openapi/orchestrator.json");
        checked += 1;
    }
    assert!(checked > 150, "{checked} places");
}
