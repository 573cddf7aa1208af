//! Rules and QoS of a session: decisions.
//!
//! Today the decision is local: what the subscriber's profile grants of what the phone asks, on access points that this
//! gateway knows, and the rules of configuration and subscriber. Quota and the Gx and Gy interfaces come to stand behind the same
//! functions.
//!
//! What it deliberately is not: the holder of sessions or addresses.
//!
//! Invariants: a grant names an access point that is both in the profile and configured; a refusal names the ESM cause to send.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use agw_types::{
    Ambr, ApnConfig, ApnProfile, GatewayConfig, Policy, PolicyRule, Profile, QosConfig, ResourceRequest,
    SubscribedRule, is_guaranteed,
};
use basalt_ids::{Apn, Imsi};
use std::collections::BTreeMap;

/// The decisions of a gateway by itself.
#[derive(Debug, Clone, Default)]
pub struct LocalPolicy {
    configured: Vec<ApnConfig>,
    qos: QosConfig,
    /// Rules of subscribers who have any, by access point.
    subscribed: BTreeMap<Imsi, Vec<(Apn, SubscribedRule)>>,
}

impl LocalPolicy {
    /// Knows these access points and rules, and no subscriber's own.
    #[must_use]
    pub fn new(config: &GatewayConfig) -> Self {
        Self { configured: config.apns.clone(), qos: config.qos.clone(), subscribed: BTreeMap::new() }
    }

    /// Takes a new configuration.
    pub fn configure(&mut self, config: &GatewayConfig) {
        self.configured = config.apns.clone();
        self.qos = config.qos.clone();
    }

    /// The rules that a subscriber's sessions begin with are these, besides those of the access point.
    pub fn subscribe(&mut self, imsi: Imsi, rules: Vec<(Apn, SubscribedRule)>) {
        if rules.is_empty() {
            self.subscribed.remove(&imsi);
        } else {
            self.subscribed.insert(imsi, rules);
        }
    }

    /// The configured rule of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&PolicyRule> {
        self.qos.rules.iter().find(|rule| rule.name == name)
    }
}

impl Policy for LocalPolicy {
    fn grant(&self, profile: &Profile, requested: Option<&Apn>) -> Result<ApnProfile, u8> {
        grant(profile, &self.configured, requested).cloned().map_err(Refusal::esm_cause)
    }

    fn rules(&self, imsi: Imsi, apn: &Apn) -> Vec<PolicyRule> {
        let of_apn = self.qos.apns.get(apn.as_str()).map_or(&[][..], |apn| apn.rules.as_slice());
        let mut rules: Vec<PolicyRule> = of_apn.iter().filter_map(|name| self.named(name)).cloned().collect();
        let own = self.subscribed.get(&imsi).map_or(&[][..], Vec::as_slice);
        for (_, subscribed) in own.iter().filter(|(of, _)| of == apn) {
            let rule = match subscribed {
                SubscribedRule::Named(name) => self.named(name).cloned(),
                SubscribedRule::Own(rule) => Some((**rule).clone()),
            };
            let Some(rule) = rule else { continue };
            // A subscriber's own word goes before that of the access point.
            rules.retain(|other| other.name != rule.name);
            rules.push(rule);
        }
        rules
    }

    fn resource(&self, _: Imsi, apn: &Apn, request: ResourceRequest) -> Result<PolicyRule, u8> {
        let allowed = self.qos.apns.get(apn.as_str()).and_then(|apn| apn.requested.as_ref());
        let allowed = allowed.ok_or(NOT_SUBSCRIBED)?;
        let qci = request.qos.bearer.qci;
        if !allowed.qcis.contains(&qci.0) {
            return Err(UNSUPPORTED_QCI);
        }
        let within = |asked: Ambr| asked.uplink <= allowed.gbr.uplink && asked.downlink <= allowed.gbr.downlink;
        if is_guaranteed(qci) != request.qos.gbr.is_some() || !request.qos.gbr.is_none_or(within) {
            return Err(QOS_NOT_ACCEPTED);
        }
        let mut rule = PolicyRule::new(&request.name, request.precedence, request.filters);
        rule.qos = Some(request.qos);
        rule.mbr = request.mbr;
        Ok(rule)
    }
}

/// ESM causes (TS 24.301 §9.9.4.4): the operator does not offer it, not this class, not these rates.
const NOT_SUBSCRIBED: u8 = 33;
const UNSUPPORTED_QCI: u8 = 59;
const QOS_NOT_ACCEPTED: u8 = 37;

/// Why a session is refused, as an ESM cause (TS 24.301 §9.9.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// #27: the access point is unknown here, or no name was given and there is no default.
    UnknownApn,
    /// #33: the access point exists but the subscriber has no subscription to it.
    NotSubscribed,
}

impl Refusal {
    /// The cause value on the wire.
    #[must_use]
    pub const fn esm_cause(self) -> u8 {
        match self {
            Refusal::UnknownApn => 27,
            Refusal::NotSubscribed => 33,
        }
    }
}

