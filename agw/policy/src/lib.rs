//! Rules and QoS of a session: decisions.
//!
//! Today the decision is local: what the subscriber's profile grants of what the phone asks, on access points that this
//! gateway knows. Rules, quota and the Gx and Gy interfaces come to stand behind the same two functions.
//!
//! What it deliberately is not: the holder of sessions or addresses. It keeps nothing.
//!
//! Invariants: a grant names an access point that is both in the profile and configured; a refusal names the ESM cause to send.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

use agw_types::{Ambr, ApnConfig, ApnProfile, Policy, Profile};
use basalt_ids::Apn;

/// The decisions of a gateway by itself.
#[derive(Debug, Clone, Default)]
pub struct LocalPolicy {
    configured: Vec<ApnConfig>,
}

impl LocalPolicy {
    /// Knows these access points.
    #[must_use]
    pub fn new(configured: &[ApnConfig]) -> Self {
        Self { configured: configured.to_vec() }
    }
}

impl Policy for LocalPolicy {
    fn grant(&self, profile: &Profile, requested: Option<&Apn>) -> Result<ApnProfile, u8> {
        grant(profile, &self.configured, requested).cloned().map_err(Refusal::esm_cause)
    }

    fn ue_ambr(&self, subscribed: Ambr, sessions: &mut dyn Iterator<Item = Ambr>) -> Ambr {
        ue_ambr(subscribed, sessions)
    }
}

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

/// The UE's aggregate rate as the radio shall enforce it: the sum over its sessions, at most what is subscribed
/// (TS 23.401 §4.7.3). Without sessions, what is subscribed.
#[must_use]
pub fn ue_ambr(subscribed: Ambr, sessions: impl Iterator<Item = Ambr>) -> Ambr {
    let mut sum: Option<Ambr> = None;
    for session in sessions {
        let so_far = sum.unwrap_or(Ambr { uplink: 0, downlink: 0 });
        sum = Some(Ambr {
            uplink: so_far.uplink.saturating_add(session.uplink),
            downlink: so_far.downlink.saturating_add(session.downlink),
        });
    }
    let sum = sum.unwrap_or(subscribed);
    Ambr { uplink: sum.uplink.min(subscribed.uplink), downlink: sum.downlink.min(subscribed.downlink) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agw_types::{Arp, BearerQos};
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

    #[test]
    fn the_aggregate_is_the_sum_up_to_the_subscription() {
        let subscribed = Ambr { uplink: 50, downlink: u64::MAX };
        let session = Ambr { uplink: 30, downlink: u64::MAX };
        assert_eq!(ue_ambr(subscribed, [session].into_iter()), Ambr { uplink: 30, downlink: u64::MAX });
        assert_eq!(ue_ambr(subscribed, [session; 2].into_iter()), Ambr { uplink: 50, downlink: u64::MAX });
        assert_eq!(ue_ambr(subscribed, std::iter::empty()), subscribed);
    }
}
