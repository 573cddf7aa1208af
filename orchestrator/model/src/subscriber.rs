//! Subscribers. Their keys come in and never out.

use crate::{Checker, Document, Kind, Reference};
use basalt_ids::{Imsi, Msisdn};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use utoipa::ToSchema;

/// A subscriber. Its name is the IMSI, 6 to 15 digits without prefix (TS 23.003 §2.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// Name for people, at most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub title: String,
    /// Whether it is served.
    #[serde(default)]
    pub state: SubscriberState,
    /// Telephone number, 3 to 15 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<String>,
    /// Authentication functions of its SIM.
    #[serde(default)]
    pub auth_algo: AuthAlgorithm,
    /// Write-only: the keys of its SIM. Once given, they stay until others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub keys: Option<SimKeys>,
    /// Rate limits, by name in its network's `epc.sub_profiles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_profile: Option<String>,
    /// What it has bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_plan: Option<String>,
    /// Its access points; the first is the default one. All of the network, when empty.
    #[serde(default)]
    pub active_apns: Vec<SubscriberApn>,
    /// Its policy rules.
    #[serde(default)]
    pub active_policies: Vec<String>,
    /// Its base names.
    #[serde(default)]
    pub active_base_names: Vec<String>,
    /// Radio accesses that it may not use (TS 29.272 §7.3.31).
    #[serde(default)]
    pub forbidden_network_types: BTreeSet<Rat>,
    /// Names of the network's service areas where it is served; everywhere, when empty.
    #[serde(default)]
    pub service_areas: Vec<String>,
    /// Labels by which gateways select.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl core::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Subscriber")
            .field("state", &self.state)
            .field("has_keys", &self.keys.is_some())
            .finish_non_exhaustive()
    }
}

/// Whether a subscriber is served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscriberState {
    /// Yes.
    #[default]
    Active,
    /// Attaches are refused.
    Inactive,
}

/// Authentication functions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthAlgorithm {
    /// TS 35.206.
    #[default]
    Milenage,
    /// TS 35.231.
    Tuak,
}

/// A radio access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rat {
    /// LTE.
    Eutran,
    /// NB-IoT.
    NbIot,
    /// NR as a second cell of an LTE phone.
    NrEnDc,
    /// NR with the 5G core.
    Nr,
    /// Wi-Fi.
    Wlan,
}

/// Keys of a SIM, in hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimKeys {
    /// K: 32 digits; 64 too for TUAK.
    pub k: String,
    /// OPc for Milenage (32 digits), TOPc for TUAK (64).
    pub opc: String,
}

impl core::fmt::Debug for SimKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SimKeys(…)")
    }
}

/// An access point of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriberApn {
    /// Which.
    pub apn: String,
    /// Its own address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_address: Option<StaticAddress>,
    /// Networks behind the phone (RFC 2865 §5.22), at most 32.
    #[serde(default)]
    pub framed_routes: Vec<String>,
    /// Policy rules of its sessions there.
    #[serde(default)]
    pub policies: Vec<String>,
}

/// A subscriber's own addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StaticAddress {
    /// IPv4.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ipv4: Option<Ipv4Addr>,
    /// Any address of its IPv6 /64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ipv6: Option<std::net::Ipv6Addr>,
}

impl Document for Subscriber {
    fn check(&self, name: &str, c: &mut Checker) {
        if name.parse::<Imsi>().is_err() {
            c.wrong("the name of a subscriber is its IMSI", "6 to 15 decimal digits, without a prefix");
        }
        c.text("title", &self.title, 200);
        if let Some(msisdn) = &self.msisdn {
            let _: Option<Msisdn> = c.parses("msisdn", msisdn, "3 to 15 decimal digits without `+`");
        }
        if let Some(keys) = &self.keys {
            c.at("keys", |c| keys.check(self.auth_algo, c));
        }
        c.distinct("active_apns", self.active_apns.iter().map(|apn| &apn.apn));
        c.each("active_apns", &self.active_apns, |c, apn| apn.check(c));
        c.distinct("active_policies", &self.active_policies);
        c.distinct("active_base_names", &self.active_base_names);
        c.distinct("service_areas", &self.service_areas);
        c.at("labels", |c| {
            for (label, value) in &self.labels {
                c.at(label, |c| c.name(label));
                c.text(label, value, 128);
            }
        });
    }

