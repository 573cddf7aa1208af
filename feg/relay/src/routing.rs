//! Which realm has which subscribers.

use basalt_ids::{Imsi, Plmn};
use feg_s6a::realm_of;

/// A home network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Whose subscribers.
    pub plmn: Plmn,
    /// Their realm; that of TS 23.003 §19.2 by default.
    pub realm: String,
    /// The realm that checks equipment, where one does.
    pub equipment_realm: Option<String>,
    /// Beginnings of the IMSIs that are its own, in digits; all of its network, when empty.
    pub beginnings: Vec<String>,
}

impl Network {
    /// With the realm that the standard gives.
    #[must_use]
    pub fn new(plmn: Plmn) -> Self {
        Self { plmn, realm: realm_of(plmn), equipment_realm: None, beginnings: Vec::new() }
    }

    fn has(&self, imsi: Imsi) -> bool {
        let begins = || {
            let digits = imsi.to_string();
            self.beginnings.iter().any(|beginning| digits.starts_with(beginning.as_str()))
        };
        imsi.belongs_to(self.plmn) && (self.beginnings.is_empty() || begins())
    }
}

/// All of them; requests for others are refused (PLMN filter).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// The home network of a subscriber: the one with the longer network code where two fit.
    #[must_use]
    pub fn of(&self, imsi: Imsi) -> Option<&Network> {
        let fitting = self.0.iter().filter(|network| network.has(imsi));
        // One with beginnings of its own goes before one that has all.
        fitting.max_by_key(|network| (network.plmn.mnc_digits(), !network.beginnings.is_empty()))
    }

    /// Whether a realm may speak for a subscriber.
    #[must_use]
    pub fn may_speak(&self, realm: &str, imsi: Imsi) -> bool {
        self.of(imsi).is_some_and(|network| network.realm.eq_ignore_ascii_case(realm))
    }

    /// Whether a realm is any home network's.
    #[must_use]
    pub fn has_realm(&self, realm: &str) -> bool {
        self.0.iter().any(|network| network.realm.eq_ignore_ascii_case(realm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_network_code_wins() {
        let networks = ["310-41", "310-410"].map(|plmn| Network::new(plmn.parse().unwrap()));
        let networks = Networks(networks.to_vec());
        let realm = |imsi: &str| networks.of(imsi.parse().unwrap()).map(|network| network.realm.clone());
        assert_eq!(realm("310410123456789").as_deref(), Some("epc.mnc410.mcc310.3gppnetwork.org"));
        assert_eq!(realm("310411123456789").as_deref(), Some("epc.mnc041.mcc310.3gppnetwork.org"));
        assert_eq!(realm("001010000000001"), None);
        let mut part = networks.clone();
        part.0[0].beginnings.push("3104119".to_owned());
        assert!(part.of("310411987654321".parse().unwrap()).is_some());
        assert!(part.of("310411123456789".parse().unwrap()).is_none(), "it is of the network, and not its own");
        let imsi = "310410123456789".parse().unwrap();
        assert!(networks.may_speak("EPC.mnc410.mcc310.3gppnetwork.org", imsi));
        assert!(!networks.may_speak("epc.mnc041.mcc310.3gppnetwork.org", imsi));
    }
}
