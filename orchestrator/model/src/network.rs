//! Networks: whose radio it is, how phones get addresses, who is kept out.

use crate::{Checker, Document, Kind, Reference};
use basalt_ids::Apn;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use utoipa::ToSchema;

/// A radio network with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The tenant that owns it.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
    pub tenant: String,
    /// Name for people, at most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// At most 1000 characters.
    #[serde(default)]
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub description: String,
    /// The core's settings.
    #[serde(default)]
    pub epc: EpcNetwork,
    /// The radio's settings that managed base stations get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran: Option<RanNetwork>,
    /// Keys by which phones conceal their identity (TS 33.501 annex C).
    #[serde(default)]
    pub suci_profiles: Vec<SuciProfile>,
    /// Name service for phones.
    #[serde(default)]
    pub dns: Dns,
    /// Switches by name.
    #[serde(default)]
    pub features: BTreeMap<String, String>,
    /// The federation that serves its subscribers, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federation: Option<String>,
    /// Policy rules that hold for every subscriber.
    #[serde(default)]
    pub policy_rules: Vec<String>,
    /// Base names that hold for every subscriber.
    #[serde(default)]
    pub base_names: Vec<String>,
}

/// The core's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EpcNetwork {
    /// Mobile country code, 3 digits.
    pub mcc: String,
    /// Mobile network code, 2 or 3 digits.
    pub mnc: String,
    /// Tracking area code, 1 to 65,533 (TS 23.003 §19.4.2.3: 0 and 65,534 are reserved).
    #[schema(minimum = 1, maximum = 65_533)]
    pub tac: u16,
    /// Authentication management field, 4 hexadecimal digits, the first bit set (TS 33.401 §6.1.2).
    pub lte_auth_amf: String,
    /// The network's name on phones (TS 24.301 §9.9.3.24), at most 60 characters; as the gateways' own settings say, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Its short name, at most 20 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short_name: Option<String>,
    /// Timers; those of the gateways' own settings, where absent.
    pub timers: Timers,
    /// Rate limits that subscribers name.
    pub sub_profiles: BTreeMap<String, RateLimit>,
    /// Subscribers are authenticated by the partner's HSS.
    pub hss_relay_enabled: bool,
    /// Policy and charging come from the partner (Gx, Gy).
    pub gx_gy_relay_enabled: bool,
    /// Gateways ask the orchestrator for subscribers instead of holding them.
    pub cloud_subscriberdb_enabled: bool,
    /// 5G access is served.
    pub enable_5g_features: bool,
    /// Gateways refuse new attaches when overloaded.
    pub congestion_control_enabled: bool,
    /// Services in the path of packets: `dpi`, `policy_enforcement`.
    pub network_services: Vec<String>,
    /// How phones get addresses.
    pub mobility: Mobility,
    /// Networks (`001-01`) whose phones are refused.
    pub restricted_plmns: BTreeSet<String>,
    /// Networks whose phones are served; all, when empty.
    pub allowed_plmns: BTreeSet<String>,
    /// Equipment that is refused.
    pub restricted_imeis: Vec<ImeiRange>,
    /// Equipment that is served; all, when empty.
    pub allowed_imeis: Vec<ImeiRange>,
    /// Areas where subscribers of a name are served.
    pub service_areas: BTreeMap<String, ServiceArea>,
    /// Seconds after which a gateway asks anew though nothing was pushed, 10 to 86,400.
    #[schema(minimum = 10, maximum = 86_400)]
    pub subscriberdb_sync_interval: u32,
    /// The policy rule of sessions that have no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_rule: Option<String>,
}