/// The access point a session may have.
///
/// Without a requested name, the profile's first access point that is configured here. With one, its network identifier
/// counts (TS 23.003 §9.1.2), without regard to case.
///
/// # Errors
/// A [`Refusal`] with the ESM cause to send.
pub fn grant<'a>(
    profile: &'a Profile,
    configured: &[ApnConfig],
    requested: Option<&Apn>,
) -> Result<&'a ApnProfile, Refusal> {
    let known = |name: &Apn| configured.iter().any(|apn| apn.apn == *name);
    let Some(requested) = requested else {
        return profile.apns.iter().find(|apn| known(&apn.apn)).ok_or(Refusal::UnknownApn);
    };
    let name = requested.network_identifier();
    if !known(&name) {
        return Err(Refusal::UnknownApn);
    }
    profile.apns.iter().find(|apn| apn.apn == name).ok_or(Refusal::NotSubscribed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use agw_types::{ApnQos, Arp, BearerQos, RequestedQos, RuleQos, SdfFilter};
    use basalt_ids::Qci;

    fn profile(apns: &[&str]) -> Profile {
        let ambr = Ambr { uplink: 1_000, downlink: 2_000 };
        Profile {
            imsi: "001010000000001".parse().unwrap(),
            msisdn: None,
            ambr,
            apns: apns
                .iter()
                .map(|name| {
                    let arp = Arp { priority: 8, may_preempt: false, preemptable: false };
                    ApnProfile::new(name.parse().unwrap(), BearerQos { qci: Qci(9), arp }, ambr)
                })
                .collect(),
        }
    }

    fn configured(apns: &[&str]) -> Vec<ApnConfig> {
        apns.iter().map(|name| ApnConfig::ipv4(name.parse().unwrap(), Vec::new())).collect()
    }

    #[test]
    fn no_name_gives_the_first_access_point_that_exists_here() {
        let profile = profile(&["corporate", "internet"]);
        let granted = grant(&profile, &configured(&["internet"]), None).unwrap();
        assert_eq!(granted.apn.as_str(), "internet");
    }

    #[test]
    fn the_operator_identifier_does_not_matter() {
        let requested: Apn = "INTERNET.mnc001.mcc001.gprs".parse().unwrap();
        assert!(grant(&profile(&["internet"]), &configured(&["internet"]), Some(&requested)).is_ok());
    }

    #[test]
    fn unknown_and_unsubscribed_differ() {
        let profile = profile(&["internet"]);
        let known = configured(&["internet", "ims"]);
        assert_eq!(grant(&profile, &known, Some(&"nowhere".parse().unwrap())), Err(Refusal::UnknownApn));
        assert_eq!(grant(&profile, &known, Some(&"ims".parse().unwrap())), Err(Refusal::NotSubscribed));
        assert_eq!(grant(&profile, &configured(&["ims"]), None), Err(Refusal::UnknownApn));
    }

    fn policy() -> LocalPolicy {
        let named = |name: &str| PolicyRule::new(name, 10, vec![SdfFilter::ANY]);
        let requested = RequestedQos { qcis: vec![1, 7], gbr: Ambr { uplink: 100, downlink: 100 } };
        let apn = ApnQos { rules: vec!["web".to_owned()], guaranteed: None, requested: Some(requested) };
        let mut qos = QosConfig { rules: vec![named("web"), named("voice")], ..QosConfig::default() };
        qos.apns.insert("internet".to_owned(), apn);
        LocalPolicy { configured: configured(&["internet"]), qos, subscribed: BTreeMap::new() }
    }

    #[test]
    fn rules_are_those_of_the_access_point_and_the_subscribers() {
        let (mut policy, imsi) = (policy(), "001010000000001".parse().unwrap());
        let internet: Apn = "internet".parse().unwrap();
        let own = PolicyRule::new("web", 99, vec![SdfFilter::ANY]);
        let names = |policy: &LocalPolicy| -> Vec<(String, u8)> {
            policy.rules(imsi, &internet).into_iter().map(|rule| (rule.name, rule.precedence)).collect()
        };
        assert_eq!(names(&policy), [("web".to_owned(), 10)]);
        let named = |name: &str| SubscribedRule::Named(name.to_owned());
        policy.subscribe(imsi, vec![(internet.clone(), named("voice")), (internet.clone(), named("unknown"))]);
        assert_eq!(names(&policy), [("web".to_owned(), 10), ("voice".to_owned(), 10)]);
        policy.subscribe(imsi, vec![(internet.clone(), SubscribedRule::Own(Box::new(own)))]);
        assert_eq!(names(&policy), [("web".to_owned(), 99)]);
        policy.subscribe(imsi, Vec::new());
        assert_eq!(names(&policy).len(), 1);
        assert!(policy.rules(imsi, &"ims".parse().unwrap()).is_empty());
    }

    #[test]
    fn resources_are_granted_as_far_as_the_access_point_offers_them() {
        let (policy, imsi) = (policy(), "001010000000001".parse().unwrap());
        let ask = |apn: &str, qci: u8, gbr: Option<u64>| {
            let arp = Arp { priority: 10, may_preempt: false, preemptable: true };
            let gbr = gbr.map(|rate| Ambr { uplink: rate, downlink: rate });
            let request = ResourceRequest {
                name: "requested-1".to_owned(),
                precedence: 200,
                filters: vec![SdfFilter::ANY],
                qos: RuleQos { bearer: BearerQos { qci: Qci(qci), arp }, gbr },
                mbr: Ambr { uplink: u64::MAX, downlink: u64::MAX },
            };
            policy.resource(imsi, &apn.parse().unwrap(), request).map(|rule| rule.name)
        };
        assert_eq!(ask("internet", 1, Some(100)), Ok("requested-1".to_owned()));
        assert_eq!(ask("internet", 7, None), Ok("requested-1".to_owned()));
        assert_eq!(ask("internet", 1, Some(101)), Err(37));
        assert_eq!(ask("internet", 1, None), Err(37));
        assert_eq!(ask("internet", 2, Some(1)), Err(59));
        assert_eq!(ask("ims", 1, Some(1)), Err(33));
    }
}
