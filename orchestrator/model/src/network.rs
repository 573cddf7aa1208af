//! Networks: whose radio it is, how phones get addresses, who is kept out.

mod dns;
mod epc;
mod ran;
mod suci;

pub use dns::{Dns, DnsRecord};
pub use epc::{AllocationMode, EpcNetwork, ImeiRange, Mobility, RateLimit, ServiceArea, Timers};
pub use ran::{RanNetwork, TddConfig};
pub use suci::{SuciProfile, SuciScheme};

use crate::{Checker, Document, Kind, Reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