impl Default for EpcNetwork {
    fn default() -> Self {
        Self {
            mcc: "001".to_owned(),
            mnc: "01".to_owned(),
            tac: 1,
            lte_auth_amf: "8000".to_owned(),
            full_name: None,
            short_name: None,
            timers: Timers::default(),
            sub_profiles: BTreeMap::new(),
            hss_relay_enabled: false,
            gx_gy_relay_enabled: false,
            cloud_subscriberdb_enabled: false,
            enable_5g_features: false,
            congestion_control_enabled: true,
            network_services: Vec::new(),
            mobility: Mobility::default(),
            restricted_plmns: BTreeSet::new(),
            allowed_plmns: BTreeSet::new(),
            restricted_imeis: Vec::new(),
            allowed_imeis: Vec::new(),
            service_areas: BTreeMap::new(),
            subscriberdb_sync_interval: 300,
            default_rule: None,
        }
    }
}

/// Timers of phones and gateways in seconds (TS 24.301 §10.2, §10.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timers {
    /// Between two periodic tracking area updates, 60 to 11,160.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t3412: Option<u32>,
    /// Before a phone tries again after failed attaches, 60 to 11,160.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t3402: Option<u32>,
    /// For the answer to a page, 1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t3413: Option<u32>,
    /// For the answer to a detach, 1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t3422: Option<u32>,
    /// For the answer to an attach or update, 1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t3450: Option<u32>,
    /// For the answer to an authentication or security mode, 1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t3460: Option<u32>,
    /// For the answer to a question for the identity, 1 to 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t3470: Option<u32>,
    /// Until a phone that missed its periodic update and was not seen is detached, 60 to 86,400.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 60, maximum = 86_400)]
    pub implicit_detach: Option<u32>,
    /// Until an address that was given back is given to another, 1 to 86,400.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 86_400)]
    pub quarantine: Option<u32>,
}

impl Timers {
    fn check(self, c: &mut Checker) {
        for (field, value) in [("t3412", self.t3412), ("t3402", self.t3402)] {
            c.range_if(field, value, 60..=11_160);
        }
        let guards = [
            ("t3413", self.t3413),
            ("t3422", self.t3422),
            ("t3450", self.t3450),
            ("t3460", self.t3460),
            ("t3470", self.t3470),
        ];
        for (field, value) in guards {
            c.range_if(field, value, 1..=60);
        }
        c.range_if("implicit_detach", self.implicit_detach, 60..=86_400);
        c.range_if("quarantine", self.quarantine, 1..=86_400);
    }
}

/// A pair of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Towards the network, bit/s.
    #[schema(minimum = 1000, maximum = 16_776_960_000_000_u64)]
    pub max_ul_bit_rate: u64,
    /// Towards the phone, bit/s.
    #[schema(minimum = 1000, maximum = 16_776_960_000_000_u64)]
    pub max_dl_bit_rate: u64,
}

impl RateLimit {
    pub(crate) fn check(self, c: &mut Checker) {
        for (field, rate) in [("max_ul_bit_rate", self.max_ul_bit_rate), ("max_dl_bit_rate", self.max_dl_bit_rate)] {
            // What an extended APN-AMBR of NAS can say (TS 24.301 §9.9.4.29).
            c.range(field, rate, 1000..=65_535 * 256 * 1_000_000);
        }
    }
}

/// How phones get addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mobility {
    /// Who gives them.
    pub ip_allocation_mode: AllocationMode,
    /// Static addresses of subscribers are used.
    pub enable_static_ip_assignments: bool,
    /// Each APN has its own blocks.
    pub enable_multi_apn_ip_allocation: bool,
    /// Addresses that no phone gets.
    #[schema(value_type = BTreeSet<String>)]
    pub reserved_addresses: BTreeSet<Ipv4Addr>,
    /// Blocks behind NAT.
    pub nat_ip_blocks: Vec<String>,
    /// Routed blocks, by tracking area code.
    pub static_ip_blocks_by_tac: BTreeMap<u16, Vec<String>>,
}

/// Who gives addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AllocationMode {
    /// The gateway, behind NAT.
    #[default]
    Nat,
    /// The gateway, routed.
    Static,
    /// A DHCP server, asked for the phone.
    DhcpPassthrough,
    /// A DHCP server, asked by broadcast.
    DhcpBroadcast,
}

