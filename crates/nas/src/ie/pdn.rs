//! Access point name and PDN address.

use super::PdnType;
use crate::codec::Element;
use basalt_ids::Apn;
use core::net::Ipv4Addr;
use serde::{Deserialize, Serialize};

/// Access point name as it came (TS 24.008 §10.5.6.1): valid, or octets that are no name. A UE's malformed name must be
/// answerable (ESM cause #27), so it is a value, not a decode error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPointName {
    pub(crate) octets: Vec<u8>,
}

impl AccessPointName {
    /// The name, when the octets are labels of letters, digits and hyphens; `None` for anything else.
    #[must_use]
    pub fn apn(&self) -> Option<Apn> {
        let mut text = String::with_capacity(self.octets.len());
        let mut rest = self.octets.as_slice();
        while let Some((&length, after)) = rest.split_first() {
            let (label, after) = after.split_at_checked(usize::from(length))?;
            // A dot would make one label look like two.
            if label.contains(&b'.') {
                return None;
            }
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(core::str::from_utf8(label).ok()?);
            rest = after;
        }
        text.parse().ok()
    }

    /// The octets after the length indicator.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl From<&Apn> for AccessPointName {
    fn from(apn: &Apn) -> Self {
        let text = apn.as_str();
        let mut octets = Vec::with_capacity(text.len() + 1);
        for label in text.split('.') {
            // A label of an `Apn` has at most 63 octets.
            octets.push(u8::try_from(label.len()).unwrap_or(63));
            octets.extend_from_slice(label.as_bytes());
        }
        Self { octets }
    }
}

/// PDN address (TS 24.301 §9.9.4.9): what the network gives the UE.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PdnAddress {
    /// An IPv4 address; 0.0.0.0 means that it comes by DHCP.
    Ipv4(Ipv4Addr),
    /// An IPv6 interface identifier.
    Ipv6 {
        /// Low half of the link-local address.
        interface_id: [u8; 8],
    },
    /// Both.
    Ipv4v6 {
        /// Low half of the link-local address.
        interface_id: [u8; 8],
        /// The IPv4 address; 0.0.0.0 means that it comes by DHCP.
        ipv4: Ipv4Addr,
    },
    /// No address: non-IP.
    NonIp,
    /// No address: Ethernet.
    Ethernet,
}

impl AccessPointName {
    /// A name from the octets after the length indicator, whatever they are.
    #[must_use]
    pub fn from_octets(octets: impl Into<Vec<u8>>) -> Self {
        Self { octets: octets.into() }
    }
}

impl Element for AccessPointName {
    fn read(octets: &[u8]) -> Option<Self> {
        Some(Self::from_octets(octets))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
    }
}

impl PdnAddress {
    /// The PDN type that stands in the element.
    #[must_use]
    pub const fn pdn_type(&self) -> PdnType {
        match self {
            Self::Ipv4(_) => PdnType::Ipv4,
            Self::Ipv6 { .. } => PdnType::Ipv6,
            Self::Ipv4v6 { .. } => PdnType::Ipv4v6,
            Self::NonIp => PdnType::NonIp,
            Self::Ethernet => PdnType::Ethernet,
        }
    }
}

impl Element for PdnAddress {
    fn read(octets: &[u8]) -> Option<Self> {
        let (&first, rest) = octets.split_first()?;
        match PdnType::from_code(first & 7) {
            PdnType::Ipv4 => <[u8; 4]>::try_from(rest).ok().map(|address| Self::Ipv4(address.into())),
            PdnType::Ipv6 => rest.try_into().ok().map(|interface_id| Self::Ipv6 { interface_id }),
            PdnType::Ipv4v6 => {
                let (interface_id, ipv4) = rest.split_first_chunk::<8>()?;
                Some(Self::Ipv4v6 { interface_id: *interface_id, ipv4: <[u8; 4]>::try_from(ipv4).ok()?.into() })
            }
            PdnType::NonIp => Some(Self::NonIp),
            PdnType::Ethernet => Some(Self::Ethernet),
            PdnType::Unused4 | PdnType::Other(_) => None,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.pdn_type().code());
        match self {
            Self::Ipv4(address) => out.extend(address.octets()),
            Self::Ipv6 { interface_id } => out.extend(interface_id),
            Self::Ipv4v6 { interface_id, ipv4 } => {
                out.extend(interface_id);
                out.extend(ipv4.octets());
            }
            // The address field is four spare octets.
            Self::NonIp | Self::Ethernet => out.extend([0; 4]),
        }
    }
}
