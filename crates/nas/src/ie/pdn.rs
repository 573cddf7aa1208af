//! Access point name and PDN address.

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
