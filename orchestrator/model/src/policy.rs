//! Policy: rules, the sets they form, their quality, what they cost.

use crate::{Checker, Document, Kind, RateLimit, Reference};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Allocation and retention priority (TS 23.203 §6.1.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Arp {
    /// 1 (highest) to 15.
    pub priority_level: u8,
    /// It may take the place of others.
    pub preemption_capability: bool,
    /// Others may take its place.
    pub preemption_vulnerability: bool,
}

impl Default for Arp {
    fn default() -> Self {
        Self { priority_level: 15, preemption_capability: false, preemption_vulnerability: true }
    }
}

impl Arp {
    pub(crate) fn check(self, c: &mut Checker) {
        if !(1..=15).contains(&self.priority_level) {
            c.wrong_at("priority_level", format!("{} is out of range", self.priority_level), "1 (highest) to 15");
        }
    }
}

/// A QoS profile that policy rules share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QosProfile {
    /// QCI or 5QI: 1 to 9, 65 to 67, 69 to 76, 79, 80, 82 to 86 (TS 23.203 table 6.1.7-A, TS 23.501 table 5.7.4-1).
    pub qci: u8,
    /// Allocation and retention priority.
    #[serde(default)]
    pub arp: Arp,
    /// Limit, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<RateLimit>,
    /// Guaranteed rates: only and always with QCI 1 to 4, 65 to 67, 71 to 76, 82 to 86.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guaranteed: Option<RateLimit>,
}

impl Document for QosProfile {
    fn check(&self, _: &str, c: &mut Checker) {
        if !matches!(self.qci, 1..=9 | 65..=67 | 69..=76 | 79 | 80 | 82..=86) {
            let allowed = "1 to 9, 65 to 67, 69 to 76, 79, 80, 82 to 86";
            c.wrong_at("qci", format!("{} is no standard QCI", self.qci), allowed);
        }
        c.at("arp", |c| self.arp.check(c));
        for (field, rates) in [("max", self.max), ("guaranteed", self.guaranteed)] {
            if let Some(rates) = rates {
                c.at(field, |c| rates.check(c));
            }
        }
        let guarantees = matches!(self.qci, 1..=4 | 65..=67 | 71..=76 | 82..=86);
        if guarantees != self.guaranteed.is_some() {
            let what = format!("does not fit QCI {}", self.qci);
            c.wrong_at("guaranteed", what, "rates with a QCI of guaranteed rate, none with another");
        }
        if let (Some(max), Some(guaranteed)) = (self.max, self.guaranteed)
            && (guaranteed.max_ul_bit_rate > max.max_ul_bit_rate || guaranteed.max_dl_bit_rate > max.max_dl_bit_rate)
        {
            c.wrong_at("guaranteed", "is above `max`", "at most the rates of `max`");
        }
    }
}

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FlowDirection {
    /// From the phone.
    Uplink,
    /// To the phone.
    Downlink,
}

/// What happens to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// They pass.
    Permit,
    /// They are dropped.
    Deny,
}

/// One filter of a rule (TS 29.212 §5.4.2): what it does not say matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowRule {
    /// Which way.
    pub direction: FlowDirection,
    /// What happens.
    pub action: Action,
    /// Protocol number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_proto: Option<u8>,
    /// Source prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_src: Option<String>,
    /// Destination prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_dst: Option<String>,
    /// Source port, with `ip_proto` 6 or 17.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_src: Option<u16>,
    /// Destination port, with `ip_proto` 6 or 17.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_dst: Option<u16>,
}

/// What of a rule's traffic is counted for charging.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Tracking {
    /// Nothing.
    #[default]
    NoTracking,
    /// By rating group, online (Gy).
    OnlyOcs,
    /// By monitoring key (Gx).
    OnlyPcrf,
    /// By both.
    OcsAndPcrf,
}

/// The form of a redirect address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// A web address.
    Url,
    /// A SIP address.
    SipUri,
}

/// Where traffic is sent instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectAddress {
    /// Its form.
    pub address_type: AddressFamily,
    /// The address, at most 1000 characters.
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub server_address: String,
}

/// Redirection (TS 29.212 §5.3.82).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// It is on.
    pub enabled: bool,
    /// Where to.
    pub to: RedirectAddress,
}

