//! Where a UE is handed over to, and by which tunnels its data follows (TS 36.413 §9.2.1.6, §9.2.1.31, §9.1.5.5).

use super::{Extension, TransportAddress};
use basalt_ids::{Ebi, GlobalEnbId, Tai, Teid};
use serde::{Deserialize, Serialize};

/// Target ID (§9.2.1.6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetId {
    /// An eNodeB.
    Enb(TargetEnb),
    /// A node of another system, kept as it was received.
    Other(Vec<u8>),
}

/// Target eNB-ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEnb {
    /// Which eNodeB.
    pub global_enb_id: GlobalEnbId,
    /// Tracking area of the target cell.
    pub selected_tai: Tai,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

impl TargetEnb {
    /// A target.
    #[must_use]
    pub const fn new(global_enb_id: GlobalEnbId, selected_tai: Tai) -> Self {
        Self { global_enb_id, selected_tai, extensions: Vec::new() }
    }
}

/// Tunnels by which data of a bearer is forwarded: each an address and an endpoint, where the standard lets either be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ForwardingTunnels {
    /// For downlink data: address.
    pub downlink_address: Option<TransportAddress>,
    /// For downlink data: endpoint.
    pub downlink_teid: Option<Teid>,
    /// For uplink data: address.
    pub uplink_address: Option<TransportAddress>,
    /// For uplink data: endpoint.
    pub uplink_teid: Option<Teid>,
}

impl ForwardingTunnels {
    /// The tunnel for downlink data, if it is whole.
    #[must_use]
    pub fn downlink(&self) -> Option<(TransportAddress, Teid)> {
        self.downlink_address.zip(self.downlink_teid)
    }

    /// The tunnel for uplink data, if it is whole.
    #[must_use]
    pub fn uplink(&self) -> Option<(TransportAddress, Teid)> {
        self.uplink_address.zip(self.uplink_teid)
    }
}

/// An E-RAB that the target of a handover takes (E-RAB Admitted Item, §9.1.5.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabAdmitted {
    /// EPS bearer identity.
    pub ebi: Ebi,
    /// Where the target receives packets.
    pub address: TransportAddress,
    /// Tunnel there.
    pub teid: Teid,
    /// Where it receives what the source forwards.
    pub forwarding: ForwardingTunnels,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

impl ErabAdmitted {
    /// A bearer whose data need not be forwarded.
    #[must_use]
    pub fn new(ebi: Ebi, address: TransportAddress, teid: Teid) -> Self {
        Self { ebi, address, teid, forwarding: ForwardingTunnels::default(), extensions: Vec::new() }
    }
}

/// An E-RAB whose data the source forwards (E-RAB Data Forwarding Item, §9.1.5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErabForwarding {
    /// EPS bearer identity.
    pub ebi: Ebi,
    /// Where to.
    pub forwarding: ForwardingTunnels,
    /// Extension IEs.
    pub extensions: Vec<Extension>,
}

impl ErabForwarding {
    /// An item.
    #[must_use]
    pub const fn new(ebi: Ebi, forwarding: ForwardingTunnels) -> Self {
        Self { ebi, forwarding, extensions: Vec::new() }
    }
}

/// eNB Status Transfer Transparent Container (§9.2.1.31): PDCP counts by bearer, of no meaning to the MME and kept as received.
/// One that was read is the encoding of such a container, so that nothing else is passed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusTransfer(pub Vec<u8>);
