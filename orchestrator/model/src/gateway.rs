//! Gateways, the tiers that say which version they run, and the pools in which they stand in for each other.

use crate::{AutomaticUpgrades, Checker, Dns, Document, Kind, Place, Reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use utoipa::ToSchema;

/// A group of gateways that run one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// Name for people, at most 200 characters.
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// The version that its gateways should run; the one they have, when empty. Those with `autoupgrade_enabled` take it by themselves.
    pub version: String,
    /// Per cent of the tier's gateways that may upgrade at once, 1 to 100; 0 means one after the other. For upgrades that begin by
    /// themselves.
    #[schema(maximum = 100)]
    pub parallel_percent: u8,
    /// How upgrades begin by themselves. Without it they do where `version` says which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutomaticUpgrades>,
}

impl Document for Tier {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 200);
        if !self.version.is_empty() {
            c.name_at("version", &self.version);
        }
        c.range("parallel_percent", self.parallel_percent, 0..=100);
        if let Some(automatic) = &self.automatic {
            c.at("automatic", |c| automatic.check(c));
        }
    }
}

/// An access gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Name for people, at most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// At most 1000 characters.
    #[serde(default)]
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub description: String,
    /// Its tier.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
    pub tier: String,
    /// Where it stands, for maps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// How it reports.
    #[serde(default)]
    pub reporting: Reporting,
    /// The 4G core.
    #[serde(default)]
    pub epc: GatewayEpc,
    /// The 5G identity, when 5G is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amf: Option<AmfIdentity>,
    /// Fallback to circuits for voice, when there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csfb: Option<Csfb>,
    /// Its pools.
    #[serde(default)]
    pub pooling: Vec<Pooling>,
    /// Name service.
    #[serde(default)]
    pub dns: GatewayDns,
    /// What it writes into HTTP requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_enrichment: Option<HeaderEnrichment>,
    /// Only these subscribers are sent to it; all of the network, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<crate::SubscriberSelection>,
    /// Switches by name.
    #[serde(default)]
    pub features: BTreeMap<String, String>,
    /// It is a federation gateway, no access gateway, when present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feg: Option<FegIdentity>,
}

/// Who a federation gateway is to its Diameter peers (RFC 6733 §4.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FegIdentity {
    /// Its Origin-Host.
    pub host: String,
    /// Its Origin-Realm.
    pub realm: String,
}

/// How a gateway reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reporting {
    /// It takes new versions of its tier by itself: it is part of rollouts that begin by themselves.
    pub autoupgrade_enabled: bool,
    /// Seconds between two looks for a version, 60 to 86,400. The orchestrator looks for all gateways of a tier, as often as the most
    /// eager of them wants.
    #[schema(minimum = 60, maximum = 86_400)]
    pub autoupgrade_poll_interval: u32,
    /// Seconds between two check-ins, 5 to 3600.
    #[schema(minimum = 5, maximum = 3600)]
    pub checkin_interval: u32,
    /// Seconds after which an unanswered check-in has failed, 1 to 600.
    #[schema(minimum = 1, maximum = 600)]
    pub checkin_timeout: u32,
    /// Services that run beside the core.
    pub dynamic_services: Vec<String>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`.
    pub log_level: String,
}

impl Default for Reporting {
    fn default() -> Self {
        Self {
            autoupgrade_enabled: false,
            autoupgrade_poll_interval: 300,
            checkin_interval: 60,
            checkin_timeout: 30,
            dynamic_services: Vec::new(),
            log_level: "info".to_owned(),
        }
    }
}

/// The 4G core of a gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayEpc {
    /// Phones are behind NAT (`true`) or routed (`false`); as the gateway's own settings say, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat_enabled: Option<bool>,
    /// IPv4 block of its phones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<String>,
    /// IPv6 block of its phones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_block: Option<String>,
    /// IPv6 prefixes are drawn at random instead of derived from the subscriber.
    pub ipv6_prefix_random: bool,
    /// Name servers of phones, in order of preference, at most 4.
    #[schema(value_type = Vec<String>)]
    pub dns_servers: Vec<IpAddr>,
    /// P-CSCFs that phones are told (TS 24.229 §9.2.1), at most 8.
    #[schema(value_type = Vec<String>)]
    pub p_cscf: Vec<IpAddr>,
    /// Its address towards base stations, when it cannot be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ipv4_sgw_s1u_addr: Option<Ipv4Addr>,
    /// Its management interface in the internet's direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub management: Option<ManagementInterface>,
    /// It refuses new attaches when overloaded; as its network, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub congestion_control_enabled: Option<bool>,
    /// Seconds, 10 to 86,400; as its network, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 10, maximum = 86_400)]
    pub subscriberdb_sync_interval: Option<u32>,
}

/// Its management interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ManagementInterface {
    /// VLAN, 1 to 4094.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4094)]
    pub vlan: Option<u16>,
    /// Address with prefix length: `192.0.2.5/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_ip: Option<String>,
    /// Router.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub gw: Option<Ipv4Addr>,
    /// IPv6 address with prefix length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_addr: Option<String>,
    /// IPv6 router.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ipv6_gw: Option<Ipv6Addr>,
}