/// A policy and charging rule (TS 23.203 §6.3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyRule {
    /// Order among rules: the lowest is matched first, 1 to 65,535.
    #[schema(minimum = 1, maximum = 65_535)]
    pub priority: u16,
    /// Its filters, at most 100; none matches everything.
    pub flow_list: Vec<FlowRule>,
    /// The QoS profile; the default bearer's, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos_profile: Option<String>,
    /// The rating group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating_group: Option<String>,
    /// Service identifier within the rating group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_identifier: Option<u32>,
    /// Monitoring key, at most 128 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring_key: Option<String>,
    /// What is counted.
    pub tracking_type: Tracking,
    /// Redirection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// The application that it matches, found by inspection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_name: Option<String>,
    /// The application's kind of traffic: `CHAT`, `AUDIO`, `VIDEO`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_service_type: Option<String>,
    /// Hosts whose requests get a header that names the subscriber, at most 100.
    pub header_enrichment_targets: Vec<String>,
}

impl Document for PolicyRule {
    fn check(&self, _: &str, c: &mut Checker) {
        c.range("priority", self.priority, 1..=65_535);
        if self.flow_list.len() > 100 {
            c.wrong_at("flow_list", format!("has {} filters", self.flow_list.len()), "at most 100");
        }
        c.each("flow_list", &self.flow_list, |c, flow| flow.check(c));
        if let Some(key) = &self.monitoring_key {
            c.text("monitoring_key", key, 128);
        }
        let (ocs, pcrf) = match self.tracking_type {
            Tracking::NoTracking => (false, false),
            Tracking::OnlyOcs => (true, false),
            Tracking::OnlyPcrf => (false, true),
            Tracking::OcsAndPcrf => (true, true),
        };
        if ocs && self.rating_group.is_none() {
            c.wrong_at("rating_group", "is missing though traffic is counted online", "a rating group");
        }
        if pcrf && self.monitoring_key.is_none() {
            c.wrong_at("monitoring_key", "is missing though traffic is monitored", "a monitoring key");
        }
        if let Some(redirect) = &self.redirect {
            c.at("redirect", |c| c.at("to", |c| redirect.to.check(c)));
        }
        if let Some(app) = &self.app_name {
            c.name_at("app_name", app);
        }
        if let Some(service) = &self.app_service_type {
            crate::gateway::one_of(c, "app_service_type", service, &["CHAT", "AUDIO", "VIDEO"]);
        }
        if self.header_enrichment_targets.len() > 100 {
            c.wrong_at("header_enrichment_targets", "has too many entries", "at most 100");
        }
        c.at("header_enrichment_targets", |c| {
            for (index, host) in self.header_enrichment_targets.iter().enumerate() {
                c.text(&index.to_string(), host, 253);
            }
        });
    }

    fn references(&self) -> Vec<Reference> {
        let qos = self.qos_profile.iter().map(|name| Reference::one("qos_profile", Kind::QosProfile, name));
        let group = self.rating_group.iter().map(|name| Reference::one("rating_group", Kind::RatingGroup, name));
        qos.chain(group).collect()
    }
}

impl FlowRule {
    fn check(&self, c: &mut Checker) {
        for (field, prefix) in [("ip_src", &self.ip_src), ("ip_dst", &self.ip_dst)] {
            if let Some(prefix) = prefix {
                c.prefix(field, prefix);
            }
        }
        let ports = matches!(self.ip_proto, Some(6 | 17));
        for (field, port) in [("port_src", self.port_src), ("port_dst", self.port_dst)] {
            if port.is_some() && !ports {
                c.wrong_at(field, "needs a protocol that has ports", "a port together with `ip_proto` 6 or 17");
            }
        }
    }
}

impl RedirectAddress {
    fn check(&self, c: &mut Checker) {
        c.text("server_address", &self.server_address, 1000);
        let text = self.server_address.as_str();
        let (good, allowed) = match self.address_type {
            AddressFamily::Ipv4 => (text.parse::<std::net::Ipv4Addr>().is_ok(), "an IPv4 address"),
            AddressFamily::Ipv6 => (text.parse::<std::net::Ipv6Addr>().is_ok(), "an IPv6 address"),
            AddressFamily::Url => (text.starts_with("http://") || text.starts_with("https://"), "http:// or https://"),
            AddressFamily::SipUri => (text.starts_with("sip:") || text.starts_with("sips:"), "sip: or sips:"),
        };
        if !good {
            c.wrong_at("server_address", "does not fit address_type", allowed);
        }
    }
}

