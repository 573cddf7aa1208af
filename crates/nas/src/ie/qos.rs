//! Quality of service: EPS QoS (TS 24.301 §9.9.4.3) and APN-AMBR (§9.9.4.2), with their extensions.

use basalt_ids::Qci;
use serde::{Deserialize, Serialize};

/// A bit rate in kbit/s.
pub type BitRate = u64;

/// EPS quality of service (TS 24.301 §9.9.4.3). Guaranteed bearers have the four rates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EpsQos {
    /// QoS class.
    pub qci: Qci,
    /// The octets after the QCI as they stand on the wire: 0, 4, 8 or 12 rate octets.
    pub(crate) rates: Vec<u8>,
}

/// APN aggregate maximum bit rate (TS 24.301 §9.9.4.2), as it stands on the wire: 2, 4 or 6 octets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ApnAmbr {
    pub(crate) octets: Vec<u8>,
}

/// Extended APN aggregate maximum bit rate (TS 24.301 §9.9.4.29), for more than 65 280 Mbit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtendedApnAmbr(pub [u8; 6]);

/// Extended EPS quality of service (TS 24.301 §9.9.4.30), for rates above 10 Gbit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtendedEpsQos(pub [u8; 10]);
