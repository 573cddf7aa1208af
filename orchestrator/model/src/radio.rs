//! Base stations, tracking areas and access points.

use crate::gateway::one_of;
use crate::{Arp, Checker, Document, Kind, RateLimit, Reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use utoipa::ToSchema;

/// Whether a base station takes its settings from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EnodebMode {
    /// By TR-069.
    Managed,
    /// It has its own.
    Unmanaged,
}

/// An LTE base station. Its name is its serial number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enodeb {
    /// Name for people, at most 150 characters (TS 36.413 §9.2.1.14).
    #[serde(default)]
    #[schema(max_length = 150, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// The gateway it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Who settles it.
    pub config_type: EnodebMode,
    /// Make and model of a managed one, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_class: Option<String>,
    /// Cell identity, 0 to 268,435,455 (TS 36.413 §9.2.1.38).
    #[schema(maximum = 268_435_455)]
    pub cell_id: u32,
    /// Tracking area code, 1 to 65,533; its network's, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65_533)]
    pub tac: Option<u16>,
    /// Its address, when unmanaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ip_address: Option<IpAddr>,
    /// Downlink EARFCN of a managed one; its network's, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 262_143)]
    pub earfcndl: Option<u32>,
    /// Physical cell identity, 0 to 503 (TS 36.211 §6.11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 503)]
    pub pci: Option<u16>,
    /// MHz: 1 (for 1.4), 3, 5, 10, 15, 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth_mhz: Option<u8>,
    /// TDD uplink-downlink configuration, 0 to 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 6)]
    pub subframe_assignment: Option<u8>,
    /// TDD special subframe configuration, 0 to 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9)]
    pub special_subframe_pattern: Option<u8>,
    /// It may transmit.
    #[serde(default)]
    pub transmit_enabled: bool,
}

impl Document for Enodeb {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 150);
        c.range("cell_id", self.cell_id, 0..=268_435_455);
        c.range_if("tac", self.tac, 1..=65_533);
        c.range_if("earfcndl", self.earfcndl, 0..=262_143);
        c.range_if("pci", self.pci, 0..=503);
        if self.bandwidth_mhz.is_some_and(|mhz| ![1, 3, 5, 10, 15, 20].contains(&mhz)) {
            c.wrong_at("bandwidth_mhz", "is no LTE bandwidth", "1 (for 1.4), 3, 5, 10, 15 or 20");
        }
        c.range_if("subframe_assignment", self.subframe_assignment, 0..=6);
        c.range_if("special_subframe_pattern", self.special_subframe_pattern, 0..=9);
        if let Some(class) = &self.device_class {
            c.text("device_class", class, 100);
        } else if self.config_type == EnodebMode::Managed {
            c.wrong_at("device_class", "is missing", "make and model of a MANAGED base station");
        }
    }

    fn references(&self) -> Vec<Reference> {
        self.gateway.iter().map(|name| Reference::one("gateway", Kind::Gateway, name)).collect()
    }
}

/// An NR base station.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gnodeb {
    /// Name for people, at most 150 characters.
    #[serde(default)]
    #[schema(max_length = 150, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// The gateway it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// gNB identity, 0 to 4,294,967,295, of `gnb_id_length` bits (TS 38.413 §9.3.1.6).
    pub gnb_id: u32,
    /// Bits of the identity, 22 to 32.
    #[schema(minimum = 22, maximum = 32)]
    pub gnb_id_length: u8,
    /// 5GS tracking area code, 0 to 16,777,213.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 16_777_213)]
    pub tac: Option<u32>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ip_address: Option<IpAddr>,
}

impl Document for Gnodeb {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 150);
        c.range("gnb_id_length", self.gnb_id_length, 22..=32);
        let bits = u32::from(self.gnb_id_length.clamp(22, 32));
        c.range("gnb_id", u64::from(self.gnb_id), 0..=(1u64 << bits) - 1);
        c.range_if("tac", self.tac, 0..=16_777_213);
    }

    fn references(&self) -> Vec<Reference> {
        self.gateway.iter().map(|name| Reference::one("gateway", Kind::Gateway, name)).collect()
    }
}

/// A tracking area (TS 23.003 §19.4.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackingArea {
    /// Name for people, at most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// Tracking area code, 1 to 16,777,213; up to 65,533 for LTE.
    #[schema(minimum = 1, maximum = 16_777_213)]
    pub tac: u32,
    /// Gateways that serve it.
    #[serde(default)]
    pub gateways: Vec<String>,
    /// Seconds east of Greenwich that phones are told, a multiple of 900, -43,200 to 50,400 (TS 24.008 §10.5.3.8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset_seconds: Option<i32>,
    /// Zones that it belongs to, by the codes agreed with home networks, at most 100: their subscribers of other zones are refused here with
    /// EMM cause 12 (regional subscription, TS 29.272 §7.3.70). None: those of the gateway's own file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub zone_codes: Vec<u16>,
}

impl Document for TrackingArea {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 200);
        c.range("tac", self.tac, 1..=16_777_213);
        c.distinct("gateways", &self.gateways);
        if self.zone_codes.len() > 100 {
            c.wrong_at("zone_codes", "are too many", "at most 100");
        }
        if self.utc_offset_seconds.is_some_and(|offset| offset % 900 != 0 || !(-43_200..=50_400).contains(&offset)) {
            c.wrong_at("utc_offset_seconds", "is no time zone", "a multiple of 900 from -43200 to 50400");
        }
    }

    fn references(&self) -> Vec<Reference> {
        Reference::list("gateways", Kind::Gateway, &self.gateways)
    }
}

