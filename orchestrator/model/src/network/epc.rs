//! The core's settings: identity, timers, who is kept out, how phones get addresses.

use crate::Checker;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use utoipa::ToSchema;

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

impl EpcNetwork {
    pub(super) fn check(&self, c: &mut Checker) {
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
    pub(super) fn check(self, c: &mut Checker) {
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

impl Mobility {
    pub(super) fn check(&self, c: &mut Checker) {
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

impl ImeiRange {
    pub(super) fn check(&self, c: &mut Checker) {
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

/// Tracking areas in which somebody is served.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceArea {
    /// Tracking area codes.
    pub tacs: BTreeSet<u16>,
}
