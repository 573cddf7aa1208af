//! Mobile identities: the EPS form (TS 24.301 §9.9.3.12) and the older form (TS 24.008 §10.5.1.4).

use basalt_ids::{Guti, Imei, Imeisv, Imsi, MTmsi, Plmn};
use serde::{Deserialize, Serialize};

/// EPS mobile identity (TS 24.301 §9.9.3.12): what a UE says it is in ATTACH REQUEST and its likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EpsMobileIdentity {
    /// Permanent identity of the subscriber.
    Imsi(Imsi),
    /// Temporary identity.
    Guti(Guti),
    /// Identity of the equipment, for emergency attach without a SIM.
    Imei(Imei),
}

/// Mobile identity (TS 24.008 §10.5.1.4): the answer in IDENTITY RESPONSE and SECURITY MODE COMPLETE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MobileIdentity {
    /// Permanent identity of the subscriber.
    Imsi(Imsi),
    /// Identity of the equipment.
    Imei(Imei),
    /// Identity of the equipment with its software version.
    Imeisv(Imeisv),
    /// TMSI, P-TMSI or M-TMSI.
    Tmsi(MTmsi),
    /// The UE does not have the identity that was asked for.
    None,
}

/// Location area identification (TS 24.008 §10.5.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lai {
    /// The network.
    pub plmn: Plmn,
    /// Location area code.
    pub lac: u16,
}