/// Equipment: one device, or all of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImeiRange {
    /// Type allocation code, 8 digits (TS 23.003 §6.2.1).
    pub tac: String,
    /// Serial number, 6 digits; all of the type, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snr: Option<String>,
}

/// Tracking areas in which somebody is served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceArea {
    /// Tracking area codes.
    pub tacs: BTreeSet<u16>,
}

/// Settings of the cells of managed base stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RanNetwork {
    /// 1.4 (as 1), 3, 5, 10, 15 or 20 MHz.
    pub bandwidth_mhz: u8,
    /// Downlink EARFCN (TS 36.101 §5.7.3), 0 to 262,143.
    #[schema(maximum = 262_143)]
    pub earfcndl: u32,
    /// Uplink EARFCN of a paired band; absent for TDD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 262_143)]
    pub earfcnul: Option<u32>,
    /// The TDD frame; absent for FDD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tdd: Option<TddConfig>,
}

/// A TDD frame (TS 36.211 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TddConfig {
    /// Uplink-downlink configuration, 0 to 6.
    pub subframe_assignment: u8,
    /// Special subframe configuration, 0 to 9.
    pub special_subframe_pattern: u8,
}

/// A home network key pair (TS 33.501 annex C.3.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuciProfile {
    /// Home network public key identifier, 0 to 255.
    pub home_network_public_key_identifier: u8,
    /// ECIES profile.
    pub protection_scheme: SuciScheme,
    /// Public key in hexadecimal: 64 digits for profile A, 66 (compressed) for profile B.
    pub home_network_public_key: String,
    /// Write-only: private key, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub home_network_private_key: Option<String>,
}

/// ECIES profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuciScheme {
    /// Curve25519.
    ProfileA,
    /// secp256r1.
    ProfileB,
}

/// Name service for phones and base stations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// The gateway answers from a cache.
    pub enable_caching: bool,
    /// Seconds that local records live, 0 to 86,400.
    #[schema(maximum = 86_400)]
    pub local_ttl: u32,
    /// The gateway gives addresses to base stations.
    pub dhcp_server_enabled: bool,
    /// Local records.
    pub records: Vec<DnsRecord>,
}

/// A local record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsRecord {
    /// The name.
    pub domain: String,
    /// Its IPv4 addresses.
    #[schema(value_type = Vec<String>)]
    pub a_record: Vec<Ipv4Addr>,
    /// Its IPv6 addresses.
    #[schema(value_type = Vec<String>)]
    pub aaaa_record: Vec<Ipv6Addr>,
    /// Its other names.
    pub cname_record: Vec<String>,
}

impl Dns {
    pub(crate) fn check(&self, c: &mut Checker) {
        c.range("local_ttl", self.local_ttl, 0..=86_400);
        c.each("records", &self.records, |c, record| {
            for (field, name) in core::iter::once(("domain", &record.domain))
                .chain(record.cname_record.iter().map(|n| ("cname_record", n)))
            {
                let _: Option<Apn> = c.parses(field, name, "labels of letters, digits and hyphens between dots");
            }
        });
    }
}

impl Document for Network {
    fn check(&self, _: &str, c: &mut Checker) {
        c.name_at("tenant", &self.tenant);
        c.text("title", &self.title, 200);
        c.text("description", &self.description, 1000);
        c.at("epc", |c| self.epc.check(c));
        if let Some(ran) = &self.ran {
            c.at("ran", |c| ran.check(c));
        }
        c.each("suci_profiles", &self.suci_profiles, |c, profile| profile.check(c));
        c.distinct(
            "suci_profiles",
            self.suci_profiles.iter().map(|profile| &profile.home_network_public_key_identifier),
        );
        c.at("dns", |c| self.dns.check(c));
        c.at("features", |c| {
            for (name, value) in &self.features {
                c.at(name, |c| c.name(name));
                c.text(name, value, 1000);
            }
        });
        c.distinct("policy_rules", &self.policy_rules);
        c.distinct("base_names", &self.base_names);
    }

    fn references(&self) -> Vec<Reference> {
        vec![Reference::one("tenant", Kind::Tenant, &self.tenant)]
    }

