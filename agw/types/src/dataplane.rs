//! What the core wants of the data plane, and what the data plane tells the core.

use crate::{Ambr, Gate, IpPrefix, SdfFilter, UeAddress};
use basalt_ids::{Ebi, Imsi, Teid};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// One change. Each is complete in itself and may be applied again without harm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DataplaneChange {
    /// The tunnel shall be exactly so, whether it existed or not. What was told of waiting packets is forgotten.
    Set(Tunnel),
    /// The tunnel shall not be. Its counters are read one last time.
    Remove {
        /// The gateway's endpoint.
        teid: Teid,
        /// Its address in the UE pools.
        address: UeAddress,
    },
    /// The session's rules, dedicated bearers and marking shall be exactly so. It was set before ([`DataplaneChange::Set`]).
    Serve {
        /// The gateway's endpoint of the default bearer.
        teid: Teid,
        /// Its address in the UE pools.
        address: UeAddress,
        /// What it has.
        service: Box<SessionService>,
    },
    /// What comes from a base station into this endpoint of the gateway goes on to another base station: data of a UE that is handed
    /// over (TS 23.401 §5.5.1.2.2). In its order, the End Marker last.
    Forward {
        /// The gateway's endpoint; it belongs to no session.
        teid: Teid,
        /// Whose packets are taken.
        from: IpAddr,
        /// Where they go.
        to: Peer,
    },
    /// The endpoint shall not be any more.
    StopForwarding {
        /// It.
        teid: Teid,
    },
    /// Drop what is buffered for an idle UE (paging failed, or the UE left).
    Discard {
        /// Whose packets.
        address: UeAddress,
    },
}

/// A session's way through the data plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// The gateway's endpoint: the uplink key. An index with a generation, so lookups are array accesses.
    pub teid: Teid,
    /// The only source addresses accepted uplink; the downlink key.
    pub address: UeAddress,
    /// Networks behind the phone: as its own addresses.
    pub framed_routes: Vec<IpPrefix>,
    /// Bearer, for reports.
    pub ebi: Ebi,
    /// Whose, for reports; never enters a BPF map.
    pub imsi: Imsi,
    /// Where to.
    pub state: TunnelState,
    /// What the session may carry in each direction, over all its bearers without guaranteed rate: the APN-AMBR (TS 23.401 §4.7.3), and
    /// no more than the UE-AMBR where it is the only one of its UE.
    pub ambr: Ambr,
    /// What the UE may carry over all its sessions, where there are several: the UE-AMBR. Base stations are told it too, and keep it where
    /// the air is; here it holds whatever base station the UE is at.
    pub ue_ambr: Option<Ambr>,
}

/// See [`Tunnel::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TunnelState {
    /// Connected: downlink is sent to this peer, uplink accepted from it only.
    Connected(Peer),
    /// Idle: the first downlink packet raises [`Traffic::DownlinkWaiting`], a bounded number is kept. Uplink is dropped; who
    /// goes on sending it is told by a GTP-U Error Indication (TS 29.281 §7.3.1).
    Idle,
}

/// The base station's end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Address.
    pub address: IpAddr,
    /// Endpoint there.
    pub teid: Teid,
}

/// What a session has besides its default tunnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionService {
    /// ToS octet of outer packets on the default bearer.
    pub tos: u8,
    /// Dedicated bearers, at most ten.
    pub bearers: Vec<BearerTunnel>,
    /// Flows, at most 64. What none of them names goes by the default bearer.
    pub rules: Vec<FlowRule>,
    /// Dedicated bearers that are being set up, changed or taken away, or were a moment ago: phone and gateway may not agree on them, so
    /// what belongs on one of them may come by the default bearer, and the other way round.
    pub settling: Vec<Ebi>,
}

/// A dedicated bearer in the data plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BearerTunnel {
    /// Its identity.
    pub ebi: Ebi,
    /// The gateway's endpoint.
    pub teid: Teid,
    /// The base station's; `None` while idle.
    pub peer: Option<Peer>,
    /// ToS octet of outer packets.
    pub tos: u8,
    /// With guaranteed rates: not for the session's aggregate (TS 23.401 §4.7.3).
    pub guaranteed: bool,
}

/// One flow of a rule. Flows of one rule share its number, and with it its meter and counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRule {
    /// The rule's number in the session.
    pub id: u32,
    /// Lower is looked at first.
    pub precedence: u8,
    /// Which packets.
    pub filter: SdfFilter,
    /// The dedicated bearer that carries it.
    pub bearer: Option<Ebi>,
    /// Which directions may pass.
    pub gate: Gate,
    /// Maximum bit rates of the rule, bit/s.
    pub mbr: Ambr,
    /// The rule's rating group ([`crate::PolicyRule::rating_group`]), 0 for none. Rules of one group share its
    /// counters and quota; a group from [`crate::RATING_GROUP`] on has neither.
    pub rating_group: u32,
}

/// What the data plane tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Traffic {
    /// Packets wait for an idle UE. Told once, and again if packets still come after `Set` or `Discard`.
    DownlinkWaiting {
        /// For whom.
        address: UeAddress,
    },
    /// A base station does not know the tunnel any more (GTP-U Error Indication from the tunnel's own peer).
    ErrorIndication {
        /// The gateway's endpoint of the tunnel.
        teid: Teid,
        /// Who said so.
        peer: Peer,
    },
}