    fn references(&self) -> Vec<Reference> {
        let mut all: Vec<Reference> =
            self.data_plan.iter().map(|name| Reference::one("data_plan", Kind::DataPlan, name)).collect();
        for (index, apn) in self.active_apns.iter().enumerate() {
            all.push(Reference::one(&format!("active_apns/{index}/apn"), Kind::Apn, &apn.apn));
            let field = format!("active_apns/{index}/policies");
            all.extend(Reference::list(&field, Kind::PolicyRule, &apn.policies));
        }
        all.extend(Reference::list("active_policies", Kind::PolicyRule, &self.active_policies));
        all.extend(Reference::list("active_base_names", Kind::BaseName, &self.active_base_names));
        all
    }

    fn take_secrets(&mut self) -> BTreeMap<String, String> {
        let keys = self.keys.take();
        keys.map(|keys| [("k".to_owned(), keys.k), ("opc".to_owned(), keys.opc)]).into_iter().flatten().collect()
    }

    fn secret_names(&self) -> Vec<String> {
        vec!["k".to_owned(), "opc".to_owned()]
    }
}

impl SimKeys {
    fn check(&self, algorithm: AuthAlgorithm, c: &mut Checker) {
        match algorithm {
            AuthAlgorithm::Milenage => {
                c.hex("k", &self.k, 32);
                c.hex("opc", &self.opc, 32);
            }
            AuthAlgorithm::Tuak => {
                c.hex("k", &self.k, if self.k.len() == 32 { 32 } else { 64 });
                c.hex("opc", &self.opc, 64);
            }
        }
    }
}

impl SubscriberApn {
    fn check(&self, c: &mut Checker) {
        if self.static_address.is_some_and(|address| address.ipv4.is_none() && address.ipv6.is_none()) {
            c.wrong_at("static_address", "has no address", "`ipv4`, `ipv6` or both");
        }
        let of_nobody = |address: IpAddr| address.is_unspecified() || address.is_multicast() || address.is_loopback();
        let address = self.static_address.unwrap_or_default();
        for address in address.ipv4.map(IpAddr::V4).into_iter().chain(address.ipv6.map(IpAddr::V6)) {
            if of_nobody(address) {
                c.wrong_at("static_address", "cannot be a phone's", "a unicast address");
            }
        }
        if self.framed_routes.len() > 32 {
            c.wrong_at("framed_routes", format!("has {} routes", self.framed_routes.len()), "at most 32");
        }
        c.prefixes("framed_routes", &self.framed_routes);
        c.distinct("policies", &self.policies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
    const OPC: &str = "e8ed289deba952e4283b54e88e6183ca";

    #[test]
    fn keys_leave_the_body_and_are_shown_nowhere() {
        let body = format!(r#"{{"keys":{{"k":"{K}","opc":"{OPC}"}}}}"#);
        let parsed = Kind::Subscriber.parse("001010000000001", body.as_bytes()).unwrap();
        assert_eq!(parsed.secrets["k"], K);
        assert_eq!(parsed.needed_secrets, ["k", "opc"]);
        assert!(!parsed.body.to_string().contains(K) && parsed.body.get("keys").is_none());
        assert!(!format!("{parsed:?}").contains(K));
        let subscriber: Subscriber = serde_json::from_str(&body).unwrap();
        assert!(!format!("{subscriber:?} {:?}", subscriber.keys).contains(K));
    }

    #[test]
    fn faults_have_places_and_keys_are_not_repeated() {
        let body = format!(
            r#"{{"msisdn":"call me","keys":{{"k":"{K}00","opc":""}},
            "active_apns":[{{"apn":"internet","static_address":{{}},"framed_routes":["10.0.0.1/8"]}},{{"apn":"internet"}}]}}"#
        );
        let errors = Kind::Subscriber.parse("IMSI001", body.as_bytes()).unwrap_err();
        let places: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            places,
            [
                "",
                "/msisdn",
                "/keys/k",
                "/keys/opc",
                "/active_apns/1",
                "/active_apns/0/static_address",
                "/active_apns/0/framed_routes/0",
            ]
        );
        assert!(!format!("{errors:?}").contains(K));
    }

    #[test]
    fn it_speaks_of_all_that_it_uses() {
        let body =
            br#"{"data_plan":"gold","active_apns":[{"apn":"internet","policies":["p1"]}],"active_policies":["p2"],
            "active_base_names":["b"]}"#;
        let references = Kind::Subscriber.parse("001010000000001", body).unwrap().references;
        let told: Vec<String> = references.iter().map(|it| format!("{} {}", it.path, it.name)).collect();
        assert_eq!(
            told,
            [
                "/data_plan gold",
                "/active_apns/0/apn internet",
                "/active_apns/0/policies/0 p1",
                "/active_policies/0 p2",
                "/active_base_names/0 b"
            ]
        );
    }
}