    fn take_secrets(&mut self) -> BTreeMap<String, String> {
        let taken = self.suci_profiles.iter_mut().filter_map(|profile| {
            let key = profile.home_network_private_key.take()?;
            Some((suci_secret(profile), key))
        });
        taken.collect()
    }

    fn secret_names(&self) -> Vec<String> {
        self.suci_profiles.iter().map(suci_secret).collect()
    }
}

fn suci_secret(profile: &SuciProfile) -> String {
    format!("suci_profiles.{}", profile.home_network_public_key_identifier)
}

impl EpcNetwork {
    fn check(&self, c: &mut Checker) {
        c.plmn(&self.mcc, &self.mnc);
        c.range("tac", self.tac, 1..=65_533);
        c.hex("lte_auth_amf", &self.lte_auth_amf, 4);
        for (field, name, most) in [("full_name", &self.full_name, 60), ("short_name", &self.short_name, 20)] {
            if let Some(name) = name {
                c.text(field, name, most);
            }
        }
        c.at("timers", |c| self.timers.check(c));
        if self.lte_auth_amf.bytes().next().is_some_and(|first| (b'0'..b'8').contains(&first)) {
            c.wrong_at("lte_auth_amf", "the separation bit is not set", "4 hexadecimal digits from 8000 to ffff");
        }
        c.at("sub_profiles", |c| {
            for (name, rates) in &self.sub_profiles {
                c.at(name, |c| {
                    c.name(name);
                    rates.check(c);
                });
            }
        });
        c.each("network_services", &self.network_services, |c, service| {
            if !["dpi", "policy_enforcement"].contains(&service.as_str()) {
                c.wrong("is no network service", "`dpi` or `policy_enforcement`");
            }
        });
        c.at("mobility", |c| self.mobility.check(c));
        for (field, plmns) in [("restricted_plmns", &self.restricted_plmns), ("allowed_plmns", &self.allowed_plmns)] {
            c.at(field, |c| {
                for (index, plmn) in plmns.iter().enumerate() {
                    let _: Option<basalt_ids::Plmn> = c.parses(&index.to_string(), plmn, "a PLMN such as 001-01");
                }
            });
        }
        for (field, imeis) in [("restricted_imeis", &self.restricted_imeis), ("allowed_imeis", &self.allowed_imeis)] {
            c.each(field, imeis, |c, imei| imei.check(c));
        }
        c.range("subscriberdb_sync_interval", self.subscriberdb_sync_interval, 10..=86_400);
    }
}

impl Mobility {
    fn check(&self, c: &mut Checker) {
        c.prefixes("nat_ip_blocks", &self.nat_ip_blocks);
        c.at("static_ip_blocks_by_tac", |c| {
            for (tac, blocks) in &self.static_ip_blocks_by_tac {
                c.prefixes(&tac.to_string(), blocks);
            }
        });
        if self.ip_allocation_mode == AllocationMode::Static && self.static_ip_blocks_by_tac.is_empty() {
            let allowed = "blocks for at least one tracking area, or another ip_allocation_mode";
            c.wrong_at("static_ip_blocks_by_tac", "is empty though addresses are STATIC", allowed);
        }
    }
}

impl ImeiRange {
    fn check(&self, c: &mut Checker) {
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(&self.tac, 8) {
            c.wrong_at("tac", "is no type allocation code", "8 decimal digits");
        }
        if self.snr.as_ref().is_some_and(|snr| !digits(snr, 6)) {
            c.wrong_at("snr", "is no serial number", "6 decimal digits, or absent for all devices of the type");
        }
    }

    /// Whether a device belongs to it. `imei` is 14 digits or more.
    #[must_use]
    pub fn matches(&self, imei: &str) -> bool {
        let Some(serial) = imei.strip_prefix(self.tac.as_str()) else { return false };
        self.snr.as_ref().is_none_or(|snr| serial.starts_with(snr.as_str()))
    }
}

