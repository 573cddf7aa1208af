//! E-RABs: their quality of service, tunnels and fate (TS 36.413 §9.2.1.15, §9.2.1.18 to §9.2.1.20, §9.2.1.60).

use super::{Cause, Extension, TransportAddress};
use basalt_ids::{Ebi, Qci, Teid};
use serde::{Deserialize, Serialize};

/// UE aggregate maximum bit rate of the non-GBR bearers (§9.2.1.20), in bit/s, at most 4 Tbit/s.
///
/// A rate above 10 Gbit/s travels in an extension IE (Extended UE Aggregate Maximum Bit Rate), which this type hides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UeAmbr {
    /// Downlink, bit/s.
    pub downlink: u64,
    /// Uplink, bit/s.
    pub uplink: u64,
    /// Extension IEs other than the two rates above 10 Gbit/s.
    pub extensions: Vec<Extension>,
}

impl UeAmbr {
    /// Rates in bit/s.
    #[must_use]
    pub const fn new(downlink: u64, uplink: u64) -> Self {
        Self { downlink, uplink, extensions: Vec::new() }
    }
}

/// E-RAB level QoS parameters (§9.2.1.15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabQos {
    /// QoS class.
    pub qci: Qci,
    /// Allocation and retention priority.
    pub arp: Arp,
    /// Bit rates, for a GBR bearer.
    pub gbr: Option<GbrQos>,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

impl ErabQos {
    /// The parameters of a non-GBR bearer.
    #[must_use]
    pub const fn non_gbr(qci: Qci, arp: Arp) -> Self {
        Self { qci, arp, gbr: None, extensions: Vec::new() }
    }
}

/// Allocation and retention priority (§9.2.1.60).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arp {
    /// 1 (highest) to 14 (lowest), 15 for none; 0 is spare.
    pub priority_level: u8,
    /// May take resources from bearers of lower priority.
    pub may_pre_empt: bool,
    /// May lose its resources to bearers of higher priority.
    pub pre_emptable: bool,
}

/// GBR QoS information (§9.2.1.18), in bit/s, at most 10 Gbit/s each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GbrQos {
    /// Maximum bit rate downlink.
    pub mbr_downlink: u64,
    /// Maximum bit rate uplink.
    pub mbr_uplink: u64,
    /// Guaranteed bit rate downlink.
    pub gbr_downlink: u64,
    /// Guaranteed bit rate uplink.
    pub gbr_uplink: u64,
    /// Extension IEs (the extended rates are here).
    pub extensions: Vec<Extension>,
}

/// An E-RAB that the MME asks for with the UE context or, later, by itself (§9.1.3.1, §9.1.4.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabToBeSetup {
    /// EPS bearer identity.
    pub ebi: Ebi,
    /// Quality of service.
    pub qos: ErabQos,
    /// Where the eNodeB sends uplink packets to.
    pub address: TransportAddress,
    /// Tunnel there.
    pub teid: Teid,
    /// NAS message for the UE; always there in E-RAB SETUP REQUEST.
    pub nas_pdu: Option<Vec<u8>>,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

/// An E-RAB that the eNodeB did set up (§9.1.3.2, §9.1.4.3), and the tunnel of one that is switched (§9.1.5.8, §9.1.5.9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabTunnel {
    /// EPS bearer identity.
    pub ebi: Ebi,
    /// Where the sender of the message receives packets.
    pub address: TransportAddress,
    /// Tunnel there.
    pub teid: Teid,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

/// An E-RAB and why it failed or goes (§9.2.1.36, E-RAB List).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabItem {
    /// EPS bearer identity.
    pub ebi: Ebi,
    /// Why.
    pub cause: Cause,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

impl ErabItem {
    /// An item.
    #[must_use]
    pub const fn new(ebi: Ebi, cause: Cause) -> Self {
        Self { ebi, cause, extensions: Vec::new() }
    }
}

/// An E-RAB that was modified or released as asked (§9.1.3.4, §9.1.3.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabDone {
    /// EPS bearer identity.
    pub ebi: Ebi,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

impl ErabDone {
    /// An item.
    #[must_use]
    pub const fn new(ebi: Ebi) -> Self {
        Self { ebi, extensions: Vec::new() }
    }
}

/// An E-RAB that the MME wants changed (§9.1.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabToBeModified {
    /// EPS bearer identity.
    pub ebi: Ebi,
    /// New quality of service.
    pub qos: ErabQos,
    /// NAS message for the UE.
    pub nas_pdu: Vec<u8>,
    /// Extension IEs (Transport Information is here).
    pub extensions: Vec<Extension>,
}
