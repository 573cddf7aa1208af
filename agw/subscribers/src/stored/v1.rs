//! Subscribers of version 1: access points had no IPv6 and no networks behind the phone.

use super::StoredAlgorithm;
use agw_types::{Ambr, ApnProfile, BearerQos, Profile, SubscriberState};
use basalt_ids::{Apn, Imsi, Msisdn};
use basalt_security::SealedKey;
use core::net::Ipv4Addr;
use serde::{Deserialize, Serialize};

/// [`super::StoredSubscriber`] as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the version that followed")]
pub struct StoredSubscriber {
    pub profile: StoredProfile,
    pub name: String,
    pub state: SubscriberState,
    pub algorithm: StoredAlgorithm,
    pub k: SealedKey,
    pub opc: SealedKey,
    pub amf: [u8; 2],
    pub sqn: u64,
}

/// [`Profile`] as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the version that followed")]
pub struct StoredProfile {
    pub imsi: Imsi,
    pub msisdn: Option<Msisdn>,
    pub ambr: Ambr,
    pub apns: Vec<StoredApn>,
}

/// [`ApnProfile`] as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the version that followed")]
pub struct StoredApn {
    pub apn: Apn,
    pub qos: BearerQos,
    pub ambr: Ambr,
    pub static_ipv4: Option<Ipv4Addr>,
}

impl From<StoredSubscriber> for super::StoredSubscriber {
    fn from(was: StoredSubscriber) -> Self {
        let StoredSubscriber { profile, name, state, algorithm, k, opc, amf, sqn } = was;
        let StoredProfile { imsi, msisdn, ambr, apns } = profile;
        let apns = apns
            .into_iter()
            .map(|apn| ApnProfile { static_ipv4: apn.static_ipv4, ..ApnProfile::new(apn.apn, apn.qos, apn.ambr) });
        let profile = Profile { imsi, msisdn, ambr, apns: apns.collect() };
        Self { profile, name, state, algorithm, k, opc, amf, sqn }
    }
}
