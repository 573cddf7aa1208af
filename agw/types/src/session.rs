//! Sessions: a PDN connection of EPS and a PDU session of 5GS are one kind of value.

use crate::{
    ActiveRule, Bearer, BearerEndpoint, BearerFailure, BearerModify, BearerSetup, ForwardingTunnels, IpPrefix, Profile,
    UeAddress, UeId,
};
use basalt_ids::{Apn, Ebi, Qci, Teid};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Aggregate maximum bit rates in bit/s; `u64::MAX` means unlimited and is shown to the radio as its largest value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ambr {
    /// From the UE, bit/s.
    pub uplink: u64,
    /// To the UE, bit/s.
    pub downlink: u64,
}

impl Ambr {
    /// The lower rate of each direction.
    #[must_use]
    pub fn lesser(self, other: Self) -> Self {
        Self { uplink: self.uplink.min(other.uplink), downlink: self.downlink.min(other.downlink) }
    }

    /// The UE-AMBR in use: the sum over its access points, at most what is subscribed (TS 23.401 §4.7.3). Two sessions on one access point
    /// share its APN-AMBR. Without sessions, what is subscribed.
    #[must_use]
    pub fn of_ue<'s>(subscribed: Self, sessions: impl Iterator<Item = (&'s Apn, Self)>) -> Self {
        let mut points = BTreeMap::new();
        for (apn, ambr) in sessions {
            points.entry(apn).or_insert(ambr);
        }
        let sum = points.into_values().reduce(|sum, ambr| Self {
            uplink: sum.uplink.saturating_add(ambr.uplink),
            downlink: sum.downlink.saturating_add(ambr.downlink),
        });
        sum.map_or(subscribed, |sum| sum.lesser(subscribed))
    }

    /// What one of a UE's sessions may carry by itself, and what all of them may together where there are several: the rates of its access
    /// point and of its UE. The only one needs no second limit: it keeps within both by itself.
    #[must_use]
    pub fn of_session(self, ue: Self, several: bool) -> (Self, Option<Self>) {
        if several { (self, Some(ue)) } else { (self.lesser(ue), None) }
    }
}

/// Allocation and retention priority (TS 23.203 §6.1.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arp {
    /// 1 (highest) to 15.
    pub priority: u8,
    /// May take resources from others.
    pub may_preempt: bool,
    /// May lose resources to others.
    pub preemptable: bool,
}

/// QoS of a bearer without guaranteed rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BearerQos {
    /// Class.
    pub qci: Qci,
    /// Priority when resources are short.
    pub arp: Arp,
}

/// One PDN connection or PDU session with its default bearer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Default bearer (EPS).
    pub ebi: Ebi,
    /// Network it leads to.
    pub apn: Apn,
    /// Its address.
    pub address: UeAddress,
    /// Networks behind the phone.
    pub framed_routes: Vec<IpPrefix>,
    /// QoS of the default bearer.
    pub qos: BearerQos,
    /// Aggregate maximum bit rate of the session.
    pub ambr: Ambr,
    /// Where the gateway receives this session's GTP-U.
    pub local: (IpAddr, Teid),
    /// Where the base station receives it; `None` while idle.
    pub remote: Option<(IpAddr, Teid)>,
    /// The UE has confirmed it (ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT).
    pub confirmed: bool,
    /// Rules in force, in the order they came.
    pub rules: Vec<ActiveRule>,
    /// Dedicated bearers.
    pub bearers: Vec<Bearer>,
}

/// What mobility asks of the session room. Every request is answered at once, by zero or more replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SessionRequest {
    /// The UE attaches and sent this ESM message with it (PDN CONNECTIVITY REQUEST; plain octets). The UE is trusted.
    Attach {
        /// Who.
        ue: UeId,
        /// The ESM message container of ATTACH REQUEST.
        esm: Vec<u8>,
        /// What the subscriber may have.
        profile: Box<Profile>,
    },
    /// A later ESM message of a trusted UE (plain octets after deciphering).
    Uplink {
        /// Who.
        ue: UeId,
        /// The message.
        esm: Vec<u8>,
        /// What the subscriber may have.
        profile: Box<Profile>,
    },
    /// The base station set bearers up or moved them.
    Connected {
        /// Who.
        ue: UeId,
        /// Endpoints at the base station.
        bearers: Vec<BearerEndpoint>,
        /// Bearers that could not be set up: a default bearer's session ends, unless the UE becomes idle as a whole.
        failed: Vec<BearerFailure>,
        /// The path was switched: what a base station was asked before counts no more.
        switched: bool,
    },
    /// The base station changed the QoS of bearers, or could not.
    Modified {
        /// Who.
        ue: UeId,
        /// Bearers that changed.
        modified: Vec<Ebi>,
        /// Bearers that did not.
        failed: Vec<BearerFailure>,
    },
    /// The base station gave bearers up by itself.
    Dropped {
        /// Who.
        ue: UeId,
        /// Which.
        bearers: Vec<Ebi>,
    },
    /// The UE has no radio connection any more: tunnels go idle.
    Idle {
        /// Who.
        ue: UeId,
    },
    /// Bearers to put into a context setup for a UE that returns (service request, TAU with active flag).
    /// Answered by [`SessionReply::Resume`].
    Resume {
        /// Who.
        ue: UeId,
    },
    /// Bearers to put into a handover to another base station: those that stand. Answered by [`SessionReply::HandOver`].
    HandOver {
        /// Who.
        ue: UeId,
    },
    /// Data of bearers follows a UE to where it is handed over, by the gateway. Answered by [`SessionReply::Forward`].
    Forward {
        /// Who.
        ue: UeId,
        /// The target's tunnels.
        tunnels: Vec<ForwardingTunnels>,
    },
    /// A handover is over: its forwarding tunnels end at once, or a while after the UE has arrived.
    HandoverOver {
        /// Who.
        ue: UeId,
        /// It has.
        arrived: bool,
    },
    /// The UE told which bearers it still has (EPS bearer context status); others end without signalling.
    Synchronise {
        /// Who.
        ue: UeId,
        /// Bit n set: bearer n is active at the UE (n = 5 to 15).
        active: u16,
    },
    /// All sessions of the UE end without signalling (detach, purge, failed attach).
    Release {
        /// Who.
        ue: UeId,
    },
    /// One session shall end by the network's will: DEACTIVATE EPS BEARER CONTEXT REQUEST.
    Deactivate {
        /// Who.
        ue: UeId,
        /// Its default bearer.
        ebi: Ebi,
    },
    /// A guard timer of the session room (T3485, T3486, T3489, T3495) expired.
    Expired {
        /// Who.
        ue: UeId,
        /// Which.
        timer: crate::TimerName,
    },
}

