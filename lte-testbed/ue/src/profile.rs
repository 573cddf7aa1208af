//! What kind of phone it is: shared by as many as there are.

use basalt_ids::Apn;
use basalt_nas::ie::{MsNetworkCapability, PdnType, ProtocolConfigurationOptions, UeNetworkCapability};
use basalt_security::Provider;

use crate::session::request_options;
use crate::timer::TimerValues;

/// Algorithms and features, as the phone tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// EEA bits: EEA0 in bit 7.
    pub eea: u8,
    /// EIA bits: EIA0 in bit 7.
    pub eia: u8,
    /// UEA and UIA bits, when the phone knows 3G.
    pub umts: Option<(u8, u8)>,
    /// GEA bits as the MS network capability has them (two octets), when the phone knows 2G.
    pub ms_network_capability: Option<[u8; 2]>,
}

impl Default for Capability {
    /// All of EEA0 to EEA3 and EIA1 to EIA3; LTE only.
    fn default() -> Self {
        Self { eea: 0xf0, eia: 0x70, umts: None, ms_network_capability: None }
    }
}

impl Capability {
    /// Only null integrity: a phone that no network may serve normally.
    #[must_use]
    pub const fn null_integrity_only() -> Self {
        Self { eea: 0xf0, eia: 0x80, umts: None, ms_network_capability: None }
    }

    /// UE network capability (TS 24.301 §9.9.3.34).
    pub(crate) fn network(&self) -> UeNetworkCapability {
        let umts = self.umts.map(|(uea, uia)| [self.eea, self.eia, uea, uia]);
        let octets = umts.as_ref().map_or_else(|| vec![self.eea, self.eia], |octets| octets.to_vec());
        match UeNetworkCapability::from_octets(&octets) {
            Some(capability) => capability,
            // Two to four octets always are one; the shortest form stands in for what cannot be.
            None => Self::default().network(),
        }
    }

    /// MS network capability (TS 24.008 §10.5.5.12).
    pub(crate) fn ms(&self) -> Option<MsNetworkCapability> {
        MsNetworkCapability::from_octets(&self.ms_network_capability?)
    }

    /// What a network must replay in SECURITY MODE COMMAND (TS 24.301 §9.9.3.36, §5.4.3.2): EEA and EIA; UEA and UIA when
    /// the phone has algorithms for 3G or 2G; GEA when it has any for 2G.
    pub(crate) fn replayed(&self) -> Vec<u8> {
        let gea = self.ms_network_capability.map_or(0, |[first, second]| (first & 0x80) >> 1 | second >> 1 & 0x3f);
        let (uea, uia) = self.umts.unwrap_or((0, 0));
        let mut octets = vec![self.eea, self.eia];
        if gea != 0 || self.umts.is_some() {
            octets.extend([uea, uia & 0x7f]);
        }
        if gea != 0 {
            octets.push(gea);
        }
        octets
    }
}

impl Profile {
    /// Options of a request, if this phone sends any.
    pub(crate) fn options(&self) -> Option<ProtocolConfigurationOptions> {
        self.asks_options.then(|| request_options(self.asks_by_ipcp, self.pdn_type))
    }
}

/// A kind of phone. Many phones share one behind an `Arc`.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Algorithms.
    pub capability: Capability,
    /// The access point it asks for; `None` leaves the choice to the network.
    pub apn: Option<Apn>,
    /// The kind of address it asks for.
    pub pdn_type: PdnType,
    /// It keeps access point and options to itself until security stands (ESM information transfer flag).
    pub conceals_esm_information: bool,
    /// It asks for name servers, MTU and address in protocol configuration options.
    pub asks_options: bool,
    /// It asks for name servers by IPCP as well as by container.
    pub asks_by_ipcp: bool,
    /// Combined attach for EPS and non-EPS services.
    pub combined: bool,
    /// Its radio capability (UERadioAccessCapabilityInformation), opaque here.
    pub radio_capability: Vec<u8>,
    /// Values of its own timers.
    pub timers: TimerValues,
    /// It attaches again by itself after a failure, a network detach with re-attach, or a loss of its identity.
    pub persistent: bool,
    /// Stands behind the algorithms; the null one is for simulators.
    pub provider: Provider,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            capability: Capability::default(),
            apn: None,
            pdn_type: PdnType::Ipv4,
            conceals_esm_information: false,
            asks_options: true,
            asks_by_ipcp: true,
            combined: false,
            radio_capability: vec![0x00, 0x04, 0x02, 0x0c, 0x19, 0x80],
            timers: TimerValues::default(),
            persistent: true,
            provider: Provider::STANDARD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_must_replay_what_it_was_told() {
        assert_eq!(Capability::default().replayed(), [0xf0, 0x70]);
        let umts = Capability { umts: Some((0xc0, 0x40)), ..Capability::default() };
        assert_eq!(umts.replayed(), [0xf0, 0x70, 0xc0, 0x40]);
        // GEA1, GEA2, GEA3 without 3G: empty UEA and UIA in front.
        let gprs = Capability { ms_network_capability: Some([0xe5, 0xe0]), ..Capability::default() };
        assert_eq!(gprs.replayed(), [0xf0, 0x70, 0, 0, 0x70]);
    }
}