/// A named set of policy rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BaseName {
    /// Its rules.
    pub policy_rules: Vec<String>,
}

impl Document for BaseName {
    fn check(&self, _: &str, c: &mut Checker) {
        c.distinct("policy_rules", &self.policy_rules);
    }

    fn references(&self) -> Vec<Reference> {
        Reference::list("policy_rules", Kind::PolicyRule, &self.policy_rules)
    }
}

/// What happens when a quota is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RatingLimit {
    /// Nothing passes from the beginning.
    InfiniteBlocked,
    /// A quota is asked for.
    Finite,
    /// Everything passes and is counted.
    #[default]
    InfiniteMetered,
    /// Everything passes and is not counted.
    InfiniteUnMetered,
}

/// A rating group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RatingGroup {
    /// Its number, 0 to 4,294,967,295.
    pub id: u32,
    /// How it is limited.
    pub limit_type: RatingLimit,
}

impl Document for RatingGroup {
    fn check(&self, _: &str, _: &mut Checker) {}
}

/// What a subscriber has bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataPlan {
    /// Name for people, at most 200 characters.
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// Limit of all traffic (UE-AMBR); none, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambr: Option<RateLimit>,
    /// Octets of a period; unlimited, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_octets: Option<u64>,
    /// Days of a period, 1 to 366.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 366)]
    pub period_days: Option<u16>,
    /// Limit after the quota; blocked, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_quota: Option<RateLimit>,
    /// Its policy rules.
    pub policy_rules: Vec<String>,
}

impl Document for DataPlan {
    fn check(&self, _: &str, c: &mut Checker) {
        c.text("title", &self.title, 200);
        for (field, rates) in [("ambr", self.ambr), ("after_quota", self.after_quota)] {
            if let Some(rates) = rates {
                c.at(field, |c| rates.check(c));
            }
        }
        c.range_if("period_days", self.period_days, 1..=366);
        if self.quota_octets.is_some() != self.period_days.is_some() {
            c.wrong_at(
                "period_days",
                "a quota and its period go together",
                "both `quota_octets` and `period_days`, or none",
            );
        }
        c.distinct("policy_rules", &self.policy_rules);
    }

    fn references(&self) -> Vec<Reference> {
        Reference::list("policy_rules", Kind::PolicyRule, &self.policy_rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(kind: Kind, body: &str) -> Vec<String> {
        let result = kind.parse("n", body.as_bytes());
        result.map_or_else(|errors| errors.into_iter().map(|error| error.path).collect(), |_| Vec::new())
    }

    #[test]
    fn guarantees_fit_the_class() {
        let rates = r#"{"max_ul_bit_rate":1000000,"max_dl_bit_rate":1000000}"#;
        for (body, expected) in [
            (r#"{"qci":9}"#.to_owned(), vec![]),
            (format!(r#"{{"qci":1,"guaranteed":{rates}}}"#), vec![]),
            (r#"{"qci":1}"#.to_owned(), vec!["/guaranteed"]),
            (format!(r#"{{"qci":9,"guaranteed":{rates}}}"#), vec!["/guaranteed"]),
            (r#"{"qci":10}"#.to_owned(), vec!["/qci"]),
        ] {
            assert_eq!(places(Kind::QosProfile, &body), expected, "{body}");
        }
    }

    #[test]
    fn filters_and_counting_are_whole() {
        let flow = r#"{"direction":"UPLINK","action":"DENY","ip_src":"10.0.0.1/8","port_dst":53}"#;
        let body = format!(r#"{{"priority":0,"flow_list":[{flow}],"tracking_type":"OCS_AND_PCRF"}}"#);
        assert_eq!(
            places(Kind::PolicyRule, &body),
            ["/priority", "/flow_list/0/ip_src", "/flow_list/0/port_dst", "/rating_group", "/monitoring_key"]
        );
        let body =
            r#"{"priority":1,"redirect":{"enabled":true,"to":{"address_type":"URL","server_address":"ftp://x"}}}"#;
        assert_eq!(places(Kind::PolicyRule, body), ["/redirect/to/server_address"]);
    }

    #[test]
    fn a_quota_has_a_period() {
        assert_eq!(places(Kind::DataPlan, r#"{"quota_octets":1}"#), ["/period_days"]);
        assert_eq!(places(Kind::DataPlan, r#"{"quota_octets":1,"period_days":30}"#), Vec::<String>::new());
    }
}