impl RanNetwork {
    fn check(&self, c: &mut Checker) {
        if ![1, 3, 5, 10, 15, 20].contains(&self.bandwidth_mhz) {
            let what = format!("{} MHz is no LTE bandwidth", self.bandwidth_mhz);
            c.wrong_at("bandwidth_mhz", what, "1 (for 1.4), 3, 5, 10, 15 or 20");
        }
        c.range("earfcndl", self.earfcndl, 0..=262_143);
        c.range_if("earfcnul", self.earfcnul, 0..=262_143);
        if let Some(tdd) = self.tdd {
            c.at("tdd", |c| {
                c.range("subframe_assignment", tdd.subframe_assignment, 0..=6);
                c.range("special_subframe_pattern", tdd.special_subframe_pattern, 0..=9);
            });
        }
        if self.tdd.is_some() == self.earfcnul.is_some() {
            c.wrong("is neither FDD nor TDD", "`earfcnul` for FDD, `tdd` for TDD, not both");
        }
    }
}

impl SuciProfile {
    fn check(&self, c: &mut Checker) {
        let digits = match self.protection_scheme {
            SuciScheme::ProfileA => 64,
            SuciScheme::ProfileB => 66,
        };
        c.hex("home_network_public_key", &self.home_network_public_key, digits);
        if let Some(key) = &self.home_network_private_key {
            c.hex("home_network_private_key", key, 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(body: &str) -> Vec<String> {
        let errors = Kind::Network.parse("n", body.as_bytes()).map(|_| Vec::new()).unwrap_or_else(|errors| errors);
        errors.into_iter().map(|error| error.path).collect()
    }

    #[test]
    fn a_tenant_is_enough() {
        assert_eq!(faults(r#"{"tenant":"t"}"#), Vec::<String>::new());
        assert!(Kind::Network.parse("n", b"{}").unwrap_err()[0].what.contains("missing field `tenant`"));
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_places() {
        let body = r#"{"tenant":"t","epc":{"mcc":"1","mnc":"x","tac":0,"lte_auth_amf":"0000",
            "restricted_plmns":["001-01","1"],"restricted_imeis":[{"tac":"12"}],
            "mobility":{"ip_allocation_mode":"STATIC","nat_ip_blocks":["192.168.128.1/24"]}},
            "ran":{"bandwidth_mhz":7,"earfcndl":1}}"#;
        assert_eq!(
            faults(body),
            [
                "/epc/mcc",
                "/epc/mnc",
                "/epc/tac",
                "/epc/lte_auth_amf",
                "/epc/mobility/nat_ip_blocks/0",
                "/epc/mobility/static_ip_blocks_by_tac",
                "/epc/restricted_plmns/1",
                "/epc/restricted_imeis/0/tac",
                "/ran/bandwidth_mhz",
                "/ran",
            ]
        );
    }

    #[test]
    fn equipment_is_matched_by_type_or_serial() {
        let all = ImeiRange { tac: "35824005".to_owned(), snr: None };
        let one = ImeiRange { snr: Some("111111".to_owned()), ..all.clone() };
        assert!(all.matches("358240051234567") && !one.matches("358240051234567"));
        assert!(one.matches("358240051111110") && !all.matches("358240061111110"));
    }

    #[test]
    fn private_keys_leave_the_body() {
        let key = "c53c22208b61860b06c62e5406a7b330c2b577aa5558981510d128247d38bd1d";
        let body = format!(
            r#"{{"tenant":"t","suci_profiles":[{{"home_network_public_key_identifier":27,"protection_scheme":"profile_a",
               "home_network_public_key":"{key}","home_network_private_key":"{}"}}]}}"#,
            "ab".repeat(32)
        );
        let parsed = Kind::Network.parse("n", body.as_bytes()).unwrap();
        assert_eq!(parsed.needed_secrets, ["suci_profiles.27"]);
        assert_eq!(parsed.secrets["suci_profiles.27"], "ab".repeat(32));
        assert!(!parsed.body.to_string().contains("abab") && !format!("{parsed:?}").contains("abab"));
    }
}