/// Who it is to 5G phones and base stations (TS 23.003 §2.10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmfIdentity {
    /// AMF name, at most 150 characters (TS 38.413 §9.3.3.21).
    pub name: String,
    /// AMF region, 0 to 255.
    pub region_id: u8,
    /// AMF set, 0 to 1023.
    #[schema(maximum = 1023)]
    pub set_id: u16,
    /// AMF pointer, 0 to 63.
    #[schema(maximum = 63)]
    pub pointer: u8,
    /// Slice/service type of phones that ask for none.
    pub default_sst: u8,
    /// Slice differentiator, 6 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_sd: Option<String>,
}

/// Services that are not EPS (TS 23.272).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Csfb {
    /// What there is.
    pub control: NonEpsControl,
    /// Mobile country code of the circuit-switched network.
    pub mcc: String,
    /// Mobile network code of it.
    pub mnc: String,
    /// Location area code, 1 to 65,533.
    #[schema(minimum = 1, maximum = 65_533)]
    pub lac: u16,
    /// Radio that phones fall back to: `2G` or `3G`.
    pub rat: String,
    /// 2G channel numbers, 0 to 1023.
    #[serde(default)]
    pub arfcn_2g: Vec<u16>,
}

/// What a gateway offers beside EPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NonEpsControl {
    /// Nothing.
    Off,
    /// Calls and messages over SGs.
    CsfbAndSms,
    /// Messages over SGs.
    Sms,
    /// Messages that the orchestrator keeps.
    SmsOrchestrator,
}

/// A gateway's part in a pool (TS 23.236).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pooling {
    /// The pool.
    pub pool: String,
    /// Its MME code there, 0 to 255: one gateway each.
    pub mme_code: u8,
    /// Its share of new phones, 0 to 255 (TS 36.413 §9.2.3.17).
    pub mme_relative_capacity: u8,
}

/// Name service of one gateway; what it does not say is its network's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayDns {
    /// Replaces that of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Dns>,
}

/// Identification of subscribers to chosen web servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderEnrichment {
    /// `none`, `rc4` or `aes256_cbc_hmac_md5`.
    pub encryption: String,
    /// `md5`, `hex` or `sha256`.
    pub hash: String,
    /// `base64` or `hex2bin`.
    pub encoding: String,
    /// Write-only: key, 8 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub key: Option<String>,
}

/// Gateways that stand in for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayPool {
    /// Name for people, at most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// MME group identity, 0 to 65,535.
    pub mme_group_id: u16,
}

impl Document for GatewayPool {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 200);
    }
}

impl Document for Gateway {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 200);
        c.text("description", &self.description, 1000);
        c.name_at("tier", &self.tier);
        if let Some(place) = &self.place {
            c.at("place", |c| place.check(c));
        }
        c.at("reporting", |c| self.reporting.check(c));
        c.at("epc", |c| self.epc.check(c));
        if let Some(amf) = &self.amf {
            c.at("amf", |c| amf.check(c));
        }
        if let Some(csfb) = &self.csfb {
            c.at("csfb", |c| csfb.check(c));
        }
        c.distinct("pooling", self.pooling.iter().map(|part| &part.pool));
        if let Some(dns) = &self.dns.replaces {
            c.at("dns", |c| c.at("replaces", |c| dns.check(c)));
        }
        if let Some(enrichment) = &self.header_enrichment {
            c.at("header_enrichment", |c| enrichment.check(c));
        }
        if let Some(feg) = &self.feg {
            c.at("feg", |c| {
                crate::federation::identity(c, "host", &feg.host);
                crate::federation::identity(c, "realm", &feg.realm);
            });
        }
        c.at("features", |c| {
            for (name, value) in &self.features {
                c.at(name, |c| c.name(name));
                c.text(name, value, 1000);
            }
        });
    }

    fn references(&self) -> Vec<Reference> {
        let pools = self.pooling.iter().enumerate();
        let pools =
            pools.map(|(index, part)| Reference::one(&format!("pooling/{index}/pool"), Kind::GatewayPool, &part.pool));
        core::iter::once(Reference::one("tier", Kind::Tier, &self.tier)).chain(pools).collect()
    }

    fn take_secrets(&mut self) -> BTreeMap<String, String> {
        let key = self.header_enrichment.as_mut().and_then(|enrichment| enrichment.key.take());
        key.map(|key| ("header_enrichment".to_owned(), key)).into_iter().collect()
    }

    fn secret_names(&self) -> Vec<String> {
        let encrypts = self.header_enrichment.as_ref().is_some_and(|enrichment| enrichment.encryption != "none");
        if encrypts { vec!["header_enrichment".to_owned()] } else { Vec::new() }
    }
}

