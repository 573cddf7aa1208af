//! What is told to people: each event is one line of a UE's or base station's timeline.

use crate::{LinkId, UeAddress};
use basalt_ids::{Apn, Ebi, Ecgi, GlobalEnbId, Guti, Imsi, Tai};
use core::net::{IpAddr, Ipv4Addr};
use serde::{Deserialize, Serialize};

/// Something worth telling. `Debug` masks identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A base station's S1 is set up.
    EnbConnected {
        /// Which.
        enb: GlobalEnbId,
        /// Its name, if it gave one (cleaned of control characters).
        name: Option<String>,
        /// Association.
        link: LinkId,
        /// From where.
        peer: Option<IpAddr>,
        /// Areas it serves.
        areas: Vec<Tai>,
    },
    /// A base station was refused.
    EnbRefused {
        /// Which, as far as it could be read.
        enb: Option<GlobalEnbId>,
        /// From where.
        peer: Option<IpAddr>,
        /// Why, in words with the fix.
        reason: String,
    },
    /// A base station is gone.
    EnbLost {
        /// Which.
        enb: GlobalEnbId,
        /// How many phones were connected over it.
        connected_ues: u32,
    },
    /// A base station violated the protocol.
    EnbProtocolError {
        /// Association.
        link: LinkId,
        /// What, in words.
        what: String,
    },
    /// A UE attached.
    Attached {
        /// Who.
        imsi: Imsi,
        /// Its temporary identity.
        guti: Guti,
        /// Where.
        cell: Ecgi,
        /// From ATTACH REQUEST to ATTACH COMPLETE, microseconds.
        micros: u64,
    },
    /// A UE was refused, or its procedure failed.
    Rejected(RejectInfo),
    /// A UE is gone.
    Detached {
        /// Who.
        imsi: Imsi,
        /// By whom and why, in words.
        reason: String,
    },
    /// A UE went idle.
    Idle {
        /// Who.
        imsi: Imsi,
    },
    /// A UE is connected.
    Connected {
        /// Who.
        imsi: Imsi,
        /// Where.
        cell: Ecgi,
    },
    /// A session stands.
    SessionStarted {
        /// Whose.
        imsi: Imsi,
        /// Its default bearer.
        ebi: Ebi,
        /// Network.
        apn: Apn,
        /// Address.
        address: UeAddress,
    },
    /// A session ended.
    SessionEnded {
        /// Whose.
        imsi: Imsi,
        /// Its default bearer.
        ebi: Ebi,
        /// Why, in words.
        reason: String,
    },
    /// A UE has used most of its data plan.
    DataLow {
        /// Who.
        imsi: Imsi,
        /// Octets left.
        left: u64,
    },
    /// A UE has used up its data plan.
    DataUsedUp {
        /// Who.
        imsi: Imsi,
        /// bit/s that it is slowed to; `None`: nothing passes.
        slowed: Option<u64>,
    },
    /// The rules of a rating group have used most of their quota in a session.
    QuotaLow {
        /// Whose.
        imsi: Imsi,
        /// Which.
        rating_group: u32,
        /// Octets left.
        left: u64,
    },
    /// They have used it up.
    QuotaUsedUp {
        /// Whose.
        imsi: Imsi,
        /// Which.
        rating_group: u32,
        /// bit/s that they have together from now on; `None`: nothing of them passes.
        slowed: Option<u64>,
    },
    /// A base station's GTP-U endpoint does not answer Echo Requests any more (TS 29.281 §7.2.1).
    PathLost {
        /// Its address.
        peer: IpAddr,
    },
    /// It answers again.
    PathBack {
        /// Its address.
        peer: IpAddr,
    },
    /// Packets do not pass by one of the gateway's interfaces.
    InterfaceLost {
        /// Its name.
        name: String,
        /// What became of it, and what helps, in words.
        what: String,
    },
    /// They pass by it again, or it has another name.
    InterfaceBack {
        /// Its name.
        name: String,
        /// What became of it, in words.
        what: String,
    },
    /// A dedicated bearer stands.
    BearerStarted {
        /// Whose.
        imsi: Imsi,
        /// Its identity.
        ebi: Ebi,
        /// Class.
        qci: u8,
        /// Names of its rules.
        rules: Vec<String>,
    },
    /// A dedicated bearer ended.
    BearerEnded {
        /// Whose.
        imsi: Imsi,
        /// Its identity.
        ebi: Ebi,
        /// Why, in words.
        reason: String,
    },
    /// A rule cannot have its bearer.
    RuleRefused {
        /// Whose.
        imsi: Imsi,
        /// Its name.
        rule: String,
        /// Why, in words.
        reason: String,
    },
    /// A UE did not answer pages.
    PagingFailed {
        /// Who.
        imsi: Imsi,
        /// Pages sent.
        attempts: u8,
    },
    /// Something security staff wants to see: a replay, a bad MAC after security was on, a spoofed identity.
    Security {
        /// Who, if known.
        imsi: Option<Imsi>,
        /// What, in words.
        what: String,
    },
    /// A record or a map did not agree with the others and was repaired.
    Repaired {
        /// What, in words.
        what: String,
    },
    /// A UE got a block of ports of an external address, or has one not any more (RFC 6888 §4).
    PortBlock {
        /// Whose.
        imsi: Imsi,
        /// Its own address.
        inside: Ipv4Addr,
        /// The external address.
        outside: Ipv4Addr,
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
        /// Given, or else taken back.
        given: bool,
    },
}

/// Why a UE was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectInfo {
    /// Who, if it could be told.
    pub imsi: Option<Imsi>,
    /// During what: `attach`, `service request`, ...
    pub procedure: String,
    /// EMM cause value sent, if any.
    pub emm_cause: Option<u8>,
    /// ESM cause value sent, if any.
    pub esm_cause: Option<u8>,
    /// What went wrong, in words.
    pub reason: String,
    /// What an operator can do about it.
    pub advice: String,
    /// When, seconds since 1970 UTC.
    pub unix_secs: u64,
}
