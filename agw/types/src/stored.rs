//! What survives a restart. These structs are separate from the live ones on purpose: their layout is a format.
//!
//! A new version is a new struct and a new number in front; the old ones stay readable, each with its golden file.

pub mod v1;

use crate::{ActiveRule, Ambr, Bearer, BearerQos, IpPrefix, LinkId, RejectInfo, UeAddress};
use basalt_ids::{Apn, Ebi, Ecgi, EnbUeS1apId, GlobalEnbId, Guti, Imei, Imeisv, Imsi, Tai, Teid};
use basalt_sansio::SlotId;
use basalt_security::{AccessKeyChain, NasSecurityContext};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// A registered UE at a rest point, or with a promise made to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredUe {
    /// Who.
    pub imsi: Imsi,
    /// Its temporary identity.
    pub guti: Guti,
    /// A newer temporary identity that was promised and not yet confirmed: both are valid.
    pub pending_guti: Option<Guti>,
    /// ATTACH COMPLETE was received.
    pub registered: bool,
    /// Keys, algorithms and counts; the downlink count is a bound that was not passed.
    pub security: NasSecurityContext,
    /// UE network capability octets (TS 24.301 §9.9.3.34), as replayed in security mode.
    pub network_capability: Vec<u8>,
    /// MS network capability octets, if the UE sent them.
    pub ms_network_capability: Option<Vec<u8>>,
    /// UE additional security capability octets (TS 24.301 §9.9.3.53), if the UE sent them.
    pub additional_capability: Option<Vec<u8>>,
    /// Equipment.
    pub imei: Option<Imei>,
    /// Equipment with software version.
    pub imeisv: Option<Imeisv>,
    /// Areas the UE may move in without telling.
    pub areas: Vec<Tai>,
    /// Last cell.
    pub cell: Ecgi,
    /// UE-specific DRX cycle in radio frames.
    pub drx: Option<u16>,
    /// Radio capability octets.
    pub radio_capability: Option<Vec<u8>>,
    /// Radio connection, if there was one.
    pub radio: Option<StoredRadio>,
    /// Keys of the radio connection: where the next handover goes on (TS 33.401 §7.2.8.1).
    pub access_keys: Option<AccessKeyChain>,
    /// Aggregate maximum bit rate of the UE.
    pub ambr: Ambr,
    /// Sessions.
    pub sessions: Vec<StoredSession>,
    /// What it gave back a short while ago.
    pub resting: Vec<StoredRest>,
    /// Seconds since 1970 UTC of the last sign of life.
    pub last_seen: u64,
    /// The last refusal, for `basalt describe ue`.
    pub last_reject: Option<RejectInfo>,
}

/// A radio connection that outlives the daemon because its association does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRadio {
    /// Association.
    pub link: LinkId,
    /// The gateway's id.
    pub radio: SlotId,
    /// The base station's id.
    pub enb_id: EnbUeS1apId,
    /// SCTP stream of the connection.
    pub stream: u16,
}

/// An address and a tunnel that were given back: nobody else gets them before their rest is over, also when the gateway was
/// started again meanwhile (TS 33.250 §4.2.6.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRest {
    /// Network.
    pub apn: Apn,
    /// Address.
    pub address: UeAddress,
    /// The gateway's tunnel endpoint.
    pub teid: Teid,
    /// Seconds since 1970 UTC of the end of the rest.
    pub until: u64,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSession {
    /// Default bearer.
    pub ebi: Ebi,
    /// Network.
    pub apn: Apn,
    /// Address.
    pub address: UeAddress,
    /// Networks behind the phone.
    pub framed_routes: Vec<IpPrefix>,
    /// QoS of the default bearer.
    pub qos: BearerQos,
    /// Aggregate maximum bit rate.
    pub ambr: Ambr,
    /// The gateway's endpoint.
    pub local: (IpAddr, Teid),
    /// The base station's endpoint; `None` while idle.
    pub remote: Option<(IpAddr, Teid)>,
}

/// Rules and dedicated bearers of a UE's sessions: a record beside [`StoredUe`], that only those UEs have who have any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBearers {
    /// Whose.
    pub imsi: Imsi,
    /// By session.
    pub sessions: Vec<StoredSessionBearers>,
}

/// See [`StoredBearers`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSessionBearers {
    /// The session's default bearer.
    pub ebi: Ebi,
    /// The gateway's endpoint of the default bearer: what belongs to another life of the session is not taken over.
    pub teid: Teid,
    /// Rules in force.
    pub rules: Vec<ActiveRule>,
    /// Dedicated bearers that the UE has accepted.
    pub bearers: Vec<Bearer>,
}

/// A base station whose S1 is set up, by its association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLink {
    /// Association.
    pub link: LinkId,
    /// Who.
    pub enb: GlobalEnbId,
    /// Its name.
    pub name: Option<String>,
    /// Areas it serves.
    pub areas: Vec<Tai>,
    /// Default paging DRX in radio frames.
    pub drx: u16,
}