impl Reporting {
    fn check(&self, c: &mut Checker) {
        c.range("autoupgrade_poll_interval", self.autoupgrade_poll_interval, 60..=86_400);
        c.range("checkin_interval", self.checkin_interval, 5..=3600);
        c.range("checkin_timeout", self.checkin_timeout, 1..=600);
        c.each("dynamic_services", &self.dynamic_services, |c, service| c.name(service));
        one_of(c, "log_level", &self.log_level, &["error", "warn", "info", "debug", "trace"]);
    }
}

impl GatewayEpc {
    fn check(&self, c: &mut Checker) {
        for (field, block) in [("ip_block", &self.ip_block), ("ipv6_block", &self.ipv6_block)] {
            if let Some(block) = block {
                c.prefix(field, block);
            }
        }
        c.at("dns_servers", |c| at_most(c, self.dns_servers.len(), 4));
        c.at("p_cscf", |c| at_most(c, self.p_cscf.len(), 8));
        if let Some(management) = &self.management {
            c.at("management", |c| management.check(c));
        }
        c.range_if("subscriberdb_sync_interval", self.subscriberdb_sync_interval, 10..=86_400);
    }
}

impl ManagementInterface {
    fn check(&self, c: &mut Checker) {
        c.range_if("vlan", self.vlan, 1..=4094);
        for (field, text, most) in [("static_ip", &self.static_ip, 32u8), ("ipv6_addr", &self.ipv6_addr, 128)] {
            let Some(text) = text else { continue };
            let good = text.split_once('/').is_some_and(|(address, length)| {
                let family = match most {
                    32 => address.parse::<Ipv4Addr>().is_ok(),
                    _ => address.parse::<Ipv6Addr>().is_ok(),
                };
                family && length.parse::<u8>().is_ok_and(|length| length <= most)
            });
            if !good {
                c.wrong_at(field, "is no address with prefix length", "such as 192.0.2.5/24 or 2001:db8::5/64");
            }
        }
    }
}

impl AmfIdentity {
    fn check(&self, c: &mut Checker) {
        c.range("name", self.name.len(), 1..=150);
        c.range("set_id", self.set_id, 0..=1023);
        c.range("pointer", self.pointer, 0..=63);
        if let Some(sd) = &self.default_sd {
            c.hex("default_sd", sd, 6);
        }
    }
}

impl Csfb {
    fn check(&self, c: &mut Checker) {
        c.plmn(&self.mcc, &self.mnc);
        c.range("lac", self.lac, 1..=65_533);
        one_of(c, "rat", &self.rat, &["2G", "3G"]);
        c.each("arfcn_2g", &self.arfcn_2g, |c, channel| {
            if *channel > 1023 {
                c.wrong(format!("{channel} is out of range"), "0 to 1023");
            }
        });
    }
}

impl HeaderEnrichment {
    fn check(&self, c: &mut Checker) {
        one_of(c, "encryption", &self.encryption, &["none", "rc4", "aes256_cbc_hmac_md5"]);
        one_of(c, "hash", &self.hash, &["md5", "hex", "sha256"]);
        one_of(c, "encoding", &self.encoding, &["base64", "hex2bin"]);
        if let Some(key) = &self.key {
            c.range("key", key.len(), 8..=256);
        }
    }
}

/// A text must be one of a few.
pub(crate) fn one_of(c: &mut Checker, field: &str, text: &str, allowed: &[&str]) {
    if !allowed.contains(&text) {
        c.wrong_at(field, format!("`{}` is none of them", crate::check::shown(text)), allowed.join(", "));
    }
}

fn at_most(c: &mut Checker, count: usize, most: usize) {
    if count > most {
        c.wrong(format!("has {count} entries"), format!("at most {most}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_enough_and_speaks_of_it() {
        let parsed = Kind::Gateway
            .parse("g1", br#"{"tier":"stable","pooling":[{"pool":"p","mme_code":1,"mme_relative_capacity":9}]}"#);
        let references = parsed.unwrap().references;
        assert_eq!(references[0], Reference::one("tier", Kind::Tier, "stable"));
        assert_eq!(references[1].path, "/pooling/0/pool");
    }

    #[test]
    fn faults_have_places() {
        let body = br#"{"tier":"t","reporting":{"checkin_interval":1,"log_level":"loud"},
            "epc":{"ip_block":"10.0.0.1/8","management":{"vlan":4095,"static_ip":"10.0.0.1/33"}},
            "amf":{"name":"a","region_id":1,"set_id":1024,"pointer":64,"default_sst":1,"default_sd":"xyz"},
            "csfb":{"control":"sms","mcc":"001","mnc":"01","lac":0,"rat":"5G","arfcn_2g":[1024]}}"#;
        let errors = Kind::Gateway.parse("g1", body).unwrap_err();
        let places: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            places,
            [
                "/reporting/checkin_interval",
                "/reporting/log_level",
                "/epc/ip_block",
                "/epc/management/vlan",
                "/epc/management/static_ip",
                "/amf/set_id",
                "/amf/pointer",
                "/amf/default_sd",
                "/csfb/lac",
                "/csfb/rat",
                "/csfb/arfcn_2g/0",
            ]
        );
    }
}