/// What the session room answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SessionReply {
    /// Send this ESM message to the UE by itself (DOWNLINK NAS TRANSPORT).
    Send {
        /// Who.
        ue: UeId,
        /// Plain ESM octets, to be protected.
        esm: Vec<u8>,
    },
    /// The attach can be accepted: the default bearer stands ready.
    AttachReady {
        /// Who.
        ue: UeId,
        /// ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST, plain, for the ESM container of ATTACH ACCEPT.
        esm: Vec<u8>,
        /// The bearer for the radio, its `nas` still `None`.
        bearer: BearerSetup,
        /// New aggregate rate of the UE.
        ambr: Ambr,
    },
    /// The attach cannot be accepted (EMM cause #19, with this ESM message in the container).
    AttachRejected {
        /// Who.
        ue: UeId,
        /// PDN CONNECTIVITY REJECT, plain.
        esm: Vec<u8>,
        /// ESM cause value (TS 24.301 §9.9.4.4).
        cause: u8,
        /// Why, in words.
        reason: String,
    },
    /// A further session or a dedicated bearer stands ready: set its bearer up with this ESM message.
    BearerReady {
        /// Who.
        ue: UeId,
        /// Plain ESM octets, to be protected and delivered with the setup.
        esm: Vec<u8>,
        /// The bearer for the radio, its `nas` still `None`.
        bearer: BearerSetup,
        /// New aggregate rate of the UE, if it changes.
        ambr: Option<Ambr>,
    },
    /// Have the radio change a bearer's QoS, with this ESM message in it.
    BearerChanging {
        /// Who.
        ue: UeId,
        /// The bearer, its `nas` the plain ESM octets, to be protected.
        bearer: BearerModify,
    },
    /// Something can be said to the UE only when it is connected: call it.
    Call {
        /// Who.
        ue: UeId,
    },
    /// Release this bearer at the radio with this ESM message.
    BearerEnding {
        /// Who.
        ue: UeId,
        /// Plain ESM octets, to be protected and delivered with the release; `None` when the UE knows already.
        esm: Option<Vec<u8>>,
        /// Which bearers.
        bearers: Vec<Ebi>,
    },
    /// Answer to [`SessionRequest::Resume`]; empty when the UE has no session left.
    Resume {
        /// Who.
        ue: UeId,
        /// The bearers.
        bearers: Vec<BearerSetup>,
        /// All that the UE shall keep: the same, and those that it is being given.
        kept: Vec<Ebi>,
        /// Aggregate rate of the UE.
        ambr: Ambr,
    },
    /// Answer to [`SessionRequest::HandOver`]; without bearers when none stands.
    HandOver {
        /// Who.
        ue: UeId,
        /// The bearers.
        bearers: Vec<BearerSetup>,
        /// Aggregate rate of the UE.
        ambr: Ambr,
    },
    /// Answer to [`SessionRequest::Forward`]: the gateway's tunnels, of bearers for which it has any.
    Forward {
        /// Who.
        ue: UeId,
        /// Tunnels.
        tunnels: Vec<ForwardingTunnels>,
    },
    /// Sessions changed in a way that must survive a restart: mobility saves the UE at its next rest point or at once.
    Changed {
        /// Who.
        ue: UeId,
    },
    /// The last session ended by signalling while attached: the UE must be detached (EPS without PDN connection is not kept).
    LastSessionGone {
        /// Who.
        ue: UeId,
    },
    /// The UE confirmed its default bearer, or refused it.
    DefaultBearer {
        /// Who.
        ue: UeId,
        /// True for ACCEPT, false for REJECT.
        accepted: bool,
    },
}

/// The bit of EPS bearer context status for a bearer.
#[must_use]
pub const fn status_bit(ebi: Ebi) -> u16 {
    1 << ebi.value()
}
