//! Bodies of the orchestrator's objects, as far as a gateway reads them. What is not known here is left alone: an orchestrator may
//! be newer.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Network {
    pub epc: Epc,
    pub suci_profiles: Vec<Value>,
    pub dns: Dns,
    pub policy_rules: Vec<String>,
    pub base_names: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Epc {
    pub mcc: String,
    pub mnc: String,
    pub tac: u16,
    pub full_name: Option<String>,
    pub short_name: Option<String>,
    pub timers: BTreeMap<String, u64>,
    pub hss_relay_enabled: bool,
    pub gx_gy_relay_enabled: bool,
    pub cloud_subscriberdb_enabled: bool,
    pub enable_5g_features: bool,
    pub congestion_control_enabled: Option<bool>,
    pub network_services: Vec<String>,
    pub mobility: Mobility,
    pub restricted_plmns: Vec<String>,
    pub allowed_plmns: Vec<String>,
    pub restricted_imeis: Vec<Imei>,
    pub allowed_imeis: Vec<Imei>,
    pub default_rule: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Mobility {
    pub ip_allocation_mode: String,
    pub reserved_addresses: Vec<Ipv4Addr>,
    pub nat_ip_blocks: Vec<String>,
    pub static_ip_blocks_by_tac: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Imei {
    pub tac: String,
    pub snr: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Dns {
    pub enable_caching: bool,
    pub dhcp_server_enabled: bool,
    pub records: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Gateway {
    pub reporting: Reporting,
    pub epc: GatewayEpc,
    pub amf: Option<Value>,
    pub csfb: Option<Csfb>,
    pub pooling: Vec<Pooling>,
    pub dns: GatewayDns,
    pub header_enrichment: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reporting {
    pub dynamic_services: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayEpc {
    pub nat_enabled: Option<bool>,
    pub ip_block: Option<String>,
    pub ipv6_block: Option<String>,
    pub ipv6_prefix_random: bool,
    pub dns_servers: Vec<IpAddr>,
    pub p_cscf: Vec<IpAddr>,
    pub ipv4_sgw_s1u_addr: Option<Ipv4Addr>,
    pub management: Option<Value>,
    pub congestion_control_enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Csfb {
    pub control: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pooling {
    pub pool: String,
    pub mme_code: u8,
    pub mme_relative_capacity: u8,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayDns {
    pub replaces: Option<Dns>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayPool {
    pub mme_group_id: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TrackingArea {
    pub tac: u32,
    pub utc_offset_seconds: Option<i32>,
    pub zone_codes: Vec<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Enodeb {
    pub config_type: String,
    pub tac: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Apn {
    pub ip_blocks: BTreeMap<String, Vec<String>>,
    pub vlan: Option<u16>,
    pub vlan_address: Option<Ipv4Addr>,
    pub vlan_router: Option<Ipv4Addr>,
    pub egress: Option<String>,
    pub dns_servers: Vec<IpAddr>,
    pub p_cscf: Vec<IpAddr>,
    pub sst: Option<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rates {
    pub max_ul_bit_rate: u64,
    pub max_dl_bit_rate: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct QosProfile {
    pub qci: u32,
    pub arp: Arp,
    pub max: Option<Rates>,
    pub guaranteed: Option<Rates>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Arp {
    pub priority_level: u32,
    pub preemption_capability: bool,
    pub preemption_vulnerability: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RatingGroup {
    pub id: u32,
    pub limit_type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PolicyRule {
    pub priority: u32,
    pub flow_list: Vec<Flow>,
    pub qos_profile: Option<String>,
    pub rating_group: Option<String>,
    pub monitoring_key: Option<String>,
    pub tracking_type: String,
    pub redirect: Option<Redirect>,
    pub app_name: Option<String>,
    pub app_service_type: Option<String>,
    pub header_enrichment_targets: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Redirect {
    pub enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Flow {
    pub direction: String,
    pub action: String,
    pub ip_proto: Option<u8>,
    pub ip_src: Option<String>,
    pub ip_dst: Option<String>,
    pub port_src: Option<u16>,
    pub port_dst: Option<u16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BaseName {
    pub policy_rules: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Federation {
    pub gateways: Vec<Carrier>,
    pub networks: Vec<HomeNetwork>,
    pub others: bool,
    pub policy: VisitorPolicy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Carrier {
    pub gateway: String,
    pub address: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct HomeNetwork {
    pub plmn: String,
    pub imsis: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct VisitorPolicy {
    pub vectors: Option<u32>,
    pub vector_age: Option<u32>,
    pub profile_age: Option<u32>,
    pub check_equipment: bool,
    pub refuse_tracked: bool,
    pub refuse_unknown: bool,
    pub refuse_unchecked: bool,
}