/// What addresses a session gets (TS 23.401 §5.3.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PdnType {
    /// IPv4 only.
    #[default]
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// Both.
    Ipv4v6,
}

/// How phones reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// Behind the gateway's address.
    Nat,
    /// With their own addresses.
    Routed,
    /// Behind external addresses, in blocks of ports, translated at the gateway's interface.
    XdpNat,
}

/// An access point (data network name). Its name is the network identifier (TS 23.003 §9.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apn {
    /// QCI of the default bearer, 5 to 9 (TS 23.203 §6.1.7.2: a default bearer has no guaranteed rate), or 69, 70, 79, 80.
    pub qci: u8,
    /// Allocation and retention priority.
    #[serde(default)]
    pub arp: Arp,
    /// Limit of all sessions of one subscriber (APN-AMBR).
    pub ambr: RateLimit,
    /// What addresses a session gets.
    #[serde(default)]
    pub pdn_type: PdnType,
    /// Blocks of its addresses, by gateway; the gateway's own, where absent.
    #[serde(default)]
    pub ip_blocks: BTreeMap<String, Vec<String>>,
    /// VLAN of its traffic on the gateway's internet side, 1 to 4094.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4094)]
    pub vlan: Option<u16>,
    /// The gateway's address in that VLAN; its own settings', when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub vlan_address: Option<Ipv4Addr>,
    /// The router in that VLAN; the gateway's own settings', when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub vlan_router: Option<Ipv4Addr>,
    /// How its phones reach the internet; as all of the gateway's, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
    /// Name servers; the gateway's, when empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub dns_servers: Vec<IpAddr>,
    /// P-CSCFs; the gateway's, when empty.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub p_cscf: Vec<IpAddr>,
    /// Slice/service type that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sst: Option<u8>,
    /// Slice differentiator, 6 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd: Option<String>,
    /// `internet` or `ims`, for defaults of policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

impl Document for Apn {
    fn check(&self, name: &str, c: &mut Checker) {
        if name.parse::<basalt_ids::Apn>().is_err() {
            c.wrong(
                "the name is no access point name",
                "labels of letters, digits and hyphens between dots, at most 99 characters",
            );
        }
        if !matches!(self.qci, 5..=9 | 69 | 70 | 79 | 80) {
            c.wrong_at("qci", format!("QCI {} cannot be a default bearer's", self.qci), "5 to 9, 69, 70, 79 or 80");
        }
        c.at("arp", |c| self.arp.check(c));
        c.at("ambr", |c| self.ambr.check(c));
        c.at("ip_blocks", |c| {
            for (gateway, blocks) in &self.ip_blocks {
                c.prefixes(gateway, blocks);
            }
        });
        c.range_if("vlan", self.vlan, 1..=4094);
        if self.vlan_address.is_some() != self.vlan_router.is_some()
            || (self.vlan_address.is_some() && self.vlan.is_none())
        {
            let allowed = "`vlan` alone, or `vlan`, `vlan_address` and `vlan_router` together";
            c.wrong_at("vlan_address", "address and router of a VLAN go together", allowed);
        }
        if let Some(sd) = &self.sd {
            c.hex("sd", sd, 6);
        }
        if let Some(purpose) = &self.purpose {
            one_of(c, "purpose", purpose, &["internet", "ims"]);
        }
    }

    fn references(&self) -> Vec<Reference> {
        let gateways = self.ip_blocks.keys();
        gateways.map(|name| Reference::one(&format!("ip_blocks/{name}"), Kind::Gateway, name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(kind: Kind, name: &str, body: &str) -> Vec<String> {
        let result = kind.parse(name, body.as_bytes());
        result.map_or_else(|errors| errors.into_iter().map(|error| error.path).collect(), |_| Vec::new())
    }

    #[test]
    fn base_stations_have_identities_that_fit() {
        let body = r#"{"config_type":"UNMANAGED","cell_id":138777000,"ip_address":"192.0.2.1"}"#;
        assert_eq!(places(Kind::Enodeb, "1202000038269KP0037", body), Vec::<String>::new());
        let body = r#"{"config_type":"MANAGED","cell_id":268435456,"pci":504,"bandwidth_mhz":2}"#;
        assert_eq!(places(Kind::Enodeb, "e", body), ["/cell_id", "/pci", "/bandwidth_mhz", "/device_class"]);
        assert_eq!(places(Kind::Gnodeb, "g", r#"{"gnb_id":4194304,"gnb_id_length":22}"#), ["/gnb_id"]);
        assert_eq!(places(Kind::Gnodeb, "g", r#"{"gnb_id":4294967295,"gnb_id_length":32}"#), Vec::<String>::new());
    }

    #[test]
    fn a_default_bearer_has_no_guaranteed_rate() {
        let body = |qci: u8| format!(r#"{{"qci":{qci},"ambr":{{"max_ul_bit_rate":1000000,"max_dl_bit_rate":999}}}}"#);
        assert_eq!(places(Kind::Apn, "internet", &body(1)), ["/qci", "/ambr/max_dl_bit_rate"]);
        assert_eq!(places(Kind::Apn, "a:b", &body(9)), ["", "/ambr/max_dl_bit_rate"]);
    }

    #[test]
    fn time_zones_are_quarters_of_an_hour() {
        assert_eq!(places(Kind::TrackingArea, "t", r#"{"tac":1,"utc_offset_seconds":19800}"#), Vec::<String>::new());
        assert_eq!(
            places(Kind::TrackingArea, "t", r#"{"tac":0,"utc_offset_seconds":100}"#),
            ["/tac", "/utc_offset_seconds"]
        );
    }
}
